use super::check;
use crate::util::database_kind::DatabaseKind::MySql;

#[test]
fn a_comment_ends_at_the_first_end() {
    check(
        MySql,
        &[
            (
                "SELECT 1 /* /* ; */, 2; SELECT 2",
                &["SELECT 1 /* /* ; */, 2", "SELECT 2"],
            ),
            ("SELECT 1 # ; '\n; SELECT 2", &["SELECT 1", "SELECT 2"]),
            ("SELECT 1 -- ;\n; SELECT 2 --", &["SELECT 1", "SELECT 2"]),
            ("SELECT 1 --\t;\n; SELECT 2 --\n", &["SELECT 1", "SELECT 2"]),
            // Without a blank they are two minus signs,
            ("SELECT 5--1; SELECT 2", &["SELECT 5--1", "SELECT 2"]),
            ("SELECT 5\n--1; SELECT 2", &["SELECT 5\n--1", "SELECT 2"]),
            // but not where a statement would begin.
            (
                "--it's; a comment\nSELECT 1;--so\n\t------;\r\nSELECT 2\n;--",
                &["SELECT 1", "SELECT 2"],
            ),
            (
                "SELECT 5*/* ; */2; SELECT 2",
                &["SELECT 5*/* ; */2", "SELECT 2"],
            ),
        ],
    );
}

#[test]
fn executable_comments_and_hints_stay() {
    check(
        MySql,
        &[
            (
                "/*!40101 SET NAMES utf8 */; SELECT 1",
                &["/*!40101 SET NAMES utf8 */", "SELECT 1"],
            ),
            (
                "/*M!100100 SET a = ';' */; SELECT 1",
                &["/*M!100100 SET a = ';' */", "SELECT 1"],
            ),
            (
                "CREATE TABLE a (b INT) /*!50100 ENGINE=InnoDB */; SELECT 1",
                &[
                    "CREATE TABLE a (b INT) /*!50100 ENGINE=InnoDB */",
                    "SELECT 1",
                ],
            ),
            (
                "/*! SELECT '*/; ' /* ; */, 2 */; SELECT 1",
                &["/*! SELECT '*/; ' /* ; */, 2 */", "SELECT 1"],
            ),
            (
                "SELECT /*+ MAX_EXECUTION_TIME(1) */ 1; SELECT 2",
                &["SELECT /*+ MAX_EXECUTION_TIME(1) */ 1", "SELECT 2"],
            ),
            ("/*!40101 */; /*! */ SELECT 1", &["/*! */ SELECT 1"]),
            (
                "/*! SELECT 2 *//*;*/ + 1; SELECT 1",
                &["/*! SELECT 2 *//*;*/ + 1", "SELECT 1"],
            ),
        ],
    );
}

#[test]
fn a_backslash_escapes_in_strings_and_not_in_names() {
    check(
        MySql,
        &[
            (r"SELECT '\';'; SELECT 1", &[r"SELECT '\';'", "SELECT 1"]),
            (
                r#"SELECT "\";"; SELECT 1"#,
                &[r#"SELECT "\";""#, "SELECT 1"],
            ),
            (r"SELECT '\\'; SELECT 1", &[r"SELECT '\\'", "SELECT 1"]),
            (r"SELECT '\ä;'; SELECT 1", &[r"SELECT '\ä;'", "SELECT 1"]),
            (r"SELECT `\`; SELECT 1", &[r"SELECT `\`", "SELECT 1"]),
            ("SELECT `a;``;`; SELECT 1", &["SELECT `a;``;`", "SELECT 1"]),
            (r"SELECT \N; SELECT 1", &[r"SELECT \N", "SELECT 1"]),
        ],
    );
}

#[test]
fn a_delimiter_ends_statements_from_its_line_on() {
    check(
        MySql,
        &[
            (
                "SELECT 0;\nDELIMITER //\nSELECT 1; SELECT 2 //\nDELIMITER ;\nSELECT 3; SELECT 4",
                &["SELECT 0", "SELECT 1; SELECT 2", "SELECT 3", "SELECT 4"],
            ),
            (
                "delimiter $$\r\nSELECT 1; END$$ SELECT '$$', `$$` /* $$ */, 2 $$\r\ndelimiter ;\r\nSELECT 2",
                &["SELECT 1; END", "SELECT '$$', `$$` /* $$ */, 2", "SELECT 2"],
            ),
            (
                "DELIMITER ;;\nSELECT 1; SELECT 2 ;;SELECT 3;;\nDELIMITER ;\n",
                &["SELECT 1; SELECT 2", "SELECT 3"],
            ),
            (
                "DELIMITER go\nSELECT category FROM ago go SELECT 2 GO\nSELECT go2 go",
                &["SELECT category FROM ago", "SELECT 2 GO\nSELECT go2"],
            ),
            (
                "DELIMITER '|' and the rest of the line\nSELECT 1; | SELECT 2; |",
                &["SELECT 1", "SELECT 2"],
            ),
            ("DELIMITER //\n; SELECT 1; //\n;//", &["SELECT 1"]),
            (
                "DELIMITER //\nCREATE PROCEDURE p() BEGIN a; END; -- so;\n//",
                &["CREATE PROCEDURE p() BEGIN a; END"],
            ),
            (
                "SELECT delimiter FROM a; SELECT 1",
                &["SELECT delimiter FROM a", "SELECT 1"],
            ),
            (
                "SELECT 1\nDELIMITER //;SELECT 2",
                &["SELECT 1\nDELIMITER //", "SELECT 2"],
            ),
            (
                "DELIMITER //\n/*!50003 CREATE*/ /*!50003 TRIGGER t BEGIN a; END */ //\nSELECT 1 //",
                &[
                    "/*!50003 CREATE*/ /*!50003 TRIGGER t BEGIN a; END */",
                    "SELECT 1",
                ],
            ),
        ],
    );
}

/// Each of these is one statement.
#[test]
fn a_routine_ends_at_its_own_end() {
    let statements = [
        "CREATE PROCEDURE p() BEGIN SELECT 1; SELECT 2; END",
        "CREATE DEFINER=`root`@`localhost` PROCEDURE p() SQL SECURITY INVOKER BEGIN END",
        "create or replace function f() returns int deterministic begin declare a int default case when 1 then 2 end; return a; end",
        "CREATE PROCEDURE p() BEGIN IF a THEN SELECT 1; ELSEIF b THEN SELECT 2; ELSE SELECT 3; END IF; SELECT 4; END",
        "CREATE PROCEDURE p() BEGIN CASE a WHEN 1 THEN SELECT 1; ELSE BEGIN END; END CASE; SELECT 4; END",
        "CREATE PROCEDURE p() BEGIN CASE WHEN a THEN IF b THEN SELECT 1; END IF; END CASE; SELECT 4; END",
        "CREATE PROCEDURE p() BEGIN l: LOOP LEAVE l; END LOOP l; WHILE a DO SET a = 0; END WHILE; REPEAT SET a = 1; UNTIL a END REPEAT; SELECT 1; END",
        "CREATE PROCEDURE p() BEGIN FOR i IN 1..3 DO SELECT i; END FOR; SELECT CASE a WHEN 1 THEN 2 END FOR UPDATE; SELECT 1; END",
        "CREATE PROCEDURE p() BEGIN DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; RESIGNAL; END; DECLARE CONTINUE HANDLER FOR 1062 BEGIN END; SELECT 1; END",
        "CREATE PROCEDURE p() a: BEGIN b: BEGIN SELECT 1; END b; SELECT 2; END a",
        "CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW BEGIN SET NEW.b = IF(NEW.c, 1, 2); SET @case = 1; END",
        "CREATE PROCEDURE p() REPEAT IF a THEN SELECT 1; END IF; UNTIL 1 END REPEAT",
        "REPEAT SET @a = 1; UNTIL @a END REPEAT",
        "CREATE PROCEDURE p() l: REPEAT SET a = 1; UNTIL 1 END REPEAT l",
        "CREATE PROCEDURE p() FOR i IN 1..2 DO SELECT i; SELECT 2; END FOR",
        "CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW FOR i IN 1..2 DO SET NEW.b = i; END FOR",
        "CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW REPEAT SET NEW.b = 1; UNTIL 1 END REPEAT",
        "CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW SET NEW.b = REPEAT('a', 2), NEW.repeat = 1",
        "CREATE PROCEDURE p() SELECT a FROM b FOR UPDATE",
        "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO DELETE FROM a",
        "CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW DO SLEEP(1)",
        "CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW SET NEW.b = CASE WHEN NEW.c THEN 1 ELSE 2 END",
        "CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW IF NEW.b THEN SET NEW.c = 1; IF NEW.d THEN SET NEW.c = 2; END IF; ELSE SET NEW.c = REPEAT('a', 3); END IF",
        "CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW FOLLOWS u BEGIN INSERT INTO l VALUES (CASE WHEN 1 THEN (CASE 2 WHEN 2 THEN 3 END) END); END",
        "CREATE EVENT e ON SCHEDULE EVERY 1 DAY ENDS NOW() + INTERVAL 1 DAY DO BEGIN DELETE FROM a; DELETE FROM b; END",
        "ALTER EVENT e DO BEGIN DELETE FROM a; DELETE FROM b; END",
        "CREATE PROCEDURE p() BEGIN SELECT begin, end FROM a WHERE end > begin ORDER BY begin; UPDATE a SET begin = 1, end = 2; SELECT a.begin, a.end, a.case FROM a; END",
        "CREATE PROCEDURE p() BEGIN INSERT INTO a (begin, end) VALUES (1, CASE WHEN end THEN end ELSE 1 END); SELECT 1; END",
        "CREATE PROCEDURE p() BEGIN SELECT 'END;', `begin`, \"case\"; -- BEGIN\n SELECT 1; /* CASE */ END",
        "BEGIN NOT ATOMIC SELECT 1; SELECT 2; END",
        "IF 1 THEN SELECT 1; ELSE SELECT 2; END IF",
        "/*!50003 CREATE*/ /*!50017 DEFINER=`a`@`b`*/ /*!50003 TRIGGER t BEFORE INSERT ON a FOR EACH ROW BEGIN SELECT 1; SELECT 2; END */",
        "CREATE PROCEDURE p() AS BEGIN SELECT 1; END",
    ];
    for statement in statements {
        let script = format!("SELECT 0;{statement};\nSELECT 1");
        check(
            MySql,
            &[(script.as_str(), &["SELECT 0", statement, "SELECT 1"])],
        );
    }
}

#[test]
fn what_is_no_routine_ends_at_the_semicolon() {
    check(
        MySql,
        &[
            ("BEGIN; SELECT 1; COMMIT", &["BEGIN", "SELECT 1", "COMMIT"]),
            (
                "CREATE TABLE a (begin DATE, end DATE); SELECT 1",
                &["CREATE TABLE a (begin DATE, end DATE)", "SELECT 1"],
            ),
            (
                "CREATE UNIQUE INDEX event ON a (b); SELECT 1",
                &["CREATE UNIQUE INDEX event ON a (b)", "SELECT 1"],
            ),
            (
                "CREATE ALGORITHM = MERGE VIEW a AS SELECT begin FROM b; SELECT 1",
                &[
                    "CREATE ALGORITHM = MERGE VIEW a AS SELECT begin FROM b",
                    "SELECT 1",
                ],
            ),
            (
                "DROP PROCEDURE begin; CALL begin; SELECT 1",
                &["DROP PROCEDURE begin", "CALL begin", "SELECT 1"],
            ),
            (
                "CREATE FUNCTION f() RETURNS INT RETURN IF(1, 2, 3); SELECT 1",
                &[
                    "CREATE FUNCTION f() RETURNS INT RETURN IF(1, 2, 3)",
                    "SELECT 1",
                ],
            ),
            (
                "CREATE TRIGGER IF NOT EXISTS t BEFORE INSERT ON a FOR EACH ROW SET NEW.b = 1; SELECT 1",
                &[
                    "CREATE TRIGGER IF NOT EXISTS t BEFORE INSERT ON a FOR EACH ROW SET NEW.b = 1",
                    "SELECT 1",
                ],
            ),
        ],
    );
}
