//! The first renewal of a lease is lost or late: the database still has a second connection.

use std::time::Duration;

use flamingock::{IntoStorage, LockOptions, Runner, change, changes};
use flamingock_tests::servers::Hosted;
use flamingock_tests::{Proxy, scenarios};
use sqlx::Pool;

/// What only a renewal says.
const RENEWAL: &str = "e.activity)";

/// The first renewal has three seconds, because a sixth of this lease is less.
const LEASE: Duration = Duration::from_secs(6);

scenarios!(postgres, mariadb;
    cut_connection_of_the_first_renewal_is_opened_again,
    lost_answer_of_the_first_renewal_is_asked_again,
    late_answer_of_the_first_renewal_is_asked_again,
);

/// Refused where nothing renews the lease.
#[change(id = "unlimited", order = "001", transaction = false, register = false)]
async fn unlimited() {}

async fn unlimited_change_is_applied<H: Hosted>(fault: impl Fn(&Proxy))
where
    for<'a> &'a Pool<H::Db>: IntoStorage,
{
    let database = H::fresh().await;
    let proxy = Proxy::in_front_of(&database.url).unwrap();
    let pool = proxy.pool::<H::Db>(&database.url, 2).await;
    fault(&proxy);
    let runner = Runner::new(&pool).changes(changes![unlimited]);
    let report = runner.lock(LockOptions::default().lease(LEASE)).run().await;
    let report = report.unwrap();
    assert_eq!(report.counts().newly_applied, 1, "{report}");
    assert!(!proxy.is_armed());
    pool.close().await;
}

async fn cut_connection_of_the_first_renewal_is_opened_again<H: Hosted>()
where
    for<'a> &'a Pool<H::Db>: IntoStorage,
{
    unlimited_change_is_applied::<H>(|proxy| proxy.cut_before(RENEWAL, 1)).await;
}

async fn lost_answer_of_the_first_renewal_is_asked_again<H: Hosted>()
where
    for<'a> &'a Pool<H::Db>: IntoStorage,
{
    unlimited_change_is_applied::<H>(|proxy| proxy.cut_after(RENEWAL, 1)).await;
}

async fn late_answer_of_the_first_renewal_is_asked_again<H: Hosted>()
where
    for<'a> &'a Pool<H::Db>: IntoStorage,
{
    unlimited_change_is_applied::<H>(|proxy| proxy.hold_after(RENEWAL, 1)).await;
}
