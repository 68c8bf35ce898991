//! `schema --grants`: the rights of each user are enough, and none of them can be left out.

use flamingock::{Batch, BoxError, ErrorKind, IntoStorage, Next, Runner, change, changes};
use flamingock_tests::{Backend, MariaDb, Postgres, Sqlite, execute};
use serde_json::json;
use sqlx::Pool;

use crate::app::{App, Ran};

/// What a user is for: prepares the database as its owner, and tries everything as the user.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Role {
    Apply,
    Start,
    Operate,
    Look,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Role::Apply => "flamingock_apply",
            Role::Start => "flamingock_start",
            Role::Operate => "flamingock_operate",
            Role::Look => "flamingock_look",
        }
    }
}

/// A database with the tables, and a user with the rights of a role.
pub(crate) struct Granted<B: Backend> {
    database: flamingock_tests::TestDatabase<B>,
    owner: App,
    user: String,
}

const PASSWORD: &str = "sesame";

impl<B: Backend> Granted<B> {
    /// Creates the user and grants the statements that the program prints. Returns them, too.
    pub(crate) async fn new(role: Role) -> (Granted<B>, Vec<String>) {
        let database = B::fresh().await;
        let owner = App::on(&database.url);
        let pool = database.pool(1).await;
        // The statements of a schema end with a semicolon at the end of a line.
        let schema = owner.run(&["schema"]).stdout;
        for statement in schema.split(";\n").filter(|text| !text.trim().is_empty()) {
            execute(&pool, statement).await;
        }
        let user = format!("u_{}", database.url.rsplit('/').next().unwrap());
        let user: String = user.chars().take_while(|one| *one != '?').collect();
        let create = match B::NAME {
            "PostgreSQL" => format!("CREATE USER {user} PASSWORD '{PASSWORD}'"),
            _ => format!("CREATE USER {user} IDENTIFIED BY '{PASSWORD}'"),
        };
        execute(&pool, &create).await;
        let printed = owner.run(&["schema", "--grants"]);
        assert_eq!(printed.code, 0, "{printed:?}");
        let of_role = printed.stdout.replace(role.name(), &user);
        let grants: Vec<String> = of_role
            .lines()
            .filter(|line| line.starts_with("GRANT") && line.contains(&user))
            .map(|line| line.trim_end_matches(';').to_owned())
            .collect();
        assert!(grants.len() >= 3, "{printed:?}");
        for grant in &grants {
            execute(&pool, grant).await;
        }
        let granted = Granted {
            database,
            owner,
            user,
        };
        (granted, grants)
    }

    async fn revoke(&self, grant: &str) {
        let pool = self.database.pool(1).await;
        let revoke = grant
            .replacen("GRANT", "REVOKE", 1)
            .replacen(" TO ", " FROM ", 1);
        execute(&pool, &revoke).await;
    }

    /// The application as the user.
    pub(crate) fn app(&self) -> App {
        App::on(&self.url())
    }

    fn url(&self) -> String {
        let (scheme, rest) = self.database.url.split_once("://").unwrap();
        let (_, host) = rest.rsplit_once('@').unwrap_or(("", rest));
        format!("{scheme}://{}:{PASSWORD}@{host}", self.user)
    }

    /// Applies a change in batches as the user. Returns the error.
    async fn batches_fail(&self) -> Option<String>
    where
        for<'a> &'a Pool<B::Db>: IntoStorage,
    {
        let pool = Pool::<B::Db>::connect(&self.url()).await.unwrap();
        let runner = Runner::new(&pool)
            .service("orders")
            .changes(changes![count_to_three]);
        let ran = runner.run().await;
        let in_background = Runner::new(&pool)
            .service("orders")
            .changes(changes![in_background]);
        let ran = match ran {
            Ok(_) => in_background.spawn().wait().await,
            failed => failed,
        };
        pool.close().await;
        ran.err().map(|error| format!("{error:?}"))
    }

    /// Prepares the database as its owner.
    pub(crate) async fn prepare(&self, role: Role)
    where
        for<'a> &'a Pool<B::Db>: IntoStorage,
    {
        let pool = self.database.pool(1).await;
        match role {
            Role::Apply => {
                // The changes need rights of their own.
                let own = match B::NAME {
                    "PostgreSQL" => format!("GRANT CREATE ON SCHEMA public TO {}", self.user),
                    _ => {
                        // The table is in the way of the first change, which DDL commits.
                        execute(&pool, "CREATE TABLE orders (a INT)").await;
                        format!(
                            "GRANT CREATE, DROP, SELECT, INSERT, DELETE ON orders TO {}",
                            self.user
                        )
                    }
                };
                execute(&pool, &own).await;
            }
            Role::Start => {
                assert_eq!(self.owner.run(&["apply"]).code, 0);
                // Without the digest of the pipeline, a start reads everything.
                execute(&pool, "UPDATE flamingock_lock SET pipeline_digest = NULL").await;
            }
            Role::Operate | Role::Look => {
                assert_eq!(self.owner.run_with("BROKER_DOWN", "1", &["apply"]).code, 1);
                let runner = Runner::new(&pool).service("orders");
                let ran = runner.changes(changes![fails_in_a_batch]).run().await;
                assert_eq!(ran.unwrap_err().kind(), ErrorKind::ChangesFailed);
            }
        }
    }

    /// Everything that the user is for. Returns the first command that does not work.
    fn first_failure(&self, role: Role) -> Option<Ran> {
        let app = self.app();
        let fails = |arguments: &[&str]| Some(app.run(arguments)).filter(|ran| ran.code != 0);
        match role {
            Role::Apply => {
                if B::NAME != "PostgreSQL" {
                    // The rollback of a change without a transaction removes the table.
                    let ran = app.run(&["apply", "--json"]);
                    let failed = &ran.json()["error"]["report"]["counts"]["rolled_back"];
                    if *failed != json!(1) {
                        return Some(ran);
                    }
                }
                fails(&["apply"]).or_else(|| fails(&["undo", "--count", "3"]))
            }
            Role::Start => fails(&["check"]).or_else(|| fails(&["apply"])),
            Role::Operate => {
                let reason = ["--reason", "no such topic"];
                let resolve = ["issue", "resolve", "orders-topic", "--rolled-back"];
                fails(&[&resolve[..], &reason].concat())
                    .or_else(|| fails(&[&["lock", "release"][..], &reason].concat()))
                    .or_else(|| self.controls_no_batches())
                    .or_else(|| self.shows_no_progress())
            }
            Role::Look => [
                &["status"][..],
                &["status", "--all-services"],
                &["audit", "list", "--history"],
                &["issue", "show", "orders-topic", "--guidance"],
                &["lock", "status"],
            ]
            .iter()
            .find_map(|arguments| fails(arguments))
            .or_else(|| self.shows_no_progress()),
        }
    }

    fn controls_no_batches(&self) -> Option<Ran> {
        let app = self.app();
        let control = |action: &str| {
            let words = ["batch", action, "fails-in-a-batch", "--reason", "load"];
            Some(app.central(&words)).filter(|ran| ran.code != 0)
        };
        control("pause").or_else(|| control("resume"))
    }

    /// Without its code, the change in batches is known from the audit.
    fn shows_no_progress(&self) -> Option<Ran> {
        let ran = self.app().central(&["status"]);
        let is_shown = ran.stdout.contains("1 batch, 1 row done");
        (!is_shown).then_some(ran)
    }

    pub(crate) async fn drop_user(self) {
        let pool = self.database.pool(1).await;
        if B::NAME == "PostgreSQL" {
            execute(&pool, &format!("DROP OWNED BY {}", self.user)).await;
        }
        execute(&pool, &format!("DROP USER {}", self.user)).await;
    }
}

#[change(id = "count-to-three", order = "9001", batch, register = false)]
async fn count_to_three(batch: Batch<u32>) -> Result<Next<u32>, BoxError> {
    Ok(match batch.cursor() {
        Some(3) => Next::finished(),
        last => Next::after(last.map_or(1, |last| last + 1)),
    })
}

#[change(
    id = "in-background",
    order = "9003",
    phase = "background",
    register = false
)]
async fn in_background() {}

#[change(id = "fails-in-a-batch", order = "9002", batch, register = false)]
async fn fails_in_a_batch(batch: Batch<u32>) -> Result<Next<u32>, BoxError> {
    match batch.cursor() {
        Some(_) => Err("the batch fails".into()),
        None => Ok(Next::after(1).done_rows(1)),
    }
}

async fn failure_of<B: Backend>(granted: &Granted<B>, role: Role) -> Option<String>
where
    for<'a> &'a Pool<B::Db>: IntoStorage,
{
    match (granted.first_failure(role), role) {
        (Some(ran), _) => Some(format!("{ran:?}")),
        (None, Role::Apply) => granted.batches_fail().await,
        (None, Role::Start | Role::Operate | Role::Look) => None,
    }
}

async fn each_right_is_needed_and_all_are_enough<B: Backend>(role: Role)
where
    for<'a> &'a Pool<B::Db>: IntoStorage,
{
    let (granted, grants) = Granted::<B>::new(role).await;
    granted.prepare(role).await;
    let failure = failure_of(&granted, role).await;
    assert!(failure.is_none(), "{role:?}: {failure:?}");
    granted.drop_user().await;
    for number in 0..grants.len() {
        let (granted, grants) = Granted::<B>::new(role).await;
        granted.prepare(role).await;
        granted.revoke(&grants[number]).await;
        let failure = failure_of(&granted, role).await;
        assert!(failure.is_some(), "{role:?} needs no {}", grants[number]);
        granted.drop_user().await;
    }
}

macro_rules! roles {
    ($($name:ident: $backend:ty, $role:ident;)*) => {$(
        #[tokio::test]
        async fn $name() {
            each_right_is_needed_and_all_are_enough::<$backend>(Role::$role).await;
        }
    )*};
}

roles! {
    rights_to_apply_are_minimal_on_postgres: Postgres, Apply;
    rights_to_start_are_minimal_on_postgres: Postgres, Start;
    rights_to_operate_are_minimal_on_postgres: Postgres, Operate;
    rights_to_look_are_minimal_on_postgres: Postgres, Look;
    rights_to_apply_are_minimal_on_mariadb: MariaDb, Apply;
    rights_to_start_are_minimal_on_mariadb: MariaDb, Start;
    rights_to_operate_are_minimal_on_mariadb: MariaDb, Operate;
    rights_to_look_are_minimal_on_mariadb: MariaDb, Look;
}

#[tokio::test]
async fn sqlite_has_no_users() {
    let database = Sqlite::fresh().await;
    let (code, document) = App::on(&database.url).json(&["schema", "--grants"]);
    assert_eq!((code, document), (0, json!({ "grants": "" })));
}

#[test]
fn schema_of_the_tables_takes_a_right_of_its_own_on_postgres() {
    let app = App::on("postgres://nobody@127.0.0.1:1/nothing");
    let printed = app.central(&["--schema", "ops", "--prefix", "x_", "schema", "--grants"]);
    assert_eq!(printed.code, 0, "{printed:?}");
    for line in [
        "GRANT USAGE ON SCHEMA \"ops\" TO \"flamingock_look\";\n",
        "GRANT SELECT ON \"ops\".\"x_audit\" TO \"flamingock_look\";\n",
    ] {
        assert!(printed.stdout.contains(line), "{line} in {printed:?}");
    }
}
