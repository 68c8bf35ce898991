//! The code that the attributes add to a function.
//!
//! All names are absolute paths, because the user's scope may have another `Result`.

use crate::argument::argument;
use std::time::Duration;

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ReturnType;
use syn::ext::IdentExt;

use crate::attr::{ChangeAttr, LinkAttr};
use crate::digest::digest;
use crate::entry::entry;
use crate::function::Function;
use crate::keys::Spanned;
use crate::problems::Problems;
use crate::rules::{batch_companion_rule, batch_rules, connection_rule, rules};
use crate::spans::{ends, ours, respan, respan_to};
use crate::template;
use crate::valid::validate;

/// `#[change(..)]`: the code after the function.
pub(crate) fn change(attribute: TokenStream, item: &TokenStream) -> TokenStream {
    let mut problems = Problems::default();
    let attr = ChangeAttr::parse(attribute, &mut problems);
    let function = match Function::parse(item, "change") {
        Ok(function) => function,
        Err(error) => {
            // Above the wrong kind of item, the keys do not matter.
            return error.to_compile_error();
        }
    };
    validate(&function, "a change", &mut problems);
    let Function {
        cfgs,
        visibility,
        signature,
        ..
    } = &function;
    let name = ours(&signature.ident);
    let visibility = respan(visibility.to_token_stream());
    let (errors, definition) = match problems.to_compile_errors() {
        // A method cannot have types next to it.
        Some(errors) if signature.receiver().is_some() => return errors,
        // The type is generated all the same, so that a `#[rollback(..)]` of this change is not a
        // second mistake.
        Some(errors) => (Some(errors), quote!(::flamingock::__private::REFUSED)),
        None => (None, change_definition(&attr, &function, &name)),
    };
    quote! {
        #errors
        #(#cfgs)*
        #[doc(hidden)]
        #visibility struct #name {}
        #(#cfgs)*
        impl ::flamingock::__private::Change for #name {
            const DEFINITION: &'static ::flamingock::__private::Definition = #definition;
        }
    }
}

/// `#[rollback(..)]`
pub(crate) fn rollback(attribute: TokenStream, item: &TokenStream) -> TokenStream {
    let mut problems = Problems::default();
    let attr = LinkAttr::rollback(attribute, &mut problems);
    let kind = Kind {
        attribute: "rollback",
        what: "a rollback",
        companion: quote!(HasRollback),
        answer: quote!(()),
        erase: quote!(erase_change),
    };
    link(&attr, item, &kind, problems)
}

/// `#[verify(..)]`
pub(crate) fn verify(attribute: TokenStream, item: &TokenStream) -> TokenStream {
    let mut problems = Problems::default();
    if let Some(template) = LinkAttr::of_template(&attribute, &mut problems) {
        return template::verify(template.as_ref(), item, problems);
    }
    let attr = LinkAttr::verify(attribute, &mut problems);
    let kind = Kind {
        attribute: "verify",
        what: "a verify function",
        companion: quote!(HasVerify),
        answer: quote!(::core::primitive::bool),
        erase: quote!(erase_verify),
    };
    link(&attr, item, &kind, problems)
}

/// Distinguishes the companions of a change.
struct Kind {
    attribute: &'static str,
    what: &'static str,
    companion: TokenStream,
    /// The value for the engine when the function succeeds.
    answer: TokenStream,
    erase: TokenStream,
}

fn link(attr: &LinkAttr, item: &TokenStream, kind: &Kind, mut problems: Problems) -> TokenStream {
    let function = match Function::parse(item, kind.attribute) {
        Ok(function) => function,
        Err(error) => return error.to_compile_error(),
    };
    validate(&function, kind.what, &mut problems);
    let change = match (problems.to_compile_errors(), &attr.change) {
        (None, Some(change)) => change,
        (errors, _) => return errors.unwrap_or_default(),
    };
    let Kind {
        companion,
        answer,
        erase,
        ..
    } = kind;
    let needs = quote! {
        <#change as ::flamingock::__private::#companion>::BODY.needs
    };
    let mut rules = rules(&function, attr.transaction.as_ref(), &needs);
    rules.extend(batch_rules(&function, attr.batch.as_ref(), &needs));
    rules.extend(batch_companion_rule(attr.batch.as_ref(), change));
    let call = match attr.batch {
        Some(_) => batch_call(&function),
        None => call(&function, answer, erase),
    };
    let body = body(&function, attr.transaction.as_ref(), attr.batch.is_some());
    let cfgs = &function.cfgs;
    // On the path, which a second companion or a private change makes wrong.
    let header = quote_spanned! {ends(change).0=>
        impl ::flamingock::__private::#companion for
    };
    quote! {
        #(#cfgs)*
        #header #change {
            const BODY: &'static ::flamingock::__private::Body<#answer> = {
                #rules
                #call
                &#body
            };
        }
    }
}

fn change_definition(attr: &ChangeAttr, function: &Function, name: &Ident) -> TokenStream {
    let needs = quote! {
        <#name as ::flamingock::__private::Change>::DEFINITION.body.needs
    };
    let mut rules = rules(function, attr.transaction.as_ref(), &needs);
    rules.extend(batch_rules(function, attr.batch.as_ref(), &needs));
    rules.extend(connection_rule(
        "lock_timeout",
        attr.lock_timeout.as_ref(),
        &needs,
    ));
    rules.extend(connection_rule(
        "statement_timeout",
        attr.statement_timeout.as_ref(),
        &needs,
    ));
    let is_batch = attr.batch.is_some();
    let call = if is_batch {
        batch_call(function)
    } else {
        call(function, &quote!(()), &quote!(erase_change))
    };
    let body = body(function, attr.transaction.as_ref(), is_batch);
    let text = |value: &Option<Spanned<String>>| value.as_ref().map(|text| text.value.clone());
    let id = text(&attr.id);
    let order = text(&attr.order);
    let author = match text(&attr.author) {
        Some(author) => quote!(#author),
        // Not every build system sets the variable.
        None => quote! {
            ::flamingock::__private::default_author(
                ::core::option_env!("CARGO_PKG_NAME"),
                ::core::module_path!(),
            )
        },
    };
    let stage = text(&attr.stage).unwrap_or_else(|| "default".to_owned());
    let target = text(&attr.target).unwrap_or_else(|| "default".to_owned());
    let description = &function.description;
    let recovery = if attr.retry {
        quote!(Retry)
    } else {
        quote!(Manual)
    };
    let repeat = if attr.repeats {
        quote!(OnChange)
    } else {
        quote!(Once)
    };
    let phase = if attr.background.is_some() {
        quote!(Background)
    } else {
        quote!(Startup)
    };
    let requires = match text(&attr.requires) {
        Some(id) => quote!(::core::option::Option::Some(#id)),
        None => quote!(::core::option::Option::None),
    };
    let tags = &attr.tags;
    let timeout = duration(attr.timeout.as_ref());
    let lock_timeout = duration(attr.lock_timeout.as_ref());
    let statement_timeout = duration(attr.statement_timeout.as_ref());
    let digest = digest(function);
    let entry = (!attr.unregistered).then(|| entry(name));
    quote! {
        {
            use ::flamingock::__private::Unlinked as _;
            #entry
            #rules
            #call
            &::flamingock::__private::Definition {
                id: #id,
                order: #order,
                author: #author,
                description: #description,
                stage: #stage,
                target: #target,
                recovery: ::flamingock::__private::Recovery::#recovery,
                repeat: ::flamingock::__private::Repeat::#repeat,
                phase: ::flamingock::__private::Phase::#phase,
                requires: #requires,
                tags: &[#(#tags),*],
                timeout: #timeout,
                lock_timeout: #lock_timeout,
                statement_timeout: #statement_timeout,
                digest: #digest,
                module_path: ::core::module_path!(),
                body: #body,
                rollback: ::flamingock::__private::Link::<#name>::ROLLBACK,
                verify: ::flamingock::__private::Link::<#name>::VERIFY,
            }
        }
    }
}

pub(crate) fn duration(value: Option<&Spanned<Duration>>) -> TokenStream {
    match value {
        None => quote!(::core::option::Option::None),
        Some(duration) => {
            let (seconds, nanos) = (duration.value.as_secs(), duration.value.subsec_nanos());
            quote! {
                ::core::option::Option::Some(::core::time::Duration::new(#seconds, #nanos))
            }
        }
    }
}

/// `Body::new(..)`, or `Body::batch(..)`
fn body(function: &Function, transaction: Option<&Spanned<bool>>, is_batch: bool) -> TokenStream {
    let name = function.signature.ident.unraw().to_string();
    let transaction = transaction.is_none_or(|wanted| wanted.value);
    let needs = function
        .argument_types()
        .map(|ty| argument(ty, &quote!(NEED)));
    // `line!` returns the line of its own tokens, which must be that of the function's name and not
    // of the attribute.
    let location = quote_spanned! {function.signature.ident.span()=>
        ::flamingock::__private::Location { file: ::core::file!(), line: ::core::line!() }
    };
    let arguments = quote!(#name, #location, &[#(#needs),*], #transaction, __flamingock_call);
    if is_batch {
        let output = output(function);
        let cursor = quote!(::flamingock::__private::CursorType::of::<#output>());
        quote!(::flamingock::__private::Body::batch(#arguments, #cursor))
    } else {
        quote!(::flamingock::__private::Body::new(#arguments))
    }
}

/// `fn __flamingock_call(..)`, which takes the arguments out of the inputs and boxes the future.
fn call(function: &Function, answer: &TokenStream, erase: &TokenStream) -> TokenStream {
    let name = ours(&function.signature.ident);
    let inputs = format_ident!("__inputs");
    let arguments: Vec<TokenStream> = function
        .argument_types()
        .map(|ty| argument(ty, &quote!(take(&mut #inputs))))
        .collect();
    let pattern = if arguments.is_empty() {
        quote!(_)
    } else {
        quote!(mut #inputs)
    };
    let output = output(function);
    // On the function's name, where the compiler reports a future that is not `Send`.
    let future = quote_spanned! {name.span()=>
        ::std::boxed::Box::pin(#name(#(#arguments),*))
    };
    quote! {
        fn __flamingock_call<'__a, '__c>(
            #pattern: ::flamingock::__private::Inputs<'__a, '__c>,
            _: ::flamingock::__private::Outlives<'__a, '__c>,
        ) -> ::flamingock::__private::Answer<'__a, #answer> {
            ::flamingock::__private::#erase::<#output>(#future)
        }
    }
}

/// The same for a function that does one batch: what it returns goes to the state of the batch.
fn batch_call(function: &Function) -> TokenStream {
    let name = ours(&function.signature.ident);
    let inputs = format_ident!("__inputs");
    let arguments: Vec<TokenStream> = function
        .argument_types()
        .map(|ty| argument(ty, &quote!(take(&mut #inputs))))
        .collect();
    let output = output(function);
    let future = quote_spanned! {name.span()=>
        ::std::boxed::Box::pin(#name(#(#arguments),*))
    };
    quote! {
        fn __flamingock_call<'__a, '__c>(
            mut #inputs: ::flamingock::__private::Inputs<'__a, '__c>,
            _: ::flamingock::__private::Outlives<'__a, '__c>,
        ) -> ::flamingock::__private::Answer<'__a, ()> {
            let __state = ::flamingock::__private::state(&#inputs);
            ::flamingock::__private::erase_batch::<#output>(#future, __state)
        }
    }
}

/// The return type of a function.
fn output(function: &Function) -> TokenStream {
    match &function.signature.output {
        ReturnType::Default => respan_to(quote!(()), ours(&function.signature.ident).span()),
        ReturnType::Type(_, ty) => ty.to_token_stream(),
    }
}
