//! Runs with nothing to do.

/// A database user who can only read.
macro_rules! reader {
    ($create:expr, $grant:expr, $drop:expr) => {
        struct Reader {
            name: String,
            database: String,
            pool: sqlx::Pool<Db>,
        }

        impl Reader {
            async fn new(
                database: &flamingock_tests::TestDatabase<Backend>,
                owner: &sqlx::Pool<Db>,
            ) -> Reader {
                let name = format!("reader_{:08x}", rand::random::<u32>());
                let database_name = database.url.rsplit('/').next().unwrap().to_owned();
                flamingock_tests::execute(owner, &$create(&name, &database_name)).await;
                let options = (*owner.connect_options()).clone();
                let options = options.username(&name).password("secret");
                let pool = sqlx::pool::PoolOptions::new().max_connections(1);
                let pool = pool.connect_with(options).await.unwrap();
                Reader {
                    name,
                    database: database_name,
                    pool,
                }
            }

            async fn may_read(&self, owner: &sqlx::Pool<Db>) {
                flamingock_tests::execute(owner, &$grant(&self.name, &self.database)).await;
            }

            async fn leave(self, owner: &sqlx::Pool<Db>) {
                self.pool.close().await;
                flamingock_tests::execute(owner, &$drop(&self.name)).await;
            }
        }
    };
}

#[path = "../../scenarios"]
mod postgres {
    use flamingock_tests::on::postgres::*;
    mod readers;

    reader!(
        // Before PostgreSQL 15, every user can create tables there.
        |name: &str, _: &str| format!(
            "CREATE ROLE {name} LOGIN PASSWORD 'secret'; REVOKE CREATE ON SCHEMA public FROM PUBLIC"
        ),
        |name: &str, _: &str| format!("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}"),
        |name: &str| format!("DROP OWNED BY {name}; DROP ROLE {name}")
    );
}

#[path = "../../scenarios"]
mod mariadb {
    use flamingock_tests::on::mariadb::*;
    mod readers;

    reader!(
        |name: &str, database: &str| format!(
            "CREATE USER {name} IDENTIFIED BY 'secret'; GRANT SELECT ON {database}.* TO {name}"
        ),
        |_: &str, _: &str| "SELECT 1".to_owned(),
        |name: &str| format!("DROP USER {name}")
    );
}

mod sqlite {
    use flamingock::{Runner, change, changes};
    use flamingock_tests::{Backend as _, Sqlite, query, with_table};
    use sqlx::SqliteConnection;
    use sqlx::sqlite::SqlitePoolOptions;

    #[change(id = "one", order = "001", register = false)]
    async fn one(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        query(db, "INSERT INTO done VALUES ('one')").await.map(drop)
    }

    #[change(id = "two", order = "002", register = false)]
    async fn two() {}

    #[tokio::test]
    async fn read_only_file_can_be_run_when_up_to_date() {
        let database = Sqlite::fresh().await;
        let owner = with_table(&database, 1).await;
        Runner::new(&owner)
            .changes(changes![one])
            .run()
            .await
            .unwrap();
        let options = (*owner.connect_options())
            .clone()
            .read_only(true)
            .create_if_missing(false);
        let reader = SqlitePoolOptions::new()
            .connect_with(options)
            .await
            .unwrap();
        assert!(
            Runner::new(&reader)
                .changes(changes![one])
                .run()
                .await
                .unwrap()
                .is_up_to_date()
        );
        let error = Runner::new(&reader)
            .changes(changes![one, two])
            .run()
            .await
            .unwrap_err();
        let source = error.store_error().expect("it is the store's");
        assert_eq!(
            source.kind,
            flamingock::audit::StoreErrorKind::Denied,
            "{error}"
        );
    }
}
