//! An application that switches from sqlx's migrator: its folder is read unchanged, its history is
//! adopted, and the first change in code follows.
//!
//! ```console
//! $ cargo run -p from-sqlx --bin from-sqlx-before    # as it was
//! $ cargo run -p from-sqlx -- apply
//! ```
//!
//! `DATABASE_URL` can name another database than the file `shop.db`.

use std::env;
use std::process::ExitCode;

use flamingock::adopt::{Adoption, Tool};
use flamingock::{BoxError, Runner, change, rollback, verify};
use sqlx::{SqliteConnection, SqlitePool};

flamingock::include_files!("migrations");

/// Adds a search column with the lower-case names of customers.
///
/// SQLite's own `lower` converts only the letters from A to Z, so this cannot be an SQL file.
#[change(id = "names-to-search", order = "0004")]
async fn names_to_search(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query("ALTER TABLE customers ADD COLUMN search TEXT NOT NULL DEFAULT ''")
        .execute(&mut *db)
        .await?;
    let customers: Vec<(i64, String)> = sqlx::query_as("SELECT id, name FROM customers")
        .fetch_all(&mut *db)
        .await?;
    for (id, name) in customers {
        sqlx::query("UPDATE customers SET search = ? WHERE id = ?")
            .bind(name.to_lowercase())
            .bind(id)
            .execute(&mut *db)
            .await?;
    }
    Ok(())
}

#[rollback(names_to_search)]
async fn drop_names_to_search(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query("ALTER TABLE customers DROP COLUMN search")
        .execute(db)
        .await?;
    Ok(())
}

#[verify(names_to_search)]
async fn has_names_to_search(db: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    let column = "SELECT count(*) FROM pragma_table_info('customers') WHERE name = 'search'";
    let columns: i64 = sqlx::query_scalar(column).fetch_one(db).await?;
    Ok(columns == 1)
}

#[tokio::main]
async fn main() -> Result<ExitCode, BoxError> {
    let url = env::var("DATABASE_URL");
    let url = url.as_deref().unwrap_or("sqlite://shop.db?mode=rwc");
    let runner = Runner::new(&SqlitePool::connect_lazy(url)?)
        .service("shop")
        // A new environment has no history to adopt, so all files are applied.
        .adopt_first(Adoption::of(Tool::Sqlx).allow_empty());
    Ok(flamingock::cli::run(runner).await)
}
