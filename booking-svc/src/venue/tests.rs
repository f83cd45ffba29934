use std::collections::{HashMap, HashSet};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn house(sections: &Value) -> Value {
    json!({
        "event_id": "play", "name": "A play", "venue_name": "A house", "currency": "EUR",
        "price_categories": [{"name": "Near", "price_minor": 5000}, {"name": "Far", "price_minor": 2000}],
        "sections": sections,
    })
}

fn load_house(file: &Value) -> Result<NewEvent, Error> {
    parse(file.to_string().as_bytes())
}

fn one_row(row: &Value) -> Result<NewEvent, Error> {
    load_house(&house(&json!([{"name": "Stalls", "price": "Near", "rows": [row]}])))
}

fn refusal(row: &Value) -> String {
    one_row(row).unwrap_err().to_string()
}

fn places(event: &NewEvent) -> Vec<(i32, i32)> {
    event.layout.seats().map(|(_, _, _, seat)| (seat.x_cm, seat.y_cm)).collect()
}

#[test]
fn a_straight_row_has_aisles_prices_and_accessible_seats() {
    let event = one_row(&json!({
        "row": "A-B", "seats": "1-7/2", "middle_cm": [0, 100], "aisles_after": "3", "accessible": "7",
        "prices": [{"seats": "1, 7", "price": "Far"}], "spacing": {"seat_cm": 50, "aisle_cm": 100, "row_cm": 80},
    }))
    .unwrap();
    let row = [(-125, 100), (-75, 100), (75, 100), (125, 100)];
    let behind = row.map(|(x, _)| (x, 180));
    assert_eq!(places(&event), [row, behind].concat());
    let seats: Vec<_> = event.layout.sections[0].rows[1].seats.iter().collect();
    let facts = seats.iter().map(|seat| (seat.label.as_str(), seat.price_category, seat.accessible));
    assert!(facts.eq([("1", 1, false), ("3", 0, false), ("5", 0, false), ("7", 1, true)]));
}

#[test]
fn a_curved_row_stands_round_its_sections_origin() {
    // A quarter of a circle apart.
    let event = one_row(&json!({
        "row": "A", "seats": "1-3", "radius_cm": 1000, "middle_deg": 90, "spacing": {"seat_cm": 1571},
    }))
    .unwrap();
    assert_eq!(places(&event), [(0, 1000), (1000, 0), (0, -1000)]);
}

#[test]
fn a_shape_is_moved_and_turned() {
    let mut file = house(&json!([
        {"name": "Back", "price": "Near", "shape": "pair", "at_cm": [500, 0]},
        {"name": "Right", "price": "Far", "shape": "pair", "turn_deg": 90},
    ]));
    file["shapes"] = json!([{"name": "pair", "rows": [{"row": "1", "seats": "1-2", "start_cm": [0, 300]}]}]);
    file["spacing"] = json!({"seat_cm": 60});
    let event = load_house(&file).unwrap();
    assert_eq!(places(&event), [(500, 300), (560, 300), (300, 0), (300, -60)]);
}

#[test]
fn sale_rules_have_defaults_and_are_read() {
    let plain = house(
        &json!([{"name": "S", "price": "Near", "rows": [{"row": "A", "seats": "1", "start_cm": [0, 0]}]}]),
    );
    assert_eq!(load_house(&plain).unwrap().settings, Default::default());
    let mut file = plain.clone();
    file["hold_ttl_s"] = json!(90);
    file["sale_opens_at"] = json!("1970-01-01T01:00:01.5+01:00");
    let settings = load_house(&file).unwrap().settings;
    assert_eq!((settings.hold_ttl.as_secs(), settings.hold_max.as_secs()), (90, 450));
    assert_eq!(settings.opens_at.unwrap().0, 1_500);
    file["sale_opens_at"] = json!("tomorrow");
    assert!(
        load_house(&file).unwrap_err().to_string().starts_with("sale_opens_at: \"tomorrow\" is not a time")
    );
    file["sale_opens_at"] = json!(null);
    file["hold_ttl_s"] = json!(0);
    assert!(load_house(&file).unwrap_err().to_string().contains("hold_ttl must be between"));
}

#[test]
fn a_refusal_names_the_place() {
    let place = "section \"Stalls\", row \"A\": ";
    let at = |problem: &str| format!("{place}{problem}");
    let row = |more: Value| {
        let mut row = json!({"row": "A", "seats": "1-4", "middle_cm": [0, 0]});
        row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        refusal(&row)
    };
    assert!(row(json!({"accessible": "9"})).starts_with(&at("accessible names \"9\"")));
    assert!(row(json!({"aisles_after": "1-9"})).starts_with(&at("aisles_after: more than 4")));
    assert!(row(json!({"price": "Best"})).starts_with(&at("no price category is named \"Best\"")));
    assert!(row(json!({"radius_cm": 900})).starts_with(&at("needs one of start_cm, middle_cm")));
    assert!(row(json!({"middle_deg": 9})).starts_with(&at("middle_deg is for curved rows")));
    assert!(row(json!({"middle_cm": [0, 2_000_000]})).starts_with(&at("middle_cm must be between")));
    assert!(row(json!({"spacing": {"seat_cm": 0}})).starts_with(&at("seat_cm must be between 1 and")));
    assert!(
        row(json!({"middle_cm": null, "radius_cm": 20}))
            .starts_with(&at("the row is longer than its circle"))
    );
    assert!(row(json!({"seats": "1-4000000000"})).starts_with(&at("seats: \"1-4000000000\" is not a range")));
    assert!(row(json!({"seats": "1-900000000"})).starts_with(&at("seats: more than 1000 labels")));
    let twice = json!([{"seats": "1-2", "price": "Far"}, {"seats": "2", "price": "Near"}]);
    assert!(row(json!({"prices": twice})).starts_with(&at("the name \"2\" stands twice")));
}

#[test]
fn a_file_with_an_unknown_field_is_refused_with_its_line() {
    let text = "{\n  \"event_id\": \"play\",\n  \"colour\": \"red\"\n}";
    let error = parse(text.as_bytes()).unwrap_err().to_string();
    assert!(error.contains("unknown field `colour`") && error.contains("line 3"), "{error}");
}

#[test]
fn a_section_needs_what_it_names() {
    let problem = |sections: Value| load_house(&house(&sections)).unwrap_err().to_string();
    assert!(
        problem(json!([{"name": "S", "shape": "x"}])).starts_with("section \"S\": no shape is named \"x\"")
    );
    assert!(problem(json!([{"name": "S"}])).starts_with("section \"S\": needs either rows or a shape"));
    let priceless = json!([{"name": "S", "rows": [{"row": "A", "seats": "1", "start_cm": [0, 0]}]}]);
    assert!(problem(priceless).starts_with("section \"S\", row \"A\": has no price"));
    assert!(problem(json!([])).contains("the layout has no seats"));
}

#[test]
fn the_largest_house_loads_and_one_seat_more_does_not() {
    let section = |name: &str, rows: &str| json!({"name": name, "price": "Near", "rows": [{"row": rows, "seats": "1-1000", "start_cm": [0, 0]}]});
    let event = load_house(&house(&json!([section("S", "1-100")]))).unwrap();
    assert_eq!(event.layout.seat_count(), 100_000);
    let error = load_house(&house(&json!([section("S", "1-100"), section("T", "1-1000")]))).unwrap_err();
    assert!(
        error.to_string().starts_with("section \"T\", row \"1-1000\": here the house grows beyond"),
        "{error}"
    );
}

#[test]
fn too_large_a_file_is_not_read() {
    assert!(matches!(parse(&vec![b' '; FILE_BYTES_MAX + 1]), Err(Error::TooLarge)));
    assert!(matches!(load(Path::new("/dev/zero")), Err(Error::TooLarge)));
    assert!(matches!(load(Path::new("/nowhere")), Err(Error::Read(_))));
}

proptest! {
    #[test]
    fn any_row_is_answered(
        row in "[A-C0-9,/-]{1,12}",
        seats in "[0-9A-C,/ -]{1,16}",
        numbers in proptest::array::uniform4(any::<i32>()),
        degrees in any::<f64>(),
        curved: bool,
    ) {
        let [x, y, radius, spacing] = numbers;
        let mut entry = json!({"row": row, "seats": seats, "spacing": {"seat_cm": spacing}});
        if curved {
            entry["radius_cm"] = json!(radius);
            entry["middle_deg"] = json!(degrees);
        } else {
            entry["middle_cm"] = json!([x, y]);
        }
        // Neither panics nor takes long, whatever it answers.
        if let Ok(event) = one_row(&entry) {
            prop_assert!(event.layout.seat_count() > 0);
        }
    }
}

/// The houses that come with the engine.
fn shipped(file: &str) -> NewEvent {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/venues");
    load(&folder.join(file)).unwrap_or_else(|error| panic!("{file} {error}"))
}

/// The least distance of two seats, in centimetres, up to `limit`.
fn nearest(event: &NewEvent, limit: i32) -> f64 {
    let mut grid: HashMap<(i32, i32), Vec<(i32, i32)>> = HashMap::new();
    let mut least = f64::from(limit);
    for (x, y) in places(event) {
        let (column, line) = (x.div_euclid(limit), y.div_euclid(limit));
        for near in (column - 1..=column + 1).flat_map(|c| (line - 1..=line + 1).map(move |l| (c, l))) {
            for &(other_x, other_y) in grid.get(&near).into_iter().flatten() {
                least = least.min(f64::from(x - other_x).hypot(f64::from(y - other_y)));
            }
        }
        grid.entry((column, line)).or_default().push((x, y));
    }
    least
}

#[test]
fn the_shipped_houses_look_like_houses() {
    for (file, seats, categories) in [("theatre.json", 1_850..=1_950, 8), ("arena.json", 17_500..=18_500, 10)]
    {
        let event = shipped(file);
        assert!(seats.contains(&event.layout.seat_count()), "{file}: {} seats", event.layout.seat_count());
        assert!(nearest(&event, 100) >= 35.0, "{file}: seats {} cm apart", nearest(&event, 100));
        assert!(event.layout.seats().any(|(_, _, _, seat)| seat.accessible), "{file}: no accessible seat");
        let used: HashSet<_> = event.layout.seats().map(|(_, _, _, seat)| seat.price_category).collect();
        assert_eq!((event.price_categories.len(), used.len()), (categories, categories), "{file}");
    }
}

#[test]
fn two_seats_in_one_place_are_seen() {
    let section = |name: &str, x: i32| {
        let row = json!({"row": "A", "seats": "1", "start_cm": [x, 0]});
        json!({"name": name, "price": "Near", "rows": [row]})
    };
    let event = load_house(&house(&json!([section("S", 99), section("T", 120)]))).unwrap();
    assert!((nearest(&event, 100) - 21.0).abs() < 1e-9);
}
