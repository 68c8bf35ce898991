//! `examples/cloud-resources`, with moto.

use std::io;

use flamingock_tests::systems::Moto;
use flamingock_tests::{Page, Proxy, System, http};

use crate::extra::program::page;

async fn cloud() -> io::Result<(System<Moto>, Page)> {
    let moto = System::start(Moto).await?;
    let page = page("cloud-resources")
        .with("AWS_ENDPOINT_URL", "http://127.0.0.1:5000", moto.endpoint())
        .with("AWS_REGION", "us-east-1", "us-east-1")
        .with("AWS_ACCESS_KEY_ID", "any", "any")
        .with("AWS_SECRET_ACCESS_KEY", "any", "any")
        .with("BUCKET", "orders-exports", "orders-exports");
    Ok((moto, page))
}

fn lifecycle(moto: &System<Moto>) -> io::Result<http::Answer> {
    http::get(&format!("{}/orders-exports?lifecycle", moto.endpoint()))
}

#[tokio::test]
#[ignore = "needs moto: tests/run extra"]
async fn page_shows_the_actual_output() -> io::Result<()> {
    let (_moto, page) = cloud().await?;
    page.check();
    Ok(())
}

#[tokio::test]
#[ignore = "needs moto: tests/run extra"]
async fn half_created_bucket_is_completed_by_the_next_run() -> io::Result<()> {
    let (moto, page) = cloud().await?;
    let proxy = Proxy::start(moto.port(0))?;
    proxy.hold_after("PUT /orders-exports", 1);
    let behind = format!("http://127.0.0.1:{}", proxy.port());
    page.kill_while_held(&proxy, "AWS_ENDPOINT_URL", &behind)
        .await?;
    let bucket = format!("{}/orders-exports", moto.endpoint());
    assert_eq!(http::get(&bucket)?.status, 200);
    assert_eq!(lifecycle(&moto)?.status, 404);

    let next = page.shell("cloud-resources apply");
    assert_eq!(next.code, Some(0), "{next:?}");
    let rule = lifecycle(&moto)?;
    assert!(rule.body.contains("<Days>30</Days>"), "{rule:?}");
    let on_record = page.states("exports-bucket");
    assert_eq!(on_record, ["STARTED", "STARTED", "APPLIED"]);

    // A run with an empty audit finds both, and changes neither.
    std::fs::remove_file(page.folder().join("cloud-resources.db"))?;
    let again = page.shell("DAYS=7 cloud-resources apply");
    assert_eq!(again.code, Some(0), "{again:?}");
    assert_eq!(lifecycle(&moto)?.body, rule.body);
    Ok(())
}

#[tokio::test]
#[ignore = "needs moto: tests/run extra"]
async fn bucket_with_foreign_rules_stays_unchanged() -> io::Result<()> {
    let (moto, page) = cloud().await?;
    let bucket = format!("{}/orders-exports", moto.endpoint());
    assert_eq!(http::send("PUT", &bucket, &[], "")?.status, 200);
    let theirs = "<LifecycleConfiguration><Rule><ID>theirs</ID><Status>Enabled</Status>\
        <Filter><Prefix></Prefix></Filter><Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>";
    let url = format!("{bucket}?lifecycle");
    assert_eq!(http::send("PUT", &url, &[], theirs)?.status, 200);
    let before = lifecycle(&moto)?.body;

    let refused = page.shell("cloud-resources apply");
    assert_eq!(refused.code, Some(1), "{refused:?}");
    let said = "the bucket orders-exports has rules that are not ours: theirs";
    assert!(refused.text.contains(said), "{refused:?}");
    assert_eq!(lifecycle(&moto)?.body, before);
    Ok(())
}
