//! How a setting is searched, and what must come of it.

use std::{
    collections::BTreeSet,
    io::{self, Write},
    time::Instant,
};

use model::{Funnel, Setting, invariants::INVARIANTS};
use stateright::{Checker, HasDiscoveries, Model};

const THREADS: usize = 2;

/// Tries everything: no invariant falls, and everything that should be possible is. Says how much there was to try.
pub(crate) fn holds(setting: Setting) {
    let (name, began) = (setting.name, Instant::now());
    let funnel = Funnel { setting };
    let possible: Vec<_> = funnel.properties().into_iter().map(|property| property.name).collect();
    let found = funnel.checker().threads(THREADS).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let took_s = began.elapsed().as_secs_f64();
    say(&format!(
        "model: {name}: {} states, depth {}, {took_s:.1} s",
        found.unique_state_count(),
        found.max_depth()
    ));
    for invariant in INVARIANTS {
        if let Some(path) = found.discovery(invariant) {
            panic!("{name}: {invariant} falls: {:?}\n{:#?}", path.clone().into_actions(), path.last_state());
        }
    }
    for possible in possible.into_iter().filter(|name| !INVARIANTS.contains(name)) {
        assert!(found.discovery(possible).is_some(), "{name}: {possible}: never");
    }
}

/// Searches, shortest first, until the invariant falls.
pub(crate) fn falls(setting: Setting, invariant: &'static str) {
    let name = setting.name;
    let until = HasDiscoveries::AnyOf(BTreeSet::from([invariant]));
    let found = Funnel { setting }.checker().finish_when(until).spawn_bfs().join();
    let Some(path) = found.discovery(invariant) else { panic!("{name}: {invariant} holds") };
    say(&format!("model: {name}: {invariant} falls by {:?}", path.into_actions()));
}

/// Prints figures past the capture of the test's output: they are shown of tests that pass, too.
fn say(text: &str) {
    let _ = writeln!(io::stdout().lock(), "{text}");
}
