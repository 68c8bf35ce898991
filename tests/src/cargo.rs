//! Programs that a test builds and runs: the examples, and the fixtures in `tests/fixtures`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::{fs, io};

/// Builds with the cargo that runs the test, into the target folder of the test itself. Returns the
/// path of each program.
///
/// # Panics
///
/// Fails if the build fails, with the output of cargo.
#[must_use]
pub fn build(manifest: &Path, arguments: &[&str]) -> HashMap<String, PathBuf> {
    match try_build(manifest, arguments) {
        Ok(programs) => programs,
        Err(text) => panic!(
            "cargo build {arguments:?} of {}:\n{text}",
            manifest.display()
        ),
    }
}

/// The same for a build that may fail.
///
/// # Errors
///
/// Fails if the build fails, with the output of cargo and the compiler.
///
/// # Panics
///
/// Panics if there is no cargo.
pub fn try_build(manifest: &Path, arguments: &[&str]) -> Result<HashMap<String, PathBuf>, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args([
            "build",
            "--quiet",
            "--message-format=json-render-diagnostics",
        ])
        .arg("--manifest-path")
        .arg(manifest)
        .arg("--target-dir")
        .arg(target_folder())
        .args(arguments)
        // Variables that cargo sets for the test's own package must not reach another package.
        .env_remove("CARGO_MANIFEST_DIR")
        .env_remove("CARGO_MANIFEST_PATH")
        .output()
        .expect("cargo can be run");
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    Ok(messages.lines().filter_map(program).collect())
}

/// Copies a folder of `tests/fixtures`, so that no build writes among the sources, with the lock
/// file and the profiles of the main workspace, so that its crates are shared and not compiled
/// again. Replaces an earlier copy.
///
/// # Panics
///
/// Fails if a file can't be read or written.
#[must_use]
pub fn copy_of_fixture(name: &str, copy: &Path) -> PathBuf {
    let written = copy_fixture(&workspace().join("tests/fixtures").join(name), copy);
    written.unwrap_or_else(|error| panic!("{} as {}: {error}", name, copy.display()));
    copy.to_owned()
}

fn copy_fixture(fixture: &Path, copy: &Path) -> io::Result<()> {
    if copy.exists() {
        fs::remove_dir_all(copy)?;
    }
    copy_folder(fixture, copy)?;
    fs::copy(workspace().join("Cargo.lock"), copy.join("Cargo.lock"))?;
    let manifest = fs::read_to_string(copy.join("Cargo.toml"))?;
    let relative = "\"../../../flamingock\"";
    assert!(manifest.contains(relative), "{manifest}");
    let absolute = format!("{:?}", fs::canonicalize(workspace().join("flamingock"))?);
    let main = fs::read_to_string(workspace().join("Cargo.toml"))?;
    let profiles = main.find("[profile.").map_or("", |start| &main[start..]);
    let manifest = format!("{}\n{profiles}", manifest.replace(relative, &absolute));
    fs::write(copy.join("Cargo.toml"), manifest)
}

/// The published libraries, as `cargo package` packs them: `NAME-VERSION` folders.
///
/// # Panics
///
/// Fails if a package can't be packed or unpacked.
#[must_use]
pub fn packaged() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let target = target_folder().join("packaged");
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut package = Command::new(cargo);
        package
            .args(["package", "--offline", "--allow-dirty", "--no-verify"])
            .args(LIBRARIES.map(|name| ["-p", name]).concat())
            .arg("--manifest-path")
            .arg(workspace().join("Cargo.toml"))
            .arg("--target-dir")
            .arg(&target);
        succeed(package.env_remove("CARGO_MANIFEST_DIR"));
        let folder = target.join("package");
        for name in LIBRARIES {
            let mut unpack = Command::new("tar");
            let archive = format!("{}.crate", folder_of(name));
            // The times in the archive are always the same, and would hide changes from cargo.
            succeed(unpack.current_dir(&folder).args(["-xzmf", &archive]));
        }
        folder
    })
}

/// The published libraries. The others are dependencies of the first one.
pub const LIBRARIES: [&str; 3] = ["flamingock", "flamingock-macros", "flamingock-sqlx-audit"];

/// The folder of a packed library.
#[must_use]
pub fn folder_of(library: &str) -> String {
    format!("{library}-{}", env!("CARGO_PKG_VERSION"))
}

fn succeed(command: &mut Command) {
    let output = command.output().expect("the program can be run");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}:\n{text}");
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy_folder(&from, &to)?;
        } else {
            fs::copy(from, to)?;
        }
    }
    Ok(())
}

/// The program that a message of cargo reports, if any.
fn program(message: &str) -> Option<(String, PathBuf)> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    let executable = message.get("executable")?.as_str()?;
    let name = message.get("target")?.get("name")?.as_str()?;
    Some((name.to_owned(), PathBuf::from(executable)))
}

/// The target folder of the build that is running: tests are in `<target>/<profile>/deps`.
///
/// # Panics
///
/// Panics if the running program is not where cargo puts tests.
#[must_use]
pub fn target_folder() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows where it is");
    let folder = test
        .ancestors()
        .nth(3)
        .expect("a test is in <target>/<profile>/deps");
    folder.to_owned()
}

/// The folder of the main workspace.
#[must_use]
pub fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}
