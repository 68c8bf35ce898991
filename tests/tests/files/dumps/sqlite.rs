//! `sqlite3 .dump`.

use flamingock_tests::clients::Dumped as _;
use flamingock_tests::folders::said;
use flamingock_tests::{Backend as _, Sqlite, execute};

use super::programs::applied;

const SCHEMA: &str = r#"
CREATE TABLE people (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL DEFAULT 'a;b--c /* d */', body BLOB,
  "mood; of" TEXT CHECK ("mood; of" IN ('sad', 'it''s')), doubled INT AS (id * 2));
CREATE TABLE orders (id INTEGER PRIMARY KEY, person INT REFERENCES people ON DELETE CASCADE) STRICT;
CREATE TABLE pairs (a, b, PRIMARY KEY (a, b)) WITHOUT ROWID;
CREATE INDEX "by;name" ON people (name) WHERE body IS NOT NULL;
CREATE VIEW happy AS SELECT name, CASE WHEN id > 1 THEN 'x;' ELSE ':y' END AS c FROM people;
CREATE TRIGGER touched AFTER UPDATE ON people BEGIN
  -- a comment; END
  UPDATE people SET name = CASE WHEN NEW.name = ';' THEN 'semi' ELSE 'x' END WHERE id = NEW.id;
  DELETE FROM orders WHERE id = 0;
END;
INSERT INTO people (name, body, "mood; of") VALUES ('line' || char(10) || '?1 :a @b $c', x'00ff27', 'it''s'), ('back\slash', NULL, NULL);
INSERT INTO orders VALUES (1, 1), (2, 2);
INSERT INTO pairs VALUES (1, 'x'), ('?', NULL || 'y');
"#;

#[tokio::test]
async fn dump_recreates_the_same_database() {
    let first = Sqlite::fresh().await;
    let pool = first.pool(1).await;
    execute(&pool, &SCHEMA.replace(", ('?', NULL || 'y')", "")).await;
    let written = Sqlite::dump(&first, &[]).await;
    // It has its own transaction around each table.
    let (second, _pool) = applied::<Sqlite>(&written, "-- flamingock: transaction=false\n").await;
    let again = Sqlite::dump(&second, &[]).await;
    assert_eq!(said(&written), said(&again));
}
