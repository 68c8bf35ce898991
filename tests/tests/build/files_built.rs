//! How cargo reacts when the files of a folder change: a program is built, its folder is edited,
//! and it is built again, like by a user. The program is `tests/fixtures/files`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use flamingock_tests::cargo;
use tempfile::TempDir;

const BUILD_SCRIPT: &str = "fn main() { println!(\"cargo::rerun-if-changed=changes\"); }\n";

/// The program's package, and the folder that it runs in.
struct App {
    package: PathBuf,
    home: TempDir,
}

impl App {
    fn new(name: &str) -> App {
        let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("files-{name}"));
        let app = App {
            package: cargo::copy_of_fixture("files", &copy),
            home: TempDir::new().unwrap(),
        };
        // Two of them are built at the same time, into one target folder.
        let own = format!("files-app-{name}");
        app.replace("Cargo.toml", "files-app", &own);
        app
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.package.join(file), text).unwrap();
    }

    fn remove(&self, file: &str) {
        fs::remove_file(self.package.join(file)).unwrap();
    }

    fn replace(&self, file: &str, old: &str, new: &str) {
        let text = fs::read_to_string(self.package.join(file)).unwrap();
        assert!(text.contains(old), "{text}");
        self.write(file, &text.replace(old, new));
    }

    /// Builds it, and returns the path of the program.
    fn build(&self, options: &[&str]) -> Result<PathBuf, String> {
        let options = [&["--offline"], options].concat();
        let programs = cargo::try_build(&self.package.join("Cargo.toml"), &options)?;
        Ok(programs.into_values().next().unwrap())
    }

    /// Runs the last build. Returns whether it succeeded, and its output.
    fn start(&self, program: &Path) -> (bool, String) {
        let mut command = Command::new(program);
        command
            .current_dir(self.home.path())
            .env_remove("FLAMINGOCK_MODE");
        let output = command.output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(text).unwrap())
    }

    /// It starts, and prints this first.
    fn starts(&self, program: &Path, expected: &str) -> String {
        let (succeeded, text) = self.start(program);
        assert!(succeeded && text.starts_with(expected), "{text}");
        text
    }

    /// It does not start, because its folder differs from the built one.
    fn refuses(&self, program: &Path, expected: &str) {
        let (succeeded, text) = self.start(program);
        assert!(!succeeded && text.contains(expected), "{text}");
        assert!(text.contains("1 problem before anything ran"), "{text}");
    }
}

const THIRD: &str = "changes/0003__second_user.sql";

#[test]
fn build_script_makes_cargo_detect_every_edit() {
    let app = App::new("script");
    let text = app.build(&[]).unwrap_err();
    let line = "the package needs a build script, `build.rs`, with `println!(\"cargo::rerun-if-changed=changes\");`";
    assert!(text.contains(line), "{text}");
    assert!(text.contains("src/main.rs:3:28"), "{text}");

    app.write("build.rs", BUILD_SCRIPT);
    let first = app.build(&[]).unwrap();
    app.starts(&first, "default: 2 newly applied in ");
    app.write(THIRD, "INSERT INTO users VALUES ('ben');");
    app.refuses(
        &first,
        "src/main.rs:3: `changes/0003__second_user.sql` was added since this program was built: build it again.",
    );
    let second = app.build(&[]).unwrap();
    app.starts(&second, "default: 1 newly applied, 2 already applied in ");

    app.write(
        "changes/0002__first_user.sql",
        "INSERT INTO users VALUES ('eve');",
    );
    let third = app.build(&[]).unwrap();
    let text = app.starts(&third, "default: up to date, 3 changes applied");
    assert!(text.contains("already applied 0002 first_user"), "{text}");
    assert!(text.contains("note: edited after it was applied"), "{text}");

    app.remove(THIRD);
    app.refuses(
        &third,
        "`changes/0003__second_user.sql` was removed since this program was built",
    );
    let fourth = app.build(&[]).unwrap();
    let text = app.starts(&fourth, "default: up to date, 2 changes applied");
    assert!(
        text.contains("not in this binary: 0003 second_user"),
        "{text}"
    );
}

#[test]
fn static_folder_needs_no_build_script_and_debug_builds_detect_edits() {
    let app = App::new("static");
    app.replace("src/main.rs", "(\"changes\")", "(\"changes\", static)");
    let first = app.build(&[]).unwrap();
    app.starts(&first, "default: 2 newly applied in ");

    // Cargo does not notice a new file.
    app.write(THIRD, "INSERT INTO users VALUES ('ben');");
    let same = app.build(&[]).unwrap();
    app.refuses(
        &same,
        "`changes/0003__second_user.sql` was added since this program was built",
    );

    // It notices an edit of an embedded file, and then finds the new file, too.
    app.write(
        "changes/0002__first_user.sql",
        "INSERT INTO users VALUES ('eve');",
    );
    let second = app.build(&[]).unwrap();
    app.starts(&second, "default: 1 newly applied, 2 already applied in ");

    app.remove(THIRD);
    let third = app.build(&[]).unwrap();
    app.starts(&third, "default: up to date, 2 changes applied");

    // A release build does not read the folder.
    let package = "profile.dev.package.files-app-static.debug-assertions=false";
    let shipped = app.build(&["--config", package]).unwrap();
    app.write(THIRD, "INSERT INTO users VALUES ('ben');");
    app.starts(&shipped, "default: up to date, 2 changes applied");
}
