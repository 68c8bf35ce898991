use std::rc::Rc;

use flamingock::change;
use sqlx::SqliteConnection;

#[change(id = "create-users", order = "0001")]
async fn create_users(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let name = Rc::new("ada");
    sqlx::query("SELECT ?").bind(*name).execute(db).await?;
    drop(name);
    Ok(())
}

fn main() {}
