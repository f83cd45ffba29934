//! What the product does not do, so that it is known; a test that fails here is good news.

use model::{Setting, invariants::HOLDS_NEVER_OVERLAP};

use crate::support::falls;

/// A Confirm begins and nobody finishes it; Redis loses everything; the hold's time passes and another gets the seat; Redis
/// comes back with a file from before the loss. In that the Confirm waits for the vault, and no clock ends it.
#[test]
fn a_file_from_before_a_loss_brings_a_begun_confirm_back() {
    let setting = Setting {
        name: "a file from before a loss",
        rewinds: true,
        older_file: true,
        losses: 1,
        epochs: 3,
        rebuilds: 1,
        tasks: 1,
        releases: false,
        ..Setting::PLAIN
    };
    falls(setting, HOLDS_NEVER_OVERLAP);
}
