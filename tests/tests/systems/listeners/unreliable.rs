//! Listeners that fail, panic and hang, and the shape of their events.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use flamingock::events::EventKind;
use flamingock::events::{Event, Listener};
use flamingock::{BoxError, ErrorKind, MemoryStore, Mode, Report, Runner, change, changes, verify};
use flamingock_tests::Recorder;
use serde_json::Value;

#[change(id = "warm-cache", order = "001", register = false)]
async fn warm_cache() {}

#[verify(warm_cache)]
async fn is_warm() -> bool {
    true
}

#[change(id = "breaks", order = "002", register = false)]
async fn breaks() -> Result<(), BoxError> {
    Err("broken".into())
}

/// The behaviour of the listener.
enum Manner {
    Fails,
    Panics,
    Hangs,
}

struct Unreliable(Manner);

#[async_trait]
impl Listener for Unreliable {
    async fn on_event(&self, event: &Event) -> Result<(), BoxError> {
        match self.0 {
            Manner::Fails => Err(format!("event {} is too much", event.number).into()),
            Manner::Panics => panic!("event {} is too much", event.number),
            Manner::Hangs => std::future::pending().await,
        }
    }

    fn name(&self) -> &str {
        "unreliable"
    }
}

async fn with(manner: Manner) -> (Report, Vec<String>) {
    let recorder = Recorder::default();
    let report = Runner::new(MemoryStore::new())
        .changes(changes![warm_cache])
        .listener(Unreliable(manner))
        .listener(recorder.listener())
        .listener_timeout(Duration::from_millis(200))
        .run()
        .await
        .unwrap();
    (report, recorder.lines())
}

#[tokio::test]
async fn failing_panicking_or_hanging_listener_only_adds_a_warning() {
    let cases = [
        (
            Manner::Fails,
            "failed at 9 of 9 events, first with: event 1 is too much",
        ),
        (
            Manner::Panics,
            "failed at 9 of 9 events, first with: it panicked: event 1 is too much",
        ),
        (
            Manner::Hangs,
            "did not hear 9 of 9 events: it had not heard them 200ms after the end of the run",
        ),
    ];
    for (manner, warning) in cases {
        let (report, heard) = with(manner).await;
        assert!(report.is_success());
        assert_eq!(
            report.warnings,
            [format!("the listener unreliable {warning}")]
        );
        let shown = format!("warning: the listener unreliable {warning}");
        assert!(report.to_string().contains(&shown), "{report}");
        let expected = [
            "run started",
            "lock obtained",
            "planned 1",
            "stage default started",
            "warm-cache 1 started",
            "warm-cache 1 newly applied",
            "stage default ended",
            "lock released",
            "run ended: well",
        ];
        assert_eq!(heard, expected);
    }
}

#[tokio::test]
async fn several_hanging_listeners_cost_one_timeout() {
    let timeout = Duration::from_secs(1);
    let began = Instant::now();
    let mut runner = Runner::new(MemoryStore::new()).changes(changes![warm_cache]);
    for _ in 0..10 {
        runner = runner.listener(Unreliable(Manner::Hangs));
    }
    let report = runner.listener_timeout(timeout).run().await.unwrap();
    assert_eq!(report.warnings.len(), 10);
    let took = began.elapsed();
    assert!(took >= timeout && took < timeout * 5, "{took:?}");
}

#[tokio::test]
async fn report_of_a_failed_run_has_the_warning_too() {
    let error = Runner::new(MemoryStore::new())
        .changes(changes![breaks])
        .listener(Unreliable(Manner::Fails))
        .run()
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ChangesFailed, "{error}");
    assert_eq!(error.report().unwrap().warnings.len(), 1, "{error}");
}

#[tokio::test]
async fn refused_run_emits_its_reason() {
    let recorder = Recorder::default();
    let runner = Runner::new(MemoryStore::new()).changes(changes![warm_cache, warm_cache]);
    let error = runner.listener(recorder.listener()).run().await;
    assert!(matches!(&error, Err(error) if error.kind() == ErrorKind::Invalid));
    assert_eq!(recorder.lines(), ["run started", "run ended: invalid"]);
}

#[tokio::test]
async fn verify_emits_the_answer_of_every_verify_function() {
    let store = MemoryStore::new();
    let recorder = Recorder::default();
    let runner = || Runner::new(&store).changes(changes![warm_cache]);
    runner().run().await.unwrap();
    let answers = runner().listener(recorder.listener()).verify().await;
    assert_eq!(answers.unwrap().len(), 1);
    let expected = [
        "verify started",
        "planned 1",
        "warm-cache 1 started",
        "warm-cache present: Some(true)",
        "verify ended: well",
    ];
    assert_eq!(recorder.lines(), expected);
}

#[tokio::test]
async fn read_only_run_emits_issues_too() {
    let store = MemoryStore::new();
    let runner = || Runner::new(&store).changes(changes![breaks]);
    runner().run().await.unwrap_err();
    for mode in [Mode::Check, Mode::Plan, Mode::Apply] {
        let recorder = Recorder::default();
        let runner = runner().mode(mode).listener(recorder.listener());
        let _ = runner.run().await;
        let lines = recorder.lines();
        assert_eq!(lines[1], "breaks issue: Failed", "{mode:?}: {lines:?}");
        assert_eq!(lines.len(), 3, "{mode:?}: {lines:?}");
    }
}

#[tokio::test]
async fn events_are_flat_json_objects() {
    let events = Arc::new(Mutex::new(Vec::new()));
    let heard = events.clone();
    let listener = move |event: &Event| {
        heard
            .lock()
            .unwrap()
            .push(serde_json::to_value(event).unwrap());
    };
    let runner = Runner::new(MemoryStore::new()).service("shop");
    let error = runner
        .changes(changes![warm_cache, breaks])
        .listener(listener)
        .run()
        .await
        .unwrap_err();
    let events: Vec<Value> = events.lock().unwrap().clone();
    for (place, event) in events.iter().enumerate() {
        assert_eq!(event["number"], place + 1);
        assert_eq!(
            (&event["service"], &event["work"]),
            (&"shop".into(), &"run".into())
        );
        assert_eq!(event["run_id"], error.report().unwrap().run_id);
        assert!(event["elapsed_ms"].is_f64(), "{event}");
    }
    let find = |name: &str| events.iter().find(|event| event["event"] == name).unwrap();
    let started = find("change_started");
    assert_eq!(
        (&started["id"], &started["attempt"]),
        (&"warm-cache".into(), &1.into())
    );
    let ended = find("change_ended");
    assert_eq!(
        (&ended["outcome"], &ended["stage"], &ended["target"]),
        (
            &"newly_applied".into(),
            &"default".into(),
            &"default".into()
        )
    );
    assert!(ended["duration_ms"].is_f64(), "{ended}");
    let issue = find("issue_found");
    assert_eq!(
        (&issue["cause"], &issue["error"]),
        (&"failed".into(), &serde_json::json!(["broken"]))
    );
    let end = events.last().unwrap();
    assert_eq!(end["event"], "run_ended");
    assert_eq!(end["error"]["kind"], "changes_failed");
    let message = end["error"]["message"].as_str().unwrap();
    assert!(message.starts_with("\"breaks\" failed"), "{message}");
    assert_eq!(end["report"]["stages"][0]["changes"][1]["id"], "breaks");
}

#[tokio::test]
async fn event_is_displayed_in_one_line() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let heard = lines.clone();
    let runner = Runner::new(MemoryStore::new()).changes(changes![warm_cache, breaks]);
    let listener = move |event: &Event| {
        if !matches!(event.kind, EventKind::RunEnded { .. }) {
            heard.lock().unwrap().push(event.to_string());
        }
    };
    runner.listener(listener).run().await.unwrap_err();
    let expected = [
        "run of \"default\" started",
        "lock obtained",
        "2 changes to run",
        "stage \"default\" started",
        "\"warm-cache\" started (run)",
        "\"warm-cache\" newly applied",
        "\"breaks\" started (run)",
        "\"breaks\" failed: broken [target default]",
        "\"breaks\" needs manual resolution: a non-transactional attempt failed and was not rolled back",
        "stage \"default\" was halted",
        "lock released",
    ];
    assert_eq!(*lines.lock().unwrap(), expected);
}
