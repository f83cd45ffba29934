//! Guards that a build for tests can do without, one at a time: a proof of the promises has to notice that each is gone.
//!
//! `TE_MUTANT` names the one. The guards of the vault are taken out in its database, by `chaos/mutants/*.sql`.

use std::sync::LazyLock;

macro_rules! mutants {
    ($(#[doc = $without:literal] $mutant:ident = $name:literal,)*) => {
        /// A guard that can be taken out.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Mutant { $(#[doc = $without] $mutant,)* }

        /// Their names, and what happens without them.
        const ALL: &[(Mutant, &str, &str)] = &[$((Mutant::$mutant, $name, $without),)*];
    };
}

mutants! {
    /// A settle changes all seats of the reservation, whatever became of it and whoever owns them now.
    SettleWithoutOwnerCheck = "settle-without-owner-check",
    /// The sweeper reads the vault's outcome instead of having it decided; where there is none, it takes it to be void.
    SweeperReads = "sweeper-reads",
    /// A begun Confirm ends at the deadline of its hold, as the hold would.
    ConfirmingFreedByTime = "confirming-freed-by-time",
    /// Each Redis is taken for the one that the epoch was published on.
    NoIncarnationCheck = "no-incarnation-check",
    /// A Release tells the gate at once, and the vault never.
    ReleaseWithoutVoid = "release-without-void",
    /// A change's entry in the log is written by the service, after the script that made the change has answered.
    LogOutsideScript = "log-outside-script",
    /// A Confirm is acknowledged as soon as it has begun, and decided up to 50 ms later.
    AcknowledgedBeforeCommit = "acknowledged-before-commit",
    /// A Reserve does not look for what the same request of the same customer has made before.
    ReplayIgnored = "replay-ignored",
    /// A rebuild reads the old epoch while it goes on changing.
    NoFreeze = "no-freeze",
}

/// What `TE_MUTANT` names; an error where nothing is called so.
static NAMED: LazyLock<Result<Option<Mutant>, String>> =
    LazyLock::new(|| std::env::var("TE_MUTANT").ok().map(|name| find(&name)).transpose());

fn find(name: &str) -> Result<Mutant, String> {
    ALL.iter().find(|(_, known, _)| *known == name).map(|(mutant, ..)| *mutant).ok_or_else(|| {
        let names: Vec<&str> = ALL.iter().map(|(_, name, _)| *name).collect();
        format!("TE_MUTANT must be one of {}; not {name:?}", names.join(", "))
    })
}

/// Which guard is out.
pub(crate) fn out() -> Option<Mutant> {
    NAMED.as_ref().ok().copied().flatten()
}

/// Says which guard is out. Fails where `TE_MUTANT` names none.
pub(crate) fn announce() -> Result<(), String> {
    let Some(mutant) = NAMED.clone()? else { return Ok(()) };
    for (_, name, without) in ALL.iter().filter(|(known, ..)| *known == mutant) {
        tracing::warn!(
            mutant = name,
            without = without.trim(),
            "A GUARD IS TAKEN OUT: never serve with this"
        );
    }
    Ok(())
}

impl Mutant {
    /// Whether this guard is out.
    pub(crate) fn is_out(self) -> bool {
        out() == Some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_is_told_all_names() {
        assert_eq!(find("no-freeze"), Ok(Mutant::NoFreeze));
        let error = find("no-such").unwrap_err();
        assert!(ALL.iter().all(|(_, name, _)| error.contains(name)), "{error}");
    }
}
