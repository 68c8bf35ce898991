//! The compile time of changes, compared with the same functions in a table written by hand.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{fs, io};

use super::Extent;
use crate::stats::{Samples, times};
use crate::table::{Findings, Table, folder, root};
use crate::tools::BoxError;

const NOTE: &str = "A library of async functions with one statement each: with `#[change]`, and the same \
    functions in a table written by hand. Compile time of that library alone (`cargo build`, \
    with its dependencies already built); bytes of machine code with its constants, and of \
    tables with pointers, which are the rows of the registry. Medians (first..third \
    quartile); `x` is the median of the rounds' ratios.";

const NAMES: [&str; 2] = ["by-hand", "changes"];

pub(crate) fn measure(extent: Extent) -> Result<Findings, BoxError> {
    let (count, rounds) = match extent {
        Extent::Quick => (50, 1),
        Extent::Full => (1_000, 5),
    };
    let title = format!("Compiling {count} changes");
    let head = ["build", "boxed by hand", "with `#[change]`", "x"];
    let mut table = Table::new(&title, NOTE, &head);
    let workspace = Workspace::write(count)?;
    for (build, release, incremental) in [
        ("debug, from scratch", false, false),
        ("debug, incremental, one function touched", false, true),
        ("release, from scratch", true, false),
    ] {
        let mut samples = [Samples::default(), Samples::default()];
        for round in 0..=rounds {
            for (name, samples) in NAMES.iter().zip(&mut samples) {
                let time = workspace.build(name, release, incremental, round)?;
                if round > 0 {
                    samples.push(time);
                }
            }
        }
        let [by_hand, changes] = &samples;
        let ratio = times(changes.ratio(by_hand));
        table.row(vec![
            build.to_owned(),
            by_hand.to_string(),
            changes.to_string(),
            ratio,
        ]);
        if !incremental {
            let profile = if release { "release" } else { "debug" };
            let [by_hand, changes] = [
                workspace.sizes(NAMES[0], profile)?,
                workspace.sizes(NAMES[1], profile)?,
            ];
            let kib = |bytes: u32| format!("{} KiB", bytes / 1024);
            for (what, by_hand, changes) in [
                ("code", by_hand.code, changes.code),
                ("tables", by_hand.tables, changes.tables),
            ] {
                table.row(vec![
                    format!("{what}, {profile}"),
                    kib(by_hand),
                    kib(changes),
                    times(f64::from(changes) / f64::from(by_hand)),
                ]);
            }
        }
    }
    Ok(Findings {
        tables: vec![table],
        ..Findings::default()
    })
}

struct Workspace {
    folder: PathBuf,
    count: usize,
}

impl Workspace {
    fn write(count: usize) -> io::Result<Workspace> {
        let folder = folder().join("build");
        fs::create_dir_all(&folder)?;
        fs::write(
            folder.join("Cargo.toml"),
            "[workspace]\nresolver = \"3\"\nmembers = [\"by-hand\", \"changes\"]\n",
        )?;
        // The versions of this workspace.
        fs::copy(root().join("Cargo.lock"), folder.join("Cargo.lock"))?;
        let workspace = Workspace { folder, count };
        for name in NAMES {
            let package = workspace.folder.join(name);
            fs::create_dir_all(package.join("src"))?;
            fs::write(package.join("Cargo.toml"), manifest(name))?;
            // Both belong to the workspace before either is built.
            fs::write(package.join("src/lib.rs"), "")?;
        }
        Ok(workspace)
    }

    /// Compiles one library, one function of which is new.
    fn build(
        &self,
        name: &str,
        release: bool,
        incremental: bool,
        round: usize,
    ) -> Result<Duration, BoxError> {
        let source = match name {
            "changes" => changes(self.count, round),
            _ => by_hand(self.count, round),
        };
        fs::write(self.folder.join(name).join("src/lib.rs"), source)?;
        let mut command = Command::new("cargo");
        command
            .args(["build", "--quiet", "--offline", "-p", name])
            .current_dir(&self.folder);
        command.env("CARGO_TARGET_DIR", self.folder.join("target"));
        command.env("CARGO_INCREMENTAL", if incremental { "1" } else { "0" });
        if release {
            command.arg("--release");
        }
        let began = Instant::now();
        let status = command.status()?;
        let time = began.elapsed();
        if !status.success() {
            return Err(format!("the library {name} does not compile").into());
        }
        Ok(time)
    }

    /// Bytes in a library, as `size` counts them.
    fn sizes(&self, name: &str, profile: &str) -> Result<Sizes, BoxError> {
        let file = format!("lib{}.rlib", name.replace('-', "_"));
        let library = self.folder.join("target").join(profile).join(file);
        let output = Command::new("size")
            .arg("-t")
            .arg(Path::new(&library))
            .output()?;
        let text = String::from_utf8(output.stdout)?;
        let total = text.lines().last().unwrap_or_default();
        let mut columns = total.split_whitespace();
        let (Some(code), Some(tables)) = (columns.next(), columns.next()) else {
            return Err("`size`, of the package binutils, says nothing".into());
        };
        Ok(Sizes {
            code: code.parse()?,
            tables: tables.parse()?,
        })
    }
}

/// Bytes in a library.
struct Sizes {
    code: u32,
    tables: u32,
}

fn manifest(name: &str) -> String {
    let flamingock = root().join("flamingock");
    format!(
        "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\n\
         flamingock = {{ path = {flamingock:?}, features = [\"sqlite\"] }}\n\
         sqlx = {{ version = \"0.9\", default-features = false, features = [\"sqlite\", \"runtime-tokio\"] }}\n"
    )
}

/// The round's number is the one function's new text.
fn function(number: usize, round: usize) -> String {
    let value = if number == 0 { round } else { number };
    format!(
        "async fn change_{number:04}(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {{\n    \
         sqlx::query(\"INSERT INTO work VALUES ('{value}')\").execute(&mut *db).await?;\n    Ok(())\n}}\n\n"
    )
}

fn changes(count: usize, round: usize) -> String {
    let mut text = "use flamingock::change;\nuse sqlx::SqliteConnection;\n\n".to_owned();
    for number in 0..count {
        let _ = writeln!(
            text,
            "#[change(id = \"change-{number:04}\", order = \"{number:04}\")]"
        );
        text.push_str(&function(number, round));
    }
    text
}

fn by_hand(count: usize, round: usize) -> String {
    let mut text = "use std::future::Future;\nuse std::pin::Pin;\nuse sqlx::SqliteConnection;\n\n\
        pub type Answer<'a> = Pin<Box<dyn Future<Output = Result<(), sqlx::Error>> + Send + 'a>>;\n\n\
        pub struct Entry {\n    pub id: &'static str,\n    pub order: &'static str,\n    \
        pub run: for<'a> fn(&'a mut SqliteConnection) -> Answer<'a>,\n}\n\n"
        .to_owned();
    for number in 0..count {
        text.push_str(&function(number, round));
    }
    let _ = writeln!(text, "pub static TABLE: [Entry; {count}] = [");
    for number in 0..count {
        let _ = writeln!(
            text,
            "    Entry {{ id: \"change-{number:04}\", order: \"{number:04}\", run: |db| Box::pin(change_{number:04}(db)) }},"
        );
    }
    text.push_str("];\n");
    text
}
