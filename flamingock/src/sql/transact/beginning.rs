//! Beginning a transaction, on a connection that may have died since it was used last.

use std::time::Instant;

use flamingock_sqlx_audit::Failure;
use sqlx::Transaction;

use crate::silence;
use crate::sql::SqlDatabase;
use crate::sql::driver::{Driver, begin};
use crate::sql::held::Held;
use crate::sql::store::BUSY_PAUSE;

/// What is done in a transaction.
pub(super) trait Inside<D: Driver> {
    type Output;

    fn run(
        &mut self,
        transaction: &mut Transaction<'_, D::Database>,
    ) -> impl Future<Output = Self::Output> + Send;
}

/// Begins by a text, and does the work once that has succeeded. The transaction is open on the
/// connection afterwards, as far as the driver knows: from here on the connection itself is used, and
/// its guard closes it on every path that does not find it clean.
pub(super) async fn begin_and_do<D: Driver, W: Inside<D> + Send>(
    database: &SqlDatabase<D>,
    text: String,
    work: &mut W,
) -> Result<(Held<D>, W::Output), sqlx::Error> {
    let deadline = Instant::now() + database.ledger.patience();
    let mut kept = database.kept.take();
    loop {
        silence::progress();
        let untested = kept.is_some();
        let mut held = match kept.take() {
            Some(held) => held,
            None => Held::take(&database.pool).await?,
        };
        let text = match D::RESTORE.filter(|_| untested) {
            Some(restore) => format!("{restore}; {text}"),
            None => text.clone(),
        };
        let done = match begin::<D>(&mut held, text).await {
            Ok(mut transaction) => {
                let output = work.run(&mut transaction).await;
                std::mem::forget(transaction);
                Ok(output)
            }
            Err(error) => Err(error),
        };
        let error = match done {
            Ok(output) => return Ok((held, output)),
            Err(error) => error,
        };
        match D::classify(&error) {
            Failure::Disconnected if untested => {}
            Failure::Busy if Instant::now() < deadline => {
                drop(held);
                tokio::time::sleep(BUSY_PAUSE).await;
            }
            _ => return Err(error),
        }
    }
}
