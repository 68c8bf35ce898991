//! SQLite's database is a file, which is copied.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use async_trait::async_trait;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqlitePoolOptions};
use sqlx::{ConnectOptions, Connection, Sqlite};

use super::{Clonable, Fill, Made, TemplateOf, is_old, new_name};
use crate::sql::sqlite::is_in_memory;
use crate::util::boxed::BoxError;

#[async_trait]
impl Clonable for Sqlite {
    async fn make(url: &str, of: &TemplateOf, fill: Fill<'_, Sqlite>) -> Result<Made, BoxError> {
        let options = SqliteConnectOptions::from_str(url)?;
        let place = Place::of(&options);
        let template = place.template(of);
        let copy = place.file(&new_name());
        // The file is locked as long as a process makes the template or copies it.
        let lock = lock(place.file("flamingock_templates.lock")).await?;
        if !template.exists() {
            place.remove_stale(of)?;
            let unfinished = place.file(&new_name());
            let pool = SqlitePoolOptions::new();
            let filled = async {
                fill(pool.connect_with(at(&options, &unfinished)).await?).await?;
                move_log_into_file(&at(&options, &unfinished)).await
            };
            let filled = filled.await;
            if filled.is_ok() {
                fs::rename(&unfinished, &template)?;
            }
            remove(&unfinished)?;
            filled?;
        }
        fs::copy(&template, &copy)
            .map_err(|error| format!("{} could not be copied: {error}", template.display()))?;
        drop(lock);
        Ok(Made {
            url: at(&options, &copy).to_url_lossy().to_string(),
            remove: Box::new(move || Box::pin(async move { Ok(remove(&copy)?) })),
        })
    }
}

/// Where the files are.
struct Place {
    folder: PathBuf,
    /// How their names begin.
    stem: String,
}

impl Place {
    fn of(options: &SqliteConnectOptions) -> Place {
        let path = options.get_filename();
        let is_in_memory = is_in_memory(path);
        let folder = path.parent().filter(|_| !is_in_memory);
        let stem = path.file_stem().filter(|_| !is_in_memory);
        Place {
            folder: match folder {
                Some(folder) if folder.as_os_str().is_empty() => PathBuf::from("."),
                Some(folder) => folder.to_owned(),
                None => std::env::temp_dir(),
            },
            stem: stem.map_or_else(String::new, |stem| format!("{}-", stem.display())),
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{}{name}", self.stem))
    }

    fn template(&self, of: &TemplateOf) -> PathBuf {
        self.file(&format!("{}{}.db", of_build(of), of.changes))
    }

    /// Removes the templates of earlier builds of this program, and the databases of tests that
    /// have ended long ago.
    fn remove_stale(&self, of: &TemplateOf) -> io::Result<()> {
        for file in fs::read_dir(&self.folder)? {
            let path = file?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let Some(name) = name.strip_prefix(&self.stem) else {
                continue;
            };
            let is_template = name.starts_with(&of_program(of));
            if is_template && !name.starts_with(&of_build(of)) || is_old(name) {
                remove(&path)?;
            }
        }
        Ok(())
    }
}

/// Returns how the names of the templates of a program begin.
fn of_program(of: &TemplateOf) -> String {
    format!("flamingock_template_{}_", of.program)
}

/// Returns how the names of the templates of its current build begin.
fn of_build(of: &TemplateOf) -> String {
    format!("{}{}_", of_program(of), of.build)
}

/// Returns the options for a file.
fn at(options: &SqliteConnectOptions, path: &Path) -> SqliteConnectOptions {
    options
        .clone()
        .filename(path)
        .in_memory(false)
        .create_if_missing(true)
}

/// Writes what is in the write-ahead log, if there is one, to the file of the database, which alone
/// is copied.
async fn move_log_into_file(options: &SqliteConnectOptions) -> Result<(), BoxError> {
    let mut connection = SqliteConnection::connect_with(options).await?;
    let text = "PRAGMA wal_checkpoint(TRUNCATE)";
    let (is_busy, _, _): (bool, i64, i64) = sqlx::query_as(text).fetch_one(&mut connection).await?;
    connection.close().await?;
    if is_busy {
        return Err("another connection uses the template of the tests' databases".into());
    }
    Ok(())
}

/// Locks a file, as long as the value lives. It is waited for in a thread that may block.
async fn lock(path: PathBuf) -> Result<File, BoxError> {
    let locked = tokio::task::spawn_blocking(move || {
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)?;
        file.lock()?;
        Ok::<File, io::Error>(file)
    });
    Ok(locked.await??)
}

/// Removes a file of SQLite, with those of its journal.
fn remove(path: &Path) -> io::Result<()> {
    for end in ["", "-wal", "-shm", "-journal"] {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        match fs::remove_file(PathBuf::from(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
