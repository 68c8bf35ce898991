//! The entry of a change in the distributed slice.

use proc_macro2::{Ident, TokenStream};
use quote::quote;

/// `static __ENTRY: ..`, which adds the definition of the change `name` to the slice.
pub(crate) fn entry(name: &Ident) -> TokenStream {
    quote! {
        #[::flamingock::__private::linkme::distributed_slice(
            ::flamingock::__private::FLAMINGOCK_CHANGES_0_1
        )]
        #[linkme(crate = ::flamingock::__private::linkme)]
        static __ENTRY: &'static ::flamingock::__private::Definition =
            <#name as ::flamingock::__private::Change>::DEFINITION;
    }
}
