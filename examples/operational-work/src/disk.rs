//! Files that are written completely or not at all, whenever the process or the machine fails.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use tokio::fs::{self, File};
use tokio::io::AsyncWriteExt as _;

/// Writes a file, and replaces an existing one.
pub(crate) async fn replace(path: &Path, text: &str) -> io::Result<()> {
    let draft = sibling(path, "draft");
    write(&draft, text).await?;
    fs::rename(&draft, path).await?;
    keep_names(path).await
}

/// Writes a file unless it exists. No other process can interfere.
pub(crate) async fn create(path: &Path, text: &str) -> io::Result<()> {
    let draft = sibling(path, "draft");
    write(&draft, text).await?;
    unless_there(fs::hard_link(&draft, path).await)?;
    fs::remove_file(&draft).await?;
    keep_names(path).await
}

/// Backs up an existing file under another name, unless a backup exists.
pub(crate) async fn keep(path: &Path) -> io::Result<()> {
    unless_there(fs::hard_link(path, sibling(path, "before")).await)?;
    keep_names(path).await
}

/// Restores the backup, if there is one.
pub(crate) async fn restore(path: &Path) -> io::Result<()> {
    let backup = sibling(path, "before");
    if !fs::try_exists(&backup).await? {
        return Ok(());
    }
    fs::rename(&backup, path).await?;
    // If two names are links to the same file, a rename leaves both.
    match fs::remove_file(&backup).await {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    keep_names(path).await
}

async fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = File::create(path).await?;
    file.write_all(text.as_bytes()).await?;
    file.sync_all().await
}

/// A file name is stored in its folder, which needs its own sync.
async fn keep_names(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| folder != &Path::new(""));
    File::open(folder.unwrap_or(Path::new(".")))
        .await?
        .sync_all()
        .await
}

fn sibling(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

fn unless_there(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        result => result,
    }
}
