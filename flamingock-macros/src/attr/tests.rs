//! Valid arguments of the attributes, and each mistake with its text.

use super::*;

fn change(source: &str) -> (ChangeAttr, Vec<String>) {
    let mut problems = Problems::default();
    let attr = ChangeAttr::parse(source.parse().unwrap(), &mut problems);
    (attr, problems.texts())
}

#[test]
fn all_keys_are_read() {
    let (attr, problems) = change(
        r##"id = "a", order = r#"0_.-01"#, author = "ada", stage = "schema", target = "t",
        transaction = false, recovery = "retry", repeat = "on-change", tags = ["dev", "x",], timeout = "1m 30s",
        lock_timeout = "500ms", statement_timeout = "2h", register = false,"##,
    );
    assert_eq!(problems, [""; 0]);
    let text = |value: &Option<Spanned<String>>| value.clone().unwrap().value;
    assert_eq!(text(&attr.id), "a");
    assert_eq!(text(&attr.order), "0_.-01");
    assert_eq!(text(&attr.author), "ada");
    assert_eq!(text(&attr.stage), "schema");
    assert_eq!(text(&attr.target), "t");
    assert!(!attr.transaction.unwrap().value);
    assert!(attr.retry && attr.repeats && attr.unregistered);
    assert_eq!(attr.tags, ["dev", "x"]);
    assert_eq!(attr.timeout.unwrap().value, Duration::from_secs(90));
    assert_eq!(attr.lock_timeout.unwrap().value, Duration::from_millis(500));
    assert_eq!(
        attr.statement_timeout.unwrap().value,
        Duration::from_secs(7200)
    );
}

#[test]
fn names_are_visible_bounded_and_fit_the_manifest() {
    let long = "x".repeat(191);
    for key in ["id", "author", "stage", "target"] {
        let rest = match key {
            "id" => r#", order = "0001""#,
            _ => r#", id = "a", order = "0001""#,
        };
        let problems_of = |name: &str| change(&format!("{key} = {name:?}{rest}")).1;
        let bare = matches!(key, "stage" | "target");
        for (name, fault) in [
            ("a b", None),
            ("a\nb", Some("cannot contain control characters")),
            ("a\u{9b}2K", Some("cannot contain control characters")),
            ("a\u{202e}b", Some("cannot contain invisible characters")),
            ("a\u{200b}", Some("cannot contain invisible characters")),
            ("a ", Some("cannot begin or end with a blank")),
            ("#..", bare.then_some("cannot begin with `#`")),
            ("a \"b\"", bare.then_some("cannot contain `\"`")),
            (
                &long,
                (key != "author").then_some("has at most 190 characters, this one has 191"),
            ),
        ] {
            let problems = problems_of(name);
            match (fault, problems.as_slice()) {
                (None, []) => {}
                (Some(fault), [problem]) if problem.contains(fault) => {}
                _ => panic!("{key} {name:?}: {problems:?}"),
            }
        }
    }
}

#[test]
fn each_mistake_is_reported_once() {
    let required = r#"id = "a", order = "0001", "#;
    for (rest, expected) in [
        (
            "auther = \"a\"",
            "unknown key `auther`, did you mean `author`?",
        ),
        ("id = \"b\"", "`id` is set twice: keep one of them"),
        ("author = ada", "`author` is a string: `author = \"ada\"`"),
        ("author", "`author` is a string: `author = \"ada\"`"),
        ("author =", "`author` is a string: `author = \"ada\"`"),
        (
            "author(\"ada\")",
            "`author` is a string: `author = \"ada\"`",
        ),
        (
            "author = concat!(\"a\")",
            "`author` is a string: `author = \"ada\"`",
        ),
        (
            "stage = \"\"",
            "`stage` cannot be empty: `stage = \"schema\"`",
        ),
        (
            "transaction = \"false\"",
            "`transaction` is `true` or `false`, without quotes: `transaction = false`",
        ),
        (
            "recovery = \"auto\"",
            "`recovery` is \"manual\" or \"retry\": `recovery = \"retry\"`",
        ),
        (
            "tags = \"dev\"",
            "`tags` is a list of strings: `tags = [\"dev\", \"demo\"]`",
        ),
        (
            "tags = [dev]",
            "`tags` is a list of strings: `tags = [\"dev\", \"demo\"]`",
        ),
        (
            "tags = (\"a\")",
            "`tags` is a list of strings: `tags = [\"dev\", \"demo\"]`",
        ),
        (
            "timeout = \"0s\"",
            "`timeout` cannot be zero; leave it out for no limit: `timeout = \"30s\"`",
        ),
        (
            "timeout = 30",
            "`timeout` is a string with a number and a unit: `timeout = \"30s\"`",
        ),
        (
            "register",
            "`register` is `true` or `false`, without quotes: `register = false`",
        ),
        (
            "register = \"no\"",
            "`register` is `true` or `false`, without quotes: `register = false`",
        ),
        (
            "registered = false",
            "unknown key `registered`, did you mean `register`?",
        ),
        ("= 3", "expected a key: `#[change(key = value)]`"),
        (", author = \"a\"", "two commas in a row in `#[change]`"),
    ] {
        assert_eq!(change(&format!("{required}{rest}")).1, [expected], "{rest}");
    }
}

#[test]
fn ids_and_orders_have_rules() {
    let long = "é".repeat(191);
    for (id, order, expected) in [
        ("é".repeat(190).as_str(), "a-1.b", None),
        (
            &long,
            "0001",
            Some("`id` has at most 190 characters, this one has 191"),
        ),
        ("", "0001", Some("`id` cannot be empty")),
        (" a", "0001", Some("`id` cannot begin or end with a blank")),
        (
            "a\\nb",
            "0001",
            Some("`id` cannot contain control characters"),
        ),
        ("a", "00 1", Some("`order` consists of letters")),
        ("a", "0é1", Some("`order` consists of letters")),
        (
            "a",
            "1_2_",
            Some("`order` has at least three letters or digits"),
        ),
        ("a", "", Some("`order` cannot be empty")),
    ] {
        let (_, problems) = change(&format!("id = \"{id}\", order = \"{order}\""));
        match (problems.as_slice(), expected) {
            ([], None) => {}
            ([problem], Some(expected)) if problem.starts_with(expected) => {}
            _ => panic!("{id} {order}: {problems:?}"),
        }
    }
}

#[test]
fn missing_keys_are_reported_as_one_mistake() {
    let example = "`#[change(id = \"create-users\", order = \"0001\")]`";
    assert_eq!(
        change("").1,
        [format!("a change needs an `id` and an `order`: {example}")]
    );
    assert_eq!(
        change("id = \"a\"").1,
        [format!("a change needs an `order`: {example}")]
    );
    // The misspelled key is the mistake, not the missing one.
    assert_eq!(
        change("id = \"a\", oder = \"0001\"").1,
        ["unknown key `oder`, did you mean `order`?"]
    );
    assert_eq!(change("id = \"a\", run = \"always\"").1.len(), 2);
    assert_eq!(
        change("id: \"a\", order = \"0001\", register: false").1,
        [
            "a key has its value after `=`: `id = \"create-users\"`",
            "a key has its value after `=`: `register = false`"
        ]
    );
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let (_, problems) = change("id = 1, order = \"x\", stage = \"\", foo, timeout = \"soon\"");
    assert_eq!(problems.len(), 5, "{problems:?}");
}

#[test]
fn links_name_a_change() {
    let parse = |source: &str| {
        let mut problems = Problems::default();
        let attr = LinkAttr::rollback(source.parse().unwrap(), &mut problems);
        (attr, problems.texts())
    };
    for source in ["a", "super::a", "crate::a::b", "r#type", "::other::a", "a,"] {
        let (attr, problems) = parse(source);
        assert!(
            attr.change.is_some() && problems.is_empty(),
            "{source}: {problems:?}"
        );
    }
    assert!(!parse("a, transaction = false").0.transaction.unwrap().value);
    for (source, expected) in [
        (
            "",
            "name the function of the change: `#[rollback(create_users)]`",
        ),
        (
            "\"a\"",
            "name the function of the change, not its id: `#[rollback(create_users)]`",
        ),
        (
            "transaction = false",
            "name the function of the change first, by its path: `#[rollback(create_users)]`",
        ),
        (
            "a, timeout = \"1s\"",
            "unknown key `timeout`: `#[rollback]` supports `transaction`, `batch`",
        ),
    ] {
        assert_eq!(parse(source).1, [expected], "{source}");
    }
    let mut problems = Problems::default();
    LinkAttr::verify("a, transaction = false".parse().unwrap(), &mut problems);
    assert_eq!(
        problems.texts(),
        ["unknown key `transaction`: `#[verify]` takes only the change"]
    );
}
