//! The changes that declared files produce.

mod mistakes;

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::change::definition::{Definition, Recovery, Repeat};
use crate::source::files::{Defaults, EmbeddedFolder};
use crate::source::template::{Secret, Text};
use crate::template;
use crate::util::boxed::BoxError;
use crate::{templates, verify};

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read from files, and looked at by nobody")]
struct Stream {
    name: String,
    replicas: Option<u8>,
    ratio: Option<f64>,
    durable: Option<bool>,
    token: Option<Secret>,
    note: Option<Text>,
    kind: Option<StreamKind>,
    labels: Option<BTreeMap<String, String>>,
    pair: Option<(u8, u8)>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(dead_code, reason = "read from files, and looked at by nobody")]
enum StreamKind {
    Work,
    Limits { age: String },
}

#[template("stream", register = false)]
async fn stream(_stream: Stream) -> Result<(), BoxError> {
    Ok(())
}

#[verify(template = stream)]
async fn stream_is_there(name: String) -> bool {
    !name.is_empty()
}

#[derive(serde::Deserialize)]
#[expect(dead_code, reason = "read from files, and looked at by nobody")]
struct Loose {
    #[serde(flatten)]
    rest: BTreeMap<String, Choice>,
}

#[derive(serde::Deserialize)]
#[serde(untagged)]
#[expect(dead_code, reason = "read from files, and looked at by nobody")]
enum Choice {
    Number(u8),
    Secret(Secret),
    Json(serde_json::Value),
}

/// serde buffers such a payload, and looks at it later.
#[template("loose", register = false)]
async fn loose(_loose: Loose) {}

#[template("json", register = false)]
async fn json(_json: serde_json::Value) {}

fn read_all(
    defaults: Defaults,
    files: &[(&'static str, &'static str)],
) -> Result<Vec<&'static Definition>, Vec<String>> {
    let folder = EmbeddedFolder::new(
        "changes",
        Location {
            file: "src/main.rs",
            line: 3,
        },
        "app::changes",
        "app",
        defaults,
        files.to_vec().leak(),
        None,
    );
    let known = Templates::new(templates![stream, loose, json]).unwrap();
    folder
        .definitions(&known)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

fn one(name: &'static str, text: &'static str) -> &'static Definition {
    read_all(Defaults::NONE, &[(name, text)]).unwrap()[0]
}

#[test]
fn every_key_of_a_change_is_read() {
    let yaml = "\
# Orders are streamed.
#
# For a week.

template: sql
id: orders-stream
order: \"0044\"
author: ada
stage: messaging
target: broker
transaction: false
recovery: retry
repeat: on-change
tags: [dev, \"a,b\"]
timeout: 1m 30s
lock_timeout: 3s
statement_timeout: 10s
apply: SELECT 1
";
    let toml = "\
# Orders are streamed.
#
# For a week.
template = 'sql'
id = 'orders-stream'
order = '0044'
author = 'ada'
stage = 'messaging'
target = 'broker'
transaction = false
recovery = 'retry'
repeat = 'on-change'
tags = ['dev', 'a,b']
timeout = '1m 30s'
lock_timeout = '3s'
statement_timeout = '10s'
apply = 'SELECT 1'
";
    for (name, text, line) in [("0004__a.yaml", yaml, 5), ("0004__a.toml", toml, 4)] {
        let change = one(name, text);
        assert_eq!(
            (change.id, change.order, change.author),
            ("orders-stream", "0044", "ada")
        );
        assert_eq!((change.stage, change.target), ("messaging", "broker"));
        assert_eq!(change.recovery, Recovery::Retry);
        assert_eq!(change.repeat, Repeat::OnChange);
        assert_eq!(change.tags, ["dev", "a,b"]);
        assert_eq!(change.timeout, Some(Duration::from_secs(90)));
        assert_eq!(change.lock_timeout, Some(Duration::from_secs(3)));
        assert_eq!(change.statement_timeout, Some(Duration::from_secs(10)));
        assert_eq!(change.description, "Orders are streamed.\n\nFor a week.");
        assert!(!change.body.transaction);
        assert_eq!(change.location().line, line);
    }
}

#[test]
fn names_and_the_folder_say_what_the_file_does_not() {
    let defaults = Defaults {
        stage: Some("schema"),
        transaction: Some(false),
        recovery: Some(Recovery::Retry),
        ..Defaults::NONE
    };
    let files = [(
        "0004__a.yml",
        "template: sql\napply: SELECT 1\nrollback: { sql: SELECT 2 }",
    )];
    let change = read_all(defaults, &files).unwrap()[0];
    assert_eq!(
        (change.id, change.order, change.stage),
        ("a", "0004", "schema")
    );
    assert_eq!(change.author, "app");
    assert!(!change.body.transaction);
    assert_eq!(change.recovery, Recovery::Retry);
    let sql = |body: &Body<()>| body.script().unwrap().text;
    assert_eq!(
        (sql(&change.body), sql(change.rollback.unwrap())),
        ("SELECT 1", "SELECT 2")
    );
}

#[test]
fn dollars_before_a_brace_stay_in_the_text_of_sql() {
    for (written, sent) in [
        ("SELECT '$${NAME}', \"$${\"", "SELECT '${NAME}', \"${\""),
        ("SELECT 1 -- $${NAME}", "SELECT 1 -- ${NAME}"),
        ("SELECT 'it\\'s $${a}'", "SELECT 'it\\'s ${a}'"),
        // A text in PostgreSQL's dollar quotes that begins with a brace.
        ("SELECT $$${\"a\": 1}$$", "SELECT $${\"a\": 1}$$"),
        (
            "SELECT $json$${\"a\": 1}$json$",
            "SELECT $json${\"a\": 1}$json$",
        ),
        (
            "DO $$ BEGIN PERFORM '$${a}'; END $$",
            "DO $$ BEGIN PERFORM '${a}'; END $$",
        ),
    ] {
        let yaml = format!("template: sql\napply: |\n  {written}\n").leak();
        let toml = format!(
            "template = 'sql'\napply = \"\"\"{}\n\"\"\"",
            written.replace('\\', "\\\\")
        );
        for (name, text) in [("0001__a.yaml", yaml), ("0001__a.toml", toml.leak())] {
            let script = one(name, text).body.script().unwrap();
            assert_eq!(script.text.trim_end(), sent, "{name}: {written}");
        }
    }
}

#[test]
fn a_template_without_a_connection_has_no_transaction() {
    let change = one(
        "0001__a.yaml",
        "template: stream\napply: { name: a }\nverify: a",
    );
    assert!(!change.body.transaction);
    assert!(change.verify.is_some() && change.rollback.is_none());
}

#[test]
fn the_digest_is_that_of_the_text_and_not_of_the_environment() {
    let of = |text| one("0001__a.yaml", text).digest;
    let base = of("template: sql\napply: SELECT ${NOBODY_SETS_THIS:-1}\n");
    assert_eq!(
        base,
        of("template: sql  \r\napply: SELECT ${NOBODY_SETS_THIS:-1}\r\n\r\n")
    );
    assert_ne!(
        base,
        of("template: sql\napply: SELECT ${NOBODY_SETS_THIS:-2}\n")
    );
    assert_eq!(
        base,
        crate::source::files::digest::of("template: sql\napply: SELECT ${NOBODY_SETS_THIS:-1}")
    );
}

#[test]
fn payloads_of_every_shape_are_taken() {
    for payload in [
        "{ name: a }",
        "{ name: '5', replicas: 3, ratio: 2, durable: true }",
        "{ name: a, replicas: '${NOBODY:-3}', ratio: '${NOBODY:-0.5}', durable: '${NOBODY:-false}' }",
        "{ name: a, replicas: ~, token: 'x ${secret:T}', note: '${secret:T}' }",
        "{ name: a, note: plain, kind: work, pair: [1, 2] }",
        "{ name: a, kind: { limits: { age: 3d } }, labels: { a: b } }",
    ] {
        let text = format!("template: stream\napply: {payload}").leak();
        assert_eq!(one("0001__a.yaml", text).id, "a", "{payload}");
    }
    let text = "template: loose\napply: { a: 1, b: '${secret:T}', c: [x] }";
    assert_eq!(one("0001__a.yaml", text).secrets(), ["T"]);
}

#[test]
fn the_secrets_of_all_payloads_are_known() {
    let text = "\
template: stream
verify: a
steps:
- apply: { name: a, token: '${secret:ONE}' }
  rollback: { name: a, token: '${secret:TWO} ${secret:ONE}' }
- apply: { name: a, note: '${secret:THREE}' }
  rollback: { name: a }
";
    let secrets: std::collections::BTreeSet<&str> =
        one("0001__a.yaml", text).secrets().into_iter().collect();
    assert_eq!(
        secrets.into_iter().collect::<Vec<_>>(),
        ["ONE", "THREE", "TWO"]
    );
}
