use bb8_redis::{
    bb8::RunError,
    redis::{ErrorKind, RedisError, ServerErrorKind},
};

/// Why the gate did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The event's gate has to be rebuilt; nothing was written. Says what gave it away.
    #[error("the gate is cold: {0}")]
    Cold(String),
    /// Redis does not answer, or refuses to write. A script may have run: repeat the call.
    #[error("redis: {0}")]
    Unavailable(String),
    /// Another node of the cluster has the event's slot, or is getting it; nothing was written. Repeat the call.
    #[error("redis cluster: {0}")]
    Moved(String),
    /// Redis is set up in a way that would break promises.
    #[error("redis: {0}")]
    Misconfigured(String),
    /// A key or a reply is not as the scripts write it: a bug, or a stranger wrote to our keys.
    #[error("redis holds what it never should: {0}")]
    Corrupt(String),
}

impl From<RedisError> for Error {
    fn from(error: RedisError) -> Self {
        // Redis reports a script's own mistakes, and running out of memory, as plain ERR or OOM.
        let kind = error.kind();
        if matches!(kind, ErrorKind::Parse | ErrorKind::UnexpectedReturnType) || is_wrong_type(&error) {
            return Self::Corrupt(error.to_string());
        }
        use ServerErrorKind::{Ask, Moved, TryAgain};
        if matches!(kind, ErrorKind::Server(Moved | Ask | TryAgain)) {
            return Self::Moved(error.to_string());
        }
        if matches!(kind, ErrorKind::AuthenticationFailed | ErrorKind::InvalidClientConfig) {
            return Self::Misconfigured(error.to_string());
        }
        if kind == ErrorKind::Server(ServerErrorKind::ResponseError) && !error.to_string().contains("OOM") {
            return Self::Corrupt(error.to_string());
        }
        Self::Unavailable(error.to_string())
    }
}

/// A key holds something else than the scripts write there.
pub(super) fn is_wrong_type(error: &RedisError) -> bool {
    error.code() == Some("WRONGTYPE")
}

/// Another node of the cluster has the slot or is getting it, or nobody has it.
pub(super) fn is_redirect(error: &RedisError) -> bool {
    use ServerErrorKind::{Ask, ClusterDown, Moved, TryAgain};
    matches!(error.kind(), ErrorKind::Server(Moved | Ask | TryAgain | ClusterDown))
}

impl From<RunError<Self>> for Error {
    fn from(error: RunError<Self>) -> Self {
        match error {
            RunError::User(error) => error,
            RunError::TimedOut => Self::Unavailable("no connection within the pool's wait".into()),
        }
    }
}
