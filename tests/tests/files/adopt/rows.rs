//! Histories with the rows that the tools' documentation shows.

/// diesel's table: what `diesel migration run` creates on every database.
pub(crate) const DIESEL: &[&str] = &[
    "CREATE TABLE __diesel_schema_migrations (version VARCHAR(50) PRIMARY KEY NOT NULL, run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)",
    "INSERT INTO __diesel_schema_migrations (version) VALUES ('20240131120000'), ('20240131120001')",
];

/// goose's table, after `up`, `down` and `up` of the second version by a release that keeps the
/// rows.
pub(crate) const GOOSE: &[&str] = &[
    "CREATE TABLE goose_db_version (id INTEGER PRIMARY KEY, version_id BIGINT NOT NULL, is_applied BOOLEAN NOT NULL, tstamp TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)",
    "INSERT INTO goose_db_version (id, version_id, is_applied) VALUES (1, 0, true), (2, 1, true), (3, 2, true), (4, 2, false), (5, 2, true)",
];

/// Flyway's table, with a baseline, an undone version and a view that ran twice.
pub(crate) const FLYWAY: &[&str] = &[
    "CREATE TABLE flyway_schema_history (installed_rank INTEGER NOT NULL PRIMARY KEY, version VARCHAR(50), description VARCHAR(200) NOT NULL, type VARCHAR(20) NOT NULL, script VARCHAR(1000) NOT NULL, checksum INTEGER, installed_by VARCHAR(100) NOT NULL, installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, execution_time INTEGER NOT NULL, success BOOLEAN NOT NULL)",
    "INSERT INTO flyway_schema_history (installed_rank, version, description, type, script, checksum, installed_by, execution_time, success) VALUES \
     (1, '0', '<< Flyway Baseline >>', 'BASELINE', '<< Flyway Baseline >>', NULL, 'ada', 0, true), \
     (2, '1', 'create users', 'SQL', 'V1__create_users.sql', 1, 'ada', 3, true), \
     (3, '2', 'create orders', 'SQL', 'schema/V2__create_orders.sql', 1, 'ada', 3, true), \
     (4, '3', 'third', 'SQL', 'V3__third.sql', 1, 'ada', 3, true), \
     (5, '3', 'third', 'UNDO_SQL', 'U3__third.sql', 1, 'ada', 3, true)",
];

/// Liquibase's tables, unlocked.
pub(crate) const LIQUIBASE: &[&str] = &[
    "CREATE TABLE DATABASECHANGELOG (ID VARCHAR(255) NOT NULL, AUTHOR VARCHAR(255) NOT NULL, FILENAME VARCHAR(255) NOT NULL, DATEEXECUTED TIMESTAMP NOT NULL, ORDEREXECUTED INTEGER NOT NULL, EXECTYPE VARCHAR(10) NOT NULL, MD5SUM VARCHAR(35), DESCRIPTION VARCHAR(255), COMMENTS VARCHAR(255), TAG VARCHAR(255), LIQUIBASE VARCHAR(20), CONTEXTS VARCHAR(255), LABELS VARCHAR(255), DEPLOYMENT_ID VARCHAR(10))",
    "INSERT INTO DATABASECHANGELOG (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, EXECTYPE) VALUES \
     ('create-users', 'ada', 'changes.xml', CURRENT_TIMESTAMP, 1, 'EXECUTED'), \
     ('create-orders', 'ada', 'changes.xml', CURRENT_TIMESTAMP, 2, 'MARK_RAN')",
    "CREATE TABLE DATABASECHANGELOGLOCK (ID INTEGER NOT NULL PRIMARY KEY, LOCKED BOOLEAN NOT NULL, LOCKGRANTED TIMESTAMP NULL, LOCKEDBY VARCHAR(255))",
    "INSERT INTO DATABASECHANGELOGLOCK (ID, LOCKED) VALUES (1, false)",
];

/// The table of Flamingock for Java: a change that failed, was rolled back and then applied; one
/// that was applied at once; one of the framework itself.
pub(crate) const FLAMINGOCK_JAVA: &[&str] = &[
    "CREATE TABLE flamingockAuditLog (id INTEGER PRIMARY KEY, execution_id VARCHAR(255), stage_id VARCHAR(255), change_id VARCHAR(255), author VARCHAR(255), created_at TIMESTAMP NULL, state VARCHAR(32), system_change BOOLEAN)",
    "INSERT INTO flamingockAuditLog (id, change_id, created_at, state, system_change) VALUES \
     (1, 'system-change', CURRENT_TIMESTAMP, 'APPLIED', true), \
     (2, 'create-users', CURRENT_TIMESTAMP, 'STARTED', false), \
     (3, 'create-users', CURRENT_TIMESTAMP, 'FAILED', false), \
     (4, 'create-users', CURRENT_TIMESTAMP, 'ROLLED_BACK', false), \
     (5, 'create-users', CURRENT_TIMESTAMP, 'APPLIED', false), \
     (6, 'create-orders', CURRENT_TIMESTAMP, 'APPLIED', NULL)",
    "CREATE TABLE flamingockLock (\"key\" VARCHAR(255) PRIMARY KEY, status VARCHAR(32), owner VARCHAR(255), expires_at TIMESTAMP NULL)",
];
