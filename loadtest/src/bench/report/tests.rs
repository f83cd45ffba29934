//! The report of a sample run, in its three forms.

use super::{
    Sum, number, page,
    sample::{NASTY, facts, outcomes},
    table, write_html, write_json,
};
use crate::{
    bench::outcome::{Axis, Bound, Kind, Outcome, Plot, Series},
    error::Error,
};

fn figures(outcomes: &[Outcome]) -> impl Iterator<Item = &str> {
    outcomes.iter().flat_map(|outcome| &outcome.figures).map(|figure| figure.name.as_str())
}

/// The page's body as a tree: what is not well-formed does not become one.
fn body(html: &str) -> String {
    let start = html.find("<body>").unwrap();
    let end = html.find("</body>").unwrap() + "</body>".len();
    let body = &html[start..end];
    // A browser needs neither of these, a strict reader does.
    body.replace("<details class=\"audit\" open>", "<details class=\"audit\">")
}

fn text<'a>(tree: &'a roxmltree::Document<'a>) -> Vec<&'a str> {
    tree.descendants().filter(roxmltree::Node::is_text).filter_map(|node| node.text()).collect()
}

#[test]
fn verdicts_are_summed() {
    let sum = Sum::of(&outcomes());
    assert_eq!(sum, Sum { ok: 3, missed: 1, audits: 4, promises: 36, broken: 1 });
    let kept = Sum::of(&outcomes()[..1]);
    assert_eq!(kept.bounds_in_words(), "The bound holds");
    assert_eq!(Sum { missed: 1, ..Sum::default() }.bounds_in_words(), "The bound is missed");
    assert_eq!(Sum { ok: 1, missed: 2, ..Sum::default() }.bounds_in_words(), "1 of 3 bounds hold");
    assert_eq!(kept.audits_in_words(), "2 events audited, 18 promises, all kept");
}

#[test]
fn what_is_no_number_keeps_no_bound() {
    let mut outcomes = outcomes();
    outcomes[0].figures[2].value = f64::NAN;
    assert_eq!(Sum::of(&outcomes).missed, 2);
}

#[test]
fn the_table_names_every_figure_with_its_verdict() {
    let outcomes = outcomes();
    let text = table(&outcomes);
    for name in figures(&outcomes) {
        assert!(text.contains(name), "{name} is missing in\n{text}");
    }
    let row = |name: &str| text.lines().find(|line| line.contains(name)).unwrap().to_owned();
    assert!(row("p95").ends_with("| OK      |"), "{text}");
    assert!(row("p99 ").ends_with("| MISSED  |"), "{text}");
    assert!(row("p50").ends_with("|         |"), "{text}");
    assert!(text.contains("3 of 4 bounds hold. Audits: 4 events audited, 36 promises, 1 BROKEN."), "{text}");
    assert!(text.contains("VIOLATED in growth"), "{text}");
}

#[test]
fn the_json_has_a_schema_and_verdicts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("results.json");
    write_json(&path, &facts(), &outcomes()).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!(json["schema"], 1);
    assert_eq!(json["facts"]["machine"]["cpus"], 2);
    assert_eq!(json["sum"]["missed"], 1);
    let figures = &json["outcomes"][1]["figures"];
    assert_eq!(figures[0]["verdict"], serde_json::Value::Null);
    assert_eq!((&figures[1]["verdict"], &figures[1]["bound"]["at_most"]), (&"ok".into(), &3.0.into()));
    assert_eq!((&figures[2]["name"], &figures[2]["verdict"]), (&"p99".into(), &"missed".into()));
    assert_eq!(json["outcomes"][0]["plots"][0]["kind"], "bars");
}

#[test]
fn the_page_is_well_formed_and_names_every_figure() {
    let outcomes = outcomes();
    let html = page::render(&facts(), &outcomes);
    let body = body(&html);
    let tree = roxmltree::Document::parse(&body).unwrap();
    let text = text(&tree).join("\n");
    for name in figures(&outcomes).chain(outcomes.iter().map(|outcome| outcome.about.as_str())) {
        assert!(text.contains(name), "{name} is missing");
    }
    for figure in outcomes.iter().flat_map(|outcome| &outcome.figures) {
        assert!(text.contains(&number::measured(figure)), "{figure:?} is missing");
    }
    let drawn = tree.descendants().filter(|node| node.attribute("role") == Some("img")).count();
    assert_eq!(drawn, outcomes.iter().map(|outcome| outcome.plots.len()).sum::<usize>());
}

#[test]
fn text_can_not_become_part_of_the_page() {
    let html = page::render(&facts(), &outcomes());
    assert!(!html.contains("<script"), "a script came through");
    let body = body(&html);
    let tree = roxmltree::Document::parse(&body).unwrap();
    let text = text(&tree).join("\n");
    // The about, the figure's name twice, the plot's title, the note, the event and what is broken in it.
    assert_eq!(text.matches(NASTY).count(), 7);
}

#[test]
fn the_page_loads_nothing() {
    let html = page::render(&facts(), &outcomes());
    for loader in ["http:", "https:", "src=", "url(", "@import", "<link"] {
        assert!(!html.contains(loader), "{loader} is on the page");
    }
}

#[test]
fn plots_without_values_say_so() {
    let axis = || Axis { label: "x".to_owned(), log: true };
    for (kind, points) in [(Kind::Lines, vec![]), (Kind::Bars, vec![[0.0, 1.0], [1.0, f64::NAN]])] {
        let series = vec![Series { name: "s".to_owned(), points }];
        let mut outcomes = outcomes();
        outcomes.truncate(1);
        outcomes[0].plots = vec![Plot { title: "t".to_owned(), x: axis(), y: axis(), kind, series }];
        let html = page::render(&facts(), &outcomes);
        assert!(html.contains("Nothing was measured."));
        assert!(!html.contains("NaN"));
    }
}

#[test]
fn an_empty_run_has_a_report() {
    let html = page::render(&facts(), &[]);
    assert!(html.contains("No figure has a bound"));
    assert!(table(&[]).contains("No figure has a bound"));
}

#[test]
fn a_place_that_can_not_be_written_is_named() {
    let path = std::path::Path::new("/proc/none/report.html");
    let error = write_html(path, &facts(), &outcomes()).unwrap_err();
    assert!(matches!(&error, Error::Report { .. }) && error.to_string().contains("/proc/none"), "{error}");
}

#[test]
fn bounds_hold_at_the_bound() {
    assert!(Bound::AtLeast(0.75).holds(0.75) && Bound::AtMost(3.0).holds(3.0));
}
