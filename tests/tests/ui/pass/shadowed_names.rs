//! Nothing depends on the names in scope, and none of them is confused with the macro's own.

#![no_implicit_prelude]
#![allow(dead_code, non_camel_case_types, unused_macros)]

pub struct Result;
pub struct Option;
pub struct Box;
pub struct Send;
pub struct Some;
pub struct None;
pub struct Definition;
pub struct Argument;
pub struct bool;
pub struct str;
pub struct usize;
pub mod core {}
pub mod std {}
pub mod alloc {}
pub mod linkme {}

macro_rules! file {
    () => {};
}

macro_rules! line {
    () => {};
}

#[::flamingock::change(id = "plain", order = "0001", timeout = "1s", lock_timeout = "1s")]
async fn __call(
    __inputs: &mut ::sqlx::SqliteConnection,
    __body: &Argument,
) -> ::core::result::Result<(), ::sqlx::Error> {
    let _ = (__inputs, __body);
    ::core::result::Result::Ok(())
}

#[::flamingock::rollback(__call)]
async fn undo(_: &Definition) {}

#[::flamingock::verify(__call)]
async fn check(_: &str) -> ::core::primitive::bool {
    true
}

#[::flamingock::change(id = "bare", order = "0002", transaction = false, register = false)]
async fn bare(_: ::core::option::Option<&Option>) {}

fn main() {
    use ::flamingock::__private::Change as _;
    ::std::assert_eq!(__call::DEFINITION.body.name, "__call");
    ::std::assert!(__call::DEFINITION.rollback.is_some() && __call::DEFINITION.verify.is_some());
    ::std::assert_eq!(::flamingock::changes![bare, __call].len(), 2);
}
