//! `pg_dump`.

use flamingock_tests::clients::Dumped as _;
use flamingock_tests::folders::said;
use flamingock_tests::{Backend as _, Postgres, execute, strings};

use super::programs::applied;

const SCHEMA: &str = r#"
CREATE TYPE mood AS ENUM ('sad', 'it''s fine', 'happy');
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE SCHEMA "Other; one";
CREATE TABLE people (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL DEFAULT 'a;b--c /* d */',
  "mood; of" mood,
  age positive,
  notes text[] DEFAULT '{}',
  UNIQUE (name, age)
);
CREATE TABLE "Other; one".orders (
  id serial PRIMARY KEY, person bigint REFERENCES people ON DELETE CASCADE, at timestamptz, body bytea
) ;
CREATE INDEX ON "Other; one".orders (person) WHERE body IS NOT NULL;
CREATE FUNCTION twice(i int) RETURNS int LANGUAGE sql AS $fn$ SELECT i * 2; $fn$;
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  -- a comment; with $ and $x$
  NEW.name := NEW.name || ';'; RETURN NEW;
END $$;
CREATE PROCEDURE tidy() LANGUAGE sql BEGIN ATOMIC DELETE FROM people WHERE id < 0; SELECT 1; END;
CREATE TRIGGER touched BEFORE UPDATE ON people FOR EACH ROW EXECUTE FUNCTION touch();
CREATE VIEW happy AS SELECT name, CASE WHEN age > 1 THEN 'x;' ELSE E'\\;' END AS c FROM people WHERE "mood; of" = 'happy';
CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM people;
COMMENT ON TABLE people IS 'of; all -- times';
INSERT INTO people (name, "mood; of", age, notes) VALUES
  (E'tab\there\nline', 'it''s fine', 3, ARRAY['a;b', NULL, '"q"']), ('back\slash ''quote'' $$', NULL, NULL, NULL), ('', 'sad', 7, '{}');
INSERT INTO "Other; one".orders (person, at, body) VALUES (1, '2020-01-01 00:00:00+00', '\x00ff3b');
"#;

#[tokio::test]
async fn dump_recreates_the_same_database() {
    let first = Postgres::fresh().await;
    execute(&first.pool(1).await, SCHEMA).await;
    for head in ["", "-- flamingock: transaction=false\n"] {
        for inserts in ["--inserts", "--column-inserts"] {
            let written = Postgres::dump(&first, &[inserts]).await;
            // It makes psql accept no more commands. No server knows it.
            let text = written.replace("\\restrict", "-- \\restrict");
            let text = text.replace("\\unrestrict", "-- \\unrestrict");
            let (second, pool) = applied::<Postgres>(&text, head).await;
            let again = Postgres::dump(&second, &[inserts]).await;
            assert_eq!(said(&written), said(&again), "{head}{inserts}");
            // A dump sets the search path of its session. The next change has that of the
            // application.
            let path = strings(&pool, "SHOW search_path").await;
            assert_eq!(path, ["\"$user\", public"], "{head}{inserts}");
        }
    }
}

/// Commands of psql are refused with their line, before anything ran.
#[tokio::test]
async fn dump_with_copied_rows_is_refused_with_its_line() {
    let first = Postgres::fresh().await;
    execute(&first.pool(1).await, SCHEMA).await;
    let written = Postgres::dump(&first, &[]).await;
    let database = Postgres::fresh().await;
    let pool = database.pool(2).await;
    let folder = flamingock_tests::folder(&[("0001__dump.sql", &written)]);
    let error = flamingock::Runner::new(&pool).files(folder).run().await;
    let error = format!("{:#}", error.unwrap_err());
    let line = written
        .lines()
        .position(|line| line.starts_with('\\') || line.starts_with("COPY "));
    let place = format!("0001__dump.sql:{}", line.unwrap() + 1);
    assert!(error.contains(&place), "{place}: {error}");
    // Each of the possible beginnings of a dump gets a hint.
    for (text, remedy) in [
        (
            "\\restrict abc\nSELECT 1;\n",
            "Remove the lines `\\restrict` and `\\unrestrict`",
        ),
        (
            "COPY people (id) FROM stdin;\n1\n\\.\n",
            "`pg_dump --inserts`",
        ),
        ("\\connect other\nSELECT 1;\n", "a `target` of its own"),
    ] {
        let folder = flamingock_tests::folder(&[("0001__dump.sql", text)]);
        let error = flamingock::Runner::new(&pool).files(folder).run().await;
        let error = format!("{:#}", error.unwrap_err());
        assert!(
            error.contains("0001__dump.sql:1: ") && error.contains(remedy),
            "{error}"
        );
    }
    let tables = strings(
        &pool,
        "SELECT relname FROM pg_class WHERE relname IN ('people', 'flamingock_audit')",
    );
    assert!(tables.await.is_empty());
}

/// Where backslashes escape by default, a dump switches that off, and the server reads the whole
/// text before it executes the setting.
#[tokio::test]
async fn backslash_follows_the_settings_of_session_and_file() {
    let rows = "CREATE TABLE rows (a text);\nINSERT INTO rows VALUES ('a\\n;'), ('b\\\\');\n";
    let on = format!("SET standard_conforming_strings = on;\n{rows}");
    let off = format!(
        "SET standard_conforming_strings = off;\n{rows}INSERT INTO rows VALUES ('it\\'s');\n"
    );
    let escaped = format!("{rows}INSERT INTO rows VALUES ('it\\'s; COMMIT;');\n");
    for header in ["", "-- flamingock: transaction=false\n"] {
        for (by_default, text, expected) in [
            ("off", &on, vec!["a\\n;", "b\\\\"]),
            ("on", &off, vec!["a\n;", "b\\", "it's"]),
            ("off", &escaped, vec!["a\n;", "b\\", "it's; COMMIT;"]),
        ] {
            let database = Postgres::fresh().await;
            let pool = database.pool(1).await;
            let name = strings(&pool, "SELECT current_database()").await.remove(0);
            execute(
                &pool,
                &format!(
                    "ALTER DATABASE \"{name}\" SET standard_conforming_strings = {by_default}"
                ),
            )
            .await;
            let pool = database.pool(2).await;
            let text = format!("{header}{text}");
            let folder = flamingock_tests::folder(&[("0001__rows.sql", &text)]);
            let run = flamingock::Runner::new(&pool).files(folder).run().await;
            run.unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(
                strings(&pool, "SELECT a FROM rows ORDER BY a").await,
                expected,
                "{text}"
            );
        }
    }
}

/// The server reads a whole text before it runs the first statement.
#[tokio::test]
async fn setting_in_a_file_sent_as_one_message_applies_to_later_statements() {
    let text = "SET standard_conforming_strings = off;\nCREATE TABLE rows (a text);\nINSERT INTO rows VALUES ('C:\\new');\n";
    for (format, file, expected) in [
        ("sqlx", "1_rows.sql", "C:\\new"),
        ("golang-migrate", "1_rows.up.sql", "C:\\new"),
        ("flyway", "V1__rows.sql", "C:\new"),
        ("flamingock", "0001__rows.sql", "C:\new"),
    ] {
        let database = Postgres::fresh().await;
        let pool = database.pool(2).await;
        let folder = flamingock_tests::folder_of(format, &[(file, text)]);
        let run = flamingock::Runner::new(&pool).files(folder).run().await;
        run.unwrap_or_else(|error| panic!("{format}: {error}"));
        let rows = strings(&pool, "SELECT a FROM rows").await;
        assert_eq!(rows, [expected], "{format}");
    }
}
