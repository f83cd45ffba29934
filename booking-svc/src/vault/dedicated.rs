//! A connection that one loop has for itself: it keeps it while it waits for others, and nobody may have to wait for it.

use std::time::Duration;

use bb8_postgres::bb8::ManageConnection;

use super::{
    Error, Options,
    connection::Connection,
    pool::{Access, Manager},
};

/// How long a statement on it may take.
pub(super) const STATEMENT_WAIT: Duration = Duration::from_secs(5);

pub(super) struct Dedicated {
    manager: Manager,
    connection: Option<Connection>,
}

impl Dedicated {
    /// Connects at the first use.
    pub(super) fn new(options: &Options) -> Result<Self, Error> {
        let manager = Manager::new(options, &options.url, Access::Write, options.query_timeout)?;
        Ok(Self { manager, connection: None })
    }

    /// The connection of before, unless it is broken or a transaction on it did not end well.
    pub(super) async fn get(&mut self) -> Result<&mut Connection, Error> {
        let mut usable = self.connection.take();
        let connection = match usable.take_if(|connection| !self.manager.has_broken(connection)) {
            Some(connection) => connection,
            None => self.manager.connect().await?,
        };
        Ok(self.connection.insert(connection))
    }
}
