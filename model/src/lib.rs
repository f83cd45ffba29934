//! The funnel of TicketEngine as a state machine: the gate, the vault, what replicas do between the two, and what can
//! happen to them. Small enough that every order of the steps is tried. See `README.md`.

pub mod gate;
mod guards;
pub mod invariants;
pub mod rebuild;
mod setting;
pub mod state;
pub mod tasks;
pub mod vault;

pub use guards::Guards;
pub use setting::Setting;

use gate::{Customer, Gate, Granted, Id, Life, Terms};
use state::{Heard, Issued, State};
use stateright::{Model, Property};
use tasks::Verb;
use vault::Outcome;

/// The model.
#[derive(Clone, Debug)]
pub struct Funnel {
    /// How large it is.
    pub setting: Setting,
}

/// One atomic step of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Redis's clock goes on.
    Tick,
    /// A customer reserves, or repeats it.
    Reserve(Customer),
    /// A customer extends.
    Extend(Id),
    /// A call or a sweep begins, by its first access to a store.
    Begin(Verb, Id),
    /// A task makes its next access.
    GoOn(usize),
    /// A settle is never heard by the gate.
    Unsettled(usize),
    /// The vault decides and its reply is lost.
    Unheard(usize),
    /// A task dies.
    Die(usize),
    /// The sweeper finds a hold past its deadline.
    Expire(Id),
    /// The sweeper forgets a tombstone.
    Forget(Id),
    /// A rebuild begins, by raising the epoch.
    Raise,
    /// A rebuild makes its next access.
    Rebuild(usize),
    /// A rebuild dies.
    RebuildDies(usize),
    /// FLUSHALL: the memory is lost, Redis is the same.
    Flush,
    /// Redis restarts empty.
    Restart,
    /// Redis writes a file.
    Save,
    /// Redis restarts with it.
    Rewind,
}

impl Model for Funnel {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let mut state = State::first(&self.setting);
        if self.setting.older_file {
            let begun = [Action::Reserve(0), Action::Begin(Verb::Confirm, 0), Action::Die(0), Action::Save];
            begun.into_iter().for_each(|action| _ = self.act(&mut state, action));
        }
        vec![state]
    }

    fn actions(&self, _: &State, actions: &mut Vec<Action>) {
        let setting = &self.setting;
        actions.push(Action::Tick);
        actions.extend((0..setting.wants.len()).map(Action::Reserve));
        for id in 0..setting.reservations {
            actions.push(Action::Begin(Verb::Confirm, id));
            actions.push(Action::Begin(Verb::Sweep, id));
            actions.push(Action::Expire(id));
            actions.extend(setting.releases.then_some(Action::Begin(Verb::Release, id)));
            actions.extend(setting.cancels.then_some(Action::Begin(Verb::Cancel, id)));
            actions.extend(setting.extends.then_some(Action::Extend(id)));
            actions.extend(setting.forgets.then_some(Action::Forget(id)));
        }
        for slot in 0..2 {
            actions.extend([
                Action::GoOn(slot),
                Action::Unsettled(slot),
                Action::Unheard(slot),
                Action::Die(slot),
            ]);
            actions.extend([Action::Rebuild(slot), Action::RebuildDies(slot)]);
        }
        actions.extend([Action::Raise, Action::Flush, Action::Restart, Action::Save, Action::Rewind]);
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        self.act(&mut state, action)?;
        state.normalize();
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        invariants::properties()
    }
}

impl Funnel {
    /// None where it can not happen now.
    fn act(&self, state: &mut State, action: Action) -> Option<()> {
        let setting = &self.setting;
        let is_warm = state.is_warm(setting);
        match action {
            Action::Tick => (state.now < setting.ticks).then(|| state.now += 1),
            Action::Reserve(customer) if is_warm => self.reserve(state, customer),
            Action::Extend(id) if is_warm => {
                let issued = state.issued[id].as_mut()?;
                issued.deadline = state.gate.extend(&setting.guards, id, state.now, setting.ttl)?;
                Some(())
            }
            Action::Expire(id) if is_warm => state.gate.expire(&setting.guards, id, state.now).then_some(()),
            Action::Forget(id) if is_warm => state.gate.forget(id).then_some(()),
            Action::Reserve(_) | Action::Extend(_) | Action::Expire(_) | Action::Forget(_) => None,
            Action::Begin(verb, id) => self.begin(state, verb, id),
            Action::GoOn(slot) => state.go_on(setting, slot, true),
            Action::Unsettled(slot) => {
                matches!(state.tasks[slot]?.next, tasks::Step::Settle(_)).then_some(())?;
                state.go_on(setting, slot, false)
            }
            Action::Unheard(slot) => state.decide_unheard(setting, slot),
            Action::Die(slot) => state.tasks[slot].take().map(drop),
            Action::Raise => {
                let begun = state.rebuilds.iter().flatten().count();
                (begun < setting.rebuilds).then(|| state.raise(setting)).flatten()
            }
            Action::Rebuild(slot) => state.rebuild(setting, slot),
            Action::RebuildDies(slot) => state.rebuilds[slot].take().map(drop),
            Action::Flush => lose(state),
            Action::Restart => lose(state).map(|()| state.incarnation += 1),
            Action::Save => {
                (state.rewind && state.saved.is_none()).then(|| state.saved = Some(state.gate.clone()))
            }
            Action::Rewind => {
                state.gate = state.saved.take()?;
                state.incarnation += 1;
                state.rewind = false;
                Some(())
            }
        }
    }

    fn begin(&self, state: &mut State, verb: Verb, id: Id) -> Option<()> {
        state.issued[id]?;
        let under_way = state.tasks.iter().flatten().count();
        let fits = match verb {
            Verb::Confirm | Verb::Release => true,
            Verb::Sweep => state.record(id).life == Life::Confirming,
            Verb::Cancel => {
                matches!(state.vault.outcomes[id], Some(Outcome::Booked | Outcome::Cancelled))
            }
        };
        (fits && under_way < self.setting.tasks).then(|| state.begin(&self.setting, verb, id)).flatten()
    }

    fn reserve(&self, state: &mut State, customer: Customer) -> Option<()> {
        let setting = &self.setting;
        let next = state.issued.iter().position(Option::is_none).filter(|id| *id < setting.reservations);
        let terms = Terms { customer, seats: setting.wants[customer], epoch: state.gate.epoch };
        let before = state.gate.clone();
        let known = (0..setting.reservations).find(|id| {
            let is_there = state.is_valid(*id) && state.is_alive(*id)
                || state.record(*id).life == Life::Decided(Outcome::Booked);
            is_there && state.issued[*id].is_some_and(|issued| issued.terms.customer == customer)
        });
        let id = next.unwrap_or(0);
        let granted = state.gate.grant(&setting.guards, id, &terms, state.now, setting.ttl);
        match granted {
            Granted::New => {
                next?;
                let deadline = state.gate.records[id].deadline;
                state.issued[id] = Some(Issued { terms, deadline, heard: Heard::default() });
                state.forgot_request |= known.is_some();
            }
            Granted::Same(found) => state.forgot_request |= known.is_some_and(|known| known != found),
            Granted::Taken => state.forgot_request |= known.is_some(),
            Granted::Quarantine => {}
        }
        (state.forgot_request || state.gate != before).then_some(())
    }
}

/// Redis loses what it has in memory.
fn lose(state: &mut State) -> Option<()> {
    state.losses = state.losses.checked_sub(1)?;
    state.gate = Gate::default();
    Some(())
}
