//! An argument of a function in the generated code.

use crate::spans::{ends, respan, respan_to};
use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::Type;

/// `<T as Argument>::what`. A type that is not a valid argument is an error at each place that
/// names the trait; the compiler shows it once if all of them have the same span, that of the whole
/// type. The type must not look like the user's own code either, or the compiler proposes to borrow
/// what is borrowed already.
pub(crate) fn argument(ty: &Type, what: &TokenStream) -> TokenStream {
    let ty = respan(ty.to_token_stream());
    let (first, last) = ends(&ty);
    let open = quote_spanned!(first=> <);
    let rest = quote_spanned!(last=> as ::flamingock::__private::Argument>::);
    let what = respan_to(what.clone(), last);
    quote!(#open #ty #rest #what)
}
