//! The places at which generated tokens are shown.
//!
//! All of them come from the call site of the macro, even if they are shown elsewhere: the compiler
//! then knows that the user did not write them and does not lint them. The exceptions are tokens
//! that errors point at, for which the compiler would show the whole attribute as well.

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::ToTokens;

use crate::function::is_word;

/// The function's name, as a generated token.
pub(crate) fn ours(name: &Ident) -> Ident {
    let mut name = name.clone();
    name.set_span(placed_at(name.span()));
    name
}

/// Shown at `span`, but from the call site of the macro.
fn placed_at(span: Span) -> Span {
    Span::call_site().located_at(span)
}

/// The beginning and the end of tokens. (The span that joins the two is not available on stable.)
pub(crate) fn ends(tokens: &impl ToTokens) -> (Span, Span) {
    let mut tokens = tokens
        .to_token_stream()
        .into_iter()
        .map(|token| token.span());
    let first = tokens.next().unwrap_or_else(Span::call_site);
    let last = tokens.last().unwrap_or(first);
    (first, last)
}

/// The same tokens in the same places, as generated tokens.
pub(crate) fn respan(tokens: TokenStream) -> TokenStream {
    map_spans(tokens, &placed_at)
}

pub(crate) fn respan_to(tokens: TokenStream, span: Span) -> TokenStream {
    map_spans(tokens, &|_| span)
}

fn map_spans(tokens: TokenStream, map: &impl Fn(Span) -> Span) -> TokenStream {
    tokens
        .into_iter()
        .map(|token| {
            let span = map(token.span());
            let mut token = match token {
                TokenTree::Group(group) => {
                    Group::new(group.delimiter(), map_spans(group.stream(), map)).into()
                }
                // The compiler knows its meaning by its span alone.
                token if is_word(&token, "$crate") => return token,
                token => token,
            };
            token.set_span(span);
            token
        })
        .collect()
}
