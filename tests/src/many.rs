//! As many changes as a scenario needs.

use flamingock::{Definition, testing};

/// Copies of one change, named `many-00000` and so on, each with its own order. They live as long
/// as the process, like all changes.
#[must_use]
pub fn many(base: &'static Definition, count: usize) -> Vec<&'static Definition> {
    let copy = |number: usize| {
        testing::change(format!("many-{number:05}"))
            .order(format!("{number:05}"))
            .functions_of(base)
            .build()
    };
    (0..count).map(copy).collect()
}
