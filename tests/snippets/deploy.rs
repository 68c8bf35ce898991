//! `kubernetes.md` and `ci.md`: their files, and the workflows of this repository, are YAML.

use flamingock_tests::cargo;
use saphyr_parser::Parser;

#[test]
fn files_are_yaml() {
    let mut count = 0;
    for folder in [
        "tests/snippets/deploy",
        ".github/workflows",
        ".github/ISSUE_TEMPLATE",
    ] {
        for file in std::fs::read_dir(cargo::workspace().join(folder)).unwrap() {
            let path = file.unwrap().path();
            if !path
                .extension()
                .is_some_and(|extension| extension == "yaml" || extension == "yml")
            {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for event in Parser::new_from_str(&text) {
                event.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            }
            count += 1;
        }
    }
    assert_eq!(count, 9);
}
