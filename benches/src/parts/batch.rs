//! A change in batches, next to a loop that is written by hand.

use std::time::{Duration, Instant};

use flamingock::{Batch, Key, Keyset, Next, Pace, Runner, change, changes};
use sqlx::Connection as _;

use super::Extent;
use crate::database::Database;
use crate::stats::{Samples, time, times};
use crate::table::{Findings, Table};
use crate::tools::BoxError;

/// How many rows a batch has.
const SIZES: [i64; 2] = [500, 5_000];

const NOTE: &str = "A column of N rows is changed, 500 or 5,000 rows in each transaction, which also saves the last key. \
    The loop is written by hand: `begin; select the last key; update; update the saved key; commit`. \
    Medians (first..third quartile) of the whole, and the time a row; `x` is the median of the rounds' \
    ratios.";

macro_rules! database {
    ($name:ident, $pool:ty, $connection:ty, $first:literal, $second:literal) => {
        mod $name {
            use super::*;

            #[change(id = "add", order = "001", batch, register = false)]
            async fn add(
                batch: Batch<Key>,
                db: &mut $connection,
            ) -> Result<Next<Key>, sqlx::Error> {
                let many = Keyset::table("many").key("id");
                let update = "UPDATE many SET n = n + 1 WHERE {range}";
                many.execute(update, &batch, db).await
            }

            /// The time of the change.
            pub(super) async fn change(url: &str, size: i64) -> Result<Duration, BoxError> {
                let pool = <$pool>::connect(url).await?;
                let pace = Pace::default().sizes(size..=size);
                let runner = Runner::new(&pool).changes(changes![add]).pace(pace);
                // The tables of Flamingock are there before.
                Runner::new(&pool).changes([]).run().await?;
                let began = Instant::now();
                runner.run().await?;
                Ok(began.elapsed())
            }

            /// The time of the loop.
            pub(super) async fn by_hand(url: &str, size: i64) -> Result<Duration, BoxError> {
                let mut connection = <$connection>::connect(url).await?;
                let saved = "CREATE TABLE saved (last_id BIGINT NOT NULL)";
                sqlx::raw_sql(saved).execute(&mut connection).await?;
                let first = "INSERT INTO saved VALUES (0)";
                sqlx::raw_sql(first).execute(&mut connection).await?;
                let began = Instant::now();
                let mut after = 0_i64;
                loop {
                    let mut transaction = connection.begin().await?;
                    let last = sqlx::query_scalar::<_, Option<i64>>(concat!(
                        "SELECT max(id) FROM (SELECT id FROM many WHERE id > ",
                        $first,
                        " ORDER BY id LIMIT ",
                        $second,
                        ") AS part"
                    ));
                    let last = last
                        .bind(after)
                        .bind(size)
                        .fetch_one(&mut *transaction)
                        .await?;
                    let Some(last) = last else {
                        break;
                    };
                    let update = sqlx::query(concat!(
                        "UPDATE many SET n = n + 1 WHERE id > ",
                        $first,
                        " AND id <= ",
                        $second
                    ));
                    let update = update.bind(after).bind(last);
                    update.execute(&mut *transaction).await?;
                    let save = sqlx::query(concat!("UPDATE saved SET last_id = ", $first));
                    save.bind(last).execute(&mut *transaction).await?;
                    transaction.commit().await?;
                    after = last;
                }
                Ok(began.elapsed())
            }
        }
    };
}

database!(
    on_sqlite,
    sqlx::SqlitePool,
    sqlx::SqliteConnection,
    "?",
    "?"
);
database!(on_postgres, sqlx::PgPool, sqlx::PgConnection, "$1", "$2");
database!(on_mariadb, sqlx::MySqlPool, sqlx::MySqlConnection, "?", "?");

pub(crate) async fn measure(extent: Extent) -> Result<Findings, BoxError> {
    let (rows, rounds) = match extent {
        Extent::Quick => (5_000_u32, 1),
        Extent::Full => (200_000, 5),
    };
    let title = format!("A change in batches: N = {rows}");
    let head = [
        "database",
        "rows a batch",
        "loop by hand",
        "change in batches",
        "a row",
    ];
    let mut table = Table::new(&title, NOTE, &head);
    for database in Database::ALL {
        println!("  {}", database.name());
        for size in SIZES {
            let mut samples = [Samples::default(), Samples::default()];
            for round in 0..=rounds {
                for turn in 0..2 {
                    let index = (turn + round) % 2;
                    let took = once(database, index, rows, size).await?;
                    if round > 0 {
                        samples[index].push(took);
                    }
                }
            }
            let [by_hand, change] = samples;
            table.row(vec![
                database.name().to_owned(),
                size.to_string(),
                by_hand.to_string(),
                format!("{change}, x{}", times(change.ratio(&by_hand))),
                time(change.median() / f64::from(rows)),
            ]);
        }
    }
    Ok(Findings {
        tables: vec![table],
        ..Findings::default()
    })
}

/// One of both, on a database of its own.
async fn once(
    database: Database,
    index: usize,
    rows: u32,
    size: i64,
) -> Result<Duration, BoxError> {
    let home = database.fresh().await?;
    database.write_eagerly(&home).await?;
    fill(database, &home.url, rows).await?;
    let url = &home.url;
    let took = match (database, index) {
        (Database::Sqlite, 0) => on_sqlite::by_hand(url, size).await?,
        (Database::Sqlite, _) => on_sqlite::change(url, size).await?,
        (Database::Postgres, 0) => on_postgres::by_hand(url, size).await?,
        (Database::Postgres, _) => on_postgres::change(url, size).await?,
        (Database::MariaDb, 0) => on_mariadb::by_hand(url, size).await?,
        (Database::MariaDb, _) => on_mariadb::change(url, size).await?,
    };
    let done = "SELECT count(*) FROM many WHERE n = 1";
    let done = database.rows(url, done).await?;
    assert_eq!(done, [rows.to_string()]);
    Ok(took)
}

/// Creates the table with its rows.
async fn fill(database: Database, url: &str, rows: u32) -> Result<(), BoxError> {
    let create =
        "CREATE TABLE many (id BIGINT PRIMARY KEY, n INT NOT NULL, what VARCHAR(40) NOT NULL)";
    database.rows(url, create).await?;
    let ids: Vec<u32> = (1..=rows).collect();
    for part in ids.chunks(5_000) {
        let values = part.iter().map(|id| format!("({}, 0, 'row {id}')", id * 3));
        let values: Vec<String> = values.collect();
        let insert = format!("INSERT INTO many VALUES {}", values.join(", "));
        database.rows(url, &insert).await?;
    }
    Ok(())
}
