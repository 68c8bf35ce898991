use super::*;

/// The rows that a server returns.
type Answer<'a> = &'a [(&'a str, &'a str)];

fn info(answer: Answer<'_>) -> ServerInfo {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    ServerInfo(answer.iter().map(own).collect())
}

fn product(kind: DatabaseKind, answer: Answer<'_>) -> Option<String> {
    untested(kind, &info(answer)).map(|untested| untested.product)
}

#[test]
fn tested_databases_and_their_relatives_are_accepted() {
    let postgres = [
        "PostgreSQL 14.23 on x86_64-pc-linux-gnu, compiled by gcc (GCC) 7.3.0, 64-bit",
        "PostgreSQL 15.18 (Debian 15.18-0+deb12u1) on x86_64-pc-linux-gnu, compiled by gcc, 64-bit",
        "PostgreSQL 18.4 on aarch64-unknown-linux-gnu",
        "PostgreSQL 19beta1 on x86_64-pc-linux-gnu",
        "PostgreSQL 16.2 (EnterpriseDB Advanced Server 16.2.0) on x86_64-pc-linux-gnu",
    ];
    for version in postgres {
        let answer = [("version", version), ("crdb_version", "")];
        assert_eq!(product(DatabaseKind::Postgres, &answer), None, "{version}");
    }
    let mysql: [Answer<'_>; 6] = [
        &[
            ("version", "10.11.19-MariaDB-0+deb12u1"),
            ("version_comment", "Debian 12"),
        ],
        &[("version", "11.8.2-MariaDB-log"), ("wsrep_on", "OFF")],
        &[
            ("version", "8.0.42"),
            ("version_comment", "MySQL Community Server - GPL"),
        ],
        &[
            ("version", "8.4.5-5"),
            ("version_comment", "Percona Server (GPL), Release 5"),
        ],
        &[
            ("version", "8.0.mysql_aurora.3.08.0"),
            ("version_comment", "Source distribution"),
        ],
        &[
            ("version", "9.3.0"),
            (
                "group_replication_group_name",
                "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa",
            ),
            ("group_replication_single_primary_mode", "ON"),
        ],
    ];
    for answer in mysql {
        assert_eq!(product(DatabaseKind::MySql, answer), None, "{answer:?}");
    }
    assert_eq!(product(DatabaseKind::Sqlite, &[]), None);
}

#[test]
fn products_that_no_test_proves_are_named() {
    let postgres: [(Answer<'_>, &str); 12] = [
        (
            &[(
                "version",
                "CockroachDB CCL v24.1.0 (x86_64-pc-linux-gnu, built 2024/05/15)",
            )],
            "CockroachDB",
        ),
        (
            &[
                ("version", "PostgreSQL 13.0.0"),
                ("crdb_version", "CockroachDB CCL v24.1.0"),
            ],
            "CockroachDB",
        ),
        (
            &[(
                "version",
                "PostgreSQL 11.2-YB-2.18.0.0-b0 on x86_64-pc-linux-gnu",
            )],
            "YugabyteDB",
        ),
        (
            &[("version", "PostgreSQL 15.2-YB-2025.1.0.0-b0 on x86_64")],
            "YugabyteDB",
        ),
        (
            &[(
                "version",
                "PostgreSQL 12.12 (Greenplum Database 7.1.0 build) on x86_64",
            )],
            "Greenplum",
        ),
        (
            &[(
                "version",
                "PostgreSQL 8.0.2 on i686-pc-linux-gnu, Redshift 1.0.48805",
            )],
            "Amazon Redshift",
        ),
        (
            &[(
                "version",
                "PostgreSQL 9.5.0 on x86_64 (Materialize v0.100.0)",
            )],
            "Materialize",
        ),
        (
            &[(
                "version",
                "(openGauss 5.0.0 build a07d57c3) compiled at 2023-03-29",
            )],
            "openGauss",
        ),
        (
            &[
                ("version", "PostgreSQL 16"),
                (
                    "place",
                    "PostgreSQL at abc.dsql.us-east-1.on.aws:5432, database \"postgres\"",
                ),
            ],
            "Amazon Aurora DSQL",
        ),
        (
            &[("version", "PostgreSQL 16.4"), ("extension", "bdr")],
            "PostgreSQL with the extension `bdr`",
        ),
        (
            &[("version", "PostgreSQL 13.20 on x86_64")],
            "PostgreSQL 13, which is older than 14,",
        ),
        (&[("version", "Something else 3")], "\"Something else 3\""),
    ];
    for (answer, expected) in postgres {
        let found = product(DatabaseKind::Postgres, answer);
        assert_eq!(found.as_deref(), Some(expected), "{answer:?}");
    }
    let mysql: [(Answer<'_>, &str); 11] = [
        (
            &[("version", "10.11.19-MariaDB"), ("wsrep_on", "ON")],
            "Galera (`wsrep_on`)",
        ),
        (
            &[("version", "8.0.42-33.1"), ("wsrep_on", "1")],
            "Galera (`wsrep_on`)",
        ),
        (&[("version", "8.0.11-TiDB-v8.5.0")], "TiDB"),
        (
            &[
                ("version", "8.0.11"),
                ("version_comment", "TiDB Server (Apache License 2.0)"),
            ],
            "TiDB",
        ),
        (&[("version", "8.0.40-Vitess")], "Vitess"),
        (
            &[("version", "8.0.34"), ("version_comment", "PlanetScale")],
            "PlanetScale (Vitess)",
        ),
        (
            &[
                ("version", "5.7.32"),
                (
                    "version_comment",
                    "SingleStoreDB source distribution (compatible; MySQL Enterprise)",
                ),
            ],
            "SingleStore",
        ),
        (&[("version", "5.7.25-OceanBase_CE-v4.3.5.1")], "OceanBase"),
        (&[("version", "8.0.34-cluster")], "MySQL NDB Cluster"),
        (
            &[("version", "5.7.44-log")],
            "MySQL 5, which is older than 8,",
        ),
        (
            &[
                ("version", "8.4.0"),
                (
                    "group_replication_group_name",
                    "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa",
                ),
                ("group_replication_single_primary_mode", "OFF"),
            ],
            "MySQL group replication with several primaries",
        ),
    ];
    for (answer, expected) in mysql {
        let found = product(DatabaseKind::MySql, answer);
        assert_eq!(found.as_deref(), Some(expected), "{answer:?}");
    }
    for kind in [DatabaseKind::Postgres, DatabaseKind::MySql] {
        let found = product(kind, &[]);
        assert_eq!(
            found.as_deref(),
            Some("A server that does not say what it is")
        );
    }
}

#[test]
fn nodes_that_write_beside_each_other_are_told_from_other_products() {
    let has_several = |kind, answer: Answer<'_>| {
        untested(kind, &info(answer)).is_some_and(|untested| untested.has_several_writers)
    };
    let galera = [("version", "10.11.19-MariaDB"), ("wsrep_on", "ON")];
    assert!(has_several(DatabaseKind::MySql, &galera));
    let tidb = [("version", "8.0.11-TiDB-v8.5.0")];
    assert!(!has_several(DatabaseKind::MySql, &tidb));
}

#[test]
fn servers_and_sessions_that_take_no_writes_are_told_apart() {
    let server = |because| Some(ReadOnly::Server(because));
    let cases: [(Answer<'_>, Option<ReadOnly>); 9] = [
        (&[("in_recovery", "false")], None),
        (
            &[("in_recovery", "true"), ("read_only_by", "default")],
            server("it is a standby (`pg_is_in_recovery()`)"),
        ),
        (
            &[
                ("in_recovery", "false"),
                ("read_only_by", "configuration file"),
            ],
            server("`default_transaction_read_only` is on"),
        ),
        (
            &[("in_recovery", "false"), ("read_only_by", "user")],
            Some(ReadOnly::Session("user".to_owned())),
        ),
        (
            &[("read_only_by", "session")],
            Some(ReadOnly::Session("session".to_owned())),
        ),
        (&[("read_only", "OFF"), ("super_read_only", "OFF")], None),
        (&[("read_only", "ON")], server("`read_only` is on")),
        (&[("read_only", "NO_LOCK")], server("`read_only` is on")),
        (
            &[("innodb_read_only", "ON"), ("read_only", "OFF")],
            server("`innodb_read_only` is on"),
        ),
    ];
    for (answer, expected) in cases {
        assert_eq!(read_only(&info(answer)), expected, "{answer:?}");
    }
}
