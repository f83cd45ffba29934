//! The settings, checked: whoever holds a [`Config`] can bind and serve.

mod args;
mod credentials;
mod kafka;
mod secret;

pub use args::{AuthMode, DatabaseArgs, EngineArgs, JwtArgs, KafkaArgs, ServeArgs, StoreArgs};
pub use kafka::{Kafka, KafkaSeats};
pub use secret::Secret;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use crate::{booking::Steps, gate, grpc, identity::Auth, limits, vault::Pooler};

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

/// Settings of `serve`. Files that they name have been read.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where gRPC is served.
    pub listen: SocketAddr,
    /// Where the stores are.
    pub stores: Stores,
    /// How reservations behave.
    pub engine: EngineSettings,
    /// Where bookings are told of, where they are.
    pub kafka: Option<Kafka>,
    /// How callers prove who they are.
    pub auth: Arc<Auth>,
    /// The gRPC server.
    pub grpc: grpc::Options,
    /// What is told of it: log, metrics, traces.
    pub report: telemetry::Settings,
}

/// Where the stores are.
#[derive(Clone, Debug)]
pub struct Stores {
    /// Level 1.
    pub redis_url: gate::Url,
    /// Level 2.
    pub database_url: Secret,
    /// Begins every key in Redis.
    pub key_prefix: String,
    /// Connections to each primary of Redis.
    pub redis_connections: u32,
    /// Which replicas of Redis must have a hold before it is acknowledged.
    pub redis_wait: gate::Wait,
    /// How long a Redis that was cut off may go on granting.
    pub redis_failover_lag: Duration,
    /// Connections to PostgreSQL.
    pub database_connections: u32,
    /// A replica of level 2 for lists.
    pub database_read_url: Option<Secret>,
    /// What stands before PostgreSQL.
    pub database_pooler: Pooler,
    /// Start on a PostgreSQL that may lose what it has acknowledged.
    pub allow_unsafe_durability: bool,
}

/// How reservations behave.
#[derive(Clone, Debug)]
pub struct EngineSettings {
    /// Sign (the first) and verify (all) reservation tokens; none where nothing is reserved.
    pub token_secrets: Vec<Secret>,
    /// How long a begun Confirm may stay undecided.
    pub confirm_window: Duration,
    /// How long a Confirm waits for its decision.
    pub decision_wait: Duration,
    /// How long ended reservations are remembered.
    pub tombstone_ttl: Duration,
    /// Whether free seats wait after a loss.
    pub quarantine: bool,
    /// Whether refusals are repeated from the board.
    pub board_refusals: bool,
    /// Between two passes of the sweeper; `None` switches it off.
    pub sweep_every: Option<Duration>,
    /// Between two comparisons of the stores; `None` switches them off.
    pub reconcile_every: Option<Duration>,
    /// Who watches seats at once.
    pub watchers_max: usize,
    /// What happens between two stores: nothing, outside of tests.
    pub steps: Steps,
}

impl EngineSettings {
    /// For a command that manages events and ends: it reserves nothing, and leaves healing to the replicas.
    pub fn for_command() -> Self {
        Self {
            token_secrets: Vec::new(),
            confirm_window: limits::CONFIRM_WINDOW_DEFAULT,
            decision_wait: limits::DECISION_WAIT_DEFAULT,
            tombstone_ttl: limits::TOMBSTONE_TTL_DEFAULT,
            quarantine: true,
            board_refusals: true,
            sweep_every: None,
            reconcile_every: None,
            watchers_max: limits::WATCHERS_MAX_DEFAULT,
            steps: Steps::default(),
        }
    }
}

impl TryFrom<ServeArgs> for Config {
    type Error = Error;

    fn try_from(args: ServeArgs) -> Result<Self, Error> {
        let auth = Arc::new(credentials::auth(&args)?);
        let tls = credentials::tls(&args)?;
        for (setting, places) in
            [("TE_CONNECTIONS_MAX", args.connections_max), ("TE_CALLS_MAX", args.calls_max)]
        {
            if !(1..=tokio::sync::Semaphore::MAX_PERMITS).contains(&places) {
                return Err(wrong(setting, "must be at least 1"));
            }
        }
        if args.connection_age_max.is_some_and(|age| age < Duration::from_secs(1)) {
            return Err(wrong("TE_CONNECTION_AGE_MAX", "must be at least 1 s"));
        }
        Ok(Self {
            listen: args.listen,
            stores: args.stores.try_into()?,
            engine: args.engine.try_into()?,
            kafka: kafka::read(args.kafka)?,
            auth,
            grpc: grpc::Options {
                tls,
                connections_max: args.connections_max,
                calls_max: args.calls_max,
                connection_age_max: args.connection_age_max,
                grace: args.grace,
            },
            report: args.report.try_into()?,
        })
    }
}

impl TryFrom<StoreArgs> for Stores {
    type Error = Error;

    fn try_from(args: StoreArgs) -> Result<Self, Error> {
        let redis_url = required("TE_REDIS_URL", args.redis_url)?.expose().parse::<gate::Url>();
        let redis_url = redis_url.map_err(|error| wrong("TE_REDIS_URL", error.to_string()))?;
        let redis_wait = gate::Wait { replicas: args.redis_wait_replicas, timeout: args.redis_wait_timeout };
        if redis_wait.replicas > limits::REPLICAS_MAX {
            let problem = format!("must be at most {}", limits::REPLICAS_MAX);
            return Err(wrong("TE_REDIS_WAIT_REPLICAS", problem));
        }
        if redis_wait.replicas > 0 && !redis_url.may_have_replicas() {
            let problem = "must be 0 with redlock://, whose servers have no replicas".to_owned();
            return Err(wrong("TE_REDIS_WAIT_REPLICAS", problem));
        }
        if !(Duration::from_millis(1)..=limits::REPLICAS_WAIT_MAX).contains(&redis_wait.timeout) {
            let problem = format!("must be between 1ms and {:?}", limits::REPLICAS_WAIT_MAX);
            return Err(wrong("TE_REDIS_WAIT_TIMEOUT", problem));
        }
        let redis_failover_lag = args.redis_failover_lag.unwrap_or_else(|| redis_url.failover_lag());
        if redis_failover_lag > limits::FAILOVER_LAG_MAX {
            let problem = format!("must be at most {:?}", limits::FAILOVER_LAG_MAX);
            return Err(wrong("TE_REDIS_FAILOVER_LAG", problem));
        }
        let prefix_ok = |byte: u8| byte.is_ascii_alphanumeric() || b":_-.".contains(&byte);
        if !(1..=32).contains(&args.key_prefix.len()) || !args.key_prefix.bytes().all(prefix_ok) {
            return Err(wrong("TE_KEY_PREFIX", "must be 1 to 32 letters, digits, or one of : _ - ."));
        }
        for (setting, connections) in [
            ("TE_REDIS_CONNECTIONS", args.redis_connections),
            ("TE_DATABASE_CONNECTIONS", args.database_connections),
        ] {
            if !(1..=limits::CONNECTIONS_MAX).contains(&connections) {
                let problem = format!("must be between 1 and {}", limits::CONNECTIONS_MAX);
                return Err(wrong(setting, problem));
            }
        }
        Ok(Self {
            redis_url,
            database_url: args.database.try_into()?,
            key_prefix: args.key_prefix,
            redis_connections: args.redis_connections,
            redis_wait,
            redis_failover_lag,
            database_connections: args.database_connections,
            // An empty one stands for none: that is how a variable is unset in many tools.
            database_read_url: args.database_read_url.filter(|url| !url.expose().is_empty()),
            database_pooler: args.database_pooler,
            allow_unsafe_durability: args.allow_unsafe_durability,
        })
    }
}

impl TryFrom<DatabaseArgs> for Secret {
    type Error = Error;

    fn try_from(args: DatabaseArgs) -> Result<Self, Error> {
        required("TE_DATABASE_URL", args.database_url)
    }
}

impl TryFrom<EngineArgs> for EngineSettings {
    type Error = Error;

    fn try_from(args: EngineArgs) -> Result<Self, Error> {
        let secrets = required("TE_TOKEN_SECRET", args.token_secret)?;
        let token_secrets: Vec<Secret> = secrets
            .expose()
            .split(',')
            .map(|secret| secret.trim().parse().unwrap_or_else(|e| match e {}))
            .collect();
        token_secrets.iter().try_for_each(|secret| long_enough("TE_TOKEN_SECRET", secret))?;
        if args.decision_wait.is_zero() || args.decision_wait >= limits::DEADLINE_DEFAULT {
            return Err(wrong(
                "TE_DECISION_WAIT",
                "must be more than 0 and less than 5s, the deadline of a call",
            ));
        }
        if args.confirm_window <= args.decision_wait {
            return Err(wrong("TE_CONFIRM_WINDOW", "must be more than TE_DECISION_WAIT"));
        }
        if args.tombstone_ttl <= args.confirm_window {
            return Err(wrong("TE_TOMBSTONE_TTL", "must be more than TE_CONFIRM_WINDOW"));
        }
        if args.sweep_every >= Duration::from_secs(1) {
            return Err(wrong("TE_SWEEP_EVERY", "must be less than 1s; 0s switches the sweeper off"));
        }
        if !(1..=tokio::sync::Semaphore::MAX_PERMITS).contains(&args.watchers_max) {
            return Err(wrong("TE_WATCHERS_MAX", "must be at least 1"));
        }
        let on = |every: Duration| Some(every).filter(|every| !every.is_zero());
        Ok(Self {
            token_secrets,
            confirm_window: args.confirm_window,
            decision_wait: args.decision_wait,
            tombstone_ttl: args.tombstone_ttl,
            quarantine: args.quarantine,
            board_refusals: args.board_refusals,
            sweep_every: on(args.sweep_every),
            reconcile_every: on(args.reconcile_every),
            watchers_max: args.watchers_max,
            steps: Steps::from_environment(),
        })
    }
}

fn required(setting: &'static str, secret: Option<Secret>) -> Result<Secret, Error> {
    secret.filter(|secret| !secret.expose().is_empty()).ok_or_else(|| wrong(setting, "is not set"))
}

fn long_enough(setting: &'static str, secret: &Secret) -> Result<(), Error> {
    if secret.expose().len() < limits::SECRET_BYTES_MIN {
        let min = limits::SECRET_BYTES_MIN;
        return Err(wrong(setting, format!("is too short: a secret has at least {min} bytes")));
    }
    Ok(())
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
