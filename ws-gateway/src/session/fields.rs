//! Reads the fields of a JSON object by name, each with its rule; says all that is wrong at once.

use std::fmt;

use opentelemetry::trace::SpanContext;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{MapAccess, Visitor},
};
use serde_json::{Map, Value};
use telemetry::trace::{self, TRACEPARENT};

const TRACE: Text = Text { bytes_max: 64, rule: "must be a traceparent as of W3C Trace Context" };
/// At most this many broken rules are named, so that a refusal stays small whatever was sent.
const VIOLATIONS_MAX: usize = 8;
/// The first characters of a field's name that we repeat when we do not know the field.
const NAME_CHARS_MAX: usize = 64;

/// A field that breaks its rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Violation {
    pub(super) field: String,
    pub(super) rule: String,
}

/// What a text has to look like.
pub(super) struct Text {
    pub(super) bytes_max: usize,
    pub(super) rule: &'static str,
}

impl Text {
    /// Printable ASCII characters without spaces: safe in headers, logs and keys. Returns the text if it is so.
    pub(super) fn check<'a>(&self, value: &'a Value) -> Option<&'a str> {
        let text = value.as_str()?;
        let fits = (1..=self.bytes_max).contains(&text.len());
        (fits && text.bytes().all(|b| b.is_ascii_graphic())).then_some(text)
    }
}

/// The fields of a frame that are still to be read.
pub(super) struct Fields {
    values: Map<String, Value>,
    wrong: Vec<Violation>,
}

impl Fields {
    /// Fails with a sentence where the text is no JSON object at all.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| match error.is_data() {
            true => "a command must be a JSON object".to_owned(),
            false => format!("a command must be JSON: {error}"),
        })
    }

    /// A text that has to be there. Empty after a violation.
    pub(super) fn text(&mut self, field: &'static str, form: &Text) -> String {
        match self.values.remove(field) {
            Some(value) => self.checked(field, &value, form).unwrap_or_default(),
            None => {
                self.wrong(field, "is required");
                String::new()
            }
        }
    }

    /// A text that may be left out.
    pub(super) fn optional_text(&mut self, field: &'static str, form: &Text) -> Option<String> {
        let value = self.values.remove(field)?;
        self.checked(field, &value, form)
    }

    /// The trace that the client names, if it names one.
    pub(super) fn traceparent(&mut self) -> Option<SpanContext> {
        let text = self.optional_text(TRACEPARENT, &TRACE)?;
        let context = trace::parse(&text);
        if context.is_none() {
            self.wrong(TRACEPARENT, TRACE.rule);
        }
        context
    }

    fn checked(&mut self, field: &'static str, value: &Value, form: &Text) -> Option<String> {
        let text = form.check(value).map(str::to_owned);
        if text.is_none() {
            self.wrong(field, form.rule);
        }
        text
    }

    /// A list of 1 to `count_max` numbers that has to be there. Empty after a violation.
    pub(super) fn numbers(&mut self, field: &'static str, count_max: usize) -> Vec<u32> {
        let Some(value) = self.values.remove(field) else {
            self.wrong(field, "is required");
            return Vec::new();
        };
        let Some(list) = value.as_array().filter(|list| (1..=count_max).contains(&list.len())) else {
            self.wrong(field, &format!("must be a list of 1 to {count_max} seat ids"));
            return Vec::new();
        };
        let number = |value: &Value| value.as_u64().and_then(|number| u32::try_from(number).ok());
        list.iter().map(number).collect::<Option<_>>().unwrap_or_else(|| {
            self.wrong(field, "must hold whole numbers from 0 to 4294967295");
            Vec::new()
        })
    }

    /// Notes a broken rule.
    pub(super) fn wrong(&mut self, field: &str, rule: &str) {
        let field: String = field.chars().take(NAME_CHARS_MAX).collect();
        // One rule a field: the first that it breaks.
        if self.wrong.len() < VIOLATIONS_MAX && self.wrong.iter().all(|known| known.field != field) {
            self.wrong.push(Violation { field, rule: rule.to_owned() });
        }
    }

    /// What was wrong. Fields that nobody has read are wrong as well: a misspelt one must not be overlooked.
    pub(super) fn finish(mut self, owner: &str) -> Vec<Violation> {
        for field in std::mem::take(&mut self.values).keys() {
            self.wrong(field, &format!("is no field of {owner}"));
        }
        self.wrong
    }

    /// What was wrong, where the fields that were not read do not matter.
    pub(super) fn violations(self) -> Vec<Violation> {
        self.wrong
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            /// Refuses a field that stands twice: readers differ in which one they take.
            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Fields, A::Error> {
                let mut fields = Fields { values: Map::new(), wrong: Vec::new() };
                while let Some((field, value)) = entries.next_entry::<String, Value>()? {
                    if fields.values.insert(field.clone(), value).is_some() {
                        fields.wrong(&field, "must not stand twice");
                        fields.values.insert(field, Value::Null);
                    }
                }
                Ok(fields)
            }
        }

        deserializer.deserialize_map(Object)
    }
}
