//! All of the world at one moment.

use crate::{
    gate::{Epoch, Gate, Id, Life, RESERVATIONS, Record, Terms, Time},
    rebuild::Rebuild,
    setting::Setting,
    tasks::Task,
    vault::Vault,
};

/// What a customer was told of a reservation, for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Heard {
    /// That it is booked.
    pub booked: bool,
    /// That it is over: released, too late, or lost.
    pub ended: bool,
}

/// A reservation that was granted, as its customer knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Issued {
    /// What the token says.
    pub terms: Terms,
    /// The deadline of the newest token.
    pub deadline: Time,
    /// What the customer heard.
    pub heard: Heard,
}

/// The world. What is in it beside the stores is who works on what, and what was said to whom.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// Redis's clock.
    pub now: Time,
    /// Which Redis it is: another number after each restart.
    pub incarnation: u8,
    /// What Redis has in memory.
    pub gate: Gate,
    /// An old file of it.
    pub saved: Option<Gate>,
    /// What PostgreSQL has.
    pub vault: Vault,
    /// Every reservation there ever was.
    pub issued: [Option<Issued>; RESERVATIONS],
    /// Calls and sweeps under way, sorted: it does not matter which replica has which.
    pub tasks: [Option<Task>; 2],
    /// Rebuilds under way, sorted.
    pub rebuilds: [Option<Rebuild>; 2],
    /// How often Redis may still lose everything.
    pub losses: u8,
    /// Whether an old file may still be put back.
    pub rewind: bool,
    /// A repeated Reserve was answered as if its reservation, which the gate has, were not there.
    pub forgot_request: bool,
}

impl State {
    /// An event whose gate was built, and nothing else.
    pub(crate) fn first(setting: &Setting) -> Self {
        Self {
            now: 0,
            incarnation: 1,
            gate: Gate { epoch: 1, incarnation: 1, ..Gate::default() },
            saved: None,
            vault: Vault { epoch: 1, ..Vault::default() },
            issued: [None; RESERVATIONS],
            tasks: [None; 2],
            rebuilds: [None, None],
            losses: setting.losses,
            rewind: setting.rewinds,
            forgot_request: false,
        }
    }

    /// `check_gate`: whether the scripts run at all.
    pub fn is_warm(&self, setting: &Setting) -> bool {
        let same = self.gate.incarnation == self.incarnation || !setting.guards.incarnation_check;
        self.gate.epoch != 0 && self.gate.frozen == 0 && same
    }

    /// Whether the hold is its customer's by what the customer was promised.
    pub fn is_valid(&self, id: Id) -> bool {
        self.vault.outcomes[id].is_none() && self.issued[id].is_some_and(|issued| issued.deadline > self.now)
    }

    /// One state for all that can not be told apart from here on.
    pub(crate) fn normalize(&mut self) {
        self.tasks.sort_unstable();
        self.rebuilds.sort_unstable();
        let now = self.now;
        let images = self.rebuilds.iter_mut().flatten().filter_map(Rebuild::image);
        for gate in images.chain(&mut self.saved).chain([&mut self.gate]) {
            if gate.quarantine_until <= now {
                gate.quarantine_until = 0;
            }
        }
    }

    /// The epoch and whether a quarantine is being waited out: `alive.lua`.
    pub(crate) fn alive(&self) -> (Epoch, bool) {
        (self.gate.epoch, self.gate.quarantine_until > self.now)
    }

    /// What the gate knows of a reservation.
    pub fn record(&self, id: Id) -> Record {
        self.gate.records[id]
    }

    /// Whether it is alive in the gate.
    pub fn is_alive(&self, id: Id) -> bool {
        matches!(self.record(id).life, Life::Held | Life::Confirming)
    }
}
