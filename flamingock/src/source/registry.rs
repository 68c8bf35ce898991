//! The registry: what the linker collected, and proof that nothing was lost on the way.

use std::collections::HashSet;

use linkme::distributed_slice;

use super::files::{EmbeddedFolder, Templates};
#[cfg(feature = "templates")]
use super::template::Template;
use crate::change::definition::Definition;
use crate::change::problem::Location;
use crate::change::problem::Problem;

/// Every `#[change]` of the binary. Linker sections are keyed by this name alone, so it carries the
/// version whose layout the entries have.
#[distributed_slice]
pub static FLAMINGOCK_CHANGES_0_1: [&'static Definition];

/// Every crate that `link_changes!` names.
#[distributed_slice]
pub static FLAMINGOCK_LINKED_0_1: [LinkedCrate];

/// Every folder that `include_files!` has embedded.
#[distributed_slice]
pub static FLAMINGOCK_FOLDERS_0_1: [&'static EmbeddedFolder];

/// Every `#[template]` of the binary.
#[cfg(feature = "templates")]
#[distributed_slice]
pub static FLAMINGOCK_TEMPLATES_0_1: [&'static Template];

/// A crate that must contribute changes.
#[derive(Clone, Copy, Debug)]
pub struct LinkedCrate {
    /// The crate's own name, with underscores.
    pub crate_name: &'static str,
    /// Where `link_changes!` stands.
    pub location: Location,
}

/// Names the crates whose changes the application runs.
///
/// The linker drops the changes of a crate that no code names, without a word. This names it, and
/// makes the run fail if it contributed nothing. A dependency that Cargo.toml renames is written
/// with the name that it has itself.
///
/// It stands beside `main`, once: `flamingock::link_changes!(billing_changes, search =
/// "search_changes");`. The package `changes-in-a-library` among the examples is a whole one.
/// A crate without a change makes the run fail, and the error says where it is named:
///
/// ```standalone_crate
/// flamingock::link_changes!(tokio);
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let error = flamingock::run(flamingock::MemoryStore::new()).await.unwrap_err();
/// assert!(error.to_string().contains("the crate `tokio` contributed no change"));
/// # }
/// ```
#[macro_export]
macro_rules! link_changes {
    ($($krate:ident $(= $name:literal)?),+ $(,)?) => {$(
        const _: () = {
            // Not `use`, which would need an `allow`, and that is an error where the user forbids
            // the lint.
            extern crate $krate as _;
            #[$crate::__private::linkme::distributed_slice(
                $crate::__private::FLAMINGOCK_LINKED_0_1
            )]
            #[linkme(crate = $crate::__private::linkme)]
            static LINKED: $crate::__private::LinkedCrate = $crate::__private::LinkedCrate {
                crate_name: $crate::__linked_name!($krate $(= $name)?),
                location: $crate::__private::Location {
                    file: ::core::file!(),
                    line: ::core::line!(),
                },
            };
        };
    )+};
}

#[doc(hidden)]
#[macro_export]
macro_rules! __linked_name {
    ($krate:ident) => {
        ::core::stringify!($krate)
    };
    ($krate:ident = $name:literal) => {
        $name
    };
}

/// An explicit list of changes, by their functions' paths, for
/// [`Runner::changes`](crate::Runner::changes).
///
/// It is an array of `&'static` definitions, and constant. Names that are no changes do not compile.
/// A change with `register = false` runs only through such a list.
///
/// ```
/// use flamingock::change;
///
/// #[change(id = "warm-cache", order = "0001", register = false)]
/// async fn warm_cache() {}
///
/// let changes = flamingock::changes![warm_cache];
/// assert_eq!(changes[0].id, "warm-cache");
/// ```
#[macro_export]
macro_rules! changes {
    () => {
        [] as [&'static $crate::__private::Definition; 0]
    };
    ($($change:path),+ $(,)?) => {
        [$(<$change as $crate::__private::Change>::DEFINITION),+]
    };
}

/// Every registered change, of code and of files, after the proof that each included crate
/// contributed some.
pub(crate) fn collect(templates: &Templates) -> Result<Vec<&'static Definition>, Vec<Problem>> {
    let (mut changes, mut problems) = of_folders(&FLAMINGOCK_FOLDERS_0_1, templates);
    changes.splice(0..0, FLAMINGOCK_CHANGES_0_1.iter().copied());
    // What a folder would have contributed is not known where it could not be read.
    if problems.is_empty() {
        return check(&changes, &FLAMINGOCK_LINKED_0_1);
    }
    problems.sort_by_key(|problem| problem.location);
    Err(problems)
}

/// The changes of folders, and what is wrong with those that could not be read.
pub(crate) fn of_folders(
    folders: &[&'static EmbeddedFolder],
    templates: &Templates,
) -> (Vec<&'static Definition>, Vec<Problem>) {
    let (mut changes, mut problems) = (Vec::new(), Vec::new());
    for folder in folders {
        match folder.definitions(templates) {
            Ok(definitions) => changes.extend(definitions),
            Err(found) => problems.extend(found),
        }
    }
    (changes, problems)
}

fn check(
    changes: &[&'static Definition],
    linked: &[LinkedCrate],
) -> Result<Vec<&'static Definition>, Vec<Problem>> {
    let mut contributed: HashSet<&str> = changes.iter().map(|change| change.crate_name()).collect();
    contributed.extend(crates_of_templates());
    let mut problems: Vec<Problem> = linked
        .iter()
        .filter(|linked| !contributed.contains(linked.crate_name))
        .map(|linked| {
            let name = linked.crate_name;
            Problem::at(
                linked.location,
                format!(
                    "the crate `{name}` contributed no change: it has none, or Cargo.toml gives it another name than its own; then write `link_changes!(renamed = \"its_own_name\")`"
                ),
            )
        })
        .collect();
    if changes.is_empty() && problems.is_empty() {
        problems.push(Problem::general(EMPTY));
    }
    if problems.is_empty() {
        Ok(changes.to_vec())
    } else {
        Err(problems)
    }
}

/// A crate may be there for its templates alone.
#[cfg(feature = "templates")]
fn crates_of_templates() -> impl Iterator<Item = &'static str> {
    FLAMINGOCK_TEMPLATES_0_1
        .iter()
        .map(|template| template.crate_name())
}

#[cfg(not(feature = "templates"))]
fn crates_of_templates() -> impl Iterator<Item = &'static str> {
    std::iter::empty()
}

const EMPTY: &str = "no change is registered. Changes of another crate are only linked if the binary names it: write `flamingock::link_changes!(that_crate);` beside main. A pipeline that is meant to be empty is `Runner::changes([])`";

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Location = Location {
        file: "src/main.rs",
        line: 3,
    };

    #[test]
    fn an_empty_registry_names_the_line_to_write() {
        let problems = check(&[], &[]).unwrap_err();
        assert!(
            problems[0]
                .to_string()
                .contains("flamingock::link_changes!(that_crate);")
        );
    }

    #[test]
    fn a_linked_crate_without_changes_is_named_with_its_place() {
        let linked = LinkedCrate {
            crate_name: "billing_changes",
            location: AT,
        };
        let problems = check(&[], &[linked]).unwrap_err();
        let text = problems[0].to_string();
        assert!(
            text.starts_with("src/main.rs:3: the crate `billing_changes`"),
            "{text}"
        );
    }
}
