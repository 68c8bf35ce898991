//! A run that has lost the lock without noticing: what it does late changes nothing that the next
//! owner has done. On MariaDB, DDL would commit it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use flamingock::{
    Batch, BoxError, Definition, Error, ErrorKind, Next, Report, Runner, TargetSystem, change,
    changes, rollback,
};
use flamingock_tests::{Backend as _, Gate, TestDatabase, done, execute, query, strings};
use sqlx::Pool;
use sqlx::pool::PoolOptions;

use super::{Backend, Connection, Db};

/// Ends the lease of the owner, as time does.
const EXPIRE: &str = "UPDATE flamingock_lease SET expires_at = '2000-01-01'";

/// One of the runs.
#[derive(Clone, Debug, Default)]
struct Owner {
    name: &'static str,
    /// Set at the end of its second batch, or of its change: its next connection comes late.
    is_late: Arc<AtomicBool>,
    /// The batch that waits at the gate, before its DDL.
    waits_in: i64,
    gate: Gate,
    fails: bool,
}

impl Owner {
    fn named(name: &'static str) -> Owner {
        Owner {
            name,
            ..Owner::default()
        }
    }
}

async fn next(
    batch: Batch<i64>,
    db: &mut Connection,
    owner: &Owner,
) -> Result<Next<i64>, BoxError> {
    let number = batch.cursor().copied().unwrap_or(0) + 1;
    let insert = format!("INSERT INTO done VALUES ('{number} by {}')", owner.name);
    query(db, &insert).await?;
    if owner.waits_in == number {
        owner.gate.pass().await;
    }
    let ddl = format!("CREATE TABLE IF NOT EXISTS part_{number} (a INT)");
    query(db, &ddl).await?;
    if number == 2 {
        owner.is_late.store(true, Ordering::SeqCst);
    }
    Ok(match number {
        4 => Next::finished(),
        number => Next::after(number),
    })
}

#[change(id = "fill", order = "002", batch, register = false)]
async fn fill(
    batch: Batch<i64>,
    db: &mut Connection,
    owner: &Owner,
) -> Result<Next<i64>, BoxError> {
    next(batch, db, owner).await
}

#[change(id = "fill", order = "002", target = "other", batch, register = false)]
async fn fill_elsewhere(
    batch: Batch<i64>,
    db: &mut Connection,
    owner: &Owner,
) -> Result<Next<i64>, BoxError> {
    next(batch, db, owner).await
}

/// Works before the change in batches.
#[change(id = "early", order = "001", register = false)]
async fn early(_db: &mut Connection, owner: &Owner) {
    owner.gate.pass().await;
}

#[change(
    id = "made",
    order = "001",
    transaction = false,
    recovery = "retry",
    register = false
)]
async fn made(db: &mut Connection, owner: &Owner) -> Result<(), BoxError> {
    query(db, "CREATE TABLE IF NOT EXISTS made (a INT)").await?;
    let insert = format!("INSERT INTO done VALUES ('made by {}')", owner.name);
    query(db, &insert).await?;
    if owner.fails {
        owner.is_late.store(true, Ordering::SeqCst);
        return Err("fails".into());
    }
    Ok(())
}

#[rollback(made)]
async fn unmade(db: &mut Connection, owner: &Owner) -> Result<(), BoxError> {
    query(db, "DELETE FROM done").await?;
    if owner.waits_in == 1 {
        owner.gate.pass().await;
    }
    query(db, "DROP TABLE IF EXISTS made").await.map(drop)?;
    Ok(())
}

/// Two databases, of which the second one is the target of `fill_elsewhere`.
struct Ground {
    database: TestDatabase<Backend>,
    other_database: TestDatabase<Backend>,
    pool: Pool<Db>,
    other: Pool<Db>,
}

impl Ground {
    async fn new() -> Ground {
        let (database, other_database) = (Backend::fresh().await, Backend::fresh().await);
        let (pool, other) = (database.pool(8).await, other_database.pool(8).await);
        for pool in [&pool, &other] {
            execute(pool, "CREATE TABLE done (what VARCHAR(99) NOT NULL)").await;
        }
        Ground {
            database,
            other_database,
            pool,
            other,
        }
    }

    fn runner(&self, owner: &Owner, changes: &[&'static Definition]) -> Runner {
        runner([&self.pool, &self.other], owner, changes)
    }

    /// The same runner with a pool whose next connection after the signal comes late: the lease
    /// ends first, and the next owner does everything.
    async fn late_runner(
        &self,
        late: &Owner,
        changes: &'static [&'static Definition],
    ) -> (Runner, Pool<Db>) {
        let is_elsewhere = changes[0].target == "other";
        let place = match is_elsewhere {
            true => &self.other_database,
            false => &self.database,
        };
        let (is_late, pools) = (
            Arc::clone(&late.is_late),
            [self.pool.clone(), self.other.clone()],
        );
        let options = PoolOptions::<Db>::new().max_connections(4);
        let options = options.after_connect(move |_, _| {
            let (is_late, pools) = (Arc::clone(&is_late), pools.clone());
            Box::pin(async move {
                if is_late.swap(false, Ordering::SeqCst) {
                    execute(&pools[0], EXPIRE).await;
                    let next = runner(pools.each_ref(), &Owner::named("B"), changes);
                    let next = tokio::spawn(async move { next.run().await });
                    next.await.unwrap().unwrap();
                }
                Ok(())
            })
        });
        let slow = options.connect(&place.url).await.unwrap();
        let pools = match is_elsewhere {
            true => [&self.pool, &slow],
            false => [&slow, &self.other],
        };
        (runner(pools, late, changes), slow)
    }
}

/// On the pool of the audit, and of the other database.
fn runner([pool, other]: [&Pool<Db>; 2], owner: &Owner, changes: &[&'static Definition]) -> Runner {
    Runner::new(pool)
        .target(TargetSystem::sqlx("other", other))
        .changes(changes.iter().copied())
        .provide(owner.clone())
}

fn is_lost(result: Result<Report, Error>) {
    assert_eq!(result.unwrap_err().kind(), ErrorKind::LeaseLost);
}

const BATCHES: [&str; 4] = ["1 by A", "2 by A", "3 by B", "4 by B"];

#[tokio::test(flavor = "multi_thread")]
async fn batch_that_begins_late_commits_nothing() {
    static HERE: [&Definition; 1] = changes![fill];
    static ELSEWHERE: [&Definition; 1] = changes![fill_elsewhere];
    for changes in [&HERE, &ELSEWHERE] {
        let ground = Ground::new().await;
        let owner = Owner::named("A");
        let (late, pool) = ground.late_runner(&owner, changes).await;
        is_lost(late.run().await);
        let place = match changes[0].target {
            "other" => &ground.other,
            _ => &ground.pool,
        };
        assert_eq!(done(place).await, BATCHES);
        let again = ground.runner(&Owner::named("C"), changes);
        assert!(again.run().await.unwrap().is_up_to_date());
        pool.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rollback_that_begins_late_reverses_nothing() {
    static MADE: [&Definition; 1] = changes![made];
    let ground = Ground::new().await;
    let owner = Owner {
        fails: true,
        ..Owner::named("A")
    };
    let (late, pool) = ground.late_runner(&owner, &MADE).await;
    is_lost(late.run().await);
    assert_eq!(done(&ground.pool).await, ["made by A", "made by B"]);
    execute(&ground.pool, "SELECT a FROM made").await;
    pool.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rollback_that_is_open_at_a_takeover_reverses_nothing() {
    let ground = Ground::new().await;
    let owner = Owner {
        fails: true,
        waits_in: 1,
        ..Owner::named("A")
    };
    let late = tokio::spawn(ground.runner(&owner, &changes![made]).run());
    owner.gate.reached().await;
    execute(&ground.pool, EXPIRE).await;
    let next = ground.runner(&Owner::named("B"), &changes![made]);
    next.run().await.unwrap();
    owner.gate.open();
    is_lost(late.await.unwrap());
    assert_eq!(done(&ground.pool).await, ["made by A", "made by B"]);
    execute(&ground.pool, "SELECT a FROM made").await;
}

/// The next owner works on another change first, so it has not claimed this one yet.
#[tokio::test(flavor = "multi_thread")]
async fn batch_of_a_late_owner_is_never_done_twice() {
    let ground = Ground::new().await;
    let owner = Owner {
        waits_in: 2,
        ..Owner::named("A")
    };
    let late = tokio::spawn(ground.runner(&owner, &changes![fill]).run());
    owner.gate.reached().await;
    execute(&ground.pool, EXPIRE).await;
    let next = Owner::named("B");
    let both = changes![early, fill];
    let working = tokio::spawn(ground.runner(&next, &both).run());
    next.gate.reached().await;
    owner.gate.open();
    is_lost(late.await.unwrap());
    next.gate.open();
    let ended = working.await.unwrap();
    let done = done(&ground.pool).await;
    if Backend::NAME == "MariaDB" {
        // The DDL has committed the batch, and its cursor is unknown.
        let error = ended.unwrap_err();
        let text = format!("{error:#}");
        assert!(
            text.contains("batch 2 was committed before its end"),
            "{text}"
        );
        assert_eq!(done, ["1 by A", "2 by A"]);
        let issues = ground.runner(&next, &both).issues().await;
        assert_eq!(issues.unwrap().len(), 1);
    } else {
        ended.unwrap();
        assert_eq!(done, ["1 by A", "2 by B", "3 by B", "4 by B"]);
    }
}

/// The late owner finds its connection cut, and asks what became of its batch.
#[tokio::test(flavor = "multi_thread")]
async fn batch_of_the_next_owner_is_not_ended_by_a_late_one() {
    let ground = Ground::new().await;
    let owner = Owner {
        waits_in: 1,
        ..Owner::named("A")
    };
    let late = tokio::spawn(ground.runner(&owner, &changes![fill]).run());
    owner.gate.reached().await;
    execute(&ground.pool, EXPIRE).await;
    let next = Owner {
        waits_in: 1,
        ..Owner::named("B")
    };
    let working = tokio::spawn(ground.runner(&next, &changes![fill]).run());
    next.gate.reached().await;
    owner.gate.open();
    is_lost(late.await.unwrap());
    next.gate.open();
    working.await.unwrap().unwrap();
    let all = ["1 by B", "2 by B", "3 by B", "4 by B"];
    assert_eq!(done(&ground.pool).await, all);
    let attempts = "SELECT DISTINCT attempt FROM flamingock_audit WHERE state = 'APPLIED'";
    assert_eq!(strings(&ground.pool, attempts).await, ["2"]);
}
