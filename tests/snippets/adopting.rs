//! `adopt.md` and `coming-from.md`: the history of another tool.

use flamingock::Runner;
use flamingock::adopt::{Adoption, Tool};
use flamingock::sqlx::PgPool;

async fn once(pool: PgPool) -> Result<(), flamingock::Error> {
    let adopted = Runner::new(&pool).adopt(&Adoption::of(Tool::Sqlx)).await?;
    println!("{adopted}");
    Ok(())
}

async fn every_start(pool: PgPool) -> Result<(), flamingock::Error> {
    Runner::new(&pool)
        .adopt_first(Adoption::of(Tool::Sqlx).allow_empty())
        .run()
        .await?;
    Ok(())
}
