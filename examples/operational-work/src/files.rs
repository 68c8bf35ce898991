//! A notice that goes out once, and settings that are replaced.

use std::io;
use std::path::{Path, PathBuf};

use flamingock::{BoxError, change, rollback, verify};
use tokio::fs;
use tokio::process::Command;

use crate::disk;

const SETTINGS: &str = "settings.conf";

/// The command that makes the service read its settings again; empty where nothing has to.
#[derive(Debug)]
pub(crate) struct Reload(pub(crate) String);

/// What the sender of messages finds here it sends, and moves it to `sent`.
fn waiting() -> PathBuf {
    Path::new("outbox").join("new-terms.txt")
}

fn sent() -> PathBuf {
    Path::new("sent").join("new-terms.txt")
}

/// Customers hear of the new terms.
#[change(
    id = "notice-of-new-terms",
    order = "0001",
    stage = "files",
    target = "disk"
)]
async fn notice_of_new_terms() -> io::Result<()> {
    if is_noticed().await? {
        return Ok(());
    }
    fs::create_dir_all("outbox").await?;
    disk::create(&waiting(), "From May on we deliver on Sundays, too.\n").await
}

/// While it waits it can be taken back. Once it is sent that is for a person.
#[rollback(notice_of_new_terms)]
async fn no_notice_of_new_terms() -> Result<(), BoxError> {
    if fs::try_exists(sent()).await? {
        return Err("the notice of the new terms has been sent".into());
    }
    if fs::try_exists(waiting()).await? {
        fs::remove_file(waiting()).await?;
    }
    Ok(())
}

#[verify(notice_of_new_terms)]
async fn is_noticed() -> io::Result<bool> {
    // Waiting first: a notice that is moved between the two questions is found by the second.
    Ok(fs::try_exists(waiting()).await? || fs::try_exists(sent()).await?)
}

/// The service gets other settings.
///
/// There must be some: that is what the rollback puts back. Readers find the old file or the new one, never half of one. It may be done again at any time: after a crash
/// the next start does, since nobody knows whether the service was told.
#[change(
    id = "new-settings",
    order = "0002",
    stage = "files",
    target = "disk",
    recovery = "retry"
)]
async fn new_settings(reload: &Reload) -> Result<(), BoxError> {
    let path = Path::new(SETTINGS);
    disk::keep(path).await?;
    disk::replace(path, "sundays = yes\n").await?;
    tell(reload).await
}

/// The file as it was.
#[rollback(new_settings)]
async fn old_settings() -> io::Result<()> {
    disk::restore(Path::new(SETTINGS)).await
}

async fn tell(reload: &Reload) -> Result<(), BoxError> {
    if reload.0.is_empty() {
        return Ok(());
    }
    let status = Command::new("sh").arg("-c").arg(&reload.0).status().await?;
    if !status.success() {
        return Err(format!("`{}` refuses the settings: {status}", reload.0).into());
    }
    Ok(())
}
