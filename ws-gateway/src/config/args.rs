//! The settings as they come: options of the command line, each also by environment variable.
//!
//! Clap checks what has a shape of its own; [`super::Config`] checks the rest, so that every refusal is one line and none
//! repeats a secret.

#![allow(missing_docs)] // The comments are the help.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::Args;
use humantime::parse_duration;
use telemetry::ReportArgs;

use super::Secret;
use crate::limits;

/// Settings of the gateway.
#[derive(Args, Clone, Debug)]
pub struct GatewayArgs {
    /// Where HTTP and WebSocket are served.
    #[arg(long, env = "TE_GATEWAY_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// URLs of booking-svc, comma-separated, such as http://booking:50051; names are looked up again and again.
    #[arg(long, env = "TE_TARGETS", default_value = "")]
    pub targets: String,
    /// CA of https targets (PEM).
    #[arg(long, env = "TE_TARGETS_CA")]
    pub targets_ca: Option<PathBuf>,
    /// Sites (scheme://host) whose pages may connect, comma-separated; "*" is any. The own page always may.
    #[arg(long, env = "TE_ALLOWED_ORIGINS", default_value = "")]
    pub allowed_origins: String,
    /// Sockets in all; more are refused with 503.
    #[arg(long, env = "TE_CONNECTIONS_MAX", default_value_t = limits::CONNECTIONS_MAX_DEFAULT)]
    pub connections_max: usize,
    /// Sockets of one client address (IPv6: of one /64).
    #[arg(long, env = "TE_CONNECTIONS_PER_ADDRESS_MAX", default_value_t = limits::CONNECTIONS_PER_ADDRESS_MAX_DEFAULT)]
    pub connections_per_address_max: usize,
    /// How many proxies stand before the gateway: so many entries of X-Forwarded-For are believed.
    #[arg(long, env = "TE_FORWARDED_HOPS", default_value_t = 0)]
    pub forwarded_hops: usize,
    /// Between two frames of changes of one event.
    #[arg(long, env = "TE_TICK", value_parser = parse_duration, default_value = "50ms")]
    pub tick: Duration,
    /// Between two heartbeats to a client.
    #[arg(long, env = "TE_HEARTBEAT", value_parser = parse_duration, default_value = "15s")]
    pub heartbeat: Duration,
    /// A client that has not taken a byte for this long is closed.
    #[arg(long, env = "TE_STALL_MAX", value_parser = parse_duration, default_value = "120s")]
    pub stall_max: Duration,
    /// At a stop, over how long sockets are closed.
    #[arg(long, env = "TE_DRAIN", value_parser = parse_duration, default_value = "10s")]
    pub drain: Duration,
    /// Lets everybody be any customer: the gateway signs tokens with this secret of booking-svc. For demonstrations only.
    #[arg(long, env = "TE_DEMO_JWT_SECRET", hide_env_values = true)]
    pub demo_jwt_secret: Option<Secret>,
    /// Issuer of such tokens (iss).
    #[arg(long, env = "TE_JWT_ISSUER")]
    pub jwt_issuer: Option<String>,
    /// Audience of such tokens (aud).
    #[arg(long, env = "TE_JWT_AUDIENCE")]
    pub jwt_audience: Option<String>,
    #[command(flatten)]
    #[allow(missing_docs)] // A flattened group has no help.
    pub report: ReportArgs,
}
