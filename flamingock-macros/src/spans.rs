//! Where tokens of ours are shown.
//!
//! All of them come from the call site of the macro, also where they are shown elsewhere: the
//! compiler then knows that the user did not write them and does not lint them. The exceptions are
//! what errors point at, where it would show the whole attribute as well.

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::ToTokens;

use crate::function::is_word;

/// The function's name, as tokens of ours.
pub(crate) fn ours(name: &Ident) -> Ident {
    let mut name = name.clone();
    name.set_span(placed_at(name.span()));
    name
}

/// Shown at `span`, but from the call site of the macro.
fn placed_at(span: Span) -> Span {
    Span::call_site().located_at(span)
}

/// Where tokens begin and end. (The span that joins the two is not to be had on stable.)
pub(crate) fn ends(tokens: &impl ToTokens) -> (Span, Span) {
    let mut tokens = tokens
        .to_token_stream()
        .into_iter()
        .map(|token| token.span());
    let first = tokens.next().unwrap_or_else(Span::call_site);
    let last = tokens.last().unwrap_or(first);
    (first, last)
}

/// The same tokens in the same places, as tokens of ours.
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
                // What it stands for is known by its span alone.
                token if is_word(&token, "$crate") => return token,
                token => token,
            };
            token.set_span(span);
            token
        })
        .collect()
}
