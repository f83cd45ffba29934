//! How both programs report what they do: log lines, metrics and traces.

mod export;
mod health;
pub mod log;
pub mod metrics;
mod settings;
pub mod stores;
mod throttle;
pub mod trace;

pub use export::Traces;
pub use health::on_this_machine;
pub use metrics::Metrics;
pub use opentelemetry_otlp::ExporterBuildError;
pub use opentelemetry_sdk::error::OTelSdkError;
pub use settings::{Error, Exporting, Log, LogArgs, LogFormat, ReportArgs, Settings};
pub use throttle::Throttle;
pub use trace::{Trace, Tracer};

/// The program that reports.
#[derive(Clone, Copy, Debug)]
pub struct Service {
    /// Its name in metrics and traces.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
}
