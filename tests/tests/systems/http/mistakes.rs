//! Mistakes in a file are found before anything is sent, with their line.

use flamingock::ErrorKind;

use crate::http::service::runner;

const GOOD: &str = "template: http\napply:\n  method: POST\n  url: https://example.com/a\n";

#[tokio::test]
async fn each_mistake_is_reported_with_its_place() {
    for (more, line, expected) in [
        ("  metod: PUT\n", 5, "unknown"),
        ("  expect: 99\n", 5, "99 is no status of an answer"),
        ("  expect: []\n", 5, "no answer would do"),
        (
            "  expect: [200, x]\n",
            5,
            "`x` is no status of an answer: write one from 100 to 599",
        ),
        (
            "  timeout: soon\n",
            5,
            "`soon` is no length of time: write `timeout: 30s`",
        ),
        ("  timeout: 0s\n", 5, "`0s` is no length of time"),
        (
            "  headers:\n    a: b\n    a b: c\n",
            7,
            "`a b` is no name of a header",
        ),
        (
            "  headers:\n    a: \"b\\nc\"\n",
            6,
            "a character that no header can have",
        ),
        ("  headers: [a]\n", 5, "names of headers"),
        ("  unless: { method: GET }\n", 5, "the key `url` is missing"),
        ("  contains: { a: 1 }\n", 5, "unknown"),
        ("  ca_file: '${secret:CA}'\n", 5, "is a secret"),
        (
            "verify: { url: 'https://example.com', absent: no }\n",
            5,
            "`no` is no status of an answer",
        ),
        (
            "rollback: { method: delete, url: 'https://example.com' }\n",
            5,
            "`delete` is no method: write GET, POST",
        ),
        (
            "rollback: { url: 'https://example.com' }\n",
            5,
            "the key `method` is missing",
        ),
    ] {
        fails(&format!("{GOOD}{more}"), line, expected).await;
    }
    for url in [
        "example.com/a",
        "ftp://example.com",
        "/a",
        "https://",
        "https://a b",
    ] {
        let text = format!("template: http\napply:\n  method: POST\n  url: '{url}'\n");
        fails(&text, 4, "it is not a URL: write `https://host/path`").await;
    }
    let text = "template: http\napply:\n  method: POST\n  url: https://ada:pass@example.com\n";
    fails(text, 4, "a name and a password have no place in a URL").await;
}

async fn fails(text: &str, line: u32, expected: &str) {
    let error = runner(text).run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
    let problems = error.problems();
    assert_eq!(problems.len(), 1, "{text}\n{error}");
    let problem = problems[0].to_string();
    let place = format!("changes/0001__thing.yaml:{line}: ");
    assert!(problem.starts_with(&place), "{text}\n{problem}");
    assert!(problem.contains(expected), "{text}\n{problem}");
}
