//! Rules about types, which only the compiler can check: constants whose evaluation fails if a rule
//! is broken.

use std::time::Duration;

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};

use crate::function::Function;
use crate::keys::Spanned;
use crate::spans::{ends, respan_to};

/// The rules on connections. `needs` is an expression for the requirements of the arguments.
pub(crate) fn rules(
    function: &Function,
    transaction: Option<&Spanned<bool>>,
    needs: &TokenStream,
) -> TokenStream {
    let mut rules = TokenStream::new();
    for (index, ty) in function.argument_types().enumerate() {
        if index > 0 {
            rules.extend(ensure(
                ty,
                &quote!(::flamingock::__private::connection_is_first(#needs, #index)),
                "a change takes one connection, that of its target system: \
                 take the pool of another database as `&T`",
            ));
        }
        if transaction.is_some_and(|wanted| !wanted.value) {
            rules.extend(ensure(
                ty,
                &quote!(!#needs[#index].is_transaction()),
                "with `transaction = false` there is no transaction: take the connection, \
                 such as `&mut SqliteConnection`",
            ));
        }
    }
    if let Some(wanted) = transaction.filter(|wanted| wanted.value) {
        rules.extend(ensure(
            &wanted.tokens,
            &quote!(::flamingock::__private::connections(#needs) > 0),
            "`transaction = true` needs an argument that is in the transaction: a connection of \
             the target system, such as `&mut SqliteConnection`",
        ));
    }
    rules
}

/// A change with the key `batch` takes one batch, and no other function takes one.
pub(crate) fn batch_rules(
    function: &Function,
    batch: Option<&TokenStream>,
    needs: &TokenStream,
) -> TokenStream {
    let count = quote!(::flamingock::__private::batches(#needs));
    if let Some(batch) = batch {
        let rule = "a function with the key `batch` takes the batch to do as one argument, by value: \
                    `batch: Batch<i64>`, where `i64` is the type of the cursor";
        return ensure(batch, &quote!(#count == 1), rule);
    }
    let mut rules = TokenStream::new();
    for (index, ty) in function.argument_types().enumerate() {
        let is_none = quote!(!#needs[#index].is_batch());
        let rule = "only a change or a rollback with the key `batch` takes a batch: \
                    `#[change(id = \"..\", order = \"..\", batch)]`";
        rules.extend(ensure(ty, &is_none, rule));
    }
    rules
}

/// A rollback that works in batches belongs to a change that does: only an undo calls it.
pub(crate) fn batch_companion_rule(
    batch: Option<&TokenStream>,
    change: &syn::Path,
) -> Option<TokenStream> {
    let rule = "a rollback works in batches only if its change does: \
                `#[change(id = \"..\", order = \"..\", batch)]`";
    let holds = quote! {
        ::flamingock::__private::may_batch(
            <#change as ::flamingock::__private::Change>::DEFINITION
        )
    };
    batch.map(|batch| ensure(batch, &holds, rule))
}

/// A key that limits statements needs a connection to run them on.
pub(crate) fn connection_rule(
    key: &str,
    value: Option<&Spanned<Duration>>,
    needs: &TokenStream,
) -> Option<TokenStream> {
    let rule = format!(
        "`{key}` is for changes that take a connection of the target system; \
         `timeout` limits any change"
    );
    let holds = quote!(::flamingock::__private::connections(#needs) > 0);
    value.map(|value| ensure(&value.tokens, &holds, &rule))
}

/// A compile error on `place` with the text `rule` unless `holds`.
fn ensure(place: &impl ToTokens, holds: &TokenStream, rule: &str) -> TokenStream {
    let (first, last) = ends(place);
    let open = quote_spanned!(first=> const _: () = ::flamingock::__private::ensure);
    let arguments = Group::new(Delimiter::Parenthesis, quote!(#holds, #rule));
    let arguments = respan_to(TokenTree::from(arguments).into(), last);
    quote!(#open #arguments;)
}
