//! Playing the schedules of one database.

use std::sync::Arc;
use std::time::Duration;

use flamingock::IntoStorage;
use flamingock::audit::State;
use flamingock::{Definition, LockOptions};
use flamingock_tests::{Backend, TestDatabase, count, execute};
use flamingock_time::{Played, Schedule, Trace, common, seeds, try_side_by_side};
use sqlx::Pool;
use sqlx::pool::PoolOptions;

use super::weather::Weather;

/// The number of schedules at the same time: each has up to nine connections.
const SIDE_BY_SIDE: usize = 20;

const LEASE: Duration = Duration::from_secs(1);

/// The resources of every schedule of a database.
struct Ground<B: Backend> {
    /// On servers, one database for all, in which every schedule is a service.
    database: Option<TestDatabase<B>>,
    changes: Vec<&'static Definition>,
}

pub(super) async fn play_all<B>(test: &str, changes: impl IntoIterator<Item = &'static Definition>)
where
    B: Backend,
    for<'a> &'a Pool<B::Db>: IntoStorage,
{
    let database = match B::NAME {
        // A file has one writer, so each schedule has its own file.
        "SQLite" => None,
        _ => Some(prepared::<B>().await),
    };
    let ground = Arc::new(Ground {
        database,
        changes: common().into_iter().chain(changes).collect(),
    });
    try_side_by_side(test, seeds(24, 3_334), SIDE_BY_SIDE, |seed, before| {
        let ground = Arc::clone(&ground);
        async move { ground.play(seed, before).await }
    })
    .await;
}

/// A database with the table of effects.
async fn prepared<B: Backend>() -> TestDatabase<B> {
    let database = B::fresh().await;
    let pool = database.pool(1).await;
    execute(
        &pool,
        "CREATE TABLE effects (service VARCHAR(100) NOT NULL)",
    )
    .await;
    database
}

impl<B> Ground<B>
where
    B: Backend,
    for<'a> &'a Pool<B::Db>: IntoStorage,
{
    /// Plays it, as a service of its own if it was played before.
    async fn play(&self, seed: u64, before: u32) -> Played {
        let own = match &self.database {
            Some(_) => None,
            None => Some(prepared::<B>().await),
        };
        let database = self.database.as_ref().or(own.as_ref()).unwrap();
        let trace = Arc::new(Trace::new(true));
        let weather = Weather::of(seed, LEASE, &database.url, &trace);
        let open = |process: usize| {
            let options = PoolOptions::<B::Db>::new().max_connections(2);
            let url = weather.url(&database.url, process);
            (&options.connect_lazy(&url).unwrap()).into_storage()
        };
        let service = format!("seed-{seed}-{before}");
        let schedule = Schedule {
            seed,
            service: service.clone(),
            lock: LockOptions::default().lease(LEASE).wait(LEASE * 6),
            flaw: None,
            slack: Duration::from_secs(30),
            changes: self.changes.clone(),
            open: &open,
        };
        let entries = schedule.play(&trace).await;
        let pool = database.pool(1).await;
        let of_service = format!("SELECT count(*) FROM effects WHERE service = '{service}'");
        let effects = count(&pool, &of_service).await;
        let applied = entries.iter().filter(|entry| {
            entry.change_id.as_deref() == Some("shared") && entry.state == State::Applied
        });
        let applied = i64::try_from(applied.count()).unwrap();
        if effects != applied {
            trace.wrong(format!(
                "\"shared\" is APPLIED {applied} times, and there {effects} times"
            ));
        }
        Played::of(&trace)
    }
}
