//! The settings of reports, as they come and as they are checked.

use std::net::SocketAddr;

use clap::{Args, ValueEnum};
use tonic::transport::Endpoint;
use tracing_subscriber::EnvFilter;

/// How a process reports.
#[derive(Args, Clone, Debug)]
pub struct ReportArgs {
    /// Where Prometheus finds /metrics; not served where absent.
    #[arg(long, env = "TE_METRICS_LISTEN")]
    pub metrics_listen: Option<SocketAddr>,
    /// Where traces go, by OTLP over gRPC, such as http://collector:4317. Off where empty.
    #[arg(long, env = "TE_OTLP_ENDPOINT", default_value = "", hide_default_value = true)]
    pub otlp_endpoint: String,
    /// Of the calls that come without a trace of their caller's, so many are traced: 0 to 1.
    #[arg(long, env = "TE_TRACE_RATIO", default_value_t = 0.01)]
    pub trace_ratio: f64,
    #[command(flatten)]
    #[allow(missing_docs)] // A flattened group has no help.
    pub log: LogArgs,
}

/// What is logged, to standard error.
#[derive(Args, Clone, Debug)]
pub struct LogArgs {
    /// Filter, such as info or booking_svc=debug,info.
    #[arg(long = "log", env = "TE_LOG", default_value = "info,opentelemetry_sdk=warn")]
    pub filter: String,
    /// How lines look.
    #[arg(long = "log-format", env = "TE_LOG_FORMAT", value_enum, default_value = "human")]
    pub format: LogFormat,
}

/// How log lines look.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

/// A setting that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting} {problem}")]
pub struct Error {
    /// The environment variable.
    pub setting: &'static str,
    /// What is wrong with it.
    pub problem: String,
}

/// How a process reports, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where metrics are served.
    pub metrics_listen: Option<SocketAddr>,
    /// Where traces go.
    pub exporting: Option<Exporting>,
    /// What is logged.
    pub log: Log,
}

/// Where traces go.
#[derive(Clone, Debug, PartialEq)]
pub struct Exporting {
    /// A collector that speaks OTLP over gRPC.
    pub endpoint: String,
    /// Of the calls without a trace of their caller's, so many are traced.
    pub ratio: f64,
}

/// What is logged.
#[derive(Clone, Debug)]
pub struct Log {
    /// A filter that has been parsed once.
    pub filter: String,
    /// How lines look.
    pub format: LogFormat,
}

impl TryFrom<ReportArgs> for Settings {
    type Error = Error;

    fn try_from(args: ReportArgs) -> Result<Self, Error> {
        if !(0.0..=1.0).contains(&args.trace_ratio) {
            return Err(Error { setting: "TE_TRACE_RATIO", problem: "must be between 0 and 1".into() });
        }
        let exporting = match &*args.otlp_endpoint {
            "" => None,
            endpoint => {
                let uri =
                    Endpoint::from_shared(endpoint.to_owned()).ok().map(|endpoint| endpoint.uri().clone());
                let is_plain =
                    uri.is_some_and(|uri| uri.scheme_str() == Some("http") && uri.port().is_some());
                let problem = "must be a URL such as http://collector:4317; without TLS";
                is_plain
                    .then_some(())
                    .ok_or(Error { setting: "TE_OTLP_ENDPOINT", problem: problem.into() })?;
                Some(Exporting { endpoint: endpoint.to_owned(), ratio: args.trace_ratio })
            }
        };
        Ok(Self { metrics_listen: args.metrics_listen, exporting, log: args.log.try_into()? })
    }
}

impl TryFrom<LogArgs> for Log {
    type Error = Error;

    fn try_from(LogArgs { filter, format }: LogArgs) -> Result<Self, Error> {
        let wrong = |problem: String| Error { setting: "TE_LOG", problem };
        EnvFilter::try_new(&filter).map_err(|error| wrong(error.to_string()))?;
        Ok(Self { filter, format })
    }
}
