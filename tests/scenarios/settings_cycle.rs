//! A full cycle under each setting that the server lists.

use std::time::Duration;

use flamingock::{
    Batch, Error, ErrorKind, Key, Keyset, Next, Runner, UndoTarget, change, changes, rollback,
};
use flamingock_tests::{
    Backend as _, PlainSql, TestDatabase, audit, done, execute, query, strings, with_hook,
};
use sqlx::pool::PoolOptions;
use sqlx::{Connection as _, Pool};
use tokio::task::JoinSet;

use super::super::cases::{Case, Listed, Outcome, Way};
use super::listed::{CAUTIOUS, LIST, PLAIN, WAYS, pool_by, read, set, setting};
use super::{Backend, Connection, Db};

/// The limit for setting one value.
const SLOW: Duration = Duration::from_secs(10);
/// The number of settings that are tried at the same time.
const SIDE_BY_SIDE: usize = 4;
/// The limit for one cycle, so that settings that slow the server down do not block the test.
const LONGEST: Duration = Duration::from_secs(200);

#[change(id = "one", order = "001", register = false)]
async fn one(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('one')").await.map(drop)
}

#[rollback(one)]
async fn undo_one(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "DELETE FROM done WHERE what = 'one'")
        .await
        .map(drop)
}

#[change(id = "two", order = "002", transaction = false, register = false)]
async fn two(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('two')").await.map(drop)
}

#[rollback(two)]
async fn undo_two(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "DELETE FROM done WHERE what = 'two'")
        .await
        .map(drop)
}

#[change(id = "fails", order = "003", register = false)]
async fn fails(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('fails')").await?;
    query(db, "SELECT * FROM nowhere").await.map(drop)
}

/// Copies `done` in batches, of which it needs one.
#[change(id = "copies", order = "004", batch, register = false)]
async fn copies(batch: Batch<Key>, db: &mut Connection) -> Result<Next<Key>, sqlx::Error> {
    let copy = "INSERT INTO copied SELECT what FROM done WHERE {range}";
    let done = Keyset::table("done").key("what");
    done.execute(copy, &batch, db).await
}

/// A table with a key: some settings refuse to delete without one.
async fn with_keys(database: &TestDatabase<Backend>) -> Pool<Db> {
    let pool = database.pool(1).await;
    for table in ["done", "copied"] {
        let table = format!("CREATE TABLE {table} (what VARCHAR(200) PRIMARY KEY)");
        execute(&pool, &table).await;
    }
    pool
}

/// The result of a step of the cycle was unexpected.
enum Stopped {
    Refused(Error),
    Wrong(String),
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Stopped {
        Stopped::Refused(error)
    }
}

/// What `done` contains after a step.
async fn left(watch: &Pool<Db>, step: &str, expected: &[&str]) -> Result<(), Stopped> {
    let there = done(watch).await;
    if there == expected {
        return Ok(());
    }
    Err(Stopped::Wrong(format!(
        "{step} left {there:?}, not {expected:?}"
    )))
}

fn right(is_right: bool, step: &str) -> Result<(), Stopped> {
    if is_right {
        return Ok(());
    }
    Err(Stopped::Wrong(step.to_owned()))
}

/// The cycle, on sessions of `pool`. Sessions of `watch` check its effects.
async fn cycle(pool: &Pool<Db>, watch: &Pool<Db>) -> Result<(), Stopped> {
    let both = || Runner::new(pool).changes(changes![one, two]);
    let report = both().run().await?;
    right(
        report.counts().newly_applied == 2,
        "the first run applied not both",
    )?;
    left(watch, "the first run", &["one", "two"]).await?;
    right(
        both().run().await?.is_up_to_date(),
        "the second run found something to do",
    )?;
    left(watch, "the second run", &["one", "two"]).await?;
    match Runner::new(pool)
        .changes(changes![one, two, fails])
        .run()
        .await
    {
        Err(error) if error.kind() == ErrorKind::ChangesFailed => {}
        Err(error) => return Err(error.into()),
        Ok(_) => return Err(Stopped::Wrong("a change that failed is applied".to_owned())),
    }
    left(watch, "the failed run", &["one", "two"]).await?;
    both().undo(UndoTarget::Last).await?;
    left(watch, "the undo", &["one"]).await?;
    right(
        both().run().await?.counts().newly_applied == 1,
        "the run after the undo did not apply one change",
    )?;
    left(watch, "the run behind the undo", &["one", "two"]).await?;
    let plan = both().plan().await?;
    right(
        plan.counts().already_applied == 2,
        "the plan has not both as applied",
    )?;
    let all = || Runner::new(pool).changes(changes![one, two, copies]);
    right(
        all().run().await?.counts().newly_applied == 1,
        "the run in batches did not apply one change",
    )?;
    let copied = strings(watch, "SELECT what FROM copied ORDER BY what").await;
    right(copied == ["one", "two"], "the batches did not copy both")?;
    right(
        all().run().await?.is_up_to_date(),
        "the run behind the batches found something to do",
    )
}

/// Sessions that have the setting.
async fn pool_of(database: &TestDatabase<Backend>, case: &Case) -> Result<Pool<Db>, sqlx::Error> {
    if case.way != Way::Hook {
        return pool_by(case.way, database, &case.name, &case.value).await;
    }
    let text = set(&case.name, &case.value);
    let options = PoolOptions::new()
        .max_connections(2)
        .acquire_timeout(Duration::from_secs(5));
    with_hook(options, &text).connect(&database.url).await
}

/// Whether an error names the setting.
fn names(error: &Error, case: &Case) -> bool {
    let said = format!("{error:#} {error:?}")
        .to_lowercase()
        .replace('-', "_");
    said.contains(&case.name.to_lowercase())
}

/// The same where the server does not report whether a rollback was complete.
fn cautious(expected: &[String]) -> Vec<String> {
    let entries = expected.iter();
    let entries = entries.filter(|entry| *entry != "fails 1 ROLLED_BACK shared");
    entries
        .map(|entry| entry.replace("fails 1 FAILED shared", "fails 1 FAILED none"))
        .collect()
}

async fn attempt(case: &Case, expected: &[String]) -> Outcome {
    let database = Backend::fresh().await;
    let watch = with_keys(&database).await;
    // The server refuses the session itself.
    let Ok(pool) = pool_of(&database, case).await else {
        return Outcome::Refused;
    };
    let ended = tokio::time::timeout(LONGEST, cycle(&pool, &watch)).await;
    let closed = tokio::time::timeout(Duration::from_secs(10), pool.close()).await;
    let outcome = match ended {
        Err(_) => return Outcome::Wrong(format!("took more than {LONGEST:?}")),
        Ok(_) if closed.is_err() => {
            return Outcome::Wrong("a session did not come back".to_owned());
        }
        Ok(Err(Stopped::Wrong(what))) => return Outcome::Wrong(what),
        Ok(Err(Stopped::Refused(error))) if !names(&error, case) => {
            return Outcome::Wrong(format!("refused without the name: {error} {error:?}"));
        }
        Ok(Err(Stopped::Refused(_))) => Outcome::Refused,
        Ok(Ok(())) => Outcome::Right,
    };
    if matches!(outcome, Outcome::Right) {
        let entries = audit(&watch).await;
        let is_cautious = CAUTIOUS.contains(&case.name.as_str());
        if entries != expected && !(is_cautious && entries == cautious(expected)) {
            return Outcome::Wrong(format!("recorded {entries:?}"));
        }
        return outcome;
    }
    if case.way == Way::Database {
        // Every new session has it.
        return outcome;
    }
    // A refused cycle succeeds without the setting.
    let both = || Runner::new(&watch).changes(changes![one, two]);
    if let Err(error) = both().run().await {
        return Outcome::Wrong(format!("refused, and without the setting: {error}"));
    }
    match done(&watch).await {
        there if there == ["one", "two"] => outcome,
        there => Outcome::Wrong(format!("refused, and then {there:?} was there")),
    }
}

/// The value of a setting in a session, after it was set.
async fn value(
    database: &TestDatabase<Backend>,
    case: Option<&Case>,
    name: &str,
) -> Result<String, sqlx::Error> {
    let Some(case) = case else {
        let mut plain = Connection::connect(&database.url).await?;
        return Db::rows(&mut plain, &read(name))
            .await
            .map(|rows| rows.join("\n"));
    };
    let mut connection = if case.way == Way::Hook {
        let mut connection = Connection::connect(&database.url).await?;
        Db::rows(&mut connection, &set(&case.name, &case.value)).await?;
        connection
    } else {
        let pool = pool_of(database, case).await?;
        pool.acquire().await?.detach()
    };
    // A session that cannot read anything is certainly changed.
    let said = Db::rows(&mut connection, &read(name)).await;
    Ok(said.map_or_else(|error| error.to_string(), |rows| rows.join("\n")))
}

/// Sets everything that the server lists, and returns the settings that have an effect.
async fn listed() -> Listed {
    let mut all = Listed::default();
    let database = Backend::fresh().await;
    let mut plain = Connection::connect(&database.url).await.unwrap();
    for line in Db::rows(&mut plain, LIST).await.unwrap() {
        let setting = setting(&line);
        let Ok(before) = value(&database, None, &setting.name).await else {
            continue;
        };
        let mut seen = vec![before];
        let mut why = "nothing changes it".to_owned();
        for text in setting.values {
            for way in [Way::Hook, Way::Url]
                .into_iter()
                .filter(|way| WAYS.contains(way))
            {
                let (name, value_of) = (setting.name.clone(), text.clone());
                let mut case = Case {
                    name,
                    value: value_of,
                    way,
                };
                let read = value(&database, Some(&case), &setting.name);
                let read = tokio::time::timeout(SLOW, read).await;
                match read.unwrap_or(Err(sqlx::Error::PoolTimedOut)) {
                    Ok(after) if !seen.contains(&after) => {
                        seen.push(after);
                        let from = WAYS.iter().position(|known| *known == way).unwrap();
                        for way in &WAYS[from..] {
                            case.way = *way;
                            all.cases.push(case.clone());
                        }
                        break;
                    }
                    Ok(_) => {}
                    Err(error) => why = format!("{error:#}"),
                }
            }
        }
        match seen.len() {
            1 => all.unchanged.push(format!("{}: {why}", setting.name)),
            _ => all.changed += 1,
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn full_cycle_is_correct_or_refused_by_name_under_each_setting() {
    let all = listed().await;
    all.check(Backend::NAME);
    let database = Backend::fresh().await;
    let watch = with_keys(&database).await;
    if let Err(Stopped::Wrong(what)) = cycle(&database.pool(2).await, &watch).await {
        panic!("without any setting: {what}");
    }
    let expected = audit(&watch).await;
    let share = all.share(PLAIN);
    let (tried, mut right, mut refused, mut wrong) = (share.len(), 0, Vec::new(), Vec::new());
    let mut waiting = share.into_iter();
    let mut running = JoinSet::new();
    loop {
        while running.len() < SIDE_BY_SIDE {
            let Some(case) = waiting.next() else { break };
            let expected = expected.clone();
            running.spawn(async move {
                let outcome = attempt(&case, &expected).await;
                (case, outcome)
            });
        }
        let Some(ended) = running.join_next().await else {
            break;
        };
        let (Case { name, value, way }, outcome) = ended.unwrap();
        match outcome {
            Outcome::Right => right += 1,
            Outcome::Refused => refused.push(format!("{name} = {value}")),
            Outcome::Wrong(what) => wrong.push(format!("{name} = {value} ({way:?}): {what}")),
        }
    }
    println!(
        "{}: of {} cases {tried} tried, {right} right, {} refused by name: {}",
        Backend::NAME,
        all.cases.len(),
        refused.len(),
        refused.join(", ")
    );
    assert!(
        wrong.is_empty(),
        "{} of {tried} are wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
