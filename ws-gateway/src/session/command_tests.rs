use proptest::{
    collection::vec,
    prelude::{Just, ProptestConfig, Strategy, any, prop_oneof},
    prop_assert, prop_assert_eq, proptest,
    sample::{Index, select},
};
use serde_json::{Value, json};

use super::*;

/// One of each.
pub(in crate::session) fn valid_commands() -> [Value; 6] {
    let id = "rock-2026.7.123";
    [
        json!({"op": "authenticate", "id": "c1", "token": "aaaa.bbbb.cccc"}),
        json!({"op": "reserve", "id": "c2", "request_id": "r-1", "seat_ids": [4, 0, 4294967295_u32]}),
        json!({"op": "extend", "id": "c3", "reservation_id": id, "reservation_token": "t"}),
        json!({"op": "release", "id": "c4", "reservation_id": id}),
        json!({"op": "confirm", "id": "c5", "reservation_id": id, "payment_reference": "pay_1",
            "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}),
        json!({"op": "follow", "id": "c6", "reservation_id": id}),
    ]
}

fn refusal(text: &str) -> Refused {
    decode(text).expect_err(text)
}

#[test]
fn each_op_decodes() {
    for (op, command) in OPS.iter().zip(valid_commands()) {
        assert_eq!(command["op"], **op);
        decode(&command.to_string()).expect(op);
    }
    let claim = Claim { reservation_id: "rock-2026.7.123".into(), token: Some("t".into()) };
    let [_, reserve, extend, ..] = valid_commands();
    let call = Call::Reserve { request_id: "r-1".into(), seat_ids: vec![4, 0, u32::MAX] };
    let expected = Request { id: "c2".into(), command: Command::Call(call), traceparent: None };
    assert_eq!(decode(&reserve.to_string()), Ok(expected));
    let expected =
        Request { id: "c3".into(), command: Command::Call(Call::Extend(claim)), traceparent: None };
    assert_eq!(decode(&extend.to_string()), Ok(expected));
}

#[test]
fn every_field_that_is_required_is_missed() {
    for command in valid_commands() {
        let optional = ["reservation_token", "traceparent"];
        for field in command.as_object().unwrap().keys().filter(|field| !optional.contains(&field.as_str())) {
            let mut without = command.clone();
            without.as_object_mut().unwrap().remove(field);
            let refused = refusal(&without.to_string());
            let rules: Vec<_> = refused.fields.iter().map(|wrong| (&*wrong.field, &*wrong.rule)).collect();
            assert_eq!(rules, [(field.as_str(), "is required")], "{command}");
            assert_eq!(refused.message, format!("{field} is required"));
            assert_eq!(refused.id.as_deref(), command["id"].as_str().filter(|_| field != "id"));
        }
    }
}

/// A command with one field that breaks its rule, the field, and the command as it was.
pub(in crate::session) fn broken_commands() -> Vec<(Value, &'static str, Value)> {
    let [authenticate, reserve, extend, _, confirm, _] = valid_commands();
    let long = |length: usize| json!("x".repeat(length));
    let seats = |count: usize| json!(vec![1; count]);
    let table = [
        (&reserve, "id", json!("")),
        (&reserve, "id", long(65)),
        (&reserve, "id", json!("a b")),
        (&reserve, "id", json!("é")),
        (&reserve, "id", json!("a\0")),
        (&reserve, "id", json!(7)),
        (&reserve, "id", json!(null)),
        (&reserve, "op", json!("Reserve")),
        (&reserve, "op", json!(["reserve"])),
        (&reserve, "op", json!({"reserve": {}})),
        (&reserve, "request_id", long(65)),
        (&reserve, "seat_ids", json!([])),
        (&reserve, "seat_ids", seats(51)),
        (&reserve, "seat_ids", json!([-1])),
        (&reserve, "seat_ids", json!([1.5])),
        (&reserve, "seat_ids", json!([4_294_967_296_u64])),
        (&reserve, "seat_ids", json!(["1"])),
        (&reserve, "seat_ids", json!([[1]])),
        (&reserve, "seat_ids", json!(1)),
        (&reserve, "customer_id", json!("bob")),
        (&reserve, "traceparent", json!("00-0-0-01")),
        (&extend, "reservation_id", long(129)),
        (&extend, "reservation_token", json!(null)),
        (&extend, "reservation_token", long(RESERVATION_TOKEN_BYTES_MAX + 1)),
        (&confirm, "payment_reference", long(129)),
        (&authenticate, "token", long(ACCESS_TOKEN_BYTES_MAX + 1)),
        (&authenticate, "token", json!("a\r\nb")),
        (&authenticate, "seat_ids", json!([1])),
    ];
    let broken = |(command, field, value): (&Value, &'static str, Value)| {
        let mut broken = command.clone();
        broken[field] = value;
        (broken, field, command.clone())
    };
    table.map(broken).into()
}

#[test]
fn fields_that_break_their_rule_are_named() {
    for (broken, field, command) in broken_commands() {
        let refused = refusal(&broken.to_string());
        assert_eq!(refused.fields.len(), 1, "{broken}");
        assert_eq!(refused.fields[0].field, field, "{broken}");
        assert_eq!(refused.id.as_deref(), command["id"].as_str().filter(|_| field != "id"), "{broken}");
    }
    refusal(r#"{"op":"reserve","id":"c","request_id":"r","seat_ids":[1.0]}"#);
}

#[test]
fn the_longest_commands_fit() {
    let [mut longest, mut most, ..] = valid_commands();
    longest["token"] = json!("x".repeat(ACCESS_TOKEN_BYTES_MAX));
    let text = longest.to_string();
    let message_bytes_max = crate::session::socket::config().max_message_size.unwrap();
    assert!(text.len() < message_bytes_max && decode(&text).is_ok());
    most["seat_ids"] = json!(vec![1; SEATS_PER_RESERVATION_MAX]);
    assert!(decode(&most.to_string()).is_ok());
}

#[test]
fn texts_that_are_no_command_are_refused() {
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(5_000), close.repeat(5_000));
    let texts = [
        "",
        " ",
        "\0",
        "null",
        "7",
        "\"reserve\"",
        "[]",
        "[{\"op\":\"follow\"}]",
        "{",
        "{}",
        "{}{}",
        "{\"op\":}",
        "{'op':'follow'}",
        "{\"op\":\"follow\",}",
        "{\"id\":\"\\ud800\"}",
        "{\"id\":\"\\udc00\\ud800\"}",
        "{\"id\":\"\\u0000\",\"op\":\"follow\"}",
        "{\"id\":\"\u{1}\"}",
        "{\"seat_ids\":[1e999]}",
        "{\"seat_ids\":[-1e999],\"op\":\"reserve\"}",
        "{\"op\":\"reserve\",\"seat_ids\":[99999999999999999999999999999999999999]}",
        "{\"seat_ids\":[NaN]}",
        "{\"seat_ids\":[0x10]}",
        "{\"seat_ids\":[01]}",
        "\u{feff}{}",
        &deep("[", "]"),
        &deep("{\"a\":", "}"),
        &format!("{{\"id\":{}}}", deep("[", "]")),
        &format!("\"{}\"", "x".repeat(16_000)),
        &format!("{{\"{}\":1}}", "x".repeat(16_000)),
        &format!("{{{}\"z\":1}}", (0..999).map(|n| format!("\"f{n}\":{n},")).collect::<String>()),
    ];
    for text in texts {
        let refused = refusal(text);
        assert_eq!(refused.id, None, "{text:.80}");
        assert!(!refused.message.is_empty() && refused.message.len() < 2_000, "{text:.80}: {refused:?}");
    }
}

#[test]
fn a_field_that_stands_twice_is_refused() {
    let refused = refusal(r#"{"op":"follow","id":"c","reservation_id":"a.1.2","reservation_id":"a.1.3"}"#);
    assert_eq!(refused.message, "reservation_id must not stand twice");
    assert_eq!(refused.id.as_deref(), Some("c"));
    let refused = refusal(r#"{"op":"follow","id":"c","id":"d","reservation_id":"a.1.2"}"#);
    assert_eq!((refused.message.as_str(), refused.id), ("id must not stand twice", None));
}

#[test]
fn several_mistakes_are_told_at_once_and_bounded() {
    let refused = refusal(r#"{"op":"reserve","id":"c","request_id":"","seat_ids":[],"color":1}"#);
    let fields: Vec<_> = refused.fields.iter().map(|wrong| wrong.field.as_str()).collect();
    assert_eq!(fields, ["request_id", "seat_ids", "color"]);
    assert!(refused.message.ends_with("; color is no field of reserve"), "{}", refused.message);
    let many: String = (0..500).map(|n| format!(",\"{n}{}\":1", "x".repeat(99))).collect();
    let refused = refusal(&format!("{{\"op\":\"follow\",\"id\":\"c\",\"reservation_id\":\"a\"{many}}}"));
    assert_eq!(refused.fields.len(), 8);
    assert!(refused.fields.iter().all(|wrong| wrong.field.len() <= 64));
}

/// What JSON can hold, nested a little.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[!-~]{0,70}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec((any::<String>(), inner), 0..6).prop_map(|fields| fields.into_iter().collect()),
        ]
    })
}

/// Refused in a few words, or a command whose parts keep their rules.
fn holds(text: &str) -> Result<(), proptest::test_runner::TestCaseError> {
    match decode(text) {
        Ok(Request { id, command, .. }) => {
            prop_assert!((1..=64).contains(&id.len()) && id.is_ascii());
            if let Command::Call(Call::Reserve { seat_ids, .. }) = command {
                prop_assert!((1..=SEATS_PER_RESERVATION_MAX).contains(&seat_ids.len()));
            }
        }
        Err(refused) => {
            prop_assert!(refused.id.is_none_or(|id| (1..=64).contains(&id.len()) && id.is_ascii()));
            prop_assert!(!refused.message.is_empty() && refused.message.len() < 4_000);
            prop_assert!(refused.fields.len() <= 8);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8_000))]

    #[test]
    fn no_text_brings_the_decoder_down(text in any::<String>()) {
        holds(&text)?;
    }

    #[test]
    fn no_bytes_bring_the_decoder_down(bytes in vec(any::<u8>(), 0..300)) {
        holds(&String::from_utf8_lossy(&bytes))?;
    }

    #[test]
    fn no_damaged_command_brings_the_decoder_down(
        command in select(valid_commands().to_vec()),
        damage in vec((any::<Index>(), any::<u8>(), 0..3_u8), 1..4),
    ) {
        let mut bytes = command.to_string().into_bytes();
        for (at, byte, how) in damage {
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => bytes.truncate(at.max(1)),
            }
        }
        holds(&String::from_utf8_lossy(&bytes))?;
    }

    #[test]
    fn no_wrong_value_brings_the_decoder_down(
        command in select(valid_commands().to_vec()),
        field in select(vec!["op", "id", "token", "request_id", "seat_ids", "reservation_id", "x"]),
        value in anything(),
    ) {
        let mut command = command;
        command[field] = value;
        holds(&command.to_string())?;
    }

    #[test]
    fn what_is_well_formed_decodes(
        id in "[!-~]{1,64}",
        request_id in "[!-~]{1,64}",
        seat_ids in vec(any::<u32>(), 1..=50),
    ) {
        let text = json!({"op": "reserve", "id": id, "request_id": request_id, "seat_ids": seat_ids}).to_string();
        let command = Command::Call(Call::Reserve { request_id, seat_ids });
        prop_assert_eq!(decode(&text), Ok(Request { id, command, traceparent: None }));
    }
}
