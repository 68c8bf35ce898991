//! The statements that a run sends, counted: as many for ten changes as for ten thousand.

use flamingock::{Runner, change, changes};
use flamingock_tests::{Backend as _, Gate, Proxy, execute, many, query, until_idle, with_table};
use sqlx::Pool;

use super::{Backend, Connection, Db, STATEMENTS_IF_DIFFERENT, assert_index, grow, plan};

#[change(id = "base", order = "000", register = false)]
async fn base(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('base')")
        .await
        .map(drop)
}

#[change(id = "slow", order = "99999", register = false)]
async fn slow(gate: &Gate) {
    gate.pass().await;
}

/// So many statements of one run with nothing to do, on a connection that is already open.
async fn sent(pool: &Pool<Db>, proxy: &Proxy, runner: Runner, expected: usize) -> Vec<String> {
    until_idle(pool).await;
    proxy.forget();
    assert!(runner.run().await.unwrap().is_up_to_date());
    assert_eq!(proxy.statements(), expected, "{:#?}", proxy.sent());
    assert_eq!(proxy.round_trips(), expected, "{:#?}", proxy.sent());
    proxy.sent()
}

/// A pool of one connection that is not pinged, because pings would be counted.
pub(super) async fn pool_behind(proxy: &Proxy, url: &str) -> Pool<Db> {
    let options = sqlx::pool::PoolOptions::<Db>::new().max_connections(1);
    let options = options.test_before_acquire(false);
    options.connect(&proxy.url(url)).await.unwrap()
}

#[tokio::test]
async fn run_with_nothing_to_do_is_one_indexed_statement() {
    for (count, copies) in [(10, 499), (10_000, 9)] {
        let database = Backend::fresh().await;
        let direct = with_table(&database, 2).await;
        let changes = many(changes![base][0], count);
        let (last, all_but_one) = (changes[count - 1].id, &changes[..count - 1]);
        let runner = |pool: &Pool<Db>, changes: &[_]| Runner::new(pool).changes(changes.to_vec());
        let known = runner(&direct, all_but_one);
        known
            .baseline(changes[count - 2].id, "for the test")
            .await
            .unwrap();
        let report = runner(&direct, &changes).run().await.unwrap();
        assert_eq!(report.counts().newly_applied, 1, "{last}");
        for rows_of_each in [1, 1 + copies] {
            if rows_of_each > 1 {
                execute(&direct, &grow(copies)).await;
            }
            let proxy = Proxy::in_front_of(&database.url).unwrap();
            let pool = pool_behind(&proxy, &database.url).await;
            sent(&pool, &proxy, runner(&pool, &changes), 1).await;
            // With another digest, the latest entry of each change is read.
            let known = runner(&pool, all_but_one);
            let texts = sent(&pool, &proxy, known, STATEMENTS_IF_DIFFERENT).await;
            let text = texts.concat();
            // Ten rows are read in one piece, however many rows there are.
            if count * rows_of_each > 1_000 {
                let plan = plan(&direct, text.trim_end_matches('\0')).await;
                assert_index(&plan, rows_of_each);
            }
        }
    }
}

#[tokio::test]
async fn run_with_nothing_to_do_does_not_wait_for_another() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 4).await;
    Runner::new(&pool)
        .changes(changes![base])
        .run()
        .await
        .unwrap();
    let gate = Gate::default();
    let newer = Runner::new(&pool)
        .changes(changes![base, slow])
        .provide(gate.clone());
    let newer = tokio::spawn(async move { newer.run().await });
    gate.reached().await;

    let proxy = Proxy::in_front_of(&database.url).unwrap();
    let own = pool_behind(&proxy, &database.url).await;
    let same = Runner::new(&own).changes(changes![base]);
    sent(&own, &proxy, same, STATEMENTS_IF_DIFFERENT).await;
    assert!(!newer.is_finished());
    gate.open();
    newer.await.unwrap().unwrap();
}
