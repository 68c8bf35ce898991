//! Every kind of argument, alone and together, in any order.

use flamingock::__private::{Body, Change, DatabaseKind, NeedKind};
use flamingock::{BoxError, Context, change, rollback, verify};
use sqlx::{
    MySql, MySqlConnection, PgConnection, Postgres, Sqlite, SqliteConnection, SqlitePool,
    Transaction,
};

trait Mailer: Send + Sync {}

struct Limits;

type Db<'a> = &'a mut SqliteConnection;

#[change(id = "none", order = "0001")]
async fn none() {}

#[change(id = "sqlite", order = "0002")]
async fn sqlite(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT 1").execute(db).await?;
    Ok(())
}

#[change(id = "postgres", order = "0003")]
async fn postgres(_db: &mut PgConnection) {}

#[change(id = "mysql", order = "0004")]
async fn mysql(_db: &mut MySqlConnection) {}

#[change(id = "sqlite-tx", order = "0005")]
async fn sqlite_tx(tx: &mut Transaction<'_, Sqlite>) -> Result<(), BoxError> {
    use sqlx::Acquire as _;
    let mut nested = tx.begin().await?;
    sqlx::query("SELECT 1").execute(&mut *nested).await?;
    nested.commit().await?;
    Ok(())
}

#[change(id = "postgres-tx", order = "0006")]
async fn postgres_tx(_: &mut Transaction<'_, Postgres>) {}

#[change(id = "mysql-tx", order = "0007")]
async fn mysql_tx(_: &mut sqlx::Transaction<'_, MySql>) {}

#[change(id = "values", order = "0008")]
async fn values(
    Limits: &Limits,
    _pool: &SqlitePool,
    _text: &str,
    _list: &Vec<&str>,
    _mailer: &dyn Mailer,
    _maybe: Option<&Limits>,
    _dyn: Option<&dyn Mailer>,
    _cx: &Context,
) -> Result<(), std::io::Error> {
    Ok(())
}

#[change(id = "mixed", order = "0009", transaction = false)]
async fn mixed(
    cx: &Context,
    mut db: &mut SqliteConnection,
    limits: Option<&Limits>,
) -> Result<(), String> {
    let _ = (cx, &mut db, limits);
    Ok(())
}

#[change(id = "alias", order = "0010", transaction = true)]
async fn alias(#[allow(unused_variables)] db: Db<'_>) {}

#[rollback(sqlite)]
async fn undo_sqlite(_cx: &Context) {}

#[rollback(alias, transaction = false)]
async fn undo_alias(_db: &mut SqliteConnection) -> Result<(), BoxError> {
    Ok(())
}

#[rollback(mixed)]
async fn undo_mixed(_db: &mut SqliteConnection, _: &Limits) {}

#[verify(sqlite)]
async fn is_sqlite(db: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    Ok(sqlx::query("SELECT 1").fetch_optional(db).await?.is_some())
}

#[verify(mixed)]
async fn is_mixed(_: &Limits) -> bool {
    true
}

fn kinds<T>(body: &Body<T>) -> Vec<NeedKind> {
    body.needs.iter().map(|need| need.kind).collect()
}

fn main() {
    use NeedKind::{Connection, OptionalValue, Transaction, Value};

    let bodies = flamingock::changes![
        none,
        sqlite,
        postgres,
        mysql,
        sqlite_tx,
        postgres_tx,
        mysql_tx,
        values,
        mixed,
        alias,
    ]
    .map(|change| (kinds(&change.body), change.body.transaction));
    assert_eq!(
        bodies,
        [
            (vec![], false),
            (vec![Connection(DatabaseKind::Sqlite)], true),
            (vec![Connection(DatabaseKind::Postgres)], true),
            (vec![Connection(DatabaseKind::MySql)], true),
            (vec![Transaction(DatabaseKind::Sqlite)], true),
            (vec![Transaction(DatabaseKind::Postgres)], true),
            (vec![Transaction(DatabaseKind::MySql)], true),
            (
                vec![
                    Value,
                    Value,
                    Value,
                    Value,
                    Value,
                    OptionalValue,
                    OptionalValue,
                    Value
                ],
                false
            ),
            (
                vec![Value, Connection(DatabaseKind::Sqlite), OptionalValue],
                false
            ),
            (vec![Connection(DatabaseKind::Sqlite)], true),
        ]
    );
    let need = values::DEFINITION.body.needs[4];
    assert!((need.type_name)().starts_with("dyn ") && (need.type_name)().ends_with("Mailer"));

    let sqlite = sqlite::DEFINITION;
    assert!(!sqlite.rollback.unwrap().transaction);
    assert!(sqlite.verify.unwrap().transaction);
    assert!(!alias::DEFINITION.rollback.unwrap().transaction);
    assert!(alias::DEFINITION.verify.is_none());
    assert!(mixed::DEFINITION.rollback.unwrap().transaction);
    assert!(!mixed::DEFINITION.verify.unwrap().transaction);
    assert!(none::DEFINITION.rollback.is_none() && none::DEFINITION.verify.is_none());
}
