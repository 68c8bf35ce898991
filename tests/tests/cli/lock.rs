//! While a run has the lock, and after its owner has died.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Command, Stdio};

use flamingock_tests::{Backend, block_until, scenarios};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::app::{App, Ran, normalise};

scenarios!(
    sqlite, postgres, mariadb;
    running_change_is_no_issue_and_sigterm_lets_it_finish,
    interrupted_change_is_an_issue_once_its_owner_has_ended,
    all_services_are_shown_with_their_lock_owners,
);

/// A process whose second change waits: its topic is a pipe without a reader.
pub(crate) struct Waiting<'a> {
    app: &'a App,
    process: Option<Child>,
    errors: BufReader<ChildStderr>,
    said: String,
}

impl Waiting<'_> {
    pub(crate) fn start(app: &App) -> Waiting<'_> {
        fs::create_dir(app.folder().join("broker")).unwrap();
        let made = Command::new("mkfifo")
            .arg(app.folder().join("broker/orders"))
            .status();
        assert!(made.unwrap().success());
        let mut command = app.command(&["apply"]);
        let mut process = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        block_until("the second change is running", || {
            app.status()[1] == "running"
        });
        let errors = BufReader::new(process.stderr.take().unwrap());
        Waiting {
            app,
            process: Some(process),
            errors,
            said: String::new(),
        }
    }

    fn signal(&self, signal: Signal) {
        let process = self.process.as_ref().unwrap();
        kill_process(Pid::from_child(process), signal).unwrap();
    }

    /// Reads its standard error up to this line.
    fn until_it_says(&mut self, text: &str) {
        while !self.said.contains(text) {
            let read = self.errors.read_line(&mut self.said).unwrap();
            assert_ne!(read, 0, "{}", self.said);
        }
    }

    /// Reads the pipe, so that the change ends.
    pub(crate) fn let_go(&self) {
        fs::read_to_string(self.app.folder().join("broker/orders")).unwrap();
    }

    pub(crate) fn end(mut self) -> Ran {
        self.errors.read_to_string(&mut self.said).unwrap();
        let mut output = self.process.take().unwrap().wait_with_output().unwrap();
        output.stderr = std::mem::take(&mut self.said).into_bytes();
        Ran::of(&output)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        // A failed test leaves it waiting.
        if let Some(process) = &mut self.process {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

async fn running_change_is_no_issue_and_sigterm_lets_it_finish<B: Backend>() {
    let database = B::fresh().await;
    let app = App::on(&database.url);
    let mut waiting = Waiting::start(&app);

    assert_eq!(app.status(), ["applied", "running", "pending"]);
    let (code, document) = app.json(&["plan"]);
    assert_eq!((code, &document["running"]), (10, &json!(["orders-topic"])));
    let (_, document) = app.json(&["lock", "status"]);
    assert_eq!(document["lock"]["held"], true);
    let (_, document) = app.json(&["issue", "list"]);
    assert_eq!(document["issues"][0]["may_be_running"], true);
    let guidance = app.text(&["issue", "show", "orders-topic", "--guidance"]);
    assert!(
        guidance.contains("Attempt 1 is running: the lock is held by orders"),
        "{guidance}"
    );
    assert!(!guidance.contains("issue resolve"), "{guidance}");

    let fix = [
        "issue",
        "resolve",
        "orders-topic",
        "--applied",
        "--reason",
        "impatience",
    ];
    let refused = app.run(&fix);
    assert_eq!(refused.code, 4, "{refused:?}");
    assert!(
        refused.stderr.contains("operations lock status\n"),
        "{refused:?}"
    );
    assert_eq!(app.json(&fix).1["error"]["kind"], "lock_timeout");

    waiting.signal(Signal::TERM);
    waiting.until_it_says("stopping:");
    waiting.let_go();
    let ended = waiting.end();
    assert_eq!(ended.code, 128 + 15, "{ended:?}");
    assert!(ended.stderr.contains("1 not reached"), "{ended:?}");
    assert_eq!(app.status(), ["applied", "applied", "pending"]);
}

async fn interrupted_change_is_an_issue_once_its_owner_has_ended<B: Backend>() {
    let database = B::fresh().await;
    let app = App::on(&database.url);
    let mut waiting = Waiting::start(&app);
    // The second signal does not wait for the change.
    waiting.signal(Signal::TERM);
    waiting.until_it_says("stopping:");
    waiting.signal(Signal::TERM);
    assert_eq!(waiting.end().code, 128 + 15);

    let released = app.text(&["lock", "release", "--reason", "its machine is gone"]);
    assert!(
        released.starts_with("taken from orders (process <pid> on <host>) since"),
        "{released}"
    );
    assert_eq!(app.status(), ["applied", "issue", "pending"]);
    assert_eq!(
        app.text(&["lock", "release", "--reason", "x"]),
        "nothing to release: the lock is free\n"
    );
    let guidance = app
        .run(&["issue", "show", "orders-topic", "--guidance"])
        .stdout;
    let guidance = normalise(&guidance);
    for line in [
        "Attempt 1, of <time>: a non-transactional attempt was interrupted",
        "Error\n  None on record.\n",
        "Rollback\n  It was not called: the attempt was interrupted.\n",
    ] {
        assert!(guidance.contains(line), "{guidance}");
    }
}

async fn all_services_are_shown_with_their_lock_owners<B: Backend>() {
    let database = B::fresh().await;
    let app = App::on(&database.url);
    assert_eq!(
        app.text(&["status", "--all-services"]),
        "no service was ever seen in this database\n"
    );
    let waiting = Waiting::start(&app);
    let (code, document) = app.json(&["status", "--all-services"]);
    let service = &document["services"][0];
    assert_eq!((code, &service["service"]), (0, &json!("orders")));
    assert_eq!(
        (&service["running"], &service["lock"]["held"]),
        (&json!(1), &json!(true)),
        "{document}"
    );
    let text = app.text(&["status", "--all-services"]);
    assert!(text.contains("orders (process <pid> on <host>)"), "{text}");

    let reason = "its machine is gone";
    assert_eq!(app.run(&["lock", "release", "--reason", reason]).code, 0);
    let ended = {
        waiting.let_go();
        waiting.end()
    };
    assert_eq!(ended.code, 4, "{ended:?}");
    let (_, document) = app.json(&[
        "audit",
        "list",
        "--history",
        "--state",
        "manual_lock_released",
    ]);
    let entry = &document["entries"][0];
    assert_eq!(
        (&entry["change_id"], &entry["reason"]),
        (&json!(null), &json!(reason))
    );
    assert_eq!(
        entry["metadata"]["taken_from"]["fencing_token"], 1,
        "{entry}"
    );
    let list = app.text(&["audit", "list"]);
    assert!(
        list.contains("(the lock)  MANUAL_LOCK_RELEASED  operator"),
        "{list}"
    );
    let extended = app.text(&["audit", "list", "--extended"]);
    assert!(
        extended.contains("The lock was taken from orders"),
        "{extended}"
    );
    let (_, document) = app.json(&["status", "--all-services"]);
    assert_eq!(document["services"][0]["issues"], 1, "{document}");
    assert_eq!(app.status(), ["applied", "issue", "pending"]);
}
