//! Every place for a function: modules, other functions, behind `#[cfg]`, raw identifiers.

use flamingock::__private::{Change, Definition, FLAMINGOCK_CHANGES_0_1};
use flamingock::{change, rollback, verify};

mod outer {
    use flamingock::change;

    #[change(id = "public", order = "0001")]
    pub async fn public() {}

    #[change(id = "restricted", order = "0002")]
    pub(in crate::outer) async fn restricted() {}

    pub mod inner {
        use super::restricted;

        #[flamingock::change(id = "private", order = "0003")]
        async fn private() {}

        #[flamingock::rollback(restricted)]
        async fn undo() {}

        #[flamingock::verify(super::super::here)]
        async fn is_here() -> bool {
            true
        }

        pub const LIST: [&flamingock::Definition; 2] =
            flamingock::changes![self::private, super::restricted];
    }
}

#[change(id = "here", order = "0004")]
async fn here() {}

#[rollback(crate::outer::public)]
async fn undo_public() {}

#[change(id = "raw", order = "0005")]
async fn r#type() {}

#[rollback(r#type)]
async fn r#match() {}

// One verify function can serve two changes, and a change can be the rollback of another.
#[change(id = "left", order = "0006")]
#[rollback(right)]
async fn left() {}

#[change(id = "right", order = "0007")]
#[rollback(left)]
async fn right() {}

#[verify(left)]
#[verify(right)]
async fn either() -> Result<bool, std::io::Error> {
    Ok(true)
}

#[cfg(any())]
#[change(id = "off-before", order = "0008")]
async fn off_before(_: NoSuchType) {}

#[change(id = "off-after", order = "0009")]
#[cfg(any())]
async fn off_after(_: NoSuchType) {}

#[rollback(no_such_change)]
#[cfg(any())]
async fn off_rollback() {}

#[change(id = "off-attr", order = "0010")]
#[cfg_attr(all(), cfg(any()))]
async fn off_attr(_: NoSuchType) {}

#[change(id = "on", order = "0011")]
#[cfg(all())]
async fn choice() {}

#[cfg(any())]
#[change(id = "off", order = "0011")]
async fn choice() {}

const NOTHING: [&Definition; 0] = flamingock::changes![];

fn in_function() -> &'static Definition {
    #[change(id = "inside", order = "0012")]
    async fn inside() {}

    #[rollback(inside)]
    async fn undo_inside() {}

    inside::DEFINITION
}

fn main() {
    assert_eq!(
        outer::public::DEFINITION.rollback.unwrap().name,
        "undo_public"
    );
    assert_eq!(
        outer::inner::LIST.map(|change| change.id),
        ["private", "restricted"]
    );
    assert_eq!(outer::inner::LIST[1].rollback.unwrap().name, "undo");
    assert_eq!(here::DEFINITION.verify.unwrap().name, "is_here");
    assert_eq!(r#type::DEFINITION.body.name, "type");
    assert_eq!(r#type::DEFINITION.rollback.unwrap().name, "match");
    assert_eq!(left::DEFINITION.rollback.unwrap().name, "right");
    assert_eq!(right::DEFINITION.rollback.unwrap().name, "left");
    assert_eq!(left::DEFINITION.verify.unwrap().name, "either");
    assert_eq!(right::DEFINITION.verify.unwrap().name, "either");
    assert_eq!(choice::DEFINITION.id, "on");
    assert_eq!(in_function().rollback.unwrap().name, "undo_inside");
    assert!(NOTHING.is_empty());
    assert_eq!(FLAMINGOCK_CHANGES_0_1.len(), 9);
}
