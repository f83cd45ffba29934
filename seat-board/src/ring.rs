//! The recent changes of a board, bounded by what they weigh.

use std::collections::{BTreeMap, VecDeque};

use ticketengine::v1::SeatChanges;

use crate::{Position, SeatState};

/// What a step without seats weighs beside those with: steps are bounded too.
const STEP_WEIGHT: usize = 1;

/// The changes from one version to another. A seat and its state share a number: seat * 4 + state.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    after: u64,
    version: u64,
    seats: Box<[u32]>,
    /// A seat that changed and changed back is not named: of no use to who is at a version in between.
    net: bool,
}

impl Step {
    pub(crate) fn new(changes: &SeatChanges) -> Self {
        let lists = [
            (&changes.free, SeatState::Free),
            (&changes.held, SeatState::Held),
            (&changes.sold, SeatState::Sold),
            (&changes.blocked, SeatState::Blocked),
        ];
        let seats = lists.into_iter().flat_map(|(seats, state)| seats.iter().map(move |seat| (*seat, state)));
        Self { net: changes.net, ..Self::of(changes.after_version, changes.version, seats.collect()) }
    }

    /// From the states of one version to those of another.
    pub(crate) fn difference(after: u64, version: u64, seats: Vec<(u32, SeatState)>) -> Self {
        Self { net: true, ..Self::of(after, version, seats) }
    }

    fn of(after: u64, version: u64, seats: Vec<(u32, SeatState)>) -> Self {
        // A seat too high for the number is too high for any event, and is refused as such.
        let seats = seats.into_iter().map(|(seat, state)| seat.saturating_mul(4) | state as u32).collect();
        Self { after, version, seats, net: false }
    }

    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    pub(crate) fn seats(&self) -> impl Iterator<Item = (u32, SeatState)> + '_ {
        self.seats.iter().map(|number| (number / 4, SeatState::from_bits(*number as u8)))
    }

    /// Whether it tells all that who has `version` lacks of it.
    fn continues(&self, version: u64) -> bool {
        if self.net { self.after == version } else { self.after <= version }
    }

    fn weight(&self) -> usize {
        self.seats.len() + STEP_WEIGHT
    }
}

/// Steps without a gap, oldest first.
#[derive(Clone, Debug)]
pub(crate) struct Ring {
    steps: VecDeque<Step>,
    weight: usize,
    weight_max: usize,
}

impl Ring {
    pub(crate) fn new(weight_max: usize) -> Self {
        Self { steps: VecDeque::new(), weight: 0, weight_max }
    }

    pub(crate) fn push(&mut self, step: Step) {
        self.weight += step.weight();
        self.steps.push_back(step);
        while self.weight > self.weight_max
            && let Some(oldest) = self.steps.pop_front()
        {
            self.weight -= oldest.weight();
        }
    }

    pub(crate) fn clear(&mut self) {
        self.steps.clear();
        self.weight = 0;
    }

    /// The last state of each seat that changed after `version`, and perhaps of some that changed shortly before;
    /// None where the ring does not reach back so far.
    pub(crate) fn since(&self, version: u64) -> Option<Merged> {
        let first = self.steps.partition_point(|step| step.version <= version);
        if !self.steps.get(first)?.continues(version) {
            return None;
        }
        let steps = || self.steps.range(first..);
        Some(Merged { seats: steps().flat_map(Step::seats).collect(), net: steps().any(|step| step.net) })
    }
}

/// The last state of each seat, by seat.
#[derive(Clone, Debug)]
pub(crate) struct Merged {
    seats: BTreeMap<u32, SeatState>,
    net: bool,
}

impl Merged {
    pub(crate) fn into_changes(self, known: Position, version: u64) -> SeatChanges {
        let Position { epoch, version: after_version } = known;
        let mut changes =
            SeatChanges { epoch, after_version, version, net: self.net, ..SeatChanges::default() };
        for (seat, state) in self.seats {
            let list = match state {
                SeatState::Free => &mut changes.free,
                SeatState::Held => &mut changes.held,
                SeatState::Sold => &mut changes.sold,
                SeatState::Blocked => &mut changes.blocked,
            };
            list.push(seat);
        }
        changes
    }
}
