//! A rebuild of the gate, access by access: `booking/rebuild.rs`. There is no lease here: nothing depends on it.

use crate::{
    Guards,
    gate::{Epoch, Gate, Id, Life, RESERVATIONS, Record, Seat, Time, seats_of},
    setting::Setting,
    state::State,
    vault::Outcome,
};

/// What freezing told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Old {
    /// 0 when the gate had none.
    pub epoch: Epoch,
    /// Redis is still the one that it was published on.
    pub same_redis: bool,
    /// Its quarantine.
    pub quarantine_until: Time,
}

/// A rebuild under way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rebuild {
    /// Its number, from the vault.
    pub epoch: Epoch,
    /// The Redis that it has a connection to.
    pub incarnation: u8,
    /// What it does next.
    pub next: Next,
}

/// The next access to a store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Next {
    /// Gate: stops the old epoch.
    Freeze,
    /// Gate: what is left of the old epoch.
    Survivors(Old),
    /// Vault: bookings, and what it has decided of the survivors.
    Truth(Old, Gate),
    /// Gate: puts the new epoch in the old one's place. Its `quarantine_until` is the old one's, and what is to be
    /// waited from now on stands beside it.
    Publish(Gate, Time),
}

impl Rebuild {
    /// What it has read or built.
    pub(crate) fn image(&mut self) -> Option<&mut Gate> {
        match &mut self.next {
            Next::Freeze | Next::Survivors(_) => None,
            Next::Truth(_, image) | Next::Publish(image, _) => Some(image),
        }
    }
}

impl State {
    /// Raises the epoch. That the gate's epoch is read before, and not at once, makes no difference: freezing looks again.
    pub(crate) fn raise(&mut self, setting: &Setting) -> Option<()> {
        let seen = self.gate.epoch.max(self.gate.frozen);
        if self.vault.epoch.max(seen) >= setting.epochs {
            return None;
        }
        let epoch = self.vault.raise_epoch(seen);
        let next = if setting.guards.freeze_before_read { Next::Freeze } else { Next::Survivors(self.old()) };
        self.rebuilds[0] = Some(Rebuild { epoch, incarnation: self.incarnation, next });
        Some(())
    }

    fn old(&self) -> Old {
        let Gate { epoch, incarnation, quarantine_until, .. } = self.gate;
        Old { epoch, same_redis: incarnation == self.incarnation, quarantine_until }
    }

    /// One access of the rebuild in a slot.
    pub(crate) fn rebuild(&mut self, setting: &Setting, slot: usize) -> Option<()> {
        let Rebuild { epoch, incarnation, next } = self.rebuilds[slot].take()?;
        let at_gate = !matches!(next, Next::Truth(..));
        if at_gate && incarnation != self.incarnation {
            return Some(()); // Its connection is gone.
        }
        let next = match next {
            Next::Freeze if self.gate.epoch.max(self.gate.frozen) >= epoch => None,
            Next::Freeze => {
                let old = self.old();
                self.gate.frozen = epoch;
                Some(Next::Survivors(old))
            }
            Next::Survivors(old) => {
                // Of another epoch than was frozen: a higher rebuild has dropped the keys, or Redis lost them.
                let whole = old.epoch != 0 && self.gate.epoch == old.epoch;
                let read = if whole { self.gate.clone() } else { Gate::default() };
                Some(Next::Truth(old, read))
            }
            Next::Truth(..) if self.vault.epoch != epoch => None,
            Next::Truth(old, read) => Some(self.build(setting, epoch, old, &read)),
            Next::Publish(image, wait) => {
                self.publish(setting, image, wait);
                None
            }
        };
        self.rebuilds[slot] = next.map(|next| Rebuild { epoch, incarnation, next });
        Some(())
    }

    fn build(&self, setting: &Setting, epoch: Epoch, old: Old, read: &Gate) -> Next {
        let Guards { living_over_ended, quarantine, .. } = setting.guards;
        let lossless = old.epoch != 0 && old.same_redis && read.epoch == old.epoch;
        let mut image = Gate { epoch, incarnation: self.incarnation, ..Gate::default() };
        let judge = |(id, record)| (id, self.judge(setting, id, record));
        let survivors: Vec<_> = read.records.into_iter().enumerate().map(judge).collect();
        let ended = survivors.iter().filter(|(_, record)| matches!(record.life, Life::Decided(_)));
        // What is booked comes from the vault; a survivor that says so without it is older news.
        let ended = ended.filter(|(_, record)| record.life != Life::Decided(Outcome::Booked));
        if living_over_ended {
            ended.clone().for_each(|(id, record)| self.remember(&mut image, *id, *record));
        }
        for id in (0..RESERVATIONS).filter(|id| self.vault.active[*id] != 0) {
            seats_of(self.vault.active[id]).for_each(|seat| image.seats[seat] = Seat::Sold(id));
            let life = Life::Decided(Outcome::Booked);
            self.remember(&mut image, id, Record { life, ..read.records[id] });
        }
        for (id, record) in &survivors {
            let value = match record.life {
                Life::Held => Seat::Held(*id),
                Life::Confirming => Seat::Confirming(*id),
                Life::Unknown | Life::Decided(_) => continue,
            };
            let seats = seats_of(self.issued[*id].map_or(0, |issued| issued.terms.seats));
            // Else it gives way: a seat of it is taken.
            if seats.clone().all(|seat| image.seats[seat] == Seat::Free) {
                seats.for_each(|seat| image.seats[seat] = value);
                self.remember(&mut image, *id, *record);
            }
        }
        // The order of these was a hash map's: any could come last.
        if !living_over_ended {
            ended.for_each(|(id, record)| self.remember(&mut image, *id, *record));
        }
        image.quarantine_until = if quarantine { old.quarantine_until } else { 0 };
        Next::Publish(image, if lossless || !quarantine { 0 } else { setting.ttl })
    }

    /// What a survivor counts as: `undecided`.
    fn judge(&self, setting: &Setting, id: Id, record: Record) -> Record {
        let is_late = record.life == Life::Held && record.deadline <= self.now;
        let late = is_late.then_some(Outcome::Expired);
        let decided = self.vault.outcomes[id];
        let outcome = if setting.guards.vault_before_clock { decided.or(late) } else { late.or(decided) };
        match record.life {
            Life::Held | Life::Confirming => {
                Record { life: outcome.map_or(record.life, Life::Decided), ..record }
            }
            Life::Unknown | Life::Decided(_) => record,
        }
    }

    fn remember(&self, image: &mut Gate, id: Id, record: Record) {
        image.records[id] = record;
        if let Some(issued) = self.issued[id] {
            image.requests[issued.terms.customer] = Some(id);
        }
    }

    fn publish(&mut self, setting: &Setting, mut image: Gate, wait: Time) {
        let is_next = if setting.guards.freeze_before_read {
            self.gate.frozen == image.epoch
        } else {
            self.gate.epoch < image.epoch
        };
        if is_next {
            let until = if wait == 0 { 0 } else { self.now + wait };
            image.quarantine_until = image.quarantine_until.max(until);
            self.gate = image;
            self.saved = self.saved.take().filter(|_| setting.older_file);
        }
    }
}
