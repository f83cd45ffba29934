//! The points between two stores at which a process can die or stall: tests make it do so.

#[cfg(feature = "failpoints")]
use std::{pin::Pin, sync::Arc};

/// A point between two stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A Confirm was begun in the gate; the vault was not asked.
    ConfirmBegun,
    /// The vault has decided a Confirm; the gate does not know.
    ConfirmDecided,
    /// The gate knows the outcome of a Confirm; the caller does not.
    ConfirmSettled,
    /// The vault has decided a Release; the gate does not know.
    ReleaseDecided,
    /// The vault has cancelled a booking; the gate does not know.
    CancelDecided,
    /// The sweeper found a Confirm past its window; the vault was not asked.
    SweepFound,
    /// The vault has decided for the sweeper; the gate does not know.
    SweepDecided,
    /// The reconciler has seen the same drift twice; nothing is mended.
    DriftFound,
    /// A rebuild has raised the vault's epoch; the gate's old epoch goes on.
    RebuildRaised,
    /// A rebuild has read everything; nothing is published.
    RebuildRead,
    /// Kafka has acknowledged changes; the vault's outbox still has them.
    RelayDelivered,
}

/// What happens at each step: nothing, outside of tests.
#[derive(Clone, Default)]
pub struct Steps {
    #[cfg(feature = "failpoints")]
    hook: Option<Hook>,
}

impl std::fmt::Debug for Steps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Steps")
    }
}

#[cfg(feature = "failpoints")]
type Hook = Arc<dyn Fn(Step) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

impl Steps {
    /// Calls `hook` at each step and waits for it.
    #[cfg(feature = "failpoints")]
    pub fn with_hook(
        hook: impl Fn(Step) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync + 'static,
    ) -> Self {
        Self { hook: Some(Arc::new(hook)) }
    }

    /// Ends the process at the step that TE_ABORT_AT names, as in `Debug`; only in builds for tests.
    pub fn from_environment() -> Self {
        #[cfg(feature = "failpoints")]
        if let Ok(name) = std::env::var("TE_ABORT_AT") {
            return Self::with_hook(move |step| {
                if format!("{step:?}") == name {
                    std::process::abort();
                }
                Box::pin(async {})
            });
        }
        Self::default()
    }

    #[cfg_attr(not(feature = "failpoints"), allow(clippy::unused_async, unused_variables))]
    pub(super) async fn reached(&self, step: Step) {
        #[cfg(feature = "failpoints")]
        if let Some(hook) = &self.hook {
            hook(step).await;
        }
    }
}
