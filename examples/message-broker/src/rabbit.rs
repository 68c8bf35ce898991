//! The part of RabbitMQ that the changes need.

use lapin::options::{ExchangeDeclareOptions, QueueDeclareOptions};
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, ConnectionProperties, Error, ErrorKind, ExchangeKind};

#[derive(Debug)]
pub(crate) struct Rabbit {
    url: String,
}

impl Rabbit {
    pub(crate) fn at(url: String) -> Rabbit {
        Rabbit { url }
    }

    /// A connection, which closes when the value is dropped.
    pub(crate) async fn connect(&self) -> Result<Connection, Error> {
        Connection::connect(&self.url, ConnectionProperties::default()).await
    }
}

/// Declares a queue that outlives the broker's restart. An equal one is left unchanged, and another
/// one with this name is an error.
pub(crate) async fn declare_queue(channel: &Channel, name: &str) -> Result<(), Error> {
    let options = QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    };
    let declared = channel.queue_declare(name.into(), options, FieldTable::default());
    declared.await.map(drop)
}

/// The same for a topic exchange.
pub(crate) async fn declare_exchange(channel: &Channel, name: &str) -> Result<(), Error> {
    let options = ExchangeDeclareOptions {
        durable: true,
        ..ExchangeDeclareOptions::default()
    };
    let (kind, arguments) = (ExchangeKind::Topic, FieldTable::default());
    channel
        .exchange_declare(name.into(), kind, options, arguments)
        .await
}

/// Whether the queue exists as declared here. One with the same name and other properties belongs
/// to another application.
pub(crate) async fn is_our_queue(connection: &Connection, name: &str) -> Result<bool, Error> {
    let passive = QueueDeclareOptions {
        passive: true,
        ..QueueDeclareOptions::default()
    };
    // The broker answers "no" by closing the channel, so each query has its own.
    let channel = connection.create_channel().await?;
    let found = channel.queue_declare(name.into(), passive, FieldTable::default());
    if !unless(AMQPSoftError::NOTFOUND, found.await.map(drop))? {
        return Ok(false);
    }
    let channel = connection.create_channel().await?;
    let declared = declare_queue(&channel, name).await;
    unless(AMQPSoftError::PRECONDITIONFAILED, declared)
}

/// The same for an exchange.
pub(crate) async fn is_our_exchange(connection: &Connection, name: &str) -> Result<bool, Error> {
    let passive = ExchangeDeclareOptions {
        passive: true,
        ..ExchangeDeclareOptions::default()
    };
    let channel = connection.create_channel().await?;
    let (kind, arguments) = (ExchangeKind::Topic, FieldTable::default());
    let found = channel.exchange_declare(name.into(), kind, passive, arguments);
    if !unless(AMQPSoftError::NOTFOUND, found.await)? {
        return Ok(false);
    }
    let channel = connection.create_channel().await?;
    let declared = declare_exchange(&channel, name).await;
    unless(AMQPSoftError::PRECONDITIONFAILED, declared)
}

/// False if the broker answers with this code, true if it answers yes.
fn unless(no: AMQPSoftError, answer: Result<(), Error>) -> Result<bool, Error> {
    match answer {
        Ok(()) => Ok(true),
        Err(error) => match error.kind() {
            ErrorKind::ProtocolError(said) if *said.kind() == AMQPErrorKind::Soft(no) => Ok(false),
            _ => Err(error),
        },
    }
}
