//! A connection to one server.

use std::{sync::Arc, time::Duration};

use redis::{
    AsyncConnectionConfig, Cmd, Pipeline, RedisConnectionInfo, RedisError, RedisResult, Value,
    aio::MultiplexedConnection,
};
use tokio::task::{AbortHandle, JoinHandle};

use crate::stream::{Stream, Writes};

/// A connection to one server; its clones share it.
#[derive(Clone)]
pub(crate) struct Link {
    connection: MultiplexedConnection,
    writes: Writes,
    _bytes: Arc<AbortOnDrop>,
}

/// Resolves when the connection has ended, from either side.
pub(crate) type Ended = JoinHandle<()>;

/// The reason that a call has no reply.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: RedisError,
    /// `true` if the call certainly never left this machine.
    pub(crate) unsent: bool,
}

/// The task that moves the bytes, until the link is dropped.
struct AbortOnDrop(AbortHandle);

impl Link {
    /// Logs in over a stream.
    pub(crate) async fn open(stream: Stream, login: &RedisConnectionInfo) -> RedisResult<(Self, Ended)> {
        let writes = stream.writes();
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(RESPONSE_TIMEOUT));
        let (connection, driver) = MultiplexedConnection::new_with_config(login, stream, config).await?;
        let driver = tokio::spawn(driver);
        let link = Self { connection, writes, _bytes: Arc::new(AbortOnDrop(driver.abort_handle())) };
        Ok((link, driver))
    }

    pub(crate) async fn call(&mut self, command: &Cmd) -> Result<Value, Failure> {
        let before = self.writes.count();
        let answer = self.connection.send_packed_command(command).await;
        answer.and_then(Value::extract_error).map_err(|error| self.failure(error, before))
    }

    /// Calls a node of a cluster that does not own the slot yet.
    pub(crate) async fn call_asking(&mut self, command: &Cmd) -> Result<Value, Failure> {
        let mut asking = redis::pipe();
        asking.cmd("ASKING").add_command(command.clone());
        let mut answers = self.call_all(&asking, 1).await?;
        answers.pop().unwrap_or(Value::Nil).extract_error().map_err(Failure::of)
    }

    /// Makes many calls at once, and gives the answers but for the first few.
    pub(crate) async fn call_all(&mut self, calls: &Pipeline, skip: usize) -> Result<Vec<Value>, Failure> {
        let before = self.writes.count();
        let answers = calls.cmd_iter().count() - skip;
        let answers = self.connection.send_packed_commands(calls, skip, answers).await;
        answers.map_err(|error| self.failure(error, before))
    }

    fn failure(&self, error: RedisError, before: u64) -> Failure {
        let unsent = error.is_connection_dropped() && self.writes.count() == before;
        Failure { error, unsent }
    }
}

impl Failure {
    /// Returns the failure of a call that the server answered with an error.
    pub(crate) fn of(error: RedisError) -> Self {
        Self { error, unsent: false }
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Maximum time for a server to answer.
pub(crate) const RESPONSE_TIMEOUT: Duration = Duration::from_secs(1);
