#[cfg(feature = "mutants")]
mod edits;

#[cfg(not(feature = "mutants"))]
use std::convert::identity as edited;
use std::vec::IntoIter;

use bb8_redis::redis::{self, Cmd, Value, cmd};

#[cfg(feature = "mutants")]
use self::edits::edited;
use super::{Error, keys::Keys};

/// A transition: a file of `lua/` behind those that it builds on.
pub(super) struct Script {
    redis: redis::Script,
    /// The file's, as metrics and traces say it.
    pub(super) name: &'static str,
}

macro_rules! scripts {
    ($($(#[$doc:meta])* $name:ident = $prelude:expr, $file:literal;)*) => {$(
        $(#[$doc])*
        pub(super) static $name: std::sync::LazyLock<Script> = std::sync::LazyLock::new(|| {
            let text = edited(concat!($prelude, include_str!(concat!("lua/", $file))));
            Script { redis: redis::Script::new(&text), name: $file.trim_end_matches(".lua") }
        });
    )*};
}

macro_rules! prelude {
    () => {
        concat!(
            include_str!("lua/prelude.lua"),
            include_str!("lua/writes.lua"),
            include_str!("lua/reservations.lua")
        )
    };
}

/// The prelude of what mostly refuses: it does so before the functions of a change are made, which cost as much as all
/// the rest of a refusal.
macro_rules! refusing {
    () => {
        concat!(
            include_str!("lua/prelude.lua"),
            include_str!("lua/refuse.lua"),
            include_str!("lua/writes.lua"),
            include_str!("lua/reservations.lua")
        )
    };
}

/// The prelude of what brings holds to their end: it works also where Redis's memory is full, or nothing would ever
/// become free again.
macro_rules! finishing {
    () => {
        concat!("#!lua flags=allow-oom\n", prelude!())
    };
}

/// The prelude of what changes a node's votes (Redlock).
macro_rules! voting {
    () => {
        include_str!("lua/votes.lua")
    };
}

scripts! {
    GRANT = refusing!(), "grant.lua";
    EXTEND = finishing!(), "extend.lua";
    GET = finishing!(), "get.lua";
    BEGIN = finishing!(), "begin.lua";
    SETTLE = finishing!(), "settle.lua";
    ADOPT = prelude!(), "adopt.lua";
    SWEEP = finishing!(), "sweep.lua";
    ALIVE = prelude!(), "alive.lua";
    STATES = prelude!(), "states.lua";
    BLOCK = prelude!(), "block.lua";
    UNBLOCK = prelude!(), "unblock.lua";
    CONFIGURE = prelude!(), "configure.lua";
    LEASE = "", "lease.lua";
    FREEZE = "", "freeze.lua";
    PUBLISH = "", "publish.lua";
    LOCK = voting!(), "lock.lua";
    UNLOCK = "#!lua flags=allow-oom\n", "unlock.lua";
    ENROL = concat!("#!lua flags=allow-oom\n", voting!()), "enrol.lua";
    FENCE = concat!("#!lua flags=allow-oom\n", voting!()), "fence.lua";
    RETIRE = "#!lua flags=allow-oom\n", "retire.lua";
}

impl Script {
    /// A call with all keys of an epoch.
    pub(super) fn call<'a>(
        &'static self,
        keys: &Keys,
        head: impl IntoIterator<Item = &'a str>,
        args: impl IntoIterator<Item = &'a str>,
    ) -> Call {
        self.call_with_keys(&keys.all, head.into_iter().chain(args))
    }

    /// A call with just these keys.
    pub(super) fn call_with_keys<'a>(
        &'static self,
        keys: &[String],
        args: impl IntoIterator<Item = &'a str>,
    ) -> Call {
        let mut command = cmd("EVALSHA");
        command.arg(self.redis.get_hash()).arg(keys.len()).arg(keys);
        for arg in args {
            command.arg(arg);
        }
        Call { script: self, command }
    }
}

/// A call of a script, to be sent.
pub(super) struct Call {
    script: &'static Script,
    command: Cmd,
}

impl Call {
    /// Sends it; a Redis that does not know the script yet is told.
    pub(super) async fn send(
        &self,
        redis: &mut impl redis::aio::ConnectionLike,
    ) -> redis::RedisResult<Vec<Value>> {
        match self.command.query_async(redis).await {
            Err(error) if error.kind() == redis::ServerErrorKind::NoScript.into() => {
                self.script.redis.load_async(redis).await?;
                self.command.query_async(redis).await
            }
            answer => answer,
        }
    }
}

/// A script's reply: a word, then what belongs to it.
#[derive(Debug)]
pub(super) struct Reply {
    word: String,
    rest: IntoIter<Value>,
}

impl Reply {
    pub(super) fn new(items: Vec<Value>) -> Result<Self, Error> {
        let mut rest = items.into_iter();
        let word = text(rest.next())?;
        Ok(Self { word, rest })
    }

    /// Says which reply it is.
    pub(super) fn word(&self) -> &str {
        &self.word
    }

    pub(super) fn text(&mut self) -> Result<String, Error> {
        text(self.rest.next())
    }

    pub(super) fn bytes(&mut self) -> Result<Vec<u8>, Error> {
        match self.rest.next() {
            Some(Value::BulkString(bytes)) => Ok(bytes),
            other => Err(unexpected(&other)),
        }
    }

    pub(super) fn number<T: std::str::FromStr>(&mut self) -> Result<T, Error> {
        let text = self.text()?;
        text.parse().map_err(|_| Error::Corrupt(format!("{text:?} where a number belongs")))
    }

    /// The reply to one call of a group.
    pub(super) fn nested(&mut self) -> Result<Self, Error> {
        match self.rest.next() {
            Some(Value::Array(items)) => Self::new(items),
            other => Err(unexpected(&other)),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.as_slice().is_empty()
    }

    /// The error for a word that the script never says.
    pub(super) fn surprise(&self) -> Error {
        Error::Corrupt(format!("a script answered {:?}", self.word))
    }
}

fn text(value: Option<Value>) -> Result<String, Error> {
    match value {
        Some(Value::BulkString(bytes)) => {
            String::from_utf8(bytes).map_err(|_| Error::Corrupt("a reply is not UTF-8".into()))
        }
        Some(Value::SimpleString(text)) => Ok(text),
        Some(Value::Int(number)) => Ok(number.to_string()),
        other => Err(unexpected(&other)),
    }
}

fn unexpected(value: &Option<Value>) -> Error {
    Error::Corrupt(format!("{value:?} in a script's reply"))
}
