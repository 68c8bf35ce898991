//! The changes of this application are in their own library. The binary names the library, so that
//! the linker keeps it, and refuses to start if the library contributed no change.

use flamingock::{Runner, Stage};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};

flamingock::link_changes!(billing_changes);

/// The committed manifest: see the test below.
const MANIFEST: &str = include_str!("../changes.lock");

fn runner(pool: &SqlitePool) -> Runner {
    Runner::new(pool)
        .service("billing")
        .provide(billing_changes::Currency("EUR".to_owned()))
        .stage(Stage::new("schema"))
        .stage(Stage::new("data").after("schema"))
        .expect_manifest(MANIFEST)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = SqliteConnectOptions::new()
        .filename("billing.db")
        .create_if_missing(true);
    let pool = SqlitePool::connect_with(options).await?;

    let report = runner(&pool).run().await?;
    println!("{report}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A review shows an edited, renamed, reordered or removed change as a difference in
    /// `changes.lock`. `FLAMINGOCK_UPDATE_MANIFEST=1 cargo test` rewrites the file.
    #[tokio::test]
    async fn manifest_is_committed() {
        let pool = SqlitePool::connect_lazy("sqlite::memory:").unwrap();
        flamingock::testing::assert_manifest(&runner(&pool), "changes.lock");
    }
}
