//! The mistakes in declared files, with their places.

use super::*;

/// The feature adds another built-in template.
const UNKNOWN: &str = if cfg!(feature = "template-http") {
    "1: unknown template `kafka`: `http`, `json`, `loose`, `sql`, `stream` are known"
} else {
    "1: unknown template `kafka`: `json`, `loose`, `sql`, `stream` are known"
};

#[test]
fn each_mistake_is_reported_with_its_line() {
    let cases: [(&str, &[&str]); 34] = [
        ("", &["1: it says nothing: "]),
        ("- a", &["1: it says nothing: "]),
        ("a: b: c", &["1: it is no YAML: "]),
        ("apply: 1", &["1: `template` is missing: "]),
        ("template: sql", &["1: `apply` is missing, or `steps`: "]),
        (
            "template: [sql]\napply: a",
            &["1: `template` is the name of one"],
        ),
        (
            "\ntemplate: strem\napply: a",
            &["2: unknown template `strem`, did you mean `stream`?"],
        ),
        ("template: kafka\napply: a", &[UNKNOWN]),
        (
            "template: sql\napply: a\ntarge: b",
            &["3: unknown key `targe`, did you mean `target`?"],
        ),
        (
            "template: sql\napply: a\nhead: b",
            &["3: unknown key `head`: "],
        ),
        (
            "template: sql\napply: a\napply: b",
            &["3: `apply` is given twice, first on line 2"],
        ),
        (
            "template: sql\norder: 0005\napply: a",
            &["2: `order` is text, and this is not: put it in quotes: `order: \"0001\"`"],
        ),
        (
            "template: sql\ntransaction: 'no'\napply: a",
            &["2: `transaction` is true or false, without quotes: `transaction: false`"],
        ),
        (
            "template: sql\nrecovery: never\napply: a",
            &["2: `recovery` is not \"never\": `recovery: \"retry\"`"],
        ),
        (
            "template: sql\ntags: dev\napply: a",
            &["2: `tags` is a list of names: `tags: [\"dev\", \"demo\"]`"],
        ),
        (
            "template: sql\ntags: [' a']\napply: a",
            &["2: `tags` is a list of names"],
        ),
        (
            "template: sql\ntarget: '${T}'\napply: a",
            &["2: `target` stands for itself: placeholders are for payloads"],
        ),
        (
            "template: stream\ntransaction: true\napply: {name: a}",
            &["1: the template `stream` takes no connection, so `transaction`"],
        ),
        (
            "template: stream\nlock_timeout: 1s\napply: {name: a}",
            &["1: the template `stream` takes no connection, so `lock_timeout`"],
        ),
        (
            "template: sql\napply: a\nsteps: []",
            &[
                "3: `steps` and `apply` exclude each other",
                "3: `steps` is a list",
            ],
        ),
        (
            "template: sql\nrollback: a\nsteps:\n- apply: a",
            &["2: `steps` and `rollback` exclude each other"],
        ),
        ("template: sql\nsteps: a", &["2: `steps` is a list"]),
        ("template: sql\nsteps:\n- a", &["3: `steps` is a list"]),
        (
            "template: sql\nsteps:\n- rollback: a\n- aply: a",
            &[
                "3: `apply` is missing",
                "4: unknown key `aply`, did you mean `apply`?",
            ],
        ),
        (
            "template: sql\nverify: a\napply: a",
            &["2: the template `sql` has no verify function"],
        ),
        ("template: sql\napply: ' '", &["2: it has no statement"]),
        (
            "template: sql\napply: 5",
            &["2: the template `sql` takes text"],
        ),
        (
            "template: sql\napply:\n  sql: a\n  slq: b",
            &["4: unknown key `slq`, did you mean `sql`?"],
        ),
        (
            "template: sql\napply: {}",
            &["2: the template `sql` takes text"],
        ),
        (
            "template: sql\napply: '${secret:A}'",
            &["2: SQL is sent as it is written"],
        ),
        (
            "template: stream\nverify: 5\napply: {name: a}",
            &["2: integer `5` is not a string: put it in quotes"],
        ),
        (
            "template: json\napply:\n  a: 1\n  b: ['${secret:A}']",
            &["4: `${secret:A}` is a secret, and the template keeps none here"],
        ),
        (
            "template: loose\napply:\n  a: 1\n  b: {c: '${secret:A}'}",
            &["4: `${secret:A}` is a secret, and the template keeps none here"],
        ),
        (
            "template: sql\napply: a '${A'\nrollback: '${B}'",
            &["2: `${` without `}`", "3: the variable `B` is not set"],
        ),
    ];
    for (text, expected) in cases {
        check(text, expected);
    }
}

#[cfg(feature = "_sqlx")]
#[test]
fn dollars_that_would_lose_one_are_refused_with_their_line() {
    const RULE: &str = "`$${` stands for `${`, which means nothing in SQL outside of quotes: where PostgreSQL's `$$` is to begin a text, write `$$${`";
    for (text, line) in [
        ("template: sql\napply: SELECT $${\"a\":1}$$::jsonb", 2),
        (
            "template: sql\napply: |\n  SELECT '$${a}';\n  SELECT $${\"a\": 1}$$, $${\"b\": 1}$$",
            4,
        ),
        (
            "template: sql\napply: SELECT 1\nrollback: SELECT $${NAME}",
            3,
        ),
    ] {
        check(text, &[&format!("{line}: {RULE}")]);
    }
}

#[test]
fn each_wrong_payload_is_reported_with_its_line_and_key() {
    let cases: [(&str, &str); 15] = [
        (
            "  name: a\n  nmae: b",
            "4: unknown key `nmae`, did you mean `name`?",
        ),
        (
            "  replicas: 1",
            "3: the key `name` is missing: the template needs it",
        ),
        (
            "  name: 5",
            "3: `name`: integer `5` is not a string: put it in quotes",
        ),
        ("  name: [a]", "3: `name`: a list is not a string"),
        ("  name:", "3: `name`: nothing is not a string"),
        (
            "  name: a\n  replicas: many",
            "4: `replicas`: the text \"many\" is not u8",
        ),
        (
            "  name: a\n  replicas: '3'",
            "4: `replicas`: the text \"3\" is not u8",
        ),
        (
            "  name: a\n  replicas: 300",
            "4: `replicas`: 300 is not a number from 0 to 255",
        ),
        (
            "  name: a\n  replicas: ${N:-x}",
            "4: `replicas`: the text \"x\" is not u8",
        ),
        (
            "  name: ${secret:A}",
            "3: `name`: `${secret:A}` is a secret, and the template keeps none here",
        ),
        (
            "  name: a\n  token: b",
            "4: `token`: a secret does not stand in a file: name it, `${secret:API_TOKEN}`",
        ),
        (
            "  name: a\n  kind: wrok",
            "4: `kind`: unknown value `wrok`, did you mean `work`?",
        ),
        (
            "  name: a\n  kind: { limits: { ag: 3d } }",
            "4: `kind`: the key `age` is missing: the template needs it",
        ),
        (
            "  name: a\n  labels:\n    a: b\n    c: 1",
            "6: `c`: integer `1` is not a string: put it in quotes",
        ),
        (
            "  name: a\n  pair: [1, 2, 3]",
            "4: `pair`: the list has 1 element too many",
        ),
    ];
    for (payload, expected) in cases {
        check(&format!("template: stream\napply:\n{payload}"), &[expected]);
    }
    check(
        "template: stream\napply: a",
        &["2: the text \"a\" is not a block of keys with values"],
    );
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let file: &'static str = text.to_owned().leak();
    let found = read_all(Defaults::NONE, &[("0004__orders.yaml", file)]).unwrap_err();
    assert_eq!(found.len(), expected.len(), "{text}: {found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        let start = format!("changes/0004__orders.yaml:{expected}");
        assert!(found.starts_with(&start), "{text}\n{found}\n{start}");
    }
}

#[test]
fn a_mistake_in_toml_shows_the_form_of_toml() {
    let files = [(
        "0001__a.toml",
        "template = 'sql'\napply = 'a'\nrecovery = 'never'",
    )];
    assert_eq!(
        read_all(Defaults::NONE, &files).unwrap_err(),
        ["changes/0001__a.toml:3: `recovery` is not \"never\": `recovery = \"retry\"`"]
    );
}

#[test]
fn files_that_do_not_fit_together_are_named() {
    const SQL: &str = "template: sql\napply: a";
    let cases: [(&[(&'static str, &'static str)], &str); 4] = [
        (
            &[("0001__a.sql", "a"), ("0001__a.yaml", SQL)],
            "changes/0001__a.yaml:1: it is for the same change as changes/0001__a.sql: keep one of them",
        ),
        (
            &[("0001__a.rollback.sql", "a"), ("0001__a.yaml", SQL)],
            "changes/0001__a.rollback.sql:1: it belongs to changes/0001__a.yaml, which has a rollback of its own",
        ),
        (
            &[("0001__a.rollback.yaml", SQL), ("0001__a.sql", "a")],
            "changes/0001__a.rollback.yaml:1: the rollback of a file of SQL is SQL as well",
        ),
        (
            &[("0001_a.sql", "a"), ("0002__b.yaml", SQL)],
            "changes/0002__b.yaml:1: it declares a change, and the other files have the names of sqlx",
        ),
    ];
    for (files, expected) in cases {
        let found = read_all(Defaults::NONE, files).unwrap_err();
        assert!(found[0].starts_with(expected), "{found:#?}");
    }
}

#[test]
fn two_templates_of_one_name_are_named_with_their_places() {
    #[template("stream", register = false)]
    async fn another(_payload: String) {}

    #[template("sql", register = false)]
    async fn own_sql(_payload: String) {}

    let problems = Templates::new(templates![stream, another, own_sql, stream]).unwrap_err();
    let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), 2, "{texts:?}");
    let place = templates![stream][0].location().unwrap();
    assert!(
        texts[0].contains(&format!("is taken by the one at {place}")),
        "{texts:?}"
    );
    assert!(texts[1].contains("is taken by a built-in one"), "{texts:?}");
}
