//! RabbitMQ: a queue, an exchange, and the binding between them.

use flamingock::{change, rollback};
use lapin::Error;
use lapin::options::{ExchangeDeleteOptions, QueueBindOptions, QueueDeleteOptions};
use lapin::types::FieldTable;

use crate::rabbit::{Rabbit, declare_exchange, declare_queue, is_our_exchange, is_our_queue};

/// Creates the queue of invoices to print, bound to the exchange `invoices`.
///
/// Three steps, each of which the broker can refuse. AMQP cannot query a binding, so there is no
/// `#[verify]`; but each step can be repeated, which "retry" declares: the run after a crash
/// applies the change again.
#[change(
    id = "print-queue",
    order = "0001",
    stage = "queues",
    target = "rabbitmq",
    recovery = "retry"
)]
async fn print_queue(rabbit: &Rabbit) -> Result<(), Error> {
    let connection = rabbit.connect().await?;
    let channel = connection.create_channel().await?;
    declare_queue(&channel, "invoices.print").await?;
    declare_exchange(&channel, "invoices").await?;
    channel
        .queue_bind(
            "invoices.print".into(),
            "invoices".into(),
            "invoices.made".into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        )
        .await
}

/// Removes only unused parts of this application: a queue with invoices in it is an error, and so
/// is an exchange with other queues.
#[rollback(print_queue)]
async fn delete_print_queue(rabbit: &Rabbit) -> Result<(), Error> {
    let connection = rabbit.connect().await?;
    let channel = connection.create_channel().await?;
    if is_our_queue(&connection, "invoices.print").await? {
        let if_unused = QueueDeleteOptions {
            if_unused: true,
            if_empty: true,
            ..QueueDeleteOptions::default()
        };
        // Its bindings are removed with it.
        channel
            .queue_delete("invoices.print".into(), if_unused)
            .await?;
    }
    if is_our_exchange(&connection, "invoices").await? {
        let if_unused = ExchangeDeleteOptions {
            if_unused: true,
            ..ExchangeDeleteOptions::default()
        };
        channel
            .exchange_delete("invoices".into(), if_unused)
            .await?;
    }
    Ok(())
}
