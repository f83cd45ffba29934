//! The settings, checked: whoever holds a [`Config`] can bind and serve.

mod args;
mod secret;

pub use args::GatewayArgs;
pub use secret::Secret;

use std::{fs, net::SocketAddr, ops::RangeInclusive, path::Path, time::Duration};

use tonic::transport::Certificate;

use crate::{
    http::{self, admission::Bounds, demo::Demo},
    limits::{
        CONNECTIONS_MAX, DRAIN_MAX, FORWARDED_HOPS_MAX, HEARTBEAT_RANGE, SECRET_BYTES_MIN, STALL_RANGE,
        TICK_RANGE,
    },
    upstream,
};

/// A setting that is missing or wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting} {problem}")]
pub struct Error {
    setting: &'static str,
    problem: String,
}

impl From<telemetry::Error> for Error {
    fn from(telemetry::Error { setting, problem }: telemetry::Error) -> Self {
        Self { setting, problem }
    }
}

fn wrong(setting: &'static str, problem: impl Into<String>) -> Error {
    Error { setting, problem: problem.into() }
}

/// Settings of the gateway. Files that they name have been read.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where HTTP and WebSocket are served.
    pub listen: SocketAddr,
    /// Where booking-svc is.
    pub targets: upstream::Settings,
    /// Who may come in.
    pub http: http::Options,
    /// Between two frames of changes of one event.
    pub tick: Duration,
    /// Between two heartbeats to a client.
    pub heartbeat: Duration,
    /// A client that has not taken a byte for this long is closed.
    pub stall_max: Duration,
    /// At a stop, over how long sockets are closed.
    pub drain: Duration,
    /// What is told of it: log, metrics, traces.
    pub report: telemetry::Settings,
}

impl TryFrom<GatewayArgs> for Config {
    type Error = Error;

    fn try_from(args: GatewayArgs) -> Result<Self, Error> {
        let origins = args.allowed_origins.parse();
        let http = http::Options {
            origins: origins
                .map_err(|error: http::origin::NoOrigin| wrong("TE_ALLOWED_ORIGINS", error.to_string()))?,
            bounds: bounds(&args)?,
            forwarded_hops: args.forwarded_hops,
            demo: demo(&args)?,
        };
        Ok(Self {
            listen: args.listen,
            targets: targets(&args)?,
            http,
            tick: within("TE_TICK", args.tick, TICK_RANGE)?,
            heartbeat: within("TE_HEARTBEAT", args.heartbeat, HEARTBEAT_RANGE)?,
            stall_max: within("TE_STALL_MAX", args.stall_max, STALL_RANGE)?,
            drain: within("TE_DRAIN", args.drain, Duration::ZERO..=DRAIN_MAX)?,
            report: args.report.try_into()?,
        })
    }
}

fn within(
    setting: &'static str,
    value: Duration,
    range: RangeInclusive<Duration>,
) -> Result<Duration, Error> {
    if range.contains(&value) {
        return Ok(value);
    }
    let text = humantime::format_duration;
    Err(wrong(setting, format!("must be between {} and {}", text(*range.start()), text(*range.end()))))
}

fn bounds(args: &GatewayArgs) -> Result<Bounds, Error> {
    if !(1..=CONNECTIONS_MAX).contains(&args.connections_max) {
        return Err(wrong("TE_CONNECTIONS_MAX", format!("must be between 1 and {CONNECTIONS_MAX}")));
    }
    if args.connections_per_address_max == 0 {
        return Err(wrong("TE_CONNECTIONS_PER_ADDRESS_MAX", "must be at least 1"));
    }
    if args.forwarded_hops > FORWARDED_HOPS_MAX {
        return Err(wrong("TE_FORWARDED_HOPS", format!("must be at most {FORWARDED_HOPS_MAX}")));
    }
    Ok(Bounds {
        sockets_max: args.connections_max,
        sockets_per_address_max: args.connections_per_address_max.min(args.connections_max),
        peers_are_clients: args.forwarded_hops == 0,
    })
}

fn targets(args: &GatewayArgs) -> Result<upstream::Settings, Error> {
    let urls = args.targets.split(',').map(str::trim).filter(|url| !url.is_empty());
    let urls: Vec<upstream::TargetUrl> = urls
        .map(str::parse)
        .collect::<Result<_, _>>()
        .map_err(|error: upstream::NoTarget| wrong("TE_TARGETS", error.to_string()))?;
    if urls.is_empty() {
        return Err(wrong("TE_TARGETS", "is not set"));
    }
    // An empty path stands for none: that is how a variable is unset in many tools.
    let ca = args.targets_ca.as_deref().filter(|path| !path.as_os_str().is_empty());
    let read = |path: &Path| {
        fs::read(path).map_err(|error| wrong("TE_TARGETS_CA", format!("{}: {error}", path.display())))
    };
    let ca = ca.map(read).transpose()?;
    // rustls takes a file without any, and then trusts nobody.
    let holds_one = |pem: &Vec<u8>| String::from_utf8_lossy(pem).contains("-----BEGIN CERTIFICATE-----");
    if !ca.as_ref().is_none_or(holds_one) {
        return Err(wrong("TE_TARGETS_CA", "has no certificate (PEM)"));
    }
    let ca = ca.map(Certificate::from_pem);
    for url in urls.iter().filter(|url| url.tls()) {
        let ca = ca.as_ref().ok_or_else(|| wrong("TE_TARGETS_CA", "must be set for https targets"))?;
        url.try_tls(ca).map_err(|error| wrong("TE_TARGETS_CA", format!("does not work: {error}")))?;
    }
    Ok(upstream::Settings { urls, ca })
}

fn demo(args: &GatewayArgs) -> Result<Option<Demo>, Error> {
    let secret = args.demo_jwt_secret.as_ref().filter(|secret| !secret.expose().is_empty());
    let Some(secret) = secret else { return Ok(None) };
    if secret.expose().len() < SECRET_BYTES_MIN {
        let problem = format!("is too short: a secret has at least {SECRET_BYTES_MIN} bytes");
        return Err(wrong("TE_DEMO_JWT_SECRET", problem));
    }
    let text = |setting, text: &Option<String>| {
        text.clone().filter(|text| !text.is_empty()).ok_or_else(|| wrong(setting, "is not set"))
    };
    Ok(Some(Demo {
        secret: secret.clone(),
        issuer: text("TE_JWT_ISSUER", &args.jwt_issuer)?,
        audience: text("TE_JWT_AUDIENCE", &args.jwt_audience)?,
    }))
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
