//! On MariaDB.

use flamingock::{Context, change, changes};
use flamingock_tests::{MariaDb, query};
use flamingock_time::Site;
use sqlx::MySqlConnection;

use super::play::play_all;

#[change(id = "shared", order = "005", stage = "e", register = false)]
async fn shared(
    db: &mut MySqlConnection,
    site: &Site,
    context: &Context,
) -> Result<(), sqlx::Error> {
    let service = context.service();
    query(db, &format!("INSERT INTO effects VALUES ('{service}')")).await?;
    site.pass().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_runs_keep_their_guarantees_under_any_answer_timing() {
    let test = "flamingock-tests --test databases mariadb_runs";
    play_all::<MariaDb>(test, changes![shared]).await;
}
