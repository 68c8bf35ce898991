//! As many changes as a scenario needs.

use flamingock::__private::{Body, Definition};

/// Copies of one change, named `many-00000` and so on, each with its own order. They live as long
/// as the process, like all changes.
#[must_use]
pub fn many(base: &'static Definition, count: usize) -> Vec<&'static Definition> {
    let copy = |number: usize| -> &'static Definition {
        Box::leak(Box::new(Definition {
            id: format!("many-{number:05}").leak(),
            order: format!("{number:05}").leak(),
            body: Body { ..base.body },
            ..*base
        }))
    };
    (0..count).map(copy).collect()
}
