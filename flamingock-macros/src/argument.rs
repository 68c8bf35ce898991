//! An argument of a function, as the generated code takes it.

use crate::spans::{ends, respan, respan_to};
use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::Type;

/// `<T as Argument>::what`. A type that is no argument is an error at each place that names the
/// trait; the compiler shows it once if all of them have the same span, that of the whole type. It
/// also must not take the type for the user's, or it proposes to borrow what is borrowed already.
pub(crate) fn argument(ty: &Type, what: &TokenStream) -> TokenStream {
    let ty = respan(ty.to_token_stream());
    let (first, last) = ends(&ty);
    let open = quote_spanned!(first=> <);
    let rest = quote_spanned!(last=> as ::flamingock::__private::Argument>::);
    let what = respan_to(what.clone(), last);
    quote!(#open #ty #rest #what)
}
