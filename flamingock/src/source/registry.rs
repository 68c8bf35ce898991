//! The registry that the linker collects, and the check that no linked crate is missing from it.

use std::collections::HashSet;

use linkme::distributed_slice;

use super::files::{EmbeddedFolder, Templates};
#[cfg(feature = "templates")]
use super::template::Template;
use crate::change::definition::Definition;
use crate::change::problem::Location;
use crate::change::problem::Problem;

/// Every `#[change]` of the binary. Linker sections are identified by this name alone, so it
/// contains the version that determines the layout of the entries.
#[distributed_slice]
pub static FLAMINGOCK_CHANGES_0_1: [&'static Definition];

/// Every crate that `link_changes!` names.
#[distributed_slice]
pub static FLAMINGOCK_LINKED_0_1: [LinkedCrate];

/// Every folder that `include_files!` embeds.
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
    /// The place of `link_changes!` in the source.
    pub location: Location,
}

/// Links the changes of other crates into the binary.
///
/// If the binary never references a library crate, the linker drops that crate, including its
/// changes, without an error. This macro references the crates, and makes the run fail if one of
/// them contributed no change. If `Cargo.toml` renames a dependency, add the crate's own name.
///
/// Call it once, next to `main`:
/// `flamingock::link_changes!(billing_changes, search = "search_changes");`. The example
/// `changes-in-a-library` shows a complete package. If a crate has no change, the error of the run
/// names the place of the macro:
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
            // `use` would need an `allow`, which is an error if the user's crate forbids the lint.
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

/// Lists changes by the paths of their functions, for [`Runner::changes`](crate::Runner::changes).
///
/// The result is a constant array of `&'static` definitions. A name that is no change does not
/// compile. A change with `register = false` runs only through such a list.
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

/// Collects every registered change from code and files, and checks that each linked crate
/// contributed some.
pub(crate) fn collect(templates: &Templates) -> Result<Vec<&'static Definition>, Vec<Problem>> {
    let (mut changes, mut problems) = of_folders(&FLAMINGOCK_FOLDERS_0_1, templates);
    changes.splice(0..0, FLAMINGOCK_CHANGES_0_1.iter().copied());
    // A folder that could not be read might have contributed changes, so the check would be wrong.
    if problems.is_empty() {
        return check(&changes, &FLAMINGOCK_LINKED_0_1);
    }
    problems.sort_by_key(|problem| problem.location);
    Err(problems)
}

/// Returns the changes of folders, and the problems of those that could not be read.
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

/// A crate may contribute only templates.
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
