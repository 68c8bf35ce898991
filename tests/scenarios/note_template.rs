//! A template that writes notes into `done`.

use flamingock::template::{Secret, SecretResolver, Template};
use flamingock::{BoxError, Runner, template, templates, verify};
use flamingock_tests::{folder, query};
use serde::Deserialize;
use sqlx::Pool;

use super::{Connection, Db};

/// The payload of a file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Note {
    add: Option<String>,
    remove: Option<String>,
    /// A statement of any kind.
    run: Option<String>,
    /// The error that it returns.
    fail: Option<String>,
    /// The duration in milliseconds.
    take: Option<u64>,
    /// A secret to add to the note.
    keep: Option<Secret>,
    /// A secret to put into the error.
    tell: Option<Secret>,
    /// A secret to panic with.
    shout: Option<Secret>,
    #[serde(default)]
    times: Times,
}

#[derive(Deserialize)]
#[serde(transparent)]
struct Times(u8);

impl Default for Times {
    fn default() -> Times {
        Times(1)
    }
}

#[template("note", register = false)]
pub(crate) async fn note(note: Note, db: &mut Connection) -> Result<(), BoxError> {
    for _ in 0..note.times.0 {
        if let Some(what) = &note.add {
            query(db, &format!("INSERT INTO done VALUES ('{what}')")).await?;
        }
    }
    if let Some(what) = note.remove {
        query(db, &format!("DELETE FROM done WHERE what = '{what}'")).await?;
    }
    if let Some(statement) = note.run {
        query(db, &statement).await?;
    }
    if let Some(milliseconds) = note.take {
        tokio::time::sleep(std::time::Duration::from_millis(milliseconds)).await;
    }
    if let Some(secret) = &note.keep {
        query(
            db,
            &format!("INSERT INTO done VALUES ('{}')", secret.reveal()),
        )
        .await?;
    }
    if let Some(secret) = note.tell {
        let cause = std::io::Error::other(format!("the broker refused {}", secret.reveal()));
        return Err(Box::new(cause));
    }
    if let Some(secret) = note.shout {
        panic!("nobody expects {}", secret.reveal());
    }
    note.fail.map_or(Ok(()), |error| Err(error.into()))
}

#[verify(template = note)]
async fn is_noted(what: String, db: &mut Connection) -> Result<bool, sqlx::Error> {
    let there = query(db, &format!("SELECT what FROM done WHERE what = '{what}'")).await?;
    Ok(!there.is_empty())
}

/// The secrets of these tests.
#[derive(Debug)]
pub(crate) struct Vault(pub(crate) Option<&'static str>);

#[async_trait::async_trait]
impl SecretResolver for Vault {
    async fn resolve(&self, name: &str) -> Result<String, BoxError> {
        match self.0 {
            Some(value) => Ok(value.to_owned()),
            None => Err(format!("the vault has no {name}").into()),
        }
    }
}

pub(crate) fn known() -> [&'static Template; 1] {
    templates![note]
}

/// A run with only these files.
pub(crate) fn runner(pool: &Pool<Db>, files: &[(&'static str, &str)]) -> Runner {
    Runner::new(pool).templates(known()).files(folder(files))
}
