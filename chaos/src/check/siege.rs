//! The vault alone, when many decide at once: its own guards keep a seat sold once and an outcome decided once.

use std::collections::{BTreeMap, BTreeSet};

use super::{Findings, Rule, lives::sorted, rule};
use crate::history::{Act, Decision, Heard, Siege, What};

pub(super) const SOLD_ONCE: Rule = rule("siege_sold_once", "G1");
pub(super) const SAME_ANSWER: Rule = rule("siege_same_answer", "G2");
pub(super) const EPOCH: Rule = rule("siege_epoch", "G1");
pub(super) const POLITELY: Rule = rule("siege_refuses_politely", "G7");
pub(super) const UNIQUE: Rule = rule("siege_unique", "G1");

/// A Decide, and what it said.
struct Decide<'a> {
    act: &'a Act,
    epoch: u64,
    seats: &'a [u32],
    book: bool,
}

pub(super) fn check(siege: &Siege, findings: &mut Findings) {
    let mut asked: BTreeMap<&str, Vec<Decide>> = BTreeMap::new();
    for act in &siege.acts {
        if let What::Decide { reservation, epoch, seats, book } = &act.what {
            asked.entry(reservation).or_default().push(Decide { act, epoch: *epoch, seats, book: *book });
        }
        polite(act, findings);
    }
    let rows: BTreeMap<&str, &Decision> = siege.decisions.iter().map(|row| (&*row.id, row)).collect();
    let raises = Raises::of(siege, findings);
    for (id, decides) in &asked {
        one_outcome(id, decides, rows.get(id).copied(), findings);
        raises.fence(id, decides, rows.get(id).copied(), findings);
    }
    sold_once(siege, &asked, findings);
}

fn text(act: &Act) -> String {
    let (began, ended) = (act.began_us / 1_000, act.ended_us / 1_000);
    format!("{:?} by session {} at {began} to {ended} ms heard {:?}", act.what, act.session, act.heard)
}

/// Who loses waits and learns it; an error of the server is no answer. Only past the functions it is the right one.
fn polite(act: &Act, findings: &mut Findings) {
    match (&act.what, &act.heard) {
        (What::Insert { .. }, heard) => {
            findings.looked(UNIQUE);
            if *heard == Heard::Taken {
                findings.found(UNIQUE, text(act));
            }
        }
        (What::Decide { .. } | What::Raise, heard) => {
            findings.looked(POLITELY);
            if matches!(heard, Heard::Error(_)) {
                findings.found(POLITELY, text(act));
            }
        }
    }
}

/// Booked or void: each who heard an outcome heard the one that the row has.
fn one_outcome(id: &str, decides: &[Decide], row: Option<&Decision>, findings: &mut Findings) {
    findings.looked(SAME_ANSWER);
    let heard = |wanted: &Heard| decides.iter().find(|decide| decide.act.heard == *wanted);
    let (booked, void) = (heard(&Heard::Booked), heard(&Heard::Void));
    if let (Some(booked), Some(void)) = (booked, void) {
        let what = format!("{id}: {}; {}", text(booked.act), text(void.act));
        return findings.found(SAME_ANSWER, what);
    }
    let other = match row {
        Some(row) if row.booked => void,
        Some(_) => booked,
        None => booked.or(void),
    };
    if let Some(decide) = other {
        return findings.found(SAME_ANSWER, format!("{id}: {}; at rest {row:?}", text(decide.act)));
    }
    let Some(row) = row else { return };
    // To be busy or stale is to have written nothing.
    let wrote = |decide: &&Decide| matches!(decide.act.heard, Heard::Booked | Heard::Void | Heard::Unknown);
    let mut writers = decides.iter().filter(wrote);
    let fits = |decide: &Decide| sorted(decide.seats) == sorted(&row.seats) && (decide.book || !row.booked);
    if !writers.any(fits) {
        findings.found(SAME_ANSWER, format!("{id}: nobody who was not refused wanted the row {row:?}"));
    }
}

/// Raises that were heard of, by the epoch that they made.
struct Raises<'a>(BTreeMap<u64, &'a Act>);

impl<'a> Raises<'a> {
    fn of(siege: &'a Siege, findings: &mut Findings) -> Self {
        let mut raises: BTreeMap<u64, &Act> = BTreeMap::new();
        for act in &siege.acts {
            let Heard::Epoch(epoch) = act.heard else { continue };
            findings.looked(EPOCH);
            if let Some(other) = raises.insert(epoch, act) {
                findings.found(EPOCH, format!("{}; {}", text(other), text(act)));
            }
        }
        // Each against the highest epoch that was over before it began is too much; neighbours tell the same.
        for ((_, lower), (_, higher)) in raises.iter().zip(raises.iter().skip(1)) {
            if higher.ended_us < lower.began_us {
                findings.found(EPOCH, format!("epochs fall: {}; then {}", text(higher), text(lower)));
            }
        }
        Self(raises)
    }

    /// Whether the epoch had been left behind for sure when the act began.
    fn is_stale(&self, epoch: u64, act: &Act) -> bool {
        self.0.range(epoch + 1..).any(|(_, raise)| raise.ended_us < act.began_us)
    }

    /// What decides under an epoch that was left behind writes nothing.
    fn fence(&self, id: &str, decides: &[Decide], row: Option<&Decision>, findings: &mut Findings) {
        findings.looked(EPOCH);
        let wrote =
            |decide: &Decide| matches!(decide.act.heard, Heard::Booked | Heard::Void | Heard::Unknown);
        let late = |decide: &Decide| self.is_stale(decide.epoch, decide.act);
        let could = |decide: &&Decide| wrote(decide) && !late(decide);
        if let Some(row) = row {
            let own = || decides.iter().filter(|decide| decide.epoch == row.epoch && wrote(decide));
            if own().next().is_some() && own().all(late) {
                return findings
                    .found(EPOCH, format!("{id} was decided under a stale epoch, at rest {row:?}"));
            }
        }
        for decide in decides.iter().filter(|decide| matches!(decide.act.heard, Heard::Booked | Heard::Void))
        {
            let before = |other: &Decide| other.act.began_us <= decide.act.ended_us;
            let known = decides.iter().filter(could).any(before);
            if self.is_stale(decide.epoch, decide.act) && !known {
                return findings
                    .found(EPOCH, format!("{id}: decided under a stale epoch: {}", text(decide.act)));
            }
        }
    }
}

/// Nothing is cancelled here: whatever was ever booked has its seats for itself.
fn sold_once(siege: &Siege, asked: &BTreeMap<&str, Vec<Decide>>, findings: &mut Findings) {
    let mut booked: BTreeMap<&str, BTreeSet<u32>> = BTreeMap::new();
    for (id, decides) in asked {
        let heard = decides.iter().filter(|decide| decide.act.heard == Heard::Booked);
        heard.for_each(|decide| booked.entry(id).or_default().extend(decide.seats));
    }
    for row in siege.decisions.iter().filter(|row| row.booked) {
        booked.entry(&row.id).or_default().extend(&row.seats);
    }
    let mut owners: BTreeMap<u32, &str> = BTreeMap::new();
    for (id, seats) in &booked {
        findings.looked(SOLD_ONCE);
        for seat in seats {
            if let Some(other) = owners.insert(*seat, id) {
                findings.found(SOLD_ONCE, format!("seat {seat} was booked to {other} and to {id}"));
            }
        }
    }
    let rows: BTreeSet<(u32, &str)> = siege.booked_seats.iter().map(|(seat, id)| (*seat, &**id)).collect();
    let wanted: BTreeSet<(u32, &str)> = siege
        .decisions
        .iter()
        .filter(|row| row.booked)
        .flat_map(|row| row.seats.iter().map(|seat| (*seat, &*row.id)))
        .collect();
    if rows != wanted || rows.len() != siege.booked_seats.len() {
        let odd: Vec<_> = rows.symmetric_difference(&wanted).collect();
        findings.found(SOLD_ONCE, format!("at rest active rows and decisions differ in {odd:?}"));
    }
}
