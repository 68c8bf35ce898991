//! `roles.md`: the rights of each user suffice, and no user has a right to change the audit.

use flamingock::{BoxError, ErrorKind, Mode, Resolution, Runner, change, changes};
use flamingock_tests::{Backend, MariaDb, Postgres, execute, try_execute};
use sqlx::mysql::{MySqlConnectOptions, MySqlPool};
use sqlx::postgres::{PgConnectOptions, PgPool};

/// Registers the application at the gateway.
#[change(id = "register-gateway", order = "0001")]
async fn register_gateway() -> Result<(), BoxError> {
    Err("the gateway did not answer".into())
}

#[change(id = "warm-cache", order = "0002")]
async fn warm_cache() {}

/// One run of each user, in the order of a deployment that fails and is resolved. Then each tries
/// to change the audit.
macro_rules! cycle {
    ($pools:expr) => {
        let pools = &$pools;
        let runner = |pool| Runner::new(pool).changes(changes![register_gateway, warm_cache]);
        let [migrator, operator, app] = pools.each_ref().map(runner);
        assert_eq!(app.plan().await.unwrap().counts().not_reached, 2);
        let kind = migrator.run().await.unwrap_err().kind();
        assert_eq!(kind, ErrorKind::ChangesFailed);
        assert_eq!(app.issues().await.unwrap().len(), 1);
        let reason = "the gateway has it";
        let resolved = operator.resolve("register-gateway", Resolution::Applied, reason);
        resolved.await.unwrap();
        assert_eq!(migrator.run().await.unwrap().counts().newly_applied, 1);
        assert!(app.mode(Mode::Check).run().await.unwrap().is_up_to_date());
        operator.release_lock("a check").await.unwrap();
        for pool in pools {
            for statement in [
                "UPDATE flamingock_audit SET state = 'APPLIED'",
                "DELETE FROM flamingock_audit",
            ] {
                assert!(try_execute(pool, statement).await.is_err(), "{statement}");
            }
            pool.close().await;
        }
    };
}

const USERS: [&str; 3] = ["orders_migrator", "orders_operator", "orders_app"];

#[tokio::test]
async fn postgres_rights_suffice() {
    let database = Postgres::fresh().await;
    let owner = database.pool(3).await;
    execute(&owner, &Runner::new(&owner).schema().unwrap()).await;
    for user in USERS {
        let _ = try_execute(&owner, &format!("CREATE ROLE {user} NOLOGIN")).await;
    }
    execute(&owner, include_str!("roles/postgres.sql")).await;
    let options: PgConnectOptions = database.url.parse().unwrap();
    let pool = |user| PgPool::connect_lazy_with(options.clone().options([("role", user)]));
    let pools = USERS.map(pool);
    cycle!(pools);
}

#[tokio::test]
async fn mariadb_rights_suffice() {
    let database = MariaDb::fresh().await;
    let owner = database.pool(3).await;
    execute(&owner, &Runner::new(&owner).schema().unwrap()).await;
    for user in USERS {
        execute(
            &owner,
            &format!("CREATE USER IF NOT EXISTS {user} IDENTIFIED BY 'secret'"),
        )
        .await;
    }
    execute(&owner, include_str!("roles/mariadb.sql")).await;
    let options: MySqlConnectOptions = database.url.parse().unwrap();
    let pool =
        |user| MySqlPool::connect_lazy_with(options.clone().username(user).password("secret"));
    let pools = USERS.map(pool);
    cycle!(pools);
}
