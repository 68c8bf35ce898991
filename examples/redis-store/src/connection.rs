//! The connection to Redis, and its errors.

use flamingock::audit::{StoreError, StoreErrorKind};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, FromRedisValue, RedisError, ScriptInvocation};
use tokio::sync::Mutex;

/// A client with one connection, which is opened when it is needed. It belongs to the runtime that
/// opened it, so a thread of its own has a `Connection` of its own.
#[derive(Debug)]
pub(crate) struct Connection {
    client: Client,
    open: Mutex<Option<MultiplexedConnection>>,
}

impl Connection {
    pub(crate) fn new(client: Client) -> Connection {
        Connection {
            client,
            open: Mutex::default(),
        }
    }

    /// The same server, with a new connection.
    pub(crate) fn another(&self) -> Connection {
        Connection::new(self.client.clone())
    }

    /// Runs a script, which Redis does without anything in between.
    pub(crate) async fn run<T: FromRedisValue>(
        &self,
        action: &'static str,
        script: &ScriptInvocation<'_>,
    ) -> Result<T, StoreError> {
        let mut open = self.connection(action).await?;
        let answer = script.invoke_async(&mut open).await;
        self.answered(action, answer).await
    }

    /// Sends a command.
    pub(crate) async fn ask<T: FromRedisValue>(
        &self,
        action: &'static str,
        command: &redis::Cmd,
    ) -> Result<T, StoreError> {
        let mut open = self.connection(action).await?;
        let answer = command.query_async(&mut open).await;
        self.answered(action, answer).await
    }

    async fn connection(&self, action: &'static str) -> Result<MultiplexedConnection, StoreError> {
        let mut open = self.open.lock().await;
        if let Some(open) = &*open {
            return Ok(open.clone());
        }
        // The engine waits as long as it has to: an answer that is given up may still come true.
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let connected = self
            .client
            .get_multiplexed_async_connection_with_config(&config)
            .await;
        let connected = connected.map_err(|error| error_of(action, error))?;
        *open = Some(connected.clone());
        Ok(connected)
    }

    async fn answered<T>(
        &self,
        action: &'static str,
        answer: Result<T, RedisError>,
    ) -> Result<T, StoreError> {
        if let Err(error) = &answer
            && (error.is_io_error()
                || error.is_unrecoverable_error()
                || error.code() == Some("READONLY"))
        {
            // The next request opens another one, perhaps to another server.
            *self.open.lock().await = None;
        }
        answer.map_err(|error| error_of(action, error))
    }
}

fn error_of(action: &'static str, error: RedisError) -> StoreError {
    let is_lost = error.is_io_error() || error.is_timeout() || error.is_connection_dropped();
    let kind = match error.code() {
        _ if is_lost => StoreErrorKind::Disconnected,
        Some("READONLY") => StoreErrorKind::ReadOnly,
        Some("NOAUTH" | "NOPERM" | "WRONGPASS") => StoreErrorKind::Denied,
        Some("MASTERDOWN" | "NOREPLICAS" | "CLUSTERDOWN" | "TRYAGAIN" | "LOADING") => {
            StoreErrorKind::Disconnected
        }
        Some("BUSY") => StoreErrorKind::Busy,
        _ => StoreErrorKind::Other,
    };
    StoreError::new(kind, action, error)
}
