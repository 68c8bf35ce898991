//! The round trips of a file, counted on database servers.

use flamingock::{Runner, TargetSystem};
use flamingock_tests::{Backend as _, Proxy, done, folder, script, until_idle, with_table};

use super::{Backend, Db};

/// The statements of Flamingock around a file on PostgreSQL.
const OF_POSTGRES: usize = 10;

const POSTGRES: bool = matches!(
    <Backend as flamingock_tests::Backend>::NAME.as_bytes(),
    b"PostgreSQL"
);

/// The messages that open a connection: the login and the options of the session.
const OPENING: [&str; 5] = [
    "DateStyle",
    "set_config('TimeZone'",
    "native_password",
    "NAMES utf8mb4",
    "SET sql_mode",
];

fn is_of_opening(text: &str) -> bool {
    OPENING.iter().any(|part| text.contains(part))
}

/// The messages of a client on open connections. The driver's pings are shorter than any statement.
fn statements(proxy: &Proxy) -> usize {
    let texts = proxy.sent();
    let texts = texts.iter().filter(|text| text.len() > 10);
    texts.filter(|text| !is_of_opening(text)).count()
}

/// The messages of a client while it opened connections.
fn openings(proxy: &Proxy) -> usize {
    let texts = proxy.sent();
    texts.iter().filter(|text| is_of_opening(text)).count()
}

/// A run with nothing to do is one statement, as with changes in code.
fn assert_one_statement(proxy: &Proxy) {
    let texts = proxy.sent();
    let texts_of_run = texts.iter().filter(|text| text.contains("flamingock"));
    assert_eq!(texts_of_run.count(), 1, "{texts:#?}");
}

#[tokio::test]
async fn file_costs_one_round_trip() {
    let insert = "INSERT INTO done VALUES ('one');\nINSERT INTO done VALUES ('two');\nSELECT 1;\n";
    let files = [
        ("0001__one.sql", insert),
        ("0002__two.sql", insert),
        ("0003__three.sql", insert),
    ];
    let (mut trips, mut opened) = (Vec::new(), Vec::new());
    for files in [&files[..1], &files] {
        let database = Backend::fresh().await;
        let direct = with_table(&database, 1).await;
        let proxy = Proxy::in_front_of(&database.url).unwrap();
        let pool = proxy.pool::<Db>(&database.url, 2).await;
        proxy.forget();
        Runner::new(&pool).files(folder(files)).run().await.unwrap();
        assert_eq!(done(&direct).await.len(), files.len() * 2);
        trips.push(statements(&proxy));
        opened.push(openings(&proxy));
        let texts = proxy.sent();
        let whole = texts.iter().filter(|text| text.contains("'two'"));
        for text in whole {
            assert!(
                text.contains("BEGIN") || text.contains("START TRANSACTION"),
                "{text}"
            );
            assert!(
                text.contains("flamingock_audit") && text.contains("COMMIT"),
                "{text}"
            );
        }
        until_idle(&pool).await;
        proxy.forget();
        let again = Runner::new(&pool).files(folder(files)).run().await.unwrap();
        assert!(again.is_up_to_date());
        assert_one_statement(&proxy);
    }
    assert_eq!(trips[1] - trips[0], 2, "{trips:?}");
    // The login and the options of the session.
    let each = if POSTGRES { 2 } else { 3 };
    assert_eq!(opened[1] - opened[0], 2 * each, "{opened:?}");
}

/// The round trips of each of three files in the audit's database and in its target's. Each has
/// three statements, and only the way in which they are sent differs.
async fn costs(head: &str) -> [usize; 2] {
    let text = format!(
        "-- flamingock: {head}\nINSERT INTO done VALUES ('one');\nINSERT INTO done VALUES ('two');\nINSERT INTO done VALUES ('three');\n"
    );
    let files = [
        ("0001__one.sql", text.as_str()),
        ("0002__two.sql", &text),
        ("0003__three.sql", &text),
        ("0004__four.sql", &text),
    ];
    let mut counts = Vec::new();
    for files in [&files[..1], &files] {
        let databases = [Backend::fresh().await, Backend::fresh().await];
        let mut pools = Vec::new();
        let mut proxies = Vec::new();
        for database in &databases {
            drop(with_table(database, 1).await);
            let proxy = Proxy::in_front_of(&database.url).unwrap();
            pools.push(proxy.pool::<Db>(&database.url, 2).await);
            proxy.forget();
            proxies.push(proxy);
        }
        let target = TargetSystem::sqlx("other", &pools[1]);
        let runner = Runner::new(&pools[0]).target(target).files(folder(files));
        let report = runner.run().await.unwrap();
        assert_eq!(report.counts().newly_applied, files.len());
        counts.push([statements(&proxies[0]), statements(&proxies[1])]);
    }
    let each = |database: usize| {
        let more = counts[1][database] - counts[0][database];
        assert_eq!(more % 3, 0, "{counts:?}");
        more / 3
    };
    [each(0), each(1)]
}

#[tokio::test]
async fn file_costs_the_documented_round_trips() {
    assert_eq!(costs("transaction=true").await, [1, 0]);
    // In the audit: start and end of the attempt. In the target: the message, on MariaDB the
    // fencing check before it and the commit after it, and the deletion of the marker.
    let other = costs("target=other").await;
    assert_eq!(other, [2, if POSTGRES { 2 } else { 4 }]);
    // Three separate statements, and the check whether the session is clean. On PostgreSQL also the
    // invalid indexes before and after them.
    let other = costs("target=other, transaction=false").await;
    assert_eq!(other, [2, if POSTGRES { 7 } else { 5 }]);
    let own = costs("transaction=false").await;
    assert_eq!(own, [if POSTGRES { 9 } else { 7 }, 0]);
}

#[tokio::test]
async fn run_with_unchanged_repeatable_changes_is_one_statement() {
    let text = "-- flamingock: repeat=on-change\nINSERT INTO done VALUES ('one')";
    let database = Backend::fresh().await;
    let direct = with_table(&database, 1).await;
    Runner::new(&direct)
        .files(script(text))
        .run()
        .await
        .unwrap();
    let proxy = Proxy::in_front_of(&database.url).unwrap();
    let pool = proxy.pool::<Db>(&database.url, 1).await;
    proxy.forget();
    let report = Runner::new(&pool).files(script(text)).run().await.unwrap();
    assert!(report.is_up_to_date());
    assert_one_statement(&proxy);
}

/// However many of them there are: the first ones get a connection each, and then the server is asked.
#[tokio::test]
async fn files_that_leave_their_session_alone_share_a_connection() {
    let names: Vec<&str> = (1..=40)
        .map(|number| &*format!("{number:04}__file_{number}.sql").leak())
        .collect();
    let mut opened = Vec::new();
    for count in [10, 40] {
        let database = Backend::fresh().await;
        let direct = with_table(&database, 1).await;
        let proxy = Proxy::in_front_of(&database.url).unwrap();
        let pool = proxy.pool::<Db>(&database.url, 2).await;
        proxy.forget();
        let insert = "INSERT INTO done VALUES ('one')";
        let files: Vec<(&str, &str)> = names[..count].iter().map(|name| (*name, insert)).collect();
        Runner::new(&pool)
            .files(folder(&files))
            .run()
            .await
            .unwrap();
        assert_eq!(done(&direct).await.len(), count);
        opened.push(openings(&proxy));
    }
    assert_eq!(opened[0], opened[1]);
}

/// Files that change only rows can be rolled back as a whole, so on MariaDB they need no witness.
#[tokio::test]
async fn file_on_a_shared_connection_has_few_statements_of_flamingock() {
    let names = (1..=12).map(|number| &*format!("{number:04}__file_{number}.sql").leak());
    let texts: Vec<String> = (1..=12)
        .map(|number| format!("INSERT INTO done VALUES ('unique {number}');"))
        .collect();
    let files: Vec<(&'static str, &str)> = names.zip(texts.iter().map(String::as_str)).collect();
    let database = Backend::fresh().await;
    drop(with_table(&database, 1).await);
    let proxy = Proxy::in_front_of(&database.url).unwrap();
    let pool = proxy.pool::<Db>(&database.url, 2).await;
    Runner::new(&pool)
        .files(folder(&files))
        .run()
        .await
        .unwrap();
    let texts = proxy.sent();
    let message = texts.iter().find(|text| text.contains("'unique 12'"));
    let message = message.unwrap();
    let statements = message.split(';').map(str::trim);
    let statements: Vec<&str> = statements.filter(|text| !text.is_empty()).collect();
    let of_flamingock = statements.len() - 1;
    // PostgreSQL's transaction also has its tags, and the marks by which the file is found.
    let expected = if POSTGRES { OF_POSTGRES } else { 4 };
    assert_eq!(of_flamingock, expected, "{statements:#?}");
}
