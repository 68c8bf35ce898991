//! `services.md`: two services in one database.

use flamingock::Runner;
use flamingock::sqlx::PgPool;

async fn orders(pool: PgPool) -> Result<(), flamingock::Error> {
    Runner::new(&pool).service("orders").run().await?;
    Ok(())
}

/// The application ran without a name before: its history is that of "default".
async fn adopt_own_history(pool: PgPool) -> Result<(), flamingock::Error> {
    let runner = Runner::new(&pool).service("orders");
    let adopted = runner.adopt_from_service("default").await?;
    println!("{adopted} changes adopted");
    Ok(())
}
