//! `mariadb-dump`.

use flamingock_tests::clients::Dumped as _;
use flamingock_tests::folders::said;
use flamingock_tests::{Backend as _, MariaDb, execute};

use super::programs::applied;

const SCHEMA: &[&str] = &[
    r#"CREATE TABLE people (
  id INT AUTO_INCREMENT PRIMARY KEY,
  name VARCHAR(100) NOT NULL DEFAULT 'a;b-- c /* d */' COMMENT 'it''s; # fine',
  `mood; of` ENUM('sad', 'it''s', 'happy'),
  flags SET('a', 'b;c'),
  body BLOB,
  id2 INT,
  UNIQUE KEY `by;name` (name)
) ENGINE=InnoDB COMMENT='of; all -- times'"#,
    "CREATE TABLE visits (id INT PRIMARY KEY, person INT, at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, \
     FOREIGN KEY (person) REFERENCES people (id) ON DELETE CASCADE)",
    "CREATE VIEW happy AS SELECT name, CASE WHEN id > 1 THEN 'x;' ELSE '\\\\;' END AS c FROM people",
    "CREATE TRIGGER touched BEFORE INSERT ON people FOR EACH ROW BEGIN \
     IF NEW.name = ';' THEN SET NEW.name = 'semi'; END IF; /* c; */ SET NEW.flags = 'a'; END",
    "CREATE PROCEDURE tidy(IN n INT) BEGIN DECLARE i INT DEFAULT 0; -- a comment; \n \
     WHILE i < n DO SET i = i + 1; END WHILE; DELETE FROM visits WHERE id < 0; END",
    "CREATE FUNCTION twice(i INT) RETURNS INT DETERMINISTIC RETURN i * 2",
    "CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01' DISABLE DO BEGIN DELETE FROM visits WHERE id = 0; END",
    r#"INSERT INTO people (name, `mood; of`, body, id2) VALUES
  ('tab\there\nline', 'it''s', 0x00ff27, 1), ('back\\slash "quote" ''q''', NULL, NULL, NULL), ('', 'sad', '', 3)"#,
    "INSERT INTO visits VALUES (1, 1, '2020-01-01 00:00:00'), (2, 2, '2021-06-01 12:00:00')",
];

#[tokio::test]
async fn dump_recreates_the_same_database() {
    let first = MariaDb::fresh().await;
    let pool = first.pool(1).await;
    for text in SCHEMA {
        execute(&pool, text).await;
    }
    for head in ["", "-- flamingock: transaction=false\n"] {
        for more in [
            &[][..],
            &["--skip-opt"][..],
            &["--compact", "--skip-extended-insert"][..],
            &["--skip-comments"][..],
        ] {
            let written = MariaDb::dump(&first, more).await;
            let (second, _pool) = applied::<MariaDb>(&written, head).await;
            let again = MariaDb::dump(&second, more).await;
            assert_eq!(said(&written), said(&again), "{head}{more:?}");
        }
    }
}
