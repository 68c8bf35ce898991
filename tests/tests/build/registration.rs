//! The linker silently drops the changes of a crate that is never referenced. Flamingock detects
//! that, as programs prove that are built for it: `tests/fixtures/registration`, in debug and in
//! release.

use std::path::Path;
use std::process::Command;

use flamingock_tests::cargo;

#[test]
fn debug_builds_prove_which_changes_are_linked() {
    check("debug", &[]);
}

#[test]
fn release_builds_prove_which_changes_are_linked() {
    check("release", &["--release"]);
}

fn check(profile: &str, arguments: &[&str]) {
    let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("registration-{profile}"));
    let folder = cargo::copy_of_fixture("registration", &copy);
    let mut options = vec!["--offline"];
    options.extend(arguments);
    let programs = cargo::build(&folder.join("Cargo.toml"), &options);
    let run = |name: &str| run(&programs[name]);

    // A crate that is only listed in Cargo.toml: none of it is linked, without a warning.
    let (succeeded, text) = run("listed_beside_own");
    assert!(succeeded, "{text}");
    assert!(text.starts_with("default: 1 newly applied in"), "{text}");
    assert!(text.contains("0009 own"), "{text}");
    assert!(!text.contains("0001 first"), "{text}");

    // With no change at all, the error shows the line to write.
    let (succeeded, text) = run("listed_only");
    assert!(!succeeded, "{text}");
    assert!(text.contains("no change is registered"), "{text}");
    assert!(
        text.contains("`flamingock::link_changes!(that_crate);`"),
        "{text}"
    );

    let (succeeded, text) = run("included");
    assert!(succeeded, "{text}");
    assert!(
        text.contains("0001 first") && text.contains("0002 second"),
        "{text}"
    );

    // A crate that is referenced and has no changes: the run fails, and names the reference.
    let (succeeded, text) = run("contributes_nothing");
    assert!(!succeeded, "{text}");
    assert!(text.contains("1 problem before anything ran"), "{text}");
    let place =
        "src/bin/contributes_nothing.rs:3: the crate `registration_nothing` contributed no change";
    assert!(text.contains(place), "{text}");

    let (succeeded, text) = run("renamed");
    assert!(succeeded, "{text}");
    assert!(text.contains("0003 invoices"), "{text}");

    // The changes are linked, but under a name that proves nothing: the error shows what to write.
    let (succeeded, text) = run("renamed_unsaid");
    assert!(!succeeded, "{text}");
    assert!(
        text.contains("the crate `billing` contributed no change"),
        "{text}"
    );
    assert!(
        text.contains("link_changes!(renamed = \"its_own_name\")"),
        "{text}"
    );
}

fn run(program: &Path) -> (bool, String) {
    let output = Command::new(program)
        .env_remove("FLAMINGOCK_MODE")
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}
