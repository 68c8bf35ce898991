//! Information for waiters must never cost the lease: MariaDB limits its length.

use std::time::Duration;

use flamingock::{LockOptions, Runner, Stage, change, changes, testing};
use flamingock_tests::{Backend, Gate, MariaDb, strings, with_table};

#[change(id = "long", order = "001", stage = "s", register = false)]
async fn long(gate: &Gate) {
    gate.pass().await;
}

#[tokio::test]
async fn lease_is_renewed_despite_long_names_side_by_side() {
    let database = MariaDb::fresh().await;
    let pool = with_table(&database, 6).await;
    let base = changes![long][0];
    let stages = ["one", "two", "three", "four"];
    let changes = stages.map(|stage| {
        testing::change(format!("{stage} {}", "é".repeat(180)))
            .order(base.order)
            .stage(stage)
            .functions_of(base)
            .build()
    });
    let gate = Gate::default();
    let runner = Runner::new(&pool).changes(changes).provide(gate.clone());
    let runner = stages
        .iter()
        .fold(runner, |runner, stage| runner.stage(Stage::new(*stage)));
    let lock = LockOptions::default().lease(Duration::from_millis(900));
    let mut run = tokio::spawn(runner.parallel_stages(4).lock(lock).run());
    // It is written by a renewal, on which the lease depends.
    let told = async {
        loop {
            let activity = "SELECT activity FROM flamingock_lease WHERE activity LIKE '%, %'";
            let tables = "SELECT 1 FROM information_schema.TABLES
                WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'flamingock_lease'";
            if !strings(&pool, tables).await.is_empty()
                && let [told] = strings(&pool, activity).await.as_slice()
            {
                return told.clone();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let told = tokio::select! {
        ended = &mut run => panic!("it ended before the activity was recorded: {ended:?}"),
        told = told => told,
    };
    assert!(told.starts_with("001 one é"), "{told}");
    gate.open();
    let report = run.await.unwrap().unwrap();
    assert_eq!(report.counts().newly_applied, 4);
}
