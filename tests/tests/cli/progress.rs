//! The progress of a command in a terminal.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use flamingock_tests::block_until;

use crate::app::App;

/// A topic whose file is a pipe: the change that writes it continues when the pipe is read.
pub(crate) fn slow_topic(app: &App) -> PathBuf {
    let folder = app.folder().join("broker");
    std::fs::create_dir(&folder).unwrap();
    let topic = folder.join("orders");
    let made = Command::new("mkfifo").arg(&topic).status().unwrap();
    assert!(made.success());
    topic
}

pub(crate) fn let_go(topic: &Path) {
    std::fs::read(topic).unwrap();
}

/// A program in a terminal of 80 columns, and its output so far.
struct Terminal {
    script: Child,
    seen: Arc<Mutex<Vec<u8>>>,
    reading: std::thread::JoinHandle<()>,
}

impl Terminal {
    fn open(app: &App, line: &str) -> Terminal {
        let mut script = Command::new("script");
        let line = format!("stty cols 80 rows 24; {line}");
        script.args(["-qec", &line, "/dev/null"]);
        app.surround(&mut script);
        script.env("TERM", "xterm").env("NO_COLOR", "1");
        let mut script = script
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = script.stdout.take().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let written = seen.clone();
        let reading = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut buffer) {
                written.lock().unwrap().extend_from_slice(&buffer[..count]);
            }
        });
        Terminal {
            script,
            seen,
            reading,
        }
    }

    fn seen(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap()).into_owned()
    }

    /// The whole output, once the program has ended successfully.
    fn ended(mut self) -> String {
        let status = self.script.wait().unwrap();
        self.reading.join().unwrap();
        let seen = String::from_utf8_lossy(&self.seen.lock().unwrap()).into_owned();
        assert!(status.success(), "{seen}");
        seen
    }
}

/// What stays in the terminal: an overwritten line is gone.
fn stays(written: &str) -> String {
    let erase = "\u{1b}[2K";
    written
        .replace("\r\n", "\n")
        .split('\n')
        .map(|line| {
            let visible = line.rsplit('\r').next().unwrap_or_default();
            visible.rsplit(erase).next().unwrap_or_default()
        })
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn terminal_shows_the_running_change_and_keeps_only_the_report() {
    let app = App::on_a_file();
    let topic = slow_topic(&app);
    let terminal = Terminal::open(&app, "operations apply");
    block_until("the second change is shown", || {
        terminal
            .seen()
            .contains("[2/3] 0002 orders-topic at events")
    });
    let_go(&topic);
    let written = terminal.ended();
    let stays = stays(&written);
    assert!(
        stays.starts_with("orders: 3 newly applied in "),
        "{stays:?} of {written:?}"
    );
    assert!(!stays.contains("[2/3]"), "{stays:?} of {written:?}");
}

#[test]
fn verify_shows_the_change_that_it_checks() {
    let app = App::on_a_file();
    assert_eq!(app.run(&["apply"]).code, 0);
    let written = Terminal::open(&app, "operations verify").ended();
    assert!(
        written.contains("[1/1] verifying 0003 first-order"),
        "{written:?}"
    );
}

#[test]
fn undo_shows_the_change_that_it_reverses() {
    let app = App::on_a_file();
    assert_eq!(app.run(&["apply"]).code, 0);
    let written = Terminal::open(&app, "operations undo --last").ended();
    assert!(
        written.contains("[1/1] undoing 0003 first-order"),
        "{written:?}"
    );
}

#[test]
fn signal_is_acknowledged_above_the_progress_line() {
    let app = App::on_a_file();
    let topic = slow_topic(&app);
    let line = "operations apply & echo $! > pid; wait $!; echo exit $?";
    let terminal = Terminal::open(&app, line);
    block_until("the second change is shown", || {
        terminal.seen().contains("[2/3]")
    });
    assert_eq!(app.shell("kill -TERM $(cat pid)").code, 0);
    block_until("the signal is answered", || {
        terminal.seen().contains("stopping: ")
    });
    let_go(&topic);
    let written = terminal.ended();
    let stays = stays(&written);
    assert!(stays.contains("exit 143"), "{stays:?}");
    assert!(
        stays.lines().any(|line| line.starts_with("stopping: ")),
        "{stays:?} of {written:?}"
    );
}

#[test]
fn progress_is_hidden_without_a_terminal() {
    for line in [
        "operations apply 2>errors",
        "operations apply --quiet",
        "operations apply --json",
        "TERM=dumb operations apply",
    ] {
        let app = App::on_a_file();
        let written = Terminal::open(&app, line).ended();
        assert!(!written.contains("/3]"), "{line}: {written:?}");
        assert!(!written.contains('\u{1b}'), "{line}: {written:?}");
        if line.contains("errors") {
            let errors = std::fs::read_to_string(app.folder().join("errors")).unwrap();
            assert_eq!(errors, "", "{line}");
        }
    }
}
