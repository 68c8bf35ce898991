//! The metrics, as the SDK of OpenTelemetry collects them.

use flamingock::events::Metrics;
use flamingock::{
    BoxError, MemoryStore, Runner, TargetSystem, Undo, UndoTarget, change, changes, rollback,
};
use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, SdkMeterProvider};

#[change(id = "stream", order = "001", target = "events", register = false)]
async fn stream() {}

#[rollback(stream)]
async fn no_stream() {}

#[change(id = "breaks", order = "002", register = false)]
async fn breaks() -> Result<(), BoxError> {
    Err("broken".into())
}

/// Every point: the metric's name with its attributes, and how often it was counted or recorded.
fn points(exporter: &InMemoryMetricExporter) -> Vec<String> {
    let mut points = Vec::new();
    let collected = exporter.get_finished_metrics().unwrap();
    let last = collected.last().unwrap();
    for scope in last.scope_metrics() {
        for metric in scope.metrics() {
            let mut point = |attributes: Vec<String>, count: u64| {
                let mut attributes = attributes;
                attributes.sort();
                let unit = metric.unit();
                points.push(format!(
                    "{}{{{}}}{unit} {count}",
                    metric.name(),
                    attributes.join(",")
                ));
            };
            let text = |one: &opentelemetry::KeyValue| format!("{}={}", one.key, one.value);
            match metric.data() {
                AggregatedMetrics::U64(MetricData::Sum(sum)) => {
                    for one in sum.data_points() {
                        point(one.attributes().map(text).collect(), one.value());
                    }
                }
                AggregatedMetrics::F64(MetricData::Histogram(histogram)) => {
                    for one in histogram.data_points() {
                        assert!(one.sum() >= 0.0);
                        point(one.attributes().map(text).collect(), one.count());
                    }
                }
                other => panic!("{}: {other:?}", metric.name()),
            }
        }
    }
    points.sort();
    points
}

#[tokio::test]
async fn runs_changes_and_issues_are_counted_under_stable_names() {
    let exporter = InMemoryMetricExporter::default();
    let provider = SdkMeterProvider::builder()
        .with_periodic_exporter(exporter.clone())
        .build();
    let meter = provider.meter("shop");
    let store = MemoryStore::new();
    let runner = || {
        Runner::new(&store)
            .service("shop")
            .changes(changes![stream, breaks])
            .target(TargetSystem::new("events"))
            .listener(Metrics::new(&meter))
    };
    runner().run().await.unwrap_err();
    runner().run().await.unwrap_err();
    // The change that failed is still unfinished.
    let last = Undo::new(UndoTarget::Last).force();
    runner().undo(last).await.unwrap();
    provider.force_flush().unwrap();
    let expected = [
        "flamingock.change.duration{outcome=failed,service=shop,stage=default,target=default,work=run}s 1",
        "flamingock.change.duration{outcome=newly_applied,service=shop,stage=default,target=events,work=run}s 1",
        "flamingock.change.duration{outcome=undone,service=shop,stage=default,target=events,work=undo}s 1",
        "flamingock.changes{outcome=failed,service=shop,stage=default,target=default,work=run} 1",
        "flamingock.changes{outcome=newly_applied,service=shop,stage=default,target=events,work=run} 1",
        "flamingock.changes{outcome=undone,service=shop,stage=default,target=events,work=undo} 1",
        "flamingock.issues{cause=failed,service=shop,stage=default,target=default} 2",
        "flamingock.lock.wait{service=shop,work=run}s 1",
        "flamingock.lock.wait{service=shop,work=undo}s 1",
        "flamingock.run.duration{outcome=changes_failed,service=shop,work=run}s 1",
        "flamingock.run.duration{outcome=issues,service=shop,work=run}s 1",
        "flamingock.run.duration{outcome=success,service=shop,work=undo}s 1",
        "flamingock.runs{outcome=changes_failed,service=shop,work=run} 1",
        "flamingock.runs{outcome=issues,service=shop,work=run} 1",
        "flamingock.runs{outcome=success,service=shop,work=undo} 1",
    ];
    assert_eq!(points(&exporter), expected);
}
