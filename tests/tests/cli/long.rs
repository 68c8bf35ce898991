//! An audit that has grown for years: no command's memory grows with it.

use std::io::Read;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flamingock_tests::{Backend, count, scenarios};

use crate::app::App;
use crate::commands;
use crate::hostile::tables::{copy, literal};

scenarios!(sqlite, postgres, mariadb; memory_does_not_grow_with_the_history);

/// The minimal number of entries: those of a small application after years, or of a large one.
fn least() -> usize {
    match std::env::var_os("FLAMINGOCK_TEST_EXTRA") {
        None => 10_000,
        Some(_) => 200_000,
    }
}

/// The length of each reason.
const REASON: usize = 2_000;

/// In KiB: more than a program needs that reads page by page, and less than half of what all
/// entries take.
const MOST: u64 = 48 * 1024;

/// The peak memory of a process so far, in KiB.
fn peak_of(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// A summary of a command's output, without storing it: the lines, the number of `"seq":`, and its
/// peak in KiB.
fn ran(app: &App, program: &str, arguments: &[&str]) -> (usize, usize, u64) {
    let began = std::time::Instant::now();
    let mut command = commands::command(app, program, arguments);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let (pid, peak) = (child.id(), Arc::new(AtomicU64::new(0)));
    let highest = peak.clone();
    let watching = std::thread::spawn(move || {
        while let Some(now) = peak_of(pid) {
            highest.fetch_max(now, Ordering::Relaxed);
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
    });
    let mut output = child.stdout.take().unwrap();
    let (mut buffer, mut kept) = (vec![0; 65_536], Vec::new());
    let (mut lines, mut entries) = (0, 0);
    while let Ok(length @ 1..) = output.read(&mut buffer) {
        lines += buffer[..length]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count();
        kept.extend_from_slice(&buffer[..length]);
        let text = String::from_utf8_lossy(&kept);
        entries += text.matches("\"seq\":").count();
        // The last part is searched together with the next one.
        let tail = kept.len().saturating_sub(5);
        let tail = kept.split_off(tail);
        kept = tail;
    }
    assert!(child.wait().unwrap().code().is_some_and(|code| code <= 10));
    watching.join().unwrap();
    let peak = peak.load(Ordering::Relaxed);
    let took = began.elapsed();
    println!("{program} {arguments:?}: {lines} lines, {peak} KiB, {took:.1?}");
    (lines, entries, peak)
}

async fn memory_does_not_grow_with_the_history<B: Backend>() {
    let database = B::fresh().await;
    let app = App::on(&database.url);
    assert_eq!(app.run_with("BROKER_DOWN", "1", &["apply"]).code, 1);
    let pool = database.pool(1).await;
    let reason = literal::<B>(&"why".repeat(REASON / 3));
    let rows = loop {
        copy::<B>(&pool, "flamingock_audit", &[("reason", reason.clone())]).await;
        let rows = count(&pool, "SELECT count(*) FROM flamingock_audit").await;
        let rows = usize::try_from(rows).unwrap();
        if rows >= least() {
            break rows;
        }
    };
    println!("{}: {rows} entries", B::NAME);
    assert!(rows * REASON >= 20_000_000, "{rows}");
    for program in ["operations", "flamingock"] {
        let (lines, entries, peak) = ran(&app, program, &["audit", "list", "--history", "--json"]);
        assert_eq!(
            (lines, entries),
            (1, rows),
            "{program}: one document with all of it"
        );
        assert!(0 < peak && peak < MOST, "{program}: {peak} KiB");
    }
    for format in ["jsonl", "csv"] {
        let export = ["audit", "export", "--format", format];
        let (lines, _, peak) = ran(&app, "operations", &export);
        assert_eq!(lines, rows + usize::from(format == "csv"), "{format}");
        assert!(0 < peak && peak < MOST, "{format}: {peak} KiB");
    }
    let history = ["audit", "list", "--history"];
    let (lines, _, peak) = ran(&app, "operations", &history);
    assert!(lines > rows && peak < MOST, "{lines} lines, {peak} KiB");
    for arguments in [
        &["issue", "show", "orders-topic", "--guidance"][..],
        &["issue", "list"],
        &["status"],
        &["status", "--all-services"],
    ] {
        let (lines, _, peak) = ran(&app, "operations", arguments);
        assert!(lines < 200, "{arguments:?}: {lines} lines");
        assert!(0 < peak && peak < MOST, "{arguments:?}: {peak} KiB");
    }
}
