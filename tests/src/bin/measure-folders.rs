//! Measures folders of files next to the databases' own clients: `benches/run folders`.
//!
//! Both get the same files, one transaction each with the same durability. The client is one
//! process for the whole folder, and so is Flamingock: from its start to its end, including the
//! creation of its tables. In each round both run once, one after the other.

use std::fmt::Write as _;
use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};

use flamingock::__private::{Defaults, EmbeddedFolder, Location};
use flamingock::Runner;
use flamingock_tests::clients::Dumped;
use flamingock_tests::{Backend, MariaDb, Postgres, Sqlite, execute, strings};
use sqlx::pool::PoolOptions;

/// The content of a folder.
#[derive(Clone, Copy)]
struct Shape {
    name: &'static str,
    files: usize,
    /// The number of statements in a file.
    statements: usize,
}

const SHAPES: [Shape; 2] = [
    Shape {
        name: "5,000 files",
        files: 5_000,
        statements: 1,
    },
    Shape {
        name: "a file of 20 MB",
        files: 1,
        statements: 100_000,
    },
];

/// The number of rounds, unless the command line names another one.
const ROUNDS: usize = 5;

impl Shape {
    fn named(name: &str) -> Option<Shape> {
        SHAPES.into_iter().find(|shape| shape.name == name)
    }

    fn text(self, file: usize) -> String {
        let mut text = String::new();
        for statement in 0..self.statements {
            let id = file * self.statements + statement;
            let filler = "it''s a; text ".repeat(11);
            let _ = writeln!(
                text,
                "INSERT INTO work (id, what) VALUES ({id}, '{filler}');"
            );
        }
        text
    }

    fn folder(self) -> &'static EmbeddedFolder {
        let files = (0..self.files).map(|file| {
            let name: &'static str = format!("{:05}__work_{file}.sql", file + 1).leak();
            let text: &'static str = self.text(file).leak();
            (name, text)
        });
        let files: Vec<_> = files.collect();
        let location = Location {
            file: file!(),
            line: line!(),
        };
        let path = module_path!();
        Box::leak(Box::new(EmbeddedFolder::new(
            "changes",
            location,
            path,
            "the measurement",
            Defaults::NONE,
            files.leak(),
            None,
        )))
    }

    /// The same for a client.
    fn script(self) -> String {
        let files = (0..self.files).map(|file| format!("BEGIN;\n{}COMMIT;\n", self.text(file)));
        files.collect()
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *arguments.as_slice() {
        ["run", name, url, shape] => run(name, url, shape).await,
        [] => all(None, ROUNDS).await,
        [database] if is_database(database) => all(Some(database), ROUNDS).await,
        [database, rounds] if is_database(database) => match rounds.parse() {
            Ok(rounds) if rounds > 0 => all(Some(database), rounds).await,
            _ => return usage(),
        },
        _ => return usage(),
    }
    ExitCode::SUCCESS
}

const DATABASES: [&str; 3] = ["sqlite", "postgres", "mariadb"];

fn is_database(name: &str) -> bool {
    DATABASES.contains(&name)
}

fn usage() -> ExitCode {
    eprintln!("usage: measure-folders [sqlite|postgres|mariadb [ROUNDS]]");
    ExitCode::from(2)
}

/// Measures one database, or each.
async fn all(only: Option<&str>, rounds: usize) {
    let is_wanted = |name: &str| only.is_none_or(|only| only == name);
    if is_wanted("sqlite") {
        measure::<Sqlite>(rounds).await;
    }
    if is_wanted("postgres") {
        measure::<Postgres>(rounds).await;
    }
    if is_wanted("mariadb") {
        measure::<MariaDb>(rounds).await;
    }
}

/// The process that is measured: runs a folder, and prints its largest resident memory in KiB.
async fn run(name: &str, url: &str, shape: &str) {
    let shape = Shape::named(shape).expect("a shape that is known");
    let folder = shape.folder();
    match name {
        name if name == Sqlite::NAME => run_on::<Sqlite>(url, folder).await,
        name if name == Postgres::NAME => run_on::<Postgres>(url, folder).await,
        _ => run_on::<MariaDb>(url, folder).await,
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.map_or("0", |peak| peak.trim().trim_end_matches(" kB"));
    println!("{peak}");
}

async fn run_on<B: Dumped>(url: &str, folder: &'static EmbeddedFolder) {
    let pool = PoolOptions::<B::Db>::new().max_connections(2);
    let pool = pool.connect(url).await.expect("a database");
    let runner: Runner = B::runner(&pool);
    runner
        .files(folder)
        .run()
        .await
        .expect("a folder that runs");
}

async fn measure<B: Dumped>(rounds: usize) {
    for shape in SHAPES {
        let script = shape.script();
        let mut ratios = Vec::new();
        let (mut clients, mut ours, mut peaks) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..rounds {
            let client = || by_client::<B>(&script);
            let flamingock = || by_flamingock::<B>(shape);
            let (client, (took, peak)) = match round % 2 {
                0 => (client().await, flamingock().await),
                _ => {
                    let first = flamingock().await;
                    (client().await, first)
                }
            };
            ratios.push(took.as_secs_f64() / client.as_secs_f64());
            clients.push(client);
            ours.push(took);
            peaks.push(peak);
        }
        let largest = (0..shape.files).map(|file| shape.text(file).len()).max();
        println!(
            "{}, {}: client {:.2?}, Flamingock {:.2?}, x{:.2} ({:.2}..{:.2}); peak {} MiB, the largest file {:.1} MiB",
            B::NAME,
            shape.name,
            median(&mut clients),
            median(&mut ours),
            median(&mut ratios),
            ratios[0],
            ratios[rounds - 1],
            median(&mut peaks) / 1024,
            largest.unwrap_or_default() as f64 / f64::from(1 << 20),
        );
    }
}

fn median<T: PartialOrd + Copy>(all: &mut [T]) -> T {
    all.sort_by(|one, other| one.partial_cmp(other).expect("figures"));
    all[all.len() / 2]
}

const TABLE: &str = "CREATE TABLE work (id INT PRIMARY KEY, what VARCHAR(200))";

async fn by_client<B: Dumped>(script: &str) -> Duration {
    let database = B::fresh().await;
    let pool = database.pool(1).await;
    execute(&pool, TABLE).await;
    let began = Instant::now();
    B::run(&database, &pool, script).await.expect("a client");
    began.elapsed()
}

async fn by_flamingock<B: Dumped>(shape: Shape) -> (Duration, u64) {
    let database = B::fresh().await;
    let pool = database.pool(1).await;
    execute(&pool, TABLE).await;
    let program = std::env::current_exe().expect("its own name");
    let mut child = tokio::process::Command::new(program);
    child.args(["run", B::NAME, &database.url, shape.name]);
    child.stdin(Stdio::null()).stderr(Stdio::inherit());
    let began = Instant::now();
    let output = child.output().await.expect("a process");
    let took = began.elapsed();
    assert!(output.status.success(), "it has failed");
    // PostgreSQL pads the text with blanks.
    let rows = strings(&pool, "SELECT CAST(count(*) AS CHAR(20)) FROM work").await;
    let expected = (shape.files * shape.statements).to_string();
    assert_eq!(rows[0].trim(), expected);
    let peak = String::from_utf8_lossy(&output.stdout).trim().parse();
    (took, peak.expect("a number"))
}
