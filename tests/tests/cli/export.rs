//! `audit export`: every entry, for another system.

use flamingock_tests::{Backend, scenarios};
use serde_json::Value;

use crate::app::{App, texts};

scenarios!(sqlite, postgres, mariadb; export_has_every_entry_in_both_formats);

async fn export_has_every_entry_in_both_formats<B: Backend>() {
    let database = B::fresh().await;
    let app = App::on(&database.url);
    let empty = app.run(&["audit", "export"]);
    assert_eq!((empty.code, empty.stdout.as_str()), (0, ""), "{empty:?}");
    assert_eq!(app.run_with("BROKER_DOWN", "1", &["apply"]).code, 1);
    let (_, history) = app.json(&["audit", "list", "--history"]);

    for program in ["operations", "flamingock"] {
        let run = |arguments: &[&str]| match program {
            "operations" => app.run(arguments),
            _ => app.central(arguments),
        };
        let lines = run(&["audit", "export"]);
        assert_eq!((lines.code, lines.stderr.as_str()), (0, ""), "{lines:?}");
        let entries: Vec<Value> = lines
            .stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(Value::from(entries), history["entries"]);
        let whole = run(&["audit", "export", "--json"]);
        assert_eq!(whole.json(), history);

        let table = run(&["audit", "export", "--format", "csv"]);
        assert_eq!(table.code, 0, "{table:?}");
        let mut rows = table.stdout.lines();
        let header = rows.next().unwrap();
        assert!(
            header.starts_with("seq,change_id,state,attempt,"),
            "{header}"
        );
        let states = texts(&history["entries"], "state");
        assert_eq!(rows.clone().count(), states.len(), "{table:?}");
        for (row, state) in rows.zip(states) {
            assert!(row.contains(&format!(",\"{state}\",")), "{state} in {row}");
        }
        let failed = run(&["audit", "export", "orders-topic", "--state", "failed"]);
        assert_eq!(failed.stdout.lines().count(), 1, "{failed:?}");
    }
    let csv = app.run(&["audit", "export", "nobody", "--format", "csv"]);
    assert_eq!(
        (csv.code, csv.stdout.lines().count()),
        (0, 1),
        "only the header: {csv:?}"
    );
}
