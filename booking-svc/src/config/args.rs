//! The settings as they come: options of the command line, each also by environment variable.
//!
//! Clap checks what has a shape of its own; [`super::Config`] checks the rest, so that every refusal is one line and none
//! repeats a secret.

#![allow(missing_docs)] // The comments are the help; a flattened group has none.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{ArgAction, Args, ValueEnum, builder::BoolishValueParser};
use humantime::parse_duration;
use telemetry::ReportArgs;

use super::Secret;
use crate::{limits, vault::Pooler};

/// Settings of `serve`.
#[derive(Args, Clone, Debug)]
pub struct ServeArgs {
    /// Where gRPC is served.
    #[arg(long, env = "TE_LISTEN", default_value = "127.0.0.1:50051")]
    pub listen: SocketAddr,
    #[command(flatten)]
    pub stores: StoreArgs,
    #[command(flatten)]
    pub engine: EngineArgs,
    #[command(flatten)]
    pub kafka: KafkaArgs,
    /// How callers prove who they are; "off" is for development only.
    #[arg(long, env = "TE_AUTH", value_enum, default_value = "jwt")]
    pub auth: AuthMode,
    #[command(flatten)]
    pub jwt: JwtArgs,
    /// JWKS file with the public keys of RS256, ES256 and EdDSA tokens; re-read when it changes.
    #[arg(long, env = "TE_JWKS_FILE")]
    pub jwks_file: Option<PathBuf>,
    /// Server certificate chain (PEM). With it, TLS is on.
    #[arg(long, env = "TE_TLS_CERT")]
    pub tls_cert: Option<PathBuf>,
    /// Private key of the server certificate (PEM).
    #[arg(long, env = "TE_TLS_KEY")]
    pub tls_key: Option<PathBuf>,
    /// Clients must show a certificate of this CA (PEM).
    #[arg(long, env = "TE_TLS_CLIENT_CA")]
    pub tls_client_ca: Option<PathBuf>,
    /// Connections of clients at once; one more is closed.
    #[arg(long, env = "TE_CONNECTIONS_MAX", default_value_t = limits::CLIENT_CONNECTIONS_MAX_DEFAULT)]
    pub connections_max: usize,
    /// Calls under way at once; more are refused with OVERLOADED.
    #[arg(long, env = "TE_CALLS_MAX", default_value_t = limits::CALLS_MAX_DEFAULT)]
    pub calls_max: usize,
    /// Closes connections of this age, such as 10m, so that clients spread over replicas again. Off by default.
    #[arg(long, env = "TE_CONNECTION_AGE_MAX", value_parser = parse_duration)]
    pub connection_age_max: Option<Duration>,
    /// At a stop, how long calls under way may take.
    #[arg(long, env = "TE_GRACE", value_parser = parse_duration, default_value = "10s")]
    pub grace: Duration,
    #[command(flatten)]
    pub report: ReportArgs,
}

/// Where the stores are.
#[derive(Args, Clone, Debug)]
pub struct StoreArgs {
    /// Level 1: redis://user:password@host:port/0, redis-sentinel://user:password@host:port,host:port/NAME,
    /// redis-cluster://user:password@host:port,host:port or redlock://user:password@host:port,host:port,host:port.
    #[arg(long, env = "TE_REDIS_URL", hide_env_values = true)]
    pub redis_url: Option<Secret>,
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// Begins every key in Redis.
    #[arg(long, env = "TE_KEY_PREFIX", default_value = "te")]
    pub key_prefix: String,
    /// Connections to Redis, to each primary of a cluster; many calls share one.
    #[arg(long, env = "TE_REDIS_CONNECTIONS", default_value_t = limits::REDIS_CONNECTIONS_DEFAULT)]
    pub redis_connections: u32,
    /// So many replicas of Redis must have a hold before it is acknowledged.
    #[arg(long, env = "TE_REDIS_WAIT_REPLICAS", default_value_t = 0)]
    pub redis_wait_replicas: u32,
    /// How long they may take before the call is to be repeated.
    #[arg(long, env = "TE_REDIS_WAIT_TIMEOUT", value_parser = parse_duration, default_value = "100ms")]
    pub redis_wait_timeout: Duration,
    /// How long a Redis that was cut off may go on granting seats; added to the wait after a failover. 0s for redis://, else
    /// 15s.
    #[arg(long, env = "TE_REDIS_FAILOVER_LAG", value_parser = parse_duration)]
    pub redis_failover_lag: Option<Duration>,
    /// Connections to PostgreSQL.
    #[arg(long, env = "TE_DATABASE_CONNECTIONS", default_value_t = limits::DATABASE_CONNECTIONS_DEFAULT)]
    pub database_connections: u32,
    /// Where lists may be read, at most some seconds late: a replica of PostgreSQL, as in TE_DATABASE_URL.
    #[arg(long, env = "TE_DATABASE_READ_URL", hide_env_values = true)]
    pub database_read_url: Option<Secret>,
    /// What stands between the service and PostgreSQL: nothing, or a pooler such as pgbouncer in transaction mode.
    #[arg(long, env = "TE_DATABASE_POOLER", value_enum, default_value = "none")]
    pub database_pooler: Pooler,
    /// Start on a PostgreSQL that may lose what it has acknowledged.
    #[arg(long, env = "TE_ALLOW_UNSAFE_DURABILITY", value_parser = BoolishValueParser::new(),
          action = ArgAction::Set, num_args = 0..=1, default_value = "off", default_missing_value = "on")]
    pub allow_unsafe_durability: bool,
}

/// Where the vault is.
#[derive(Args, Clone, Debug)]
pub struct DatabaseArgs {
    /// Level 2: postgres://user:password@host:port/database.
    #[arg(long, env = "TE_DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<Secret>,
}

/// Where bookings and seats are told of, in builds with the feature `kafka`.
#[derive(Args, Clone, Debug)]
pub struct KafkaArgs {
    /// Kafka's brokers, such as kafka-1:9092,kafka-2:9092; then bookings in the outbox are sent there.
    #[arg(long, env = "TE_KAFKA_BROKERS")]
    pub kafka_brokers: Option<String>,
    /// The topic of bookings.
    #[arg(long, env = "TE_KAFKA_TOPIC", default_value = "ticketengine.bookings")]
    pub kafka_topic: String,
    /// The topic of seats, which is told each change of their status; none by default.
    #[arg(long, env = "TE_KAFKA_SEATS_TOPIC")]
    pub kafka_seats_topic: Option<String>,
    /// Between two snapshots of an event's seats, such as 5m: who begins to read waits so long at most.
    #[arg(long, env = "TE_KAFKA_SEATS_SNAPSHOT_EVERY", value_parser = parse_duration, default_value = "5m")]
    pub kafka_seats_snapshot_every: Duration,
    /// Further options of librdkafka, as name=value, with spaces or line breaks between them.
    #[arg(long, env = "TE_KAFKA_OPTIONS", hide_env_values = true)]
    pub kafka_options: Option<Secret>,
}

/// How reservations behave.
#[derive(Args, Clone, Debug)]
pub struct EngineArgs {
    /// Secrets of reservation tokens, comma-separated: the first signs, all verify. At least 32 bytes each.
    #[arg(long, env = "TE_TOKEN_SECRET", hide_env_values = true)]
    pub token_secret: Option<Secret>,
    /// How long a begun Confirm may stay undecided before it is decided void.
    #[arg(long, env = "TE_CONFIRM_WINDOW", value_parser = parse_duration, default_value = "10s")]
    pub confirm_window: Duration,
    /// How long a Confirm waits for its decision before the caller is told to repeat it.
    #[arg(long, env = "TE_DECISION_WAIT", value_parser = parse_duration, default_value = "800ms")]
    pub decision_wait: Duration,
    /// How long ended reservations are remembered, for late repeats.
    #[arg(long, env = "TE_TOMBSTONE_TTL", value_parser = parse_duration, default_value = "10m")]
    pub tombstone_ttl: Duration,
    /// After a loss of Redis's memory, free seats wait until lost holds have ended (on), or are sold at once (off).
    #[arg(long, env = "TE_QUARANTINE", value_parser = BoolishValueParser::new(),
          action = ArgAction::Set, default_value = "on")]
    pub quarantine: bool,
    /// Whether a Reserve of seats that are known to be taken is refused from memory, for up to a second after Redis said so
    /// (on), or asks Redis each time (off).
    #[arg(long, env = "TE_BOARD_REFUSALS", value_parser = BoolishValueParser::new(),
          action = ArgAction::Set, default_value = "on")]
    pub board_refusals: bool,
    /// Between two passes of the sweeper; 0s switches it off.
    #[arg(long, env = "TE_SWEEP_EVERY", value_parser = parse_duration, default_value = "250ms")]
    pub sweep_every: Duration,
    /// Between two comparisons of Redis and PostgreSQL; 0s switches them off.
    #[arg(long, env = "TE_RECONCILE_EVERY", value_parser = parse_duration, default_value = "30s")]
    pub reconcile_every: Duration,
    /// Who watches seats at once; more are refused.
    #[arg(long, env = "TE_WATCHERS_MAX", default_value_t = limits::WATCHERS_MAX_DEFAULT)]
    pub watchers_max: usize,
}

/// Which access tokens are trusted.
#[derive(Args, Clone, Debug)]
pub struct JwtArgs {
    /// Secret of HS256 tokens, at least 32 bytes.
    #[arg(long, env = "TE_JWT_SECRET", hide_env_values = true)]
    pub jwt_secret: Option<Secret>,
    /// Required issuer of tokens (iss).
    #[arg(long, env = "TE_JWT_ISSUER")]
    pub jwt_issuer: Option<String>,
    /// Required audience of tokens (aud).
    #[arg(long, env = "TE_JWT_AUDIENCE")]
    pub jwt_audience: Option<String>,
}

/// How callers prove who they are.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthMode {
    /// By an access token.
    Jwt,
    /// Not at all.
    Off,
}
