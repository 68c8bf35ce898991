//! RabbitMQ: a queue, an exchange, and the binding between them.

use flamingock::{change, rollback};
use lapin::Error;
use lapin::options::{ExchangeDeleteOptions, QueueBindOptions, QueueDeleteOptions};
use lapin::types::FieldTable;

use crate::rabbit::{Rabbit, declare_exchange, declare_queue, is_our_exchange, is_our_queue};

/// Invoices that were made are printed.
///
/// Three steps, each of which the broker may refuse. A binding cannot be asked for, so there is no `#[verify]`; but
/// each step may be repeated, and that is what "retry" says: a start after a crash runs the change again.
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

/// Removes what is ours and what nobody uses: a queue with invoices in it is an error, and an exchange with other
/// queues, too.
#[rollback(print_queue)]
async fn no_print_queue(rabbit: &Rabbit) -> Result<(), Error> {
    let connection = rabbit.connect().await?;
    let channel = connection.create_channel().await?;
    if is_our_queue(&connection, "invoices.print").await? {
        let if_nobody_uses_it = QueueDeleteOptions {
            if_unused: true,
            if_empty: true,
            ..QueueDeleteOptions::default()
        };
        // Its bindings go with it.
        channel
            .queue_delete("invoices.print".into(), if_nobody_uses_it)
            .await?;
    }
    if is_our_exchange(&connection, "invoices").await? {
        let if_nobody_uses_it = ExchangeDeleteOptions {
            if_unused: true,
            ..ExchangeDeleteOptions::default()
        };
        channel
            .exchange_delete("invoices".into(), if_nobody_uses_it)
            .await?;
    }
    Ok(())
}
