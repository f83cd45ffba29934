//! Confirm, Release, Cancel and the sweeper: what a replica does between one access to a store and the next. Between
//! any two it may stop for ever.

use crate::{
    gate::{Adopted, Epoch, Id, Life, Record},
    setting::Setting,
    state::{Heard, State},
    vault::Outcome,
};

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// `confirm.rs`.
    Confirm,
    /// `confirm.rs`.
    Release,
    /// `confirm.rs`.
    Cancel,
    /// `sweeper.rs`: `finish_confirm`.
    Sweep,
}

/// Something under way. The first access is made when it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Task {
    /// What it is.
    pub verb: Verb,
    /// Of which reservation.
    pub id: Id,
    /// What it does next.
    pub next: Step,
}

/// Why the gate was not enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Why {
    /// It says that the reservation has ended: `confirm_ended`.
    Ended,
    /// It does not know the reservation, or not its last deadline: `recover`.
    Unknown,
}

/// The next access to a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// Gate: the epoch, and whether a quarantine is on.
    Alive(Why),
    /// Gate: the same, for a Release of what has expired: `refusal`.
    Refuse,
    /// Vault: what it has decided.
    Outcome(Why, Epoch, bool),
    /// Gate: takes the hold back from its token.
    Adopt(Epoch, bool),
    /// Gate: asks again what was asked first.
    Again,
    /// Vault: decides; the outcome is settled, or only told.
    Decide(Epoch, Outcome, bool),
    /// Vault: cancels.
    Cancel(Epoch),
    /// Gate: learns the outcome.
    Settle(Outcome),
}

/// What comes after an access. None: the task is over.
type Next = Option<Step>;

impl State {
    /// Begins a task, by its first access. None where there is nothing to do.
    pub(crate) fn begin(&mut self, setting: &Setting, verb: Verb, id: Id) -> Option<()> {
        if !self.is_warm(setting) {
            return None;
        }
        let next = match verb {
            Verb::Confirm | Verb::Release => self.ask(setting, verb, id, true),
            Verb::Cancel => Some(Step::Cancel(self.gate.epoch)),
            Verb::Sweep => Some(Step::Decide(self.gate.epoch, Outcome::Expired, true)),
        };
        self.tasks[0] = next.map(|next| Task { verb, id, next });
        Some(())
    }

    /// One access of the task in a slot. `is_heard`: the gate hears a settle.
    pub(crate) fn go_on(&mut self, setting: &Setting, slot: usize, is_heard: bool) -> Option<()> {
        let Task { verb, id, next } = self.tasks[slot]?;
        let at_gate = !matches!(next, Step::Outcome(..) | Step::Decide(..) | Step::Cancel(_));
        let is_cold = at_gate && !self.is_warm(setting);
        let next = match next {
            // The outcome stands, whether the gate learns of it or not.
            Step::Settle(outcome) => {
                if is_heard && !is_cold {
                    let seats = self.issued[id]?.terms.seats;
                    self.gate.settle(&setting.guards, id, seats, outcome);
                }
                self.answer(verb, id, outcome)
            }
            _ if is_cold => None,
            Step::Again => self.ask(setting, verb, id, false),
            Step::Alive(why) => {
                let (epoch, quarantine) = self.alive();
                Some(Step::Outcome(why, epoch, quarantine))
            }
            Step::Refuse => {
                if !self.alive().1 {
                    self.tell(id, |heard| heard.ended = true);
                }
                None
            }
            Step::Outcome(why, epoch, quarantine) => match (self.vault.outcomes[id], why) {
                (Some(outcome), _) => self.answer(verb, id, outcome),
                (None, Why::Ended) => self.end_for_ever(id, epoch, quarantine),
                (None, Why::Unknown) => Some(Step::Adopt(epoch, quarantine)),
            },
            Step::Adopt(epoch, _) if epoch != self.gate.epoch => None,
            Step::Adopt(epoch, quarantine) => {
                let issued = self.issued[id]?;
                let adopted = self.gate.adopt(&setting.guards, id, &issued.terms, issued.deadline, self.now);
                match adopted {
                    Adopted::Found => Some(Step::Again),
                    Adopted::Ended => self.end_for_ever(id, epoch, quarantine),
                    Adopted::Taken => Some(Step::Decide(epoch, Outcome::Lost, false)),
                }
            }
            Step::Decide(epoch, wanted, settles) => {
                let outcome = self.decide(setting, verb, id, epoch, wanted);
                match outcome {
                    Some(outcome) if settles => Some(Step::Settle(outcome)),
                    Some(outcome) => self.answer(verb, id, outcome),
                    None => None,
                }
            }
            Step::Cancel(epoch) => self.vault.cancel(&setting.guards, id, epoch).map(Step::Settle),
        };
        self.tasks[slot] = next.map(|next| Task { verb, id, next });
        Some(())
    }

    /// The vault decides and the reply is lost: the task asks again later.
    pub(crate) fn decide_unheard(&mut self, setting: &Setting, slot: usize) -> Option<()> {
        let Task { verb, id, next: Step::Decide(epoch, wanted, _) } = self.tasks[slot]? else { return None };
        let before = self.vault.outcomes[id];
        self.decide(setting, verb, id, epoch, wanted);
        (self.vault.outcomes[id] != before).then_some(())
    }

    fn decide(
        &mut self,
        setting: &Setting,
        verb: Verb,
        id: Id,
        epoch: Epoch,
        wanted: Outcome,
    ) -> Option<Outcome> {
        let guards = &setting.guards;
        let known = self.vault.outcomes[id];
        match (verb, wanted) {
            (Verb::Sweep, _) if !guards.sweeper_decides_void => Some(known.unwrap_or(wanted)),
            (_, Outcome::Released) if !guards.release_writes_void => Some(known.unwrap_or(wanted)),
            _ => self.vault.decide(guards, id, self.issued[id]?.terms.seats, epoch, wanted),
        }
    }

    /// The first access of Confirm and Release, and what follows from the gate's reply: `locate`.
    fn ask(&mut self, setting: &Setting, verb: Verb, id: Id, may_recover: bool) -> Next {
        let (guards, issued) = (&setting.guards, self.issued[id]?);
        let record = match verb {
            Verb::Confirm => self.gate.begin(guards, id, self.now),
            _ => self.gate.get(guards, id, self.now),
        };
        let Record { life, deadline } = record;
        let earlier = issued.terms.epoch < self.gate.epoch;
        let outlived = matches!(life, Life::Held | Life::Decided(Outcome::Expired))
            && earlier
            && issued.deadline > deadline;
        let epoch = self.gate.epoch;
        match (life, verb) {
            _ if may_recover && outlived => Some(Step::Alive(Why::Unknown)),
            // Lost again in between: the next call brings it back.
            (Life::Unknown, _) => may_recover.then_some(Step::Alive(Why::Unknown)),
            (Life::Confirming, Verb::Confirm) => Some(Step::Decide(epoch, Outcome::Booked, true)),
            (_, Verb::Confirm) => Some(Step::Alive(Why::Ended)),
            (Life::Held, _) => Some(Step::Decide(epoch, Outcome::Released, true)),
            (Life::Confirming, _) => None,
            (Life::Decided(Outcome::Expired), _) if earlier => Some(Step::Refuse),
            (Life::Decided(outcome), _) => self.answer(verb, id, outcome),
        }
    }

    fn end_for_ever(&self, id: Id, epoch: Epoch, quarantine: bool) -> Next {
        let earlier = self.issued[id]?.terms.epoch < epoch;
        (!(earlier && quarantine)).then_some(Step::Decide(epoch, Outcome::Expired, false))
    }

    /// The caller hears the outcome; nobody hears the sweeper.
    fn answer(&mut self, verb: Verb, id: Id, outcome: Outcome) -> Next {
        if verb != Verb::Sweep {
            self.tell(id, |heard| match outcome {
                Outcome::Booked | Outcome::Cancelled => heard.booked = true,
                Outcome::Released | Outcome::Expired | Outcome::Lost => heard.ended = true,
            });
        }
        None
    }

    fn tell(&mut self, id: Id, what: impl FnOnce(&mut Heard)) {
        if let Some(issued) = &mut self.issued[id] {
            what(&mut issued.heard);
        }
    }
}
