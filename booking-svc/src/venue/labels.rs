//! Lists of labels: `1-32`, `1-31/2`, `W1-W4`, `A-H, J-N`, `12a`.

use std::collections::HashSet;

use crate::domain::LABEL_BYTES_MAX;

/// The most digits of a number in a range: far from overflow.
const DIGITS_MAX: usize = 9;

/// Why a text is not a list of labels.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LabelsError {
    /// Nothing before, between or after commas.
    #[error("a label is missing; write labels and ranges between commas, such as \"1-12, 14\"")]
    Missing,
    /// Neither two numbers with the same prefix nor two letters.
    #[error("{0:?} is not a range; write it as 1-12, 1-11/2 (odd numbers), 12-1, W1-W4 or A-H")]
    NotARange(String),
    /// The last label is stepped over.
    #[error("{0:?} steps over its last label; let the range end where a step does")]
    StepsOver(String),
    /// More than the place can take.
    #[error("more than {0} labels")]
    TooMany(usize),
    /// A label stands twice.
    #[error("{0:?} stands twice")]
    Twice(String),
    /// A label that no event takes. Not said here: it may be a whole file.
    #[error("a label has more than {LABEL_BYTES_MAX} bytes")]
    TooLong,
}

/// Spells the list out. At most `max` labels, none too long: looked at before any is made.
pub(super) fn expand(text: &str, max: usize) -> Result<Vec<String>, LabelsError> {
    let mut items = Vec::new();
    let mut count = 0;
    for text in text.split(',').map(str::trim) {
        let item = Item::parse(text)?;
        if item.bytes_max() > LABEL_BYTES_MAX {
            return Err(LabelsError::TooLong);
        }
        count += item.count();
        if count > max {
            return Err(LabelsError::TooMany(max));
        }
        items.push(item);
    }
    let labels: Vec<String> = items.iter().flat_map(Item::labels).collect();
    let mut seen = HashSet::with_capacity(labels.len());
    match labels.iter().find(|label| !seen.insert(label.as_str())) {
        Some(twice) => Err(LabelsError::Twice(twice.clone())),
        None => Ok(labels),
    }
}

/// A label, or a range of them.
enum Item<'a> {
    One(&'a str),
    Numbers { prefix: &'a str, ends: Ends },
    Letters(Ends),
}

/// First and last of a range, both in it.
struct Ends {
    first: u32,
    last: u32,
    step: u32,
}

impl<'a> Item<'a> {
    fn parse(text: &'a str) -> Result<Self, LabelsError> {
        if text.is_empty() {
            return Err(LabelsError::Missing);
        }
        let Some((first, rest)) = text.split_once('-') else { return Ok(Self::One(text)) };
        let bad = || LabelsError::NotARange(text.to_owned());
        let (last, step) = match rest.split_once('/') {
            Some((last, step)) => (last, number(step).filter(|&step| step > 0).ok_or_else(bad)?),
            None => (rest, 1),
        };
        let (first, last) = (first.trim(), last.trim());
        let ends = |first, last| Ends { first, last, step };
        let item = match (letter(first), letter(last)) {
            (Some(first), Some(last)) => Self::Letters(ends(first, last)),
            _ => {
                let (prefix, first) = split_number(first).ok_or_else(bad)?;
                let (same, last) = split_number(last).ok_or_else(bad)?;
                if prefix != same {
                    return Err(bad());
                }
                Self::Numbers { prefix, ends: ends(first, last) }
            }
        };
        if item.ends().is_some_and(|ends| !ends.meet()) {
            return Err(LabelsError::StepsOver(text.to_owned()));
        }
        Ok(item)
    }

    fn ends(&self) -> Option<&Ends> {
        match self {
            Self::One(_) => None,
            Self::Numbers { ends, .. } | Self::Letters(ends) => Some(ends),
        }
    }

    fn count(&self) -> usize {
        self.ends().map_or(1, Ends::count)
    }

    /// The length of the longest label.
    fn bytes_max(&self) -> usize {
        match self {
            Self::One(label) => label.len(),
            Self::Numbers { prefix, ends } => {
                let digits = ends.first.max(ends.last).checked_ilog10().unwrap_or(0) + 1;
                prefix.len() + digits as usize
            }
            Self::Letters(_) => 1,
        }
    }

    fn labels(&self) -> Vec<String> {
        match self {
            Self::One(label) => vec![(*label).to_owned()],
            Self::Numbers { prefix, ends } => ends.values().map(|n| format!("{prefix}{n}")).collect(),
            Self::Letters(ends) => ends.values().filter_map(char::from_u32).map(String::from).collect(),
        }
    }
}

impl Ends {
    fn meet(&self) -> bool {
        self.first.abs_diff(self.last).is_multiple_of(self.step)
    }

    fn count(&self) -> usize {
        (self.first.abs_diff(self.last) / self.step) as usize + 1
    }

    fn values(&self) -> impl Iterator<Item = u32> {
        let up = self.first <= self.last;
        (0..self.count() as u32).map(
            move |n| {
                if up { self.first + n * self.step } else { self.first - n * self.step }
            },
        )
    }
}

fn letter(text: &str) -> Option<u32> {
    match text.as_bytes() {
        [letter @ b'A'..=b'Z'] => Some(u32::from(*letter)),
        _ => None,
    }
}

/// A prefix without digits, and a number.
fn split_number(text: &str) -> Option<(&str, u32)> {
    let digits = text.find(|c: char| c.is_ascii_digit())?;
    let (prefix, digits) = text.split_at(digits);
    Some((prefix, number(digits)?))
}

/// A number as one writes it: a leading zero would be lost.
fn number(text: &str) -> Option<u32> {
    let plain = text.len() <= DIGITS_MAX
        && text.bytes().all(|b| b.is_ascii_digit())
        && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spelled(text: &str) -> String {
        expand(text, 100).unwrap().join(" ")
    }

    #[test]
    fn lists_are_spelled_out() {
        assert_eq!(spelled("1-4"), "1 2 3 4");
        assert_eq!(spelled("1-7/2, 8-2/2"), "1 3 5 7 8 6 4 2");
        assert_eq!(spelled("A-C, E"), "A B C E");
        assert_eq!(spelled(" W9-W11 ,7a"), "W9 W10 W11 7a");
        assert_eq!(spelled("5-5"), "5");
        assert_eq!(spelled("01"), "01");
    }

    #[test]
    fn what_is_no_list_is_refused_by_name() {
        for text in ["", " ", "1,,2", "1-3,"] {
            assert_eq!(expand(text, 100), Err(LabelsError::Missing), "{text:?}");
        }
        for text in [
            "1-",
            "-1",
            "1-B",
            "A-5",
            "a-c",
            "1-2-3",
            "1-9/0",
            "1-9/",
            "01-09",
            "W1-X3",
            "é-ü",
            "1-1000000000",
        ] {
            assert_eq!(expand(text, 100), Err(LabelsError::NotARange(text.into())), "{text:?}");
        }
        assert_eq!(expand("1-32/2", 100), Err(LabelsError::StepsOver("1-32/2".into())));
        assert_eq!(expand("1-3, 2", 100), Err(LabelsError::Twice("2".into())));
    }

    #[test]
    fn a_range_is_counted_before_it_is_made() {
        assert_eq!(expand("1-100", 100).map(|labels| labels.len()), Ok(100));
        assert_eq!(expand("1-101", 100), Err(LabelsError::TooMany(100)));
        assert_eq!(expand("0-999999999", 100), Err(LabelsError::TooMany(100)));
        assert!(expand("1-4000000000", 100).is_err());
        assert_eq!(expand(&["1-60", "61-120"].join(","), 100), Err(LabelsError::TooMany(100)));
    }

    #[test]
    fn a_label_is_measured_before_its_range_is_made() {
        // A range of a thousand such labels, in each of a hundred rows, would fill the memory.
        let long = "x".repeat(LABEL_BYTES_MAX);
        let fits = &long[3..];
        assert_eq!(expand(&long, 100).map(|labels| labels.len()), Ok(1));
        assert_eq!(expand(&format!("{fits}100-{fits}1"), 100).map(|labels| labels.len()), Ok(100));
        assert_eq!(expand(&format!("{long}x"), 100), Err(LabelsError::TooLong));
        assert_eq!(expand(&format!("{fits}x100-{fits}x1"), 100), Err(LabelsError::TooLong));
        assert_eq!(expand(&format!("{long}1-{long}100"), 100), Err(LabelsError::TooLong));
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in "[0-9A-Zaé,/ -]{0,40}") {
            if let Ok(labels) = expand(&text, 50) {
                prop_assert!((1..=50).contains(&labels.len()));
            }
        }

        #[test]
        fn a_range_has_its_ends_and_its_steps(first in 0u32..500, count in 1u32..80, step in 1u32..9, down: bool) {
            let last = first + (count - 1) * step;
            let (from, to) = if down { (last, first) } else { (first, last) };
            let labels = expand(&format!("{from}-{to}/{step}"), 80).unwrap();
            let mut numbers: Vec<u32> = labels.iter().map(|label| label.parse().unwrap()).collect();
            if down {
                numbers.reverse();
            }
            prop_assert_eq!(numbers, (0..count).map(|n| first + n * step).collect::<Vec<_>>());
        }
    }
}
