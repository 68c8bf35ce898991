//! Target systems: their names and descriptions in reports and records.

use flamingock::audit::HistoryFilter;
use flamingock::{BoxError, Resolution, Runner, TargetSystem, change, changes};
use flamingock_tests::{Backend as _, with_table};

use super::Backend;
use super::targets::runner;

#[tokio::test]
async fn description_is_in_plan_report_and_audit() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let described = || {
        let events = TargetSystem::new("events").description("the broker of the shop");
        runner(&pool).metadata("deployment", "7").target(events)
    };
    let line = "\n  target events: the broker of the shop";
    let plan = described().plan().await.unwrap();
    assert!(plan.to_string().contains(line), "{plan}");
    let names: Vec<_> = plan.targets.iter().map(|target| &*target.name).collect();
    assert_eq!(names, ["default", "events"]);
    assert_eq!(plan.targets[0].description, None);
    // Once everything is applied, the warning is gone.
    let report = described().run().await.unwrap();
    assert!(!report.to_string().contains("broker"), "{report}");
    assert_eq!(report.targets, plan.targets);

    let entries = described()
        .history(&HistoryFilter::default())
        .await
        .unwrap();
    for entry in entries {
        let metadata = entry.metadata.clone().unwrap();
        let metadata: serde_json::Value = serde_json::from_str(&metadata).unwrap();
        let described = entry.target.as_deref() == Some("events");
        let expected = described.then_some("the broker of the shop");
        assert_eq!(metadata["target_description"].as_str(), expected);
        assert_eq!(metadata["deployment"], "7");
    }
}

#[change(id = "breaks", order = "001", target = "events", register = false)]
async fn breaks() -> Result<(), BoxError> {
    Err("no such stream".into())
}

#[tokio::test]
async fn resolved_issue_records_the_description_too() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let runner = || {
        let events = TargetSystem::new("events").description("the broker of the shop");
        Runner::new(&pool).changes(changes![breaks]).target(events)
    };
    runner().run().await.unwrap_err();
    let resolver = runner();
    let resolved = resolver.resolve("breaks", Resolution::Applied, "seen");
    resolved.await.unwrap();
    let entries = runner().history(&HistoryFilter::default()).await.unwrap();
    let latest = entries.last().unwrap();
    let metadata = latest.metadata.as_deref();
    let expected = r#"{"target_description":"the broker of the shop"}"#;
    assert_eq!(metadata, Some(expected));
}

#[tokio::test]
async fn target_that_no_change_names_is_a_warning() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let warning = "the target system \"cache\" is given to the runner, but no change names it";
    let runner = || {
        runner(&pool)
            .target(TargetSystem::new("events"))
            .target(TargetSystem::new("cache"))
    };
    assert_eq!(runner().plan().await.unwrap().warnings, [warning]);
    for _ in 0..2 {
        let report = runner().run().await.unwrap();
        assert_eq!(report.warnings, [warning]);
        assert!(report.to_string().contains(warning), "{report}");
    }
}

#[tokio::test]
async fn error_of_a_change_names_its_target() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let runner = Runner::new(&pool).changes(changes![breaks]);
    let error = runner
        .target(TargetSystem::new("events"))
        .run()
        .await
        .unwrap_err();
    let text = format!("{error:#}");
    assert!(text.contains("no such stream [target events]"), "{text}");
}
