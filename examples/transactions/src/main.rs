//! A change and its audit entry are committed together, or neither is. The last change credits one
//! account and fails to debit the other.
//!
//! ```console
//! $ cargo run -p transactions            # the transfer fails
//! $ cargo run -p transactions -- fixed   # the next version of the program: it succeeds
//! ```
//!
//! `DATABASE_URL` can name another database than the file `transactions.db`: SQLite, PostgreSQL or
//! MySQL.

use std::process::ExitCode;

/// sqlx has a connection type for each database, so a change is written for one of them. Here the
/// same code works for all three.
macro_rules! database {
    ($name:ident, $pool:ty, $connection:ty) => {
        mod $name {
            use std::error::Error;

            use flamingock::{Runner, change, changes};

            /// Creates the `accounts` table, which refuses negative balances.
            #[change(id = "create-accounts", order = "0001", register = false)]
            async fn create_accounts(db: &mut $connection) -> Result<(), sqlx::Error> {
                let table = "CREATE TABLE accounts (owner VARCHAR(20) PRIMARY KEY,
                    balance BIGINT NOT NULL CHECK (balance >= 0))";
                sqlx::query(table).execute(db).await?;
                Ok(())
            }

            #[change(id = "opening-balances", order = "0002", register = false)]
            async fn opening_balances(db: &mut $connection) -> Result<(), sqlx::Error> {
                let rows = "INSERT INTO accounts VALUES ('Ada', 100), ('Ben', 20)";
                sqlx::query(rows).execute(db).await?;
                Ok(())
            }

            /// Transfers more to Ben than Ada has.
            #[change(id = "transfer", order = "0003", register = false)]
            async fn transfer(db: &mut $connection) -> Result<(), sqlx::Error> {
                let give = "UPDATE accounts SET balance = balance + 150 WHERE owner = 'Ben'";
                let take = "UPDATE accounts SET balance = balance - 150 WHERE owner = 'Ada'";
                sqlx::query(give).execute(&mut *db).await?;
                sqlx::query(take).execute(&mut *db).await?;
                Ok(())
            }

            /// The next version of the program has the same change with the right amount.
            mod next {
                #[flamingock::change(id = "transfer", order = "0003", register = false)]
                pub(super) async fn transfer(db: &mut $connection) -> Result<(), sqlx::Error> {
                    let give = "UPDATE accounts SET balance = balance + 50 WHERE owner = 'Ben'";
                    let take = "UPDATE accounts SET balance = balance - 50 WHERE owner = 'Ada'";
                    sqlx::query(give).execute(&mut *db).await?;
                    sqlx::query(take).execute(&mut *db).await?;
                    Ok(())
                }
            }

            pub(crate) async fn run(url: &str, fixed: bool) -> Result<bool, Box<dyn Error>> {
                let pool = <$pool>::connect(url).await?;
                println!("before:");
                show(&pool).await;

                let changes = if fixed {
                    changes![create_accounts, opening_balances, next::transfer]
                } else {
                    changes![create_accounts, opening_balances, transfer]
                };
                let result = Runner::new(&pool).changes(changes).run().await;
                match &result {
                    Ok(report) => println!("\n{report}\n"),
                    Err(error) => println!("\n{error:#}\n"),
                }

                println!("after:");
                show(&pool).await;
                Ok(result.is_ok())
            }

            async fn show(pool: &$pool) {
                let accounts = "SELECT owner, balance FROM accounts ORDER BY owner";
                match sqlx::query_as::<_, (String, i64)>(accounts)
                    .fetch_all(pool)
                    .await
                {
                    Ok(rows) => {
                        for (owner, balance) in rows {
                            println!("  account  {owner}  {balance}");
                        }
                    }
                    Err(_) => println!("  no accounts yet"),
                }
                let audit = "SELECT change_id, state, transaction_mode FROM flamingock_audit
                    ORDER BY seq";
                let rows = sqlx::query_as::<_, (String, String, String)>(audit)
                    .fetch_all(pool)
                    .await;
                for (id, state, transaction) in rows.unwrap_or_default() {
                    println!("  audit    {id:<17} {state:<12} transaction: {transaction}");
                }
            }
        }
    };
}

database!(sqlite, sqlx::SqlitePool, sqlx::SqliteConnection);
database!(postgres, sqlx::PgPool, sqlx::PgConnection);
database!(mysql, sqlx::MySqlPool, sqlx::MySqlConnection);

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let fixed = std::env::args().any(|argument| argument == "fixed");
    let url = std::env::var("DATABASE_URL");
    let url = url
        .as_deref()
        .unwrap_or("sqlite://transactions.db?mode=rwc");
    let succeeded = match url.split(':').next() {
        Some("sqlite") => sqlite::run(url, fixed).await?,
        Some("postgres" | "postgresql") => postgres::run(url, fixed).await?,
        Some("mysql" | "mariadb") => mysql::run(url, fixed).await?,
        _ => return Err("DATABASE_URL must begin with sqlite:, postgres: or mysql:".into()),
    };
    Ok(if succeeded {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
