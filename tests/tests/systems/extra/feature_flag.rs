//! `examples/feature-flag`, with Unleash.

use std::io;

use flamingock_tests::systems::Unleash;
use flamingock_tests::{Backend as _, Page, Postgres, Proxy, System, TestDatabase};
use serde_json::{Value, json};

use crate::extra::program::page;

struct Vendor {
    unleash: System<Unleash>,
    page: Page,
    _database: TestDatabase<Postgres>,
}

async fn vendor() -> io::Result<Vendor> {
    let database = Postgres::fresh().await;
    let database_url = database.url.clone();
    let unleash = System::start(Unleash { database_url }).await?;
    let features = format!("{}/api/admin/projects/default/features", unleash.url());
    let page = page("feature-flag")
        .with("UNLEASH_URL", "http://127.0.0.1:4242", unleash.url())
        .with("UNLEASH_TOKEN", "*:*.admin", unleash.token())
        .with("FEATURES", "the features", features);
    Ok(Vendor {
        unleash,
        page,
        _database: database,
    })
}

impl Vendor {
    fn flag(&self) -> Value {
        let path = "projects/default/features/checkout-v2";
        self.unleash.manage("GET", path, "").json()
    }

    /// Not the whole flag: the vendor computes its lifecycle stage later.
    fn shape(&self) -> [Value; 3] {
        let flag = self.flag();
        let [made, what] = ["createdAt", "description"].map(|field| flag[field].clone());
        [made, what, self.development()]
    }

    fn development(&self) -> Value {
        let flag = self.flag();
        let environments = flag["environments"].as_array().unwrap();
        let ours = environments.iter().find(|one| one["name"] == "development");
        ours.unwrap().clone()
    }
}

#[tokio::test]
#[ignore = "needs Unleash: tests/run extra"]
async fn page_shows_the_actual_output_and_half_a_flag_is_completed() -> io::Result<()> {
    let vendor = vendor().await?;
    vendor.page.check();

    // One server for all steps, because it takes seconds to start.
    run_killed_between_the_requests_is_completed(&vendor).await?;
    existing_flag_is_left_unchanged(&vendor)?;
    foreign_flag_is_left_unchanged(&vendor)
}

async fn run_killed_between_the_requests_is_completed(vendor: &Vendor) -> io::Result<()> {
    let proxy = Proxy::start(vendor.unleash.port(0))?;
    proxy.hold_after("environments/development/strategies", 1);
    let behind = format!("http://127.0.0.1:{}", proxy.port());
    let page = &vendor.page;
    page.kill_while_held(&proxy, "UNLEASH_URL", &behind).await?;
    let half = vendor.development();
    assert_eq!(
        (half["enabled"].as_bool(), count(&half)),
        (Some(false), 1),
        "{half}"
    );

    let next = page.shell("feature-flag apply");
    assert_eq!(next.code, Some(0), "{next:?}");
    let whole = vendor.development();
    assert_eq!(
        (whole["enabled"].as_bool(), count(&whole)),
        (Some(true), 1),
        "{whole}"
    );
    assert_eq!(whole["strategies"][0]["parameters"]["rollout"], "25");
    let on_record = page.states("checkout-flag");
    assert!(on_record.ends_with(&["STARTED", "STARTED", "APPLIED"].map(str::to_owned)));
    Ok(())
}

fn count(environment: &Value) -> usize {
    environment["strategies"].as_array().map_or(0, Vec::len)
}

fn existing_flag_is_left_unchanged(vendor: &Vendor) -> io::Result<()> {
    let before = vendor.shape();
    std::fs::remove_file(vendor.page.folder().join("feature-flag.db"))?;
    let again = vendor.page.shell("feature-flag apply");
    assert!(again.text.starts_with("shop: 1 newly applied"), "{again:?}");
    assert_eq!(vendor.shape(), before);
    Ok(())
}

fn foreign_flag_is_left_unchanged(vendor: &Vendor) -> io::Result<()> {
    assert_eq!(vendor.page.shell("feature-flag undo --last").code, Some(0));
    let by_hand = json!({ "name": "checkout-v2", "description": "mine" }).to_string();
    let made = vendor
        .unleash
        .manage("POST", "projects/default/features", &by_hand);
    assert_eq!(made.status, 201, "{made:?}");
    let before = vendor.shape();
    let refused = vendor.page.shell("feature-flag apply");
    assert!(
        refused.text.contains("another application has a flag"),
        "{refused:?}"
    );
    assert_eq!(vendor.shape(), before);
    Ok(())
}
