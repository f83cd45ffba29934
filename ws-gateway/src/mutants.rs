//! The guard that a build for tests can do without: a proof of the promises has to notice that it is gone.

use std::sync::LazyLock;

use seat_board::Position;
use ticketengine::v1::SeatChanges;

/// Changes that do not continue the board are taken as if they did.
const GAP_IGNORED: &str = "gap-ignored";

/// What `TE_MUTANT` names.
static NAMED: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("TE_MUTANT").ok());

/// Says which guard is out. Fails where `TE_MUTANT` names none.
pub(crate) fn announce() -> Result<(), String> {
    match NAMED.as_deref() {
        None => {}
        Some(GAP_IGNORED) => {
            tracing::warn!(mutant = GAP_IGNORED, "A GUARD IS TAKEN OUT: never serve with this");
        }
        Some(other) => return Err(format!("TE_MUTANT must be {GAP_IGNORED}; not {other:?}")),
    }
    Ok(())
}

/// The changes as they came; without the guard, as if they continued a board that is `at` this position.
pub(crate) fn continuing(at: Position, changes: SeatChanges) -> SeatChanges {
    let is_out = NAMED.as_deref() == Some(GAP_IGNORED);
    if is_out { SeatChanges { after_version: at.version, ..changes } } else { changes }
}
