//! Many files one behind the other: each finds a clean session, although files that leave theirs alone may
//! share a connection.

use flamingock::{Runner, TargetSystem};
use flamingock_tests::{Backend as _, done, execute, folder, strings, with_table};
use sqlx::Pool;

use super::{Backend, Db};

const NAME: &str = <Backend as flamingock_tests::Backend>::NAME;

/// More than as many as get a connection each before the next ones share one.
const MANY: usize = 12;

/// Files that leave their session alone, from this number on.
fn fillers(from: usize) -> Vec<String> {
    let numbers = from..from + MANY;
    numbers
        .map(|number| format!("INSERT INTO filler VALUES ({number})"))
        .collect()
}

async fn run_files(pool: &Pool<Db>, texts: &[String], case: &str) {
    let names = (1..=texts.len()).map(|number| &*format!("{number:04}__file_{number}.sql").leak());
    let files: Vec<(&'static str, &str)> = names.zip(texts.iter().map(String::as_str)).collect();
    let runner = Runner::new(pool).target(TargetSystem::sqlx("other", pool));
    let report = runner.files(folder(&files)).run().await;
    let report = report.unwrap_or_else(|error| panic!("{case}: {error:?}"));
    assert_eq!(report.counts().newly_applied, texts.len(), "{case}");
}

/// What a file leaves, what the next one does, and what `done` holds then.
type Case = (&'static str, &'static str, &'static str);

fn cases() -> &'static [Case] {
    match NAME {
        "PostgreSQL" => &[
            (
                "SET my.secret = 'left'",
                "INSERT INTO done VALUES (coalesce(current_setting('my.secret', true), 'none'))",
                "none",
            ),
            (
                "SET ROLE pg_monitor",
                "INSERT INTO done VALUES (CASE WHEN current_user = session_user THEN 'same' END)",
                "same",
            ),
            (
                "SET search_path TO pg_catalog",
                "INSERT INTO done VALUES ('found')",
                "found",
            ),
            (
                "CREATE TEMP TABLE done (what TEXT)",
                "INSERT INTO done VALUES ('found')",
                "found",
            ),
            (
                "PREPARE p AS SELECT 1",
                "INSERT INTO done SELECT count(*) FROM pg_prepared_statements",
                "0",
            ),
            (
                "SELECT pg_advisory_lock(5)",
                "INSERT INTO done SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 5 AND pid = pg_backend_pid()",
                "0",
            ),
            (
                "SELECT nextval('numbers')",
                "DO $$ BEGIN PERFORM lastval(); INSERT INTO done VALUES ('seen'); \
                 EXCEPTION WHEN OTHERS THEN INSERT INTO done VALUES ('none'); END $$",
                "none",
            ),
            (
                "LISTEN news",
                "INSERT INTO done SELECT count(*) FROM pg_listening_channels()",
                "0",
            ),
        ],
        "MariaDB" => &[
            (
                "SET @n = 7",
                "INSERT INTO done VALUES (COALESCE(@n, 'none'))",
                "none",
            ),
            (
                "CREATE TEMPORARY TABLE done (what VARCHAR(200))",
                "INSERT INTO done VALUES ('found')",
                "found",
            ),
            (
                "PREPARE p FROM 'SELECT 1'",
                "BEGIN NOT ATOMIC DECLARE EXIT HANDLER FOR SQLEXCEPTION INSERT INTO done VALUES ('none'); \
                 EXECUTE p; INSERT INTO done VALUES ('left'); END",
                "none",
            ),
            (
                "SELECT GET_LOCK('ours', 0)",
                "INSERT INTO done VALUES (COALESCE(IS_USED_LOCK('ours') = CONNECTION_ID(), 0))",
                "0",
            ),
            (
                "INSERT INTO filler VALUES (NEXTVAL(numbers))",
                "INSERT INTO done VALUES (COALESCE(LASTVAL(numbers), 'none'))",
                "none",
            ),
            (
                "INSERT INTO counted (n) VALUES (7)",
                "INSERT INTO done VALUES (LAST_INSERT_ID())",
                "0",
            ),
            (
                "SET ROLE NONE; SET SESSION sql_mode = 'ANSI_QUOTES'",
                "INSERT INTO done VALUES (\"text\")",
                "text",
            ),
        ],
        _ => &[
            (
                "CREATE TEMP TABLE done (what TEXT)",
                "INSERT INTO done VALUES ('found')",
                "found",
            ),
            (
                "PRAGMA case_sensitive_like = 1",
                "INSERT INTO done SELECT 'a' LIKE 'A'",
                "1",
            ),
            (
                "INSERT INTO counted (n) VALUES (7)",
                "INSERT INTO done VALUES (last_insert_rowid())",
                "0",
            ),
        ],
    }
}

async fn tables(pool: &Pool<Db>) {
    execute(pool, "CREATE TABLE filler (n INT)").await;
    let key = match NAME {
        "PostgreSQL" => "BIGINT GENERATED BY DEFAULT AS IDENTITY",
        "MariaDB" => "BIGINT AUTO_INCREMENT",
        _ => "INTEGER",
    };
    let counted = format!("CREATE TABLE counted (id {key} PRIMARY KEY, n INT)");
    execute(pool, &counted).await;
    if NAME != "SQLite" {
        execute(pool, "CREATE SEQUENCE numbers").await;
    }
    if NAME == "PostgreSQL" {
        // The entry of a file that takes another role is written in that role.
        let rights = "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO pg_monitor";
        execute(pool, rights).await;
    }
}

#[tokio::test]
async fn file_finds_nothing_of_the_one_before_among_files_that_share_a_connection() {
    for (left, next, expected) in cases() {
        let database = Backend::fresh().await;
        let pool = with_table(&database, 2).await;
        tables(&pool).await;
        let mut texts = fillers(0);
        texts.extend([(*left).to_owned(), (*next).to_owned()]);
        texts.extend(fillers(100));
        texts.extend([(*left).to_owned(), (*next).to_owned()]);
        run_files(&pool, &texts, left).await;
        assert_eq!(done(&pool).await, [*expected; 2], "{left}");
    }
}

/// What of a database counts in the session for each file, the file, and what it finds each time.
fn counters() -> &'static [(&'static str, &'static str, &'static str)] {
    const INSERT: &str = "INSERT INTO counting (id) VALUES (1)";
    match NAME {
        "PostgreSQL" => &[
            (
                "CREATE TABLE counting (id INT, what TEXT); \
                 CREATE FUNCTION count_up() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                 NEW.what = set_config('my.n', concat(current_setting('my.n', true), '+'), false); \
                 INSERT INTO done VALUES (NEW.what); RETURN NEW; END $$; \
                 CREATE TRIGGER counts BEFORE INSERT ON counting FOR EACH ROW EXECUTE FUNCTION count_up()",
                INSERT,
                "+",
            ),
            (
                "CREATE TABLE counting (id INT); CREATE RULE counts AS ON INSERT TO counting DO ALSO \
                 INSERT INTO done SELECT set_config('my.n', concat(current_setting('my.n', true), '+'), false)",
                INSERT,
                "+",
            ),
            (
                "ALTER TABLE done ADD id INT; ALTER TABLE done ALTER what SET DEFAULT \
                 set_config('my.n', concat(current_setting('my.n', true), '+'), false)",
                "INSERT INTO done (id) VALUES (1)",
                "+",
            ),
            (
                "CREATE VIEW counting AS SELECT set_config('my.n', concat(current_setting('my.n', true), '+'), false) AS what",
                "INSERT INTO done SELECT what FROM counting",
                "+",
            ),
            (
                "CREATE TABLE counting (id INT CHECK (set_config('my.n', concat(current_setting('my.n', true), '+'), false) = '+')); \
                 CREATE RULE notes AS ON INSERT TO counting DO ALSO INSERT INTO done VALUES ('+')",
                INSERT,
                "+",
            ),
        ],
        "MariaDB" => &[
            (
                "CREATE TABLE counting (id INT); CREATE TRIGGER counts BEFORE INSERT ON counting FOR EACH ROW \
                 BEGIN SET @n = CONCAT(COALESCE(@n, ''), '+'); INSERT INTO done VALUES (@n); END",
                INSERT,
                "+",
            ),
            (
                "CREATE FUNCTION count_up() RETURNS VARCHAR(200) BEGIN \
                 SET @n = CONCAT(COALESCE(@n, ''), '+'); RETURN @n; END; \
                 CREATE VIEW counting AS SELECT count_up() AS what",
                "INSERT INTO done SELECT what FROM counting",
                "+",
            ),
            (
                "CREATE FUNCTION count_up() RETURNS VARCHAR(200) BEGIN \
                 SET @n = CONCAT(COALESCE(@n, ''), '+'); RETURN @n; END",
                "INSERT INTO done VALUES (count_up())",
                "+",
            ),
        ],
        _ => &[],
    }
}

/// Where the code comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Source {
    /// It is there from the beginning.
    Before,
    /// A file among those that share a connection.
    File,
    /// A file of another target, which is the same database.
    OtherTarget,
}

#[tokio::test]
async fn code_of_the_database_finds_a_clean_session_for_each_file() {
    for (code, file, expected) in counters() {
        for source in [Source::Before, Source::File, Source::OtherTarget] {
            let database = Backend::fresh().await;
            let pool = with_table(&database, 2).await;
            tables(&pool).await;
            let mut texts = Vec::new();
            if source == Source::Before {
                run_statements(&pool, code).await;
            } else {
                texts = fillers(0);
                let head = match source {
                    Source::OtherTarget => "-- flamingock: target=other\n",
                    Source::Before | Source::File => "",
                };
                texts.push(match NAME {
                    "MariaDB" => {
                        let code = code.replace("; CREATE", "//\nCREATE");
                        format!("{head}DELIMITER //\n{code}//\n")
                    }
                    _ => format!("{head}{code}"),
                });
            }
            texts.extend(std::iter::repeat_n((*file).to_owned(), MANY));
            run_files(&pool, &texts, code).await;
            let found = done(&pool).await;
            assert_eq!(found, [*expected; MANY], "{code}: {source:?}");
        }
    }
}

/// Statements whose bodies may contain semicolons.
async fn run_statements(pool: &Pool<Db>, code: &str) {
    if NAME == "PostgreSQL" {
        execute(pool, code).await;
        return;
    }
    let mut rest = code;
    while let Some(at) = rest.find("; CREATE") {
        execute(pool, &rest[..at]).await;
        rest = &rest[at + 2..];
    }
    execute(pool, rest).await;
}

#[tokio::test]
async fn temporary_table_of_the_pools_hook_is_as_the_hook_made_it_for_each_file() {
    let hooks: &[&str] = match NAME {
        "PostgreSQL" => &["CREATE TEMP TABLE seen (n INT)"],
        "MariaDB" => &["CREATE TEMPORARY TABLE seen (n INT)"],
        _ => &[
            "CREATE TEMP TABLE seen (n INT)",
            "ATTACH ':memory:' AS own; CREATE TABLE own.seen (n INT)",
        ],
    };
    for hook in hooks {
        let database = Backend::fresh().await;
        let watch = with_table(&database, 1).await;
        let pool = database.pool_with_hook(2, hook).await;
        let file = "INSERT INTO seen VALUES (1);\nINSERT INTO done SELECT count(*) FROM seen;\n";
        run_files(&pool, &vec![file.to_owned(); MANY], hook).await;
        assert_eq!(done(&watch).await, ["1"; MANY], "{hook}");
    }
}

/// What a hook sets, what tells it, and what that is.
fn hooks() -> &'static [(&'static str, &'static str, &'static str)] {
    match NAME {
        "PostgreSQL" => &[
            (
                "SELECT set_config('my.hook', 'hooked', false)",
                "current_setting('my.hook', true)",
                "hooked",
            ),
            (
                "SET search_path TO other, public",
                "current_schemas(false)::text",
                "{other,public}",
            ),
            (
                "SET ROLE pg_write_all_data",
                "current_user",
                "pg_write_all_data",
            ),
            (
                "SET datestyle TO German",
                "DATE '2024-02-03'::text",
                "03.02.2024",
            ),
        ],
        "MariaDB" => &[
            (
                "SET SESSION lc_time_names = 'de_DE'",
                "DATE_FORMAT('2024-02-03', '%W')",
                "Samstag",
            ),
            (
                "SET SESSION sql_mode = 'PIPES_AS_CONCAT'",
                "'hook' || 'ed'",
                "hooked",
            ),
            ("SET @hook = 'hooked'", "@hook", "hooked"),
        ],
        // There, only files that say so set or ask for anything of their session.
        _ => &[],
    }
}

#[tokio::test]
async fn settings_of_the_pools_hook_hold_for_each_file() {
    for (hook, value, expected) in hooks() {
        let database = Backend::fresh().await;
        let watch = with_table(&database, 1).await;
        tables(&watch).await;
        let mut default = String::new();
        let mut insert = format!("INSERT INTO hooked (n, what) VALUES (1, {value})");
        if NAME == "PostgreSQL" {
            execute(&watch, "CREATE SCHEMA other").await;
            let rights = "GRANT ALL ON SCHEMA public TO pg_write_all_data";
            execute(&watch, rights).await;
            default = format!("DEFAULT ({value})");
            "INSERT INTO hooked (n) VALUES (1)".clone_into(&mut insert);
        }
        let table = format!("CREATE TABLE hooked (n INT, what VARCHAR(200) {default})");
        execute(&watch, &table).await;
        let pool = database.pool_with_hook(2, hook).await;
        let mut texts = vec![insert.clone(); MANY];
        // One that has its own session, and others behind it.
        texts.push(format!("INSERT INTO done SELECT {value}; {insert}"));
        texts.extend(vec![insert; MANY]);
        run_files(&pool, &texts, hook).await;
        assert_eq!(done(&watch).await, [*expected], "{hook}");
        let found = strings(&watch, "SELECT what FROM hooked").await;
        assert_eq!(found, [*expected; 2 * MANY + 1], "{hook}");
    }
}
