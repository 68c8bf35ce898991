//! A notice that is sent once, and settings that are replaced.

use std::io;
use std::path::{Path, PathBuf};

use flamingock::{BoxError, change, rollback, verify};
use tokio::fs;
use tokio::process::Command;

use crate::disk;

const SETTINGS: &str = "settings.conf";

/// The command that makes the service reload its settings; empty if none is needed.
#[derive(Debug)]
pub(crate) struct Reload(pub(crate) String);

/// The sender of messages sends the files here, and moves them to `sent`.
fn waiting() -> PathBuf {
    Path::new("outbox").join("new-terms.txt")
}

fn sent() -> PathBuf {
    Path::new("sent").join("new-terms.txt")
}

/// Puts the notice of the new terms into the outbox.
#[change(
    id = "notice-of-new-terms",
    order = "0001",
    stage = "files",
    target = "disk"
)]
async fn notice_of_new_terms() -> io::Result<()> {
    if has_notice().await? {
        return Ok(());
    }
    fs::create_dir_all("outbox").await?;
    disk::create(&waiting(), "From May on we deliver on Sundays, too.\n").await
}

/// A waiting notice can be withdrawn. A sent one needs an operator.
#[rollback(notice_of_new_terms)]
async fn withdraw_notice_of_new_terms() -> Result<(), BoxError> {
    if fs::try_exists(sent()).await? {
        return Err("the notice of the new terms has been sent".into());
    }
    if fs::try_exists(waiting()).await? {
        fs::remove_file(waiting()).await?;
    }
    Ok(())
}

#[verify(notice_of_new_terms)]
async fn has_notice() -> io::Result<bool> {
    // The outbox first: a notice that is moved between the two checks is found by the second.
    Ok(fs::try_exists(waiting()).await? || fs::try_exists(sent()).await?)
}

/// Replaces the settings of the service, and reloads it.
///
/// The old file must exist, because the rollback restores it. Readers find the old file or the new
/// one, never half of one. The change can run again at any time, and does so after a crash, because
/// it is unknown whether the service has reloaded.
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
    reload_service(reload).await
}

/// Restores the old file.
#[rollback(new_settings)]
async fn old_settings() -> io::Result<()> {
    disk::restore(Path::new(SETTINGS)).await
}

async fn reload_service(reload: &Reload) -> Result<(), BoxError> {
    if reload.0.is_empty() {
        return Ok(());
    }
    let status = Command::new("sh").arg("-c").arg(&reload.0).status().await?;
    if !status.success() {
        return Err(format!("`{}` refuses the settings: {status}", reload.0).into());
    }
    Ok(())
}
