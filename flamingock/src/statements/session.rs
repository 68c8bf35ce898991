//! Texts that neither set nor read session state on PostgreSQL, MySQL and MariaDB.
//!
//! The lists say what is harmless, and everything else is refused: a statement or a function that is not
//! listed costs its file a connection of its own, and nothing else. Code that the database runs for a file
//! (triggers, views, defaults of columns) is not in the text: the database is asked about it.

use super::context::is_one_of;
use super::lexer::Lexer;
use super::quotes::Quoting;
use super::script::Script;
use super::token::Kind;
use crate::util::database_kind::DatabaseKind;

/// How a harmless statement begins.
const STATEMENTS: &[&[&str]] = &[
    &["INSERT", "INTO"],
    &["INSERT", "IGNORE"],
    &["UPDATE"],
    &["DELETE", "FROM"],
    &["SELECT"],
    &["CREATE", "TABLE"],
    &["CREATE", "UNLOGGED", "TABLE"],
    &["CREATE", "INDEX"],
    &["CREATE", "UNIQUE", "INDEX"],
    &["CREATE", "FULLTEXT", "INDEX"],
    &["CREATE", "SPATIAL", "INDEX"],
    &["ALTER", "TABLE"],
    &["DROP", "TABLE"],
    &["DROP", "INDEX"],
    &["TRUNCATE", "TABLE"],
];

/// The same on PostgreSQL alone. MySQL and MariaDB apply some granted privileges to later connections only.
const OF_POSTGRES: &[&[&str]] = &[
    &["COMMENT", "ON"],
    &["CREATE", "SEQUENCE"],
    &["GRANT"],
    &["CREATE", "VIEW"],
    &["CREATE", "OR", "REPLACE", "VIEW"],
    &["DROP", "VIEW"],
];

const OF_MYSQL: &[&[&str]] = &[
    &["REPLACE", "INTO"],
    &["RENAME", "TABLE"],
    &["CREATE", "OR", "REPLACE", "TABLE"],
];

/// Words of session state anywhere in a statement: temporary tables, prepared statements, cursors, and values
/// of a sequence that the session has reserved or read.
const REFUSED: &[&str] = &[
    "CACHE",
    "CURRENT",
    "EXECUTE",
    "PREVIOUS",
    "TEMP",
    "TEMPORARY",
];

/// Words before a parenthesis that are no functions.
const KEYWORDS: &[&str] = &[
    "ADD",
    "ALL",
    "AND",
    "ANY",
    "AS",
    "BETWEEN",
    "BTREE",
    "BY",
    "CASE",
    "CHECK",
    "CONFLICT",
    "DEFAULT",
    "DISTINCT",
    "ELSE",
    "EXCEPT",
    "EXISTS",
    "FILTER",
    "FROM",
    "GIN",
    "GIST",
    "BRIN",
    "HASH",
    "IN",
    "INCLUDE",
    "INDEX",
    "INHERITS",
    "INTERSECT",
    "JOIN",
    "KEY",
    "LIKE",
    "LIST",
    "NOT",
    "ON",
    "OR",
    "OVER",
    "PARTITION",
    "RANGE",
    "RETURNING",
    "SELECT",
    "SET",
    "SOME",
    "THAN",
    "THEN",
    "UNION",
    "UNIQUE",
    "USING",
    "VALUE",
    "VALUES",
    "WHEN",
    "WHERE",
    "WITH",
];

/// Types that have a length.
const TYPES: &[&str] = &[
    "BIGINT",
    "BINARY",
    "BIT",
    "BLOB",
    "CHAR",
    "CHARACTER",
    "DATETIME",
    "DEC",
    "DECIMAL",
    "DOUBLE",
    "ENUM",
    "FLOAT",
    "INT",
    "INTEGER",
    "INTERVAL",
    "MEDIUMINT",
    "NUMERIC",
    "SMALLINT",
    "TEXT",
    "TIME",
    "TIMESTAMP",
    "TIMESTAMPTZ",
    "TINYINT",
    "VARBINARY",
    "VARCHAR",
    "VARYING",
    "YEAR",
];

/// Built-in functions that use no session state but its settings, which no such text changes.
const FUNCTIONS: &[&str] = &[
    "ABS",
    "ARRAY_AGG",
    "AVG",
    "BTRIM",
    "CAST",
    "CEIL",
    "CEILING",
    "CHAR_LENGTH",
    "COALESCE",
    "CONCAT",
    "CONCAT_WS",
    "CONVERT",
    "COUNT",
    "CURRENT_TIMESTAMP",
    "CURDATE",
    "CURTIME",
    "DATE",
    "DATE_ADD",
    "DATE_FORMAT",
    "DATE_SUB",
    "DATE_TRUNC",
    "EXTRACT",
    "FLOOR",
    "GEN_RANDOM_UUID",
    "GENERATE_SERIES",
    "GREATEST",
    "IF",
    "IFNULL",
    "JSON_ARRAY",
    "JSON_BUILD_OBJECT",
    "JSON_EXTRACT",
    "JSON_OBJECT",
    "JSON_UNQUOTE",
    "JSON_VALID",
    "JSONB_BUILD_ARRAY",
    "JSONB_BUILD_OBJECT",
    "JSONB_SET",
    "LEAST",
    "LEFT",
    "LENGTH",
    "LOWER",
    "LPAD",
    "LTRIM",
    "MAX",
    "MD5",
    "MIN",
    "MOD",
    "NEXTVAL",
    "NOW",
    "NULLIF",
    "POWER",
    "RANK",
    "REGEXP_REPLACE",
    "REPLACE",
    "RIGHT",
    "ROUND",
    "ROW_NUMBER",
    "RPAD",
    "RTRIM",
    "SHA2",
    "SPLIT_PART",
    "STRING_AGG",
    "SUBSTR",
    "SUBSTRING",
    "SUM",
    "TO_CHAR",
    "TO_DATE",
    "TO_TIMESTAMP",
    "TO_TSVECTOR",
    "TRIM",
    "UNHEX",
    "UPPER",
    "UTC_TIMESTAMP",
    "UUID",
    "UUID_GENERATE_V4",
];

/// Words before the name of a table, an index or a view.
const BEFORE_NAMES: &[&str] = &[
    "EXISTS",
    "IGNORE",
    "INDEX",
    "INTO",
    "KEY",
    "REFERENCES",
    "TABLE",
    "UNIQUE",
    "VIEW",
];

/// Whether other texts may run on the same connection before and after this one, as far as its statements
/// tell.
pub(crate) fn leaves_session_alone(kind: DatabaseKind, text: &str) -> bool {
    look_at(kind, text).is_some()
}

/// Reports whether each statement of a script that leaves the session alone begins with a word after which
/// MySQL and MariaDB change only rows: nothing of it is committed before its transaction is.
pub(crate) fn changes_only_rows(script: &Script<'_>) -> bool {
    const WORDS: &[&str] = &["DELETE", "INSERT", "REPLACE", "SELECT", "UPDATE"];
    script.statements.iter().all(|statement| {
        let word = statement
            .text
            .split(|c: char| !c.is_ascii_alphabetic())
            .next();
        word.is_some_and(|word| is_one_of(word, WORDS))
    })
}

/// Returns none at the first part that is not known to leave the session alone.
fn look_at(kind: DatabaseKind, text: &str) -> Option<()> {
    let mut lexer = Lexer::new(kind, text, Quoting::of(kind));
    let mut statement = Statement::default();
    while let Some(token) = lexer.next().ok()? {
        let part = match token.kind {
            Kind::Blank | Kind::Comment => continue,
            Kind::Symbol(b';') => {
                statement.end(kind)?;
                continue;
            }
            Kind::Word => Part::Word(lexer.text_of(token)),
            Kind::Value => Part::Value(lexer.text_of(token)),
            Kind::Symbol(symbol) => Part::Symbol(symbol),
            Kind::Hint
            | Kind::ExecutableOpen
            | Kind::ExecutableClose
            | Kind::Parameter
            | Kind::Delimiter => return None,
        };
        statement.see(kind, part)?;
    }
    statement.end(kind)
}

#[derive(Clone, Copy)]
enum Part<'a> {
    Word(&'a str),
    /// A string, a number or a name in quotes.
    Value(&'a str),
    Symbol(u8),
}

impl<'a> Part<'a> {
    fn is_word_of(self, words: &[&str]) -> bool {
        matches!(self, Part::Word(word) if is_one_of(word, words))
    }

    /// What may be a name, without its quotes. On MySQL and MariaDB, one may begin with a digit.
    fn name(self) -> Option<&'a str> {
        match self {
            Part::Word(word) => Some(word),
            Part::Value(text) if text.starts_with(['"', '`']) => {
                Some(text.trim_matches(['"', '`']))
            }
            Part::Value(text) => {
                let is_name = text.starts_with(|c: char| c.is_ascii_digit())
                    && text.contains(|c: char| !c.is_ascii_digit());
                is_name.then_some(text)
            }
            Part::Symbol(_) => None,
        }
    }

    /// Variables of the session, names that are written by their codes, places for values. On PostgreSQL,
    /// colons are casts.
    fn is_refused_on(self, kind: DatabaseKind) -> bool {
        match self {
            Part::Symbol(b'@' | b'&' | b'{' | b'\\') => true,
            Part::Symbol(b':') => kind != DatabaseKind::Postgres,
            Part::Symbol(_) | Part::Word(_) | Part::Value(_) => false,
        }
    }

    /// Whether it names something of PostgreSQL's own.
    fn is_of_system(self) -> bool {
        let start = self.name().and_then(|name| name.as_bytes().get(..3));
        start.is_some_and(|start| start.eq_ignore_ascii_case(b"pg_"))
    }
}

/// A statement as far as it was read.
#[derive(Default)]
struct Statement<'a> {
    parts: Vec<Part<'a>>,
}

impl<'a> Statement<'a> {
    fn see(&mut self, kind: DatabaseKind, part: Part<'a>) -> Option<()> {
        let is_refused = match part {
            Part::Symbol(b'(') => !self.may_open(),
            // A table of another database has triggers that are not asked for.
            Part::Symbol(b'.') if kind == DatabaseKind::MySql => self.is_behind_a_name(),
            Part::Symbol(_) => part.is_refused_on(kind),
            Part::Word(_) | Part::Value(_) => part.is_of_system() || part.is_word_of(REFUSED),
        };
        self.parts.push(part);
        (!is_refused).then_some(())
    }

    fn end(&mut self, kind: DatabaseKind) -> Option<()> {
        let parts = std::mem::take(&mut self.parts);
        let own = match kind {
            DatabaseKind::Postgres => OF_POSTGRES,
            DatabaseKind::MySql => OF_MYSQL,
            DatabaseKind::Sqlite => return None,
        };
        let begins_with = |words: &&[&str]| {
            let mut both = parts.iter().zip(words.iter());
            parts.len() >= words.len() && both.all(|(part, word)| part.is_word_of(&[word]))
        };
        let mut known = STATEMENTS.iter().chain(own).copied();
        (parts.is_empty() || known.any(|words| begins_with(&words))).then_some(())
    }

    fn is_behind_a_name(&self) -> bool {
        self.parts.last().is_some_and(|part| part.name().is_some())
    }

    /// Whether a parenthesis here is none of a function that is not known.
    fn may_open(&self) -> bool {
        let Some((last, before)) = self.parts.split_last() else {
            return false;
        };
        if let Part::Symbol(_) = last {
            return true;
        }
        let mut before = before;
        let mut is_qualified = false;
        while let [rest @ .., name, Part::Symbol(b'.')] = before {
            if name.name().is_none() {
                return false;
            }
            (before, is_qualified) = (rest, true);
        }
        let is_known = |words| !is_qualified && last.is_word_of(words);
        if is_known(KEYWORDS) || is_known(TYPES) || is_known(FUNCTIONS) {
            return true;
        }
        let makes_index = self
            .parts
            .first()
            .is_some_and(|first| first.is_word_of(&["CREATE"]))
            && self
                .parts
                .iter()
                .take(3)
                .any(|part| part.is_word_of(&["INDEX"]));
        last.name().is_some()
            && before.last().is_some_and(|part| {
                part.is_word_of(BEFORE_NAMES) || makes_index && part.is_word_of(&["ON"])
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POSTGRES: DatabaseKind = DatabaseKind::Postgres;
    const MYSQL: DatabaseKind = DatabaseKind::MySql;

    #[test]
    fn usual_files_leave_their_session_alone() {
        for text in [
            "INSERT INTO work (id, what) VALUES (1, 'it''s; (a) text'), (2, 'SET a = 1');",
            "CREATE TABLE IF NOT EXISTS a (id INT PRIMARY KEY, b VARCHAR(20) NOT NULL DEFAULT 'pg_', c NUMERIC(10, 2), \
             d TIMESTAMP DEFAULT now(), CHECK (id > 0), FOREIGN KEY (id) REFERENCES b (id) ON DELETE CASCADE);",
            "CREATE UNIQUE INDEX a_b ON a (b, c); ALTER TABLE a ADD COLUMN d INT; DROP TABLE IF EXISTS b;",
            "UPDATE a SET b = upper(b), c = (SELECT max(c) FROM b) WHERE id IN (1, 2) AND (c = 3 OR b = '@');",
            "-- why\nDELETE FROM a WHERE c < 1.5;\n;\n",
            "SELECT 1",
        ] {
            for kind in [POSTGRES, MYSQL] {
                assert!(leaves_session_alone(kind, text), "{kind}: {text}");
            }
        }
        for text in [
            "CREATE TABLE \"s\".\"a\" (id BIGINT GENERATED ALWAYS AS IDENTITY, b UUID DEFAULT gen_random_uuid())",
            "INSERT INTO s.a (id) VALUES ('7'::int) ON CONFLICT (id) DO UPDATE SET b = excluded.b RETURNING id",
            "CREATE INDEX i ON s.a USING gin (b); COMMENT ON TABLE a IS 'it'; GRANT SELECT ON a TO b",
        ] {
            assert!(leaves_session_alone(POSTGRES, text), "{text}");
        }
        for text in [
            "CREATE TABLE `a` (`id` INT(11) UNSIGNED AUTO_INCREMENT, PRIMARY KEY (`id`), KEY `b` (`id`)) ENGINE=InnoDB",
            "INSERT INTO a (b) VALUES (1) ON DUPLICATE KEY UPDATE b = VALUES(b); REPLACE INTO a VALUES (2)",
        ] {
            assert!(leaves_session_alone(MYSQL, text), "{text}");
        }
    }

    #[test]
    fn whatever_is_not_known_to_leave_the_session_alone_does_not() {
        for text in [
            "SET search_path TO a",
            "INSERT INTO a VALUES (1); SET ROLE b",
            "CREATE TEMP TABLE a (b INT)",
            "CREATE TEMPORARY TABLE a (b INT)",
            "SELECT 1 AS a INTO TEMP b",
            "SELECT set_config('a.b', 'c', false)",
            "SELECT \"set_config\"('a.b', 'c', false)",
            "SELECT pg_catalog . set_config ('a.b', 'c', false)",
            "SELECT pg_advisory_lock(1)",
            "SELECT s.pg_advisory_lock(1)",
            "INSERT INTO a VALUES (lastval())",
            "INSERT INTO a VALUES (currval('b'))",
            "INSERT INTO a SELECT current_setting('b')",
            "INSERT INTO a SELECT * FROM pg_settings",
            "INSERT INTO \"pg_temp\".a VALUES (1)",
            "INSERT INTO U&\"\\0070g_temp\".a VALUES (1)",
            "SELECT query_to_xml('SELECT set_config(''a.b'', ''c'', false)', true, true, '')",
            "SELECT unknown(1)",
            "SELECT CASE WHEN true THEN unknown (1) END",
            "SELECT unknown/* a */(1)",
            "INSERT INTO a (b) SELECT x FROM unknown(1)",
            "UPDATE a SET b = 1 WHERE CURRENT OF c",
            "CREATE TABLE a AS EXECUTE b",
            "CREATE SEQUENCE a CACHE 20",
            "CREATE TABLE a (id INT GENERATED ALWAYS AS IDENTITY (CACHE 20))",
            "CREATE FUNCTION a() RETURNS INT LANGUAGE sql AS 'SELECT 1'",
            "CREATE EXTENSION a",
            "DO $$ BEGIN END $$",
            "PREPARE a AS SELECT 1",
            "DEALLOCATE ALL",
            "LISTEN a",
            "LOAD 'a'",
            "DECLARE a CURSOR WITH HOLD FOR SELECT 1",
            "ALTER ROLE a SET b = 1",
            "ALTER DATABASE a SET b = 1",
            "ALTER SYSTEM SET b = 1",
            "LOCK TABLE a",
            "CALL a()",
            "(SELECT set_config('a.b', 'c', false))",
            "WITH a AS (SELECT 1) SELECT 1",
            "SELECT 'open",
        ] {
            assert!(!leaves_session_alone(POSTGRES, text), "{text}");
        }
        for text in [
            "SET @a = 1",
            "SELECT 7 INTO @a",
            "INSERT INTO a VALUES (@b := 1)",
            "SELECT @@sql_mode",
            "SET STATEMENT sql_mode = '' FOR SELECT 1",
            "/*!40101 SET NAMES utf8 */",
            "SELECT /*+ SET_VAR(a = 1) */ 1",
            "INSERT INTO a /*M! VALUES (1) */",
            "CREATE TEMPORARY TABLE a (b INT)",
            "CREATE OR REPLACE TEMPORARY TABLE a (b INT)",
            "SELECT GET_LOCK('a', 1)",
            "SELECT `GET_LOCK`('a', 1)",
            "INSERT INTO a VALUES (LAST_INSERT_ID())",
            "INSERT INTO a VALUES (LAST_INSERT_ID(7))",
            "INSERT INTO a SELECT ROW_COUNT()",
            "INSERT INTO a SELECT FOUND_ROWS()",
            "INSERT INTO a SELECT RAND()",
            "INSERT INTO a SELECT PREVIOUS VALUE FOR s",
            "INSERT INTO a SELECT SETVAL(s, 7)",
            "INSERT INTO b.a VALUES (1)",
            "INSERT INTO `b`.`a` VALUES (1)",
            "INSERT INTO 1b.a VALUES (1)",
            "DELIMITER //\nSELECT 1//",
            "EXECUTE IMMEDIATE 'SET @a = 1'",
            "BEGIN NOT ATOMIC SET @a = 1; END",
            "USE b",
            "LOCK TABLES a WRITE",
            "HANDLER a OPEN",
            "GRANT SELECT ON a TO b",
            "ALTER DATABASE CHARACTER SET utf8mb4",
            "CREATE TRIGGER a BEFORE INSERT ON b FOR EACH ROW SET @c = 1",
            "CREATE VIEW a AS SELECT 1",
            "SHOW WARNINGS",
        ] {
            assert!(!leaves_session_alone(MYSQL, text), "{text}");
        }
        assert!(!leaves_session_alone(DatabaseKind::Sqlite, "SELECT 1"));
    }
}
