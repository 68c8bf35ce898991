//! Creates dumps.

use flamingock_tests::TestDatabase;
use flamingock_tests::clients::Dumped;
use sqlx::Pool;

/// Applies a dump as a change, with this head.
pub(super) async fn applied<B: Dumped>(dump: &str, head: &str) -> (TestDatabase<B>, Pool<B::Db>) {
    let database = B::fresh().await;
    let pool = database.pool(2).await;
    let text = format!("{head}{dump}");
    let folder = flamingock_tests::folder(&[("0001__dump.sql", &text)]);
    let report = B::runner(&pool).files(folder).run().await;
    let report = report.unwrap_or_else(|error| panic!("{error:?}\n{}", numbered(dump)));
    assert_eq!(report.counts().newly_applied, 1);
    (database, pool)
}

fn numbered(text: &str) -> String {
    let lines = text.lines().enumerate();
    let lines = lines.map(|(number, line)| format!("{:4} {line}\n", number + 1));
    lines.collect()
}
