//! Holds `asyncapi.yaml` and the code together: what the document says is what goes over the socket, and the reverse.

use std::collections::BTreeSet;

use jsonschema::Validator;
use prost_types::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};
use ticketengine::v1::{SeatChanges, SeatStates, SeatsHeartbeat};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::{
    Hello,
    booking_stub::{held, time},
    close::End,
    command::{OPS, decode, tests as commands},
    refusal::Refusal,
    reply::{Answer, Booking, Frame, Reservation},
};
use crate::rooms::{Encoding, frames};

const DOCUMENT: &str = include_str!("../../asyncapi.yaml");
const GUIDE: &str = include_str!("../../../docs/websocket.md");

/// The document; its schemas allow no field that they do not name, so that a new one has to be written down.
fn document() -> Value {
    let mut document: Value = serde_saphyr::from_str(DOCUMENT).unwrap();
    for schema in document["components"]["schemas"].as_object_mut().unwrap().values_mut() {
        if schema.get("properties").is_some() {
            schema["additionalProperties"] = json!(false);
        }
    }
    document
}

fn messages(document: &Value) -> &Map<String, Value> {
    document["components"]["messages"].as_object().unwrap()
}

fn validator(document: &Value, message: &str) -> Validator {
    let payload = &document["components"]["messages"][message]["payload"];
    let schema = json!({"allOf": [payload], "components": document["components"]});
    jsonschema::draft7::new(&schema).unwrap()
}

fn check(document: &Value, message: &str, payload: &Value) {
    if let Err(error) = validator(document, message).validate(payload) {
        panic!("{message}: {error} at {} of {payload}", error.instance_path());
    }
}

/// The names of the messages whose payload has this field, such as `op`, with a fixed value: that of the message.
fn named_by(document: &Value, field: &str) -> BTreeSet<String> {
    let names = messages(document).keys().filter(|name| {
        let mut values = BTreeSet::new();
        constants(
            document,
            &document["components"]["messages"][name.as_str()]["payload"],
            field,
            &mut values,
        );
        assert!(values.is_empty() || values == BTreeSet::from([(*name).clone()]), "{name}: {values:?}");
        !values.is_empty()
    });
    names.cloned().collect()
}

fn resolve<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema.get("$ref") {
        Some(reference) => {
            let pointer = reference.as_str().unwrap().trim_start_matches('#');
            resolve(document, document.pointer(pointer).expect(pointer))
        }
        None => schema,
    }
}

/// The schemas that a schema is put together from, itself included.
fn parts<'a>(document: &'a Value, schema: &'a Value) -> Vec<&'a Value> {
    let schema = resolve(document, schema);
    let more = ["allOf", "anyOf"].into_iter().filter_map(|key| schema.get(key)?.as_array()).flatten();
    let more = more.flat_map(|part| parts(document, part));
    [schema].into_iter().chain(more).collect()
}

fn constants(document: &Value, schema: &Value, field: &str, values: &mut BTreeSet<String>) {
    for part in parts(document, schema) {
        let value = part.pointer(&format!("/properties/{field}/const"));
        values.extend(value.map(|value| value.as_str().unwrap().to_owned()));
    }
}

/// Every field that a schema has, as a path.
fn schema_paths(document: &Value, schema: &Value, at: &str, paths: &mut BTreeSet<String>) {
    for part in parts(document, schema) {
        for (field, schema) in part.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let at = format!("{at}/{field}");
            schema_paths(document, schema, &at, paths);
            paths.insert(at);
        }
        if let Some(items) = part.get("items") {
            schema_paths(document, items, at, paths);
        }
    }
}

/// Every field that a value has. What is in `metadata` is data.
fn value_paths(value: &Value, at: &str, paths: &mut BTreeSet<String>) {
    for (field, value) in value.as_object().into_iter().flatten() {
        let at = format!("{at}/{field}");
        if field != "metadata" {
            value_paths(value, &at, paths);
        }
        paths.insert(at);
    }
    for value in value.as_array().into_iter().flatten() {
        value_paths(value, at, paths);
    }
}

fn json(frame: &impl Serialize) -> Value {
    serde_json::to_value(frame).unwrap()
}

/// Every way that a session can end.
fn ends() -> Vec<End> {
    let after = |end| match end {
        End::Peer => Some(End::Protocol),
        End::Protocol => Some(End::Binary),
        End::Binary => Some(End::NotText),
        End::NotText => Some(End::TooBig),
        End::TooBig => Some(End::Restart),
        End::Restart => Some(End::SlowReader),
        End::SlowReader => Some(End::Silent),
        End::Silent => Some(End::Flood),
        End::Flood => Some(End::EventGone),
        End::EventGone => None,
    };
    std::iter::successors(Some(End::Peer), |end| after(*end)).collect()
}

/// The payload of a frame as it goes over the wire.
fn payload(frame: &[u8]) -> Value {
    let header = match frame[1] {
        0..126 => 2,
        126 => 4,
        _ => 10,
    };
    serde_json::from_slice(&frame[header..]).unwrap()
}

fn shared_frames() -> Vec<Value> {
    let at =
        |version| SeatChanges { epoch: 7, after_version: version - 1, version, ..SeatChanges::default() };
    let lists = SeatChanges { free: vec![0], held: vec![1, 2], sold: vec![3], blocked: vec![4], ..at(9) };
    let snapshot = SeatStates { epoch: 7, version: 9, packed: vec![0b00_01_10_11, 0b01_00_00_00] };
    let as_of_time = Some(Timestamp { seconds: 1_764_000_000, nanos: 5_000_000 });
    let heartbeat = SeatsHeartbeat { epoch: 7, version: 9, checksum: u32::MAX, as_of_time, stale: false };
    let stale = SeatsHeartbeat { stale: true, ..heartbeat };
    let unknown = SeatsHeartbeat { stale: true, ..SeatsHeartbeat::default() };
    let json = Encoding::Json;
    let frames = [
        frames::snapshot(json, snapshot, 5),
        frames::snapshot(json, SeatStates { packed: vec![0; 500], ..SeatStates::default() }, 2_000),
        frames::changes(json, lists),
        frames::changes(json, at(9)),
        frames::heartbeat(json, heartbeat),
        frames::heartbeat(json, stale),
        frames::heartbeat(json, unknown),
    ];
    frames.iter().map(|frame| payload(frame)).collect()
}

fn refusals() -> Vec<Refusal> {
    let mut details =
        ErrorDetails::with_error_info("SEAT_UNAVAILABLE", "ticketengine", [("a".into(), "b".into())]);
    details.add_precondition_failure_violation(
        "SEAT_UNAVAILABLE/HELD",
        "1",
        "held until 2027-03-01T19:00:00Z",
    );
    details.add_precondition_failure_violation("SEAT_UNAVAILABLE/SOLD", "2", "sold");
    details.add_precondition_failure_violation("SEAT_UNAVAILABLE/BLOCKED", "3", "not for sale");
    details.add_precondition_failure_violation("SEAT_UNAVAILABLE/FREE", "4", "taken a moment ago");
    details.add_bad_request_violation("seat_ids", "names seat 1 twice");
    details.set_retry_info(Some(std::time::Duration::from_secs(1)));
    details.set_request_info("0af7651916cd43dd8448eb211c80319c", "");
    let refused = commands::broken_commands().into_iter().map(|(broken, ..)| decode(&broken.to_string()));
    let own = [
        Refusal::from(Status::with_error_details(Code::FailedPrecondition, "taken", details)),
        Refusal::from(Status::unknown("gone")),
        Refusal::unauthenticated("no"),
        Refusal::overloaded(4),
        Refusal::not_of_this_event("arena.1.1"),
        Refusal::unreadable(),
    ];
    refused.filter_map(Result::err).map(Refusal::from).chain(own).collect()
}

fn private_frames() -> Vec<Value> {
    let reservations: Vec<_> = (1..=7)
        .map(|state| ticketengine::v1::Reservation {
            state,
            ..held("theatre.1.1", std::time::Duration::ZERO)
        })
        .filter_map(Reservation::read)
        .collect();
    assert_eq!(reservations.len(), 7);
    let booking = |state| ticketengine::v1::Booking {
        booking_id: "theatre.1.1".into(),
        seat_ids: vec![1],
        state,
        create_time: Some(time(0)),
        ..ticketengine::v1::Booking::default()
    };
    let reservation = reservations[0].clone();
    let mut answers = vec![
        Answer::Customer { customer_id: "ann".into() },
        Answer::Hold { reservation: reservation.clone(), reservation_token: "t".into() },
        Answer::Reservation { reservation },
    ];
    answers.extend(
        (1..=2).filter_map(|state| Booking::read(booking(state))).map(|booking| Answer::Booking { booking }),
    );
    answers.extend(refusals().into_iter().map(Answer::from));
    let replies = answers.into_iter().map(|answer| Frame::Reply { id: Some("c1".into()), answer });
    let without_id = Frame::Reply { id: None, answer: Refusal::unauthenticated("no").into() };
    let news = reservations.into_iter().map(|reservation| Frame::Reservation { reservation });
    let mut frames: Vec<Value> = replies.chain([without_id]).chain(news).map(|frame| json(&frame)).collect();
    frames.push(json(&Hello { event_id: "theatre", heartbeat_ms: 15_000 }));
    frames.extend(
        ends().iter().filter_map(|end| end.goodbye()).map(|text| serde_json::from_str(&text).unwrap()),
    );
    frames
}

#[test]
fn the_document_is_whole() {
    let document = document();
    let names: BTreeSet<_> = messages(&document).keys().collect();
    let channel = document["channels"]["seats"]["messages"].as_object().unwrap();
    assert_eq!(channel.keys().collect::<BTreeSet<_>>(), names);
    let operations: Vec<&Value> = document["operations"].as_object().unwrap().values().collect();
    let listed =
        operations.iter().flat_map(|operation| [&operation["messages"], &operation["reply"]["messages"]]);
    let listed = listed.filter_map(Value::as_array).flatten();
    let used: BTreeSet<_> =
        listed.map(|message| resolve(&document, message)["title"].clone().to_string()).collect();
    let titles = messages(&document).values().map(|message| message["title"].to_string());
    assert_eq!(used, titles.collect());
    let mut all = Vec::new();
    references(&document, &mut all);
    for reference in &all {
        assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
    }
    for schema in document["components"]["schemas"].as_object().unwrap().keys() {
        assert!(all.contains(&format!("#/components/schemas/{schema}")), "{schema} is not used");
    }
}

fn references(value: &Value, all: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            all.extend(fields.get("$ref").map(|reference| reference.as_str().unwrap().to_owned()));
            fields.values().for_each(|value| references(value, all));
        }
        Value::Array(values) => values.iter().for_each(|value| references(value, all)),
        _ => {}
    }
}

#[test]
fn every_example_is_valid() {
    let document = document();
    for (name, message) in messages(&document).iter().filter(|(name, _)| *name != "binary") {
        let examples = message["examples"].as_array().expect(name);
        assert!(!examples.is_empty(), "{name}");
        examples.iter().for_each(|example| check(&document, name, &example["payload"]));
    }
}

#[test]
fn every_frame_is_as_documented_and_every_documented_field_is_sent() {
    let document = document();
    let frames: Vec<_> = shared_frames().into_iter().chain(private_frames()).collect();
    let documented = named_by(&document, "type");
    for name in &documented {
        let (mut sent, mut written) = (BTreeSet::new(), BTreeSet::new());
        for frame in frames.iter().filter(|frame| frame["type"] == **name) {
            check(&document, name, frame);
            value_paths(frame, "", &mut sent);
        }
        schema_paths(
            &document,
            &json!({"$ref": format!("#/components/messages/{name}/payload")}),
            "",
            &mut written,
        );
        assert_eq!(sent, written, "{name}");
    }
    let sent: BTreeSet<_> = frames.iter().map(|frame| frame["type"].as_str().unwrap().to_owned()).collect();
    assert_eq!(sent, documented);
}

#[test]
fn the_decoder_takes_what_is_documented_and_nothing_else() {
    let document = document();
    assert_eq!(named_by(&document, "op"), OPS.into_iter().map(str::to_owned).collect());
    for op in OPS {
        for example in messages(&document)[op]["examples"].as_array().unwrap() {
            let decoded = decode(&example["payload"].to_string());
            assert!(decoded.is_ok(), "{decoded:?}");
        }
    }
    let valid = commands::valid_commands();
    let fields: Map<String, Value> =
        valid.iter().flat_map(|command| command.as_object().unwrap().clone()).collect();
    let agree = |op: &str, command: &Value| {
        let documented = validator(&document, op).is_valid(command);
        assert_eq!(documented, decode(&command.to_string()).is_ok(), "{command}");
    };
    for command in &valid {
        let op = command["op"].as_str().unwrap();
        check(&document, op, command);
        for (field, value) in fields.iter().chain([(&"color".to_owned(), &json!(1))]) {
            let mut other = command.clone();
            other.as_object_mut().unwrap().remove(field);
            agree(op, &other);
            if field != "op" {
                other[field] = value.clone();
                agree(op, &other);
            }
        }
    }
    for (broken, _, command) in commands::broken_commands() {
        agree(command["op"].as_str().unwrap(), &broken);
    }
}

#[test]
fn the_close_codes_are_the_documented_ones() {
    let document = document();
    let listed = document["channels"]["seats"]["x-close-codes"].as_array().unwrap();
    let documented: BTreeSet<_> =
        listed.iter().map(|row| (row["code"].as_u64().unwrap(), row["reason"].as_str().unwrap())).collect();
    let frames: Vec<_> = ends().into_iter().filter_map(End::close_frame).collect();
    let ours: BTreeSet<_> =
        frames.iter().map(|frame| (u64::from(u16::from(frame.code)), frame.reason.as_str())).collect();
    assert_eq!(ours, documented);
    for row in listed {
        let come_back = !(4_500..5_000).contains(&row["code"].as_u64().unwrap());
        assert_eq!(row["come_back"], come_back, "{row}");
    }
}

#[test]
fn the_guide_names_everything() {
    let document = document();
    let codes =
        ends().into_iter().filter_map(End::close_frame).map(|frame| u16::from(frame.code).to_string());
    let names = named_by(&document, "type").into_iter().chain(named_by(&document, "op"));
    for name in codes.chain(names) {
        assert!(GUIDE.contains(&format!("`{name}`")), "{name}");
    }
}
