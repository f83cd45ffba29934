//! What must always hold, by the names that the checker of a chaos run uses; and what must be possible.

use stateright::Property;

use crate::{
    Funnel,
    gate::{Id, Life, RESERVATIONS, SEATS},
    state::{Heard, State},
    tasks::Step,
    vault::Outcome,
};

/// A seat has at most one active booking. G1.
pub const SOLD_ONCE: &str = "sold_once";
/// An acknowledged Confirm stays booked, until its owner cancels. G2.
pub const CONFIRMS_KEPT: &str = "confirms_kept";
/// A definite refusal never becomes a booking. G2.
pub const REFUSALS_STAND: &str = "refusals_stand";
/// Nobody else is granted or sold a seat whose holder's deadline has not passed and whose reservation is undecided. G4.
pub const HOLDS_NEVER_OVERLAP: &str = "holds_never_overlap";
/// Repeats hear one outcome; a repeated Reserve finds its reservation. G2.
pub const SAME_ANSWER: &str = "same_answer";
/// All seats of a reservation, or none. G5.
pub const ALL_OR_NOTHING: &str = "all_or_nothing";

/// A Confirm can succeed.
pub const CONFIRMED: &str = "a Confirm succeeds";
/// A seat can be sold.
pub const SOLD: &str = "a seat is sold";
/// A lost hold can come back.
pub const CAME_BACK: &str = "a lost hold comes back by its token";
/// A begun Confirm can lose.
pub const VOID_WON: &str = "a void wins against a Confirm";

/// The invariants.
pub const INVARIANTS: [&str; 6] =
    [SOLD_ONCE, CONFIRMS_KEPT, REFUSALS_STAND, HOLDS_NEVER_OVERLAP, SAME_ANSWER, ALL_OR_NOTHING];

pub(crate) fn properties() -> Vec<Property<Funnel>> {
    vec![
        Property::always(SOLD_ONCE, |_, state: &State| {
            (0..SEATS).all(|seat| ids().filter(|id| is_active(state, *id, seat)).count() <= 1)
        }),
        Property::always(CONFIRMS_KEPT, |_, state: &State| {
            heard(state).all(|(id, heard)| !heard.booked || is_booked(state, id))
        }),
        Property::always(REFUSALS_STAND, |_, state: &State| {
            heard(state).all(|(id, heard)| !heard.ended || !is_booked(state, id))
        }),
        Property::always(HOLDS_NEVER_OVERLAP, |_, state: &State| {
            let has = |id: &Id, seat: usize| {
                let wanted = state.issued[*id].map_or(0, |issued| issued.terms.seats);
                is_active(state, *id, seat) || wanted & (1 << seat) != 0 && state.is_valid(*id)
            };
            (0..SEATS).all(|seat| ids().filter(|id| has(id, seat)).count() <= 1)
        }),
        Property::always(SAME_ANSWER, |_, state: &State| {
            !state.forgot_request && heard(state).all(|(_, heard)| !(heard.booked && heard.ended))
        }),
        Property::always(ALL_OR_NOTHING, |_, state: &State| {
            let whole = |id: Id, seats: u8| {
                seats == 0 || state.issued[id].is_some_and(|issued| issued.terms.seats == seats)
            };
            ids().all(|id| whole(id, state.vault.active[id]) && whole(id, state.gate.owned(id)))
        }),
        Property::sometimes(CONFIRMED, |_, state: &State| heard(state).any(|(_, heard)| heard.booked)),
        Property::sometimes(SOLD, |_, state: &State| state.vault.active.iter().any(|seats| *seats != 0)),
        Property::sometimes(CAME_BACK, |funnel: &Funnel, state: &State| {
            let mut tasks = state.tasks.iter().flatten();
            funnel.setting.losses == 0
                || tasks.any(|task| task.next == Step::Again && state.record(task.id).life == Life::Held)
        }),
        Property::sometimes(VOID_WON, |_, state: &State| {
            let void = |id: Id| matches!(state.vault.outcomes[id], Some(Outcome::Expired | Outcome::Lost));
            ids().any(|id| state.record(id).life == Life::Confirming && void(id))
        }),
    ]
}

fn ids() -> impl Iterator<Item = Id> {
    0..RESERVATIONS
}

fn heard(state: &State) -> impl Iterator<Item = (Id, Heard)> {
    ids().filter_map(|id| Some((id, state.issued[id]?.heard)))
}

fn is_active(state: &State, id: Id, seat: usize) -> bool {
    state.vault.active[id] & (1 << seat) != 0
}

/// Also where it was cancelled since.
fn is_booked(state: &State, id: Id) -> bool {
    matches!(state.vault.outcomes[id], Some(Outcome::Booked | Outcome::Cancelled))
}
