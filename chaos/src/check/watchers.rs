//! A watcher sees every change in its order, and ends with the truth.

use std::collections::{BTreeMap, BTreeSet};

use seat_board::{PackedStates, Position, SeatState};

use super::{Findings, Rule, rule};
use crate::history::{History, Rest, Rules, Seen, Sight, Watcher};

pub(super) const SEE_ALL: Rule = rule("watchers_see_all", "G6");
pub(super) const AGREE: Rule = rule("watchers_agree", "G6");
pub(super) const CONVERGE: Rule = rule("watchers_converge", "G6");
pub(super) const STORES_AGREE: Rule = rule("stores_agree", "G3");

pub(super) fn check(history: &History, findings: &mut Findings) {
    let (rules, rest) = (&history.rules, &history.rest);
    let mut told = Told::new();
    for watcher in &history.watchers {
        let view = follow(watcher, &mut told, findings);
        converges(watcher, &view, rules, rest, findings);
    }
    map_is_true(rules, rest, findings);
    findings.looked(STORES_AGREE);
    for difference in &rest.differences {
        findings.found(STORES_AGREE, format!("at rest: {difference}"));
    }
}

/// The seats as one watcher has them.
#[derive(Default)]
struct View {
    at: Option<Position>,
    /// None: not known, though the position may be.
    states: Option<PackedStates>,
    /// This stream has told something: from here on it does not go back.
    told: bool,
    /// What follows a gap can not be judged before the next snapshot.
    lost: bool,
}

/// The checksum of the states at a position, and who was the first to have them.
type Told<'a> = BTreeMap<Position, (u32, &'a str)>;

fn follow<'a>(watcher: &'a Watcher, told: &mut Told<'a>, findings: &mut Findings) -> View {
    let mut view = View::default();
    for Seen { at_us, what } in &watcher.seen {
        findings.looked(SEE_ALL);
        if let Err(why) = view.take(what) {
            let (name, at) = (&watcher.name, at_us / 1_000);
            findings.found(SEE_ALL, format!("{name} at {at} ms: {why}"));
            view.lost = !matches!(what, Sight::Snapshot { .. });
        } else if let Some((at, checksum)) = view.claim(what) {
            findings.looked(AGREE);
            let (first, name) = *told.entry(at).or_insert((checksum, &watcher.name));
            if first != checksum && name != watcher.name {
                let what = format!("{name} and {} have different seats at {at:?}", watcher.name);
                findings.found(AGREE, what);
            }
        }
    }
    view
}

impl View {
    fn take(&mut self, sight: &Sight) -> Result<(), String> {
        match sight {
            Sight::Changes { .. } | Sight::Heartbeat { .. } if self.lost => {}
            Sight::Opened { known } => {
                let known = known.map(|(epoch, version)| Position { epoch, version });
                let states = self.states.take().filter(|_| self.at == known);
                *self = Self { at: known, states, ..Self::default() };
            }
            Sight::Closed => self.told = false,
            Sight::Snapshot { epoch, version, packed } => {
                return self.replace(Position { epoch: *epoch, version: *version }, packed);
            }
            Sight::Changes { epoch, after, version, seats } => {
                self.apply(Position { epoch: *epoch, version: *after }, *version, seats)?;
            }
            Sight::Heartbeat { epoch, version, checksum, .. } => {
                let at = Position { epoch: *epoch, version: *version };
                let states = self.states.as_ref().filter(|_| self.at == Some(at));
                if let Some(own) = states.map(PackedStates::checksum).filter(|own| own != checksum) {
                    return Err(format!("a heartbeat of {at:?} has checksum {checksum}, the watcher {own}"));
                }
            }
        }
        Ok(())
    }

    /// A position has one state, whoever tells of it.
    fn claim(&self, sight: &Sight) -> Option<(Position, u32)> {
        match sight {
            Sight::Heartbeat { epoch, version, checksum, .. } => {
                Some((Position { epoch: *epoch, version: *version }, *checksum))
            }
            Sight::Snapshot { .. } | Sight::Changes { .. } => {
                Some((self.at?, self.states.as_ref()?.checksum()))
            }
            Sight::Opened { .. } | Sight::Closed => None,
        }
    }

    /// A snapshot replaces everything. A stream may begin before what its watcher has, but it never goes back.
    fn replace(&mut self, to: Position, packed: &[u8]) -> Result<(), String> {
        let (before, told) = (self.at, self.told);
        let other = self.states.as_ref().is_some_and(|states| states.bytes() != packed);
        *self =
            Self { at: Some(to), states: Some(PackedStates::new(packed.to_vec())), told: true, lost: false };
        match before {
            Some(at) if told && to < at => Err(format!("a snapshot of {to:?} after {at:?} in one stream")),
            Some(at) if to == at && other => {
                Err(format!("a snapshot of {to:?} has other states than the watcher"))
            }
            _ => Ok(()),
        }
    }

    fn apply(&mut self, after: Position, version: u64, seats: &[(u32, u8)]) -> Result<(), String> {
        let Some(at) = self.at else {
            return Err(format!("changes after {after:?}, and the watcher has nothing that they follow"));
        };
        if at != after || version <= at.version {
            return Err(format!("changes after {after:?} to {version} do not follow {at:?}"));
        }
        (self.at, self.told) = (Some(Position { version, ..at }), true);
        let Some(states) = &mut self.states else { return Ok(()) };
        for (seat, state) in seats {
            if *seat >= states.capacity() {
                return Err(format!("changes to {version} of seat {seat}, which there is not"));
            }
            states.set(*seat, SeatState::from_bits(*state));
        }
        Ok(())
    }
}

fn converges(watcher: &Watcher, view: &View, rules: &Rules, rest: &Rest, findings: &mut Findings) {
    findings.looked(CONVERGE);
    let (name, truth) = (&watcher.name, Position { epoch: rest.gate_epoch, version: rest.gate_version });
    if view.at != Some(truth) {
        let what = format!("at rest {name} is at {:?}, the gate at {truth:?}", view.at);
        return findings.found(CONVERGE, what);
    }
    let map = PackedStates::new(rest.gate_map.clone());
    let Some(states) = &view.states else { return };
    let wrong: Vec<u32> = (0..rules.seat_count).filter(|seat| states.get(*seat) != map.get(*seat)).collect();
    if !wrong.is_empty() {
        findings.found(CONVERGE, format!("at rest {name} is wrong about seats {wrong:?} at {truth:?}"));
    }
}

/// What the gate shows as sold and blocked is what the vault has.
fn map_is_true(rules: &Rules, rest: &Rest, findings: &mut Findings) {
    findings.looked(CONVERGE);
    let map = PackedStates::new(rest.gate_map.clone());
    let shown =
        |state| -> BTreeSet<u32> { (0..rules.seat_count).filter(|seat| map.get(*seat) == state).collect() };
    let sold = rest.booked_seats.iter().map(|(seat, _)| *seat).collect();
    let blocked = rest.blocked.iter().copied().collect();
    for (word, state, truth) in [("sold", SeatState::Sold, sold), ("blocked", SeatState::Blocked, blocked)] {
        let gate: BTreeSet<u32> = shown(state);
        if gate != truth {
            let what = format!("at rest seats {gate:?} are {word} in the gate, {truth:?} in the vault");
            findings.found(CONVERGE, what);
        }
    }
}
