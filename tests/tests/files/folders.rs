//! A folder of each format, run here and by the databases' own clients, has the same effect: up,
//! down and up again. `tests/run folders DIR..` does that with any folder.

use flamingock_tests::clients::Dumped;
use flamingock_tests::folders::{Verdict, compare};
use flamingock_tests::{atlas_sum, scenarios};

const USERS: &str = "\u{feff}-- users; with a comment\r\nCREATE TABLE users (\r\n  id INT PRIMARY KEY, -- it's; the key\r\n  name VARCHAR(50) DEFAULT 'a;b--c /* d */' NOT NULL\r\n);\r\nINSERT INTO users VALUES (1, 'it''s; -- fine'), (2, '');\r\n";
const NO_USERS: &str = "DROP TABLE users;\n";
const ORDERS: &str = "/* orders; */ CREATE TABLE orders (id INT PRIMARY KEY, owner INT REFERENCES users (id), note VARCHAR(50));\n\
     CREATE INDEX by_owner ON orders (owner);;\n\
     INSERT INTO orders SELECT id * 10, id, CASE WHEN id > 1 THEN 'x;' ELSE NULL END FROM users";
const NO_ORDERS: &str = "DROP TABLE orders";
const COMMENTS: &str = "-- nothing; here\n\n/* nor; here */\n";
const VIEW: &str = "CREATE VIEW names AS SELECT name FROM users;\n";
const NO_VIEW: &str = "DROP VIEW names;\n";

/// The three changes and their rollbacks, for formats that have both in one file.
fn halves(up: &str, down: &str, ups: [&str; 3], downs: [&str; 3]) -> [String; 3] {
    let text = |at: usize| format!("{up}\n{}\n{down}\n{}\n", ups[at], downs[at]);
    [text(0), text(1), text(2)]
}

const UPS: [&str; 3] = [USERS, ORDERS, VIEW];
const DOWNS: [&str; 3] = [NO_USERS, NO_ORDERS, NO_VIEW];

/// The files of each format.
fn formats() -> Vec<(&'static str, Vec<(&'static str, String)>)> {
    let own = |texts: &[(&'static str, &str)]| -> Vec<(&'static str, String)> {
        texts
            .iter()
            .map(|(name, text)| (*name, (*text).to_owned()))
            .collect()
    };
    let bare = USERS.trim_start_matches('\u{feff}');
    let [goose_users, goose_orders, goose_view] = halves(
        "-- +goose Up",
        "-- +goose Down",
        [bare, &format!("{ORDERS};"), VIEW],
        DOWNS,
    );
    let [mate_users, mate_orders, mate_view] = halves(
        "-- migrate:up",
        "-- migrate:down",
        [bare, ORDERS, VIEW],
        DOWNS,
    );
    let pairs = |names: [[&'static str; 2]; 3]| -> Vec<(&'static str, String)> {
        let pairs = names.into_iter().zip(UPS.into_iter().zip(DOWNS));
        pairs
            .flat_map(|([up, down], (does, undoes))| {
                [(up, does.to_owned()), (down, undoes.to_owned())]
            })
            .collect()
    };
    vec![
        (
            "own",
            pairs([
                ["0001__users.sql", "0001__users.rollback.sql"],
                ["0002__orders.sql", "0002__orders.rollback.sql"],
                ["0010__names.sql", "0010__names.rollback.sql"],
            ]),
        ),
        (
            "sqlx",
            pairs([
                ["1_users.up.sql", "1_users.down.sql"],
                ["2_orders.up.sql", "2_orders.down.sql"],
                ["10_names.up.sql", "10_names.down.sql"],
            ]),
        ),
        (
            "golang-migrate",
            pairs([
                ["1_users.up.sql", "1_users.down.sql"],
                ["2_orders.up.sql", "2_orders.down.sql"],
                ["10_names.up.sql", "10_names.down.sql"],
            ]),
        ),
        (
            "diesel",
            pairs([
                [
                    "2024-01-01-000000_users/up.sql",
                    "2024-01-01-000000_users/down.sql",
                ],
                [
                    "2024-01-02-000000_orders/up.sql",
                    "2024-01-02-000000_orders/down.sql",
                ],
                [
                    "2024-01-02-000001_names/up.sql",
                    "2024-01-02-000001_names/down.sql",
                ],
            ]),
        ),
        (
            "flyway",
            own(&[
                ("V1__users.sql", USERS),
                ("V1.9__orders.sql", ORDERS),
                ("V1.10__comments.sql", COMMENTS),
                ("R__names.sql", VIEW),
            ]),
        ),
        (
            "refinery",
            own(&[
                ("V1__users.sql", bare),
                ("V2__orders.sql", ORDERS),
                ("V10__names.sql", VIEW),
            ]),
        ),
        (
            "goose",
            vec![
                ("00001_users.sql", goose_users),
                ("00002_orders.sql", goose_orders),
                ("00010_names.sql", goose_view),
            ],
        ),
        (
            "dbmate",
            vec![
                ("20240101000000_users.sql", mate_users),
                ("20240102000000_orders.sql", mate_orders),
                ("20240110000000_names.sql", mate_view),
            ],
        ),
        (
            "atlas",
            own(&[
                ("20240101000000_users.sql", bare),
                ("20240102000000_orders.sql", ORDERS),
                ("20240110000000_names.sql", VIEW),
            ]),
        ),
    ]
}

async fn folder_has_the_effect_of_the_databases_client<B: Dumped>() {
    let mut wrong = Vec::new();
    for (format, files) in formats() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in &files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        if format == "atlas" {
            let files: Vec<(&str, &str)> =
                files.iter().map(|(name, text)| (*name, &**text)).collect();
            std::fs::write(folder.path().join("atlas.sum"), atlas_sum(&files)).unwrap();
        }
        let has_down = !matches!(format, "flyway" | "refinery" | "atlas");
        match compare::<B>(folder.path(), Some(format)).await {
            Verdict::Same { files: 3 | 4, down } if down == has_down => {}
            verdict => wrong.push(format!("{format}: {verdict}")),
        }
    }
    assert!(wrong.is_empty(), "{}: {}", B::NAME, wrong.join("\n"));
}

scenarios!(sqlite, postgres, mariadb; folder_has_the_effect_of_the_databases_client);
