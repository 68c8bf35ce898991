//! The files of an atomic stage are sent in one message to database servers.

use flamingock::{Runner, Stage};
use flamingock_tests::{Backend as _, Proxy, done, with_table};

use super::atomic_message::files;
use super::{Backend, Db};

#[tokio::test]
async fn thirty_files_cost_as_many_round_trips_as_three() {
    let mut trips = Vec::new();
    for count in [3, 30] {
        let database = Backend::fresh().await;
        let direct = with_table(&database, 1).await;
        let proxy = Proxy::in_front_of(&database.url).unwrap();
        let pool = proxy.pool::<Db>(&database.url, 2).await;
        proxy.forget();
        let runner = Runner::new(&pool).stage(Stage::new("seed").atomic());
        let report = runner.files(files(count)).run().await.unwrap();
        assert_eq!(report.counts().newly_applied, count);
        assert_eq!(done(&direct).await.len(), count);
        let sent = proxy.sent();
        trips.push(sent.iter().filter(|text| text.len() > 10).count());
        let with_files = sent.iter().filter(|text| text.contains("INTO done"));
        assert_eq!(with_files.count(), 1, "{sent:#?}");
    }
    assert_eq!(trips[0], trips[1]);
}
