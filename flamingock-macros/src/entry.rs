//! The entry of a change in the distributed slice.

use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};
use quote::quote;

use crate::function::is_word;

/// `static __ENTRY: ..`, which puts the definition of the change `name` into the slice.
pub(crate) fn entry(name: &Ident) -> TokenStream {
    quote! {
        #[::flamingock::__private::linkme::distributed_slice(
            ::flamingock::__private::FLAMINGOCK_CHANGES_0_1
        )]
        #[linkme(crate = ::flamingock::__private::linkme)]
        #[::flamingock::__private::unchecked_entry]
        static __ENTRY: &'static ::flamingock::__private::Definition =
            <#name as ::flamingock::__private::Change>::DEFINITION;
    }
}

/// Takes the function out of an entry by which linkme has the compiler see that the entry is of the
/// slice's type: with its two closures it costs the compiler more than the entry itself, and both types
/// are written above.
///
/// What linkme makes of a static is its own affair; an entry of another form stays as it is.
pub(crate) fn unchecked(item: TokenStream) -> TokenStream {
    item.into_iter()
        .map(|token| match token {
            TokenTree::Group(block) if block.delimiter() == Delimiter::Brace => {
                let mut lean = Group::new(Delimiter::Brace, without_check(block.stream()));
                lean.set_span(block.span());
                TokenTree::Group(lean)
            }
            token => token,
        })
        .collect()
}

/// What stands behind `fn __typecheck(..) { .. }`, if that is there.
fn without_check(block: TokenStream) -> TokenStream {
    let mut behind = block.clone().into_iter();
    let mut in_check = false;
    for token in behind.by_ref() {
        match token {
            token if is_word(&token, "__typecheck") => in_check = true,
            TokenTree::Group(body) if in_check && body.delimiter() == Delimiter::Brace => {
                return behind.collect();
            }
            _ => {}
        }
    }
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_check_is_removed() {
        for (item, expected) in [
            (
                "#[used] static E: &'static D = { #[allow(a)] unsafe fn __typecheck(_: V) { { f(); } } <A as B>::C };",
                "#[used] static E: &'static D = { <A as B>::C };",
            ),
            (
                "static E: &'static D = { <A as B>::C };",
                "static E: &'static D = { <A as B>::C };",
            ),
            (
                "static E: &'static D = <A as B>::C;",
                "static E: &'static D = <A as B>::C;",
            ),
            (
                "static E: &'static D = { fn check() { a } <A as B>::C };",
                "static E: &'static D = { fn check() { a } <A as B>::C };",
            ),
        ] {
            let [item, expected]: [TokenStream; 2] =
                [item, expected].map(|text| text.parse().unwrap());
            assert_eq!(unchecked(item).to_string(), expected.to_string());
        }
    }
}
