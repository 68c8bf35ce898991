//! The paths of the servers' programs, and the users that they run as.

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

/// The latest folder that has all of these programs: those on PATH first, then those of `patterns`,
/// in which one `*` matches a version.
pub(crate) fn find(programs: &[&str], patterns: &[&str]) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let on_path = env::split_paths(&path).collect::<Vec<_>>();
    on_path
        .into_iter()
        .chain(patterns.iter().flat_map(|pattern| expand(pattern)))
        .find(|folder| {
            programs
                .iter()
                .all(|program| folder.join(program).is_file())
        })
}

/// The folders that match a pattern, the highest version first.
fn expand(pattern: &str) -> Vec<PathBuf> {
    let Some((before, after)) = pattern.split_once("/*/") else {
        return vec![PathBuf::from(pattern)];
    };
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir(before)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())))
        .collect();
    versions.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    versions
        .into_iter()
        .map(|(_, folder)| folder.join(after))
        .collect()
}

/// A program of a Debian package, on PATH or in one of the usual folders.
pub(crate) fn program(name: &str, package: &str) -> io::Result<PathBuf> {
    let folders = ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"];
    let folder = find(&[name], &folders).ok_or_else(|| missing(name, package))?;
    Ok(folder.join(name))
}

/// A program of a Debian package, in this folder only.
pub(crate) fn program_in(folder: &str, name: &str, package: &str) -> io::Result<PathBuf> {
    let program = Path::new(folder).join(name);
    match program.is_file() {
        true => Ok(program),
        false => Err(missing(name, package)),
    }
}

fn missing(name: &str, package: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::NotFound,
        format!("{name} is not installed: `apt-get install {package}`"),
    )
}

/// The user for a server if this process is root, because servers refuse to run as root.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Account {
    uid: u32,
    gid: u32,
}

impl Account {
    /// The first of these users that exists. None if this process is not root, or if the server can
    /// run as root: then there are no names.
    pub(crate) fn unprivileged(names: &[&str]) -> io::Result<Option<Self>> {
        if names.is_empty() || !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let users = fs::read_to_string("/etc/passwd")?;
        let account = names.iter().find_map(|name| {
            users.lines().find_map(|line| {
                let mut fields = line.split(':');
                (fields.next()? == *name).then_some(())?;
                Some(Self {
                    uid: fields.nth(1)?.parse().ok()?,
                    gid: fields.next()?.parse().ok()?,
                })
            })
        });
        let Some(account) = account else {
            return Err(io::Error::other(format!(
                "a server can't run as root, and none of these users exists: {}",
                names.join(", ")
            )));
        };
        Ok(Some(account))
    }

    pub(crate) fn give(account: Option<Self>, folder: &Path) -> io::Result<()> {
        account.map_or(Ok(()), |Self { uid, gid }| {
            chown(folder, Some(uid), Some(gid))
        })
    }

    pub(crate) fn run(account: Option<Self>, command: &mut Command) -> &mut Command {
        match account {
            Some(Self { uid, gid }) => command.uid(uid).gid(gid),
            None => command,
        }
    }
}
