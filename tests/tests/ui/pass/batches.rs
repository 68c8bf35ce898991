//! Changes in batches: every place where the batch can be among the arguments, an alias, and any
//! cursor that serde writes and reads.

use flamingock::{Batch, BoxError, Context, Next, change, changes, rollback};
use sqlx::SqliteConnection;

type Numbers = Batch<u64>;

#[derive(serde::Serialize, serde::Deserialize)]
struct Cursor {
    name: String,
    at: Option<(u8, u8)>,
}

#[change(id = "alias", order = "0001", batch)]
async fn alias(db: &mut SqliteConnection, batch: Numbers, _: &Context) -> Result<Next<u64>, sqlx::Error> {
    let _ = (db, batch.cursor(), batch.bound(), batch.size());
    Ok(Next::after(1).bound(2).done_rows(3))
}

#[change(id = "own-type", order = "0002", batch, timeout = "5s", transaction = false)]
async fn own_type(batch: Batch<Cursor>) -> Result<Next<Cursor>, BoxError> {
    Ok(match batch.cursor() {
        Some(Cursor { at: Some((1, _)), .. }) => Next::finished(),
        _ => Next::after(Cursor { name: String::new(), at: Some((1, 2)) }),
    })
}

#[rollback(own_type)]
async fn back() {}

fn main() {
    assert_eq!(changes![alias, own_type].len(), 2);
}
