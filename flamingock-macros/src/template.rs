//! `#[template(..)]` and `#[verify(template = ..)]`: the code that they add to a function.
//!
//! Their first argument is the payload of a file; the others are those of a change.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{FnArg, Path, ReturnType, Type};

use crate::argument::argument;
use crate::attr::TemplateAttr;
use crate::function::Function;
use crate::problems::Problems;
use crate::rules::rules;
use crate::spans::{ends, ours, respan, respan_to};
use crate::valid::validate;

/// `#[template(..)]`: the code after the function.
pub(crate) fn template(attribute: TokenStream, item: &TokenStream) -> TokenStream {
    let mut problems = Problems::default();
    let attr = TemplateAttr::parse(attribute, &mut problems);
    let function = match Function::parse(item, "template") {
        Ok(function) => function,
        Err(error) => return error.to_compile_error(),
    };
    validate(&function, "a template", &mut problems);
    let split = split(&function, "a template", &mut problems);
    let signature = &function.signature;
    let name = ours(&signature.ident);
    let (errors, definition) = match (problems.to_compile_errors(), split, &attr.name) {
        // A method cannot have types next to it.
        (Some(errors), _, _) if signature.receiver().is_some() => return errors,
        (None, Some((payload, rest)), Some(called)) => {
            let definition = definition(&attr, &called.value, &name, &payload, &rest);
            (None, definition)
        }
        // The type is generated all the same, so that a verify function of this template is not a
        // second mistake.
        (errors, _, _) => (errors, quote!(::flamingock::__private::REFUSED_TEMPLATE)),
    };
    let cfgs = &function.cfgs;
    let visibility = respan(function.visibility.to_token_stream());
    quote! {
        #errors
        #(#cfgs)*
        #[doc(hidden)]
        #visibility struct #name {}
        #(#cfgs)*
        impl ::flamingock::__private::IsTemplate for #name {
            const DEFINITION: &'static ::flamingock::__private::Template = #definition;
        }
    }
}

fn definition(
    attr: &TemplateAttr,
    called: &str,
    name: &syn::Ident,
    payload: &Type,
    rest: &Function,
) -> TokenStream {
    let parts = parts(payload, rest, &quote!(()), &quote!(erase_change));
    let body = body(payload, rest);
    let entry = (!attr.unregistered).then(|| {
        quote! {
            #[::flamingock::__private::linkme::distributed_slice(
                ::flamingock::__private::FLAMINGOCK_TEMPLATES_0_1
            )]
            #[linkme(crate = ::flamingock::__private::linkme)]
            static __ENTRY: &'static ::flamingock::__private::Template =
                <#name as ::flamingock::__private::IsTemplate>::DEFINITION;
        }
    });
    quote! {
        {
            use ::flamingock::__private::TemplateUnlinked as _;
            #entry
            #parts
            &::flamingock::__private::Template {
                name: #called,
                module_path: ::core::module_path!(),
                work: ::flamingock::__private::Work::Function(#body),
                verify: ::flamingock::__private::TemplateLink::<#name>::VERIFY,
            }
        }
    }
}

/// `#[verify(template = ..)]`: `template` is none if its path was invalid.
pub(crate) fn verify(
    template: Option<&Path>,
    item: &TokenStream,
    mut problems: Problems,
) -> TokenStream {
    const WHAT: &str = "a verify function";
    let function = match Function::parse(item, "verify") {
        Ok(function) => function,
        Err(error) => return error.to_compile_error(),
    };
    validate(&function, WHAT, &mut problems);
    let split = split(
        &function,
        "the verify function of a template",
        &mut problems,
    );
    let (template, payload, rest) = match (problems.to_compile_errors(), template, split) {
        (None, Some(template), Some((payload, rest))) => (template, payload, rest),
        (errors, _, _) => return errors.unwrap_or_default(),
    };
    let parts = parts(
        &payload,
        &rest,
        &quote!(::core::primitive::bool),
        &quote!(erase_verify),
    );
    let body = body(&payload, &rest);
    let cfgs = &function.cfgs;
    // On the path, which a second verify function or a private template makes wrong.
    let header = quote_spanned! {ends(template).0=>
        impl ::flamingock::__private::HasTemplateVerify for
    };
    quote! {
        #(#cfgs)*
        #header #template {
            const BODY: &'static ::flamingock::__private::TemplateBody<::core::primitive::bool> = {
                #parts
                &#body
            };
        }
    }
}

/// The type of the payload, and the function without that argument.
fn split(function: &Function, what: &str, problems: &mut Problems) -> Option<(Type, Function)> {
    let mut rest = function.clone();
    let mut inputs = function.signature.inputs.iter().cloned();
    let payload = match inputs.next() {
        Some(FnArg::Typed(payload)) => *payload.ty,
        // It has its own mistake.
        Some(FnArg::Receiver(_)) => return None,
        None => {
            problems.push(syn::Error::new(
                Span::call_site(),
                format!(
                    "{what} takes the payload of the file as its first argument, by value: `async fn {}(payload: Settings, ..)`",
                    function.signature.ident
                ),
            ));
            return None;
        }
    };
    rest.signature.inputs = inputs.collect();
    Some((payload, rest))
}

/// `needs`, the rules on them, and `call`, which reads the payload, takes the other arguments out
/// of the inputs and boxes the future.
fn parts(
    payload: &Type,
    rest: &Function,
    answer: &TokenStream,
    erase: &TokenStream,
) -> TokenStream {
    let needs = rest.argument_types().map(|ty| argument(ty, &quote!(NEED)));
    let rules = rules(rest, None, &quote!(__FLAMINGOCK_NEEDS));
    let name = ours(&rest.signature.ident);
    let inputs = format_ident!("__inputs");
    let arguments: Vec<TokenStream> = rest
        .argument_types()
        .map(|ty| argument(ty, &quote!(take(&mut #inputs))))
        .collect();
    let pattern = if arguments.is_empty() {
        quote!(_)
    } else {
        quote!(mut #inputs)
    };
    let output = match &rest.signature.output {
        ReturnType::Default => respan_to(quote!(()), name.span()),
        ReturnType::Type(_, ty) => ty.to_token_stream(),
    };
    let read = as_payload(payload, &quote!(read(__payload)));
    // On the function's name, where the compiler reports a future that is not `Send`.
    let future = quote_spanned! {name.span()=>
        ::std::boxed::Box::pin(#name(__payload #(, #arguments)*))
    };
    quote! {
        const __FLAMINGOCK_NEEDS: &[::flamingock::__private::Need] = &[#(#needs),*];
        #rules
        fn __flamingock_call<'__a, '__c>(
            __payload: ::flamingock::__private::Payload<'__a>,
            #pattern: ::flamingock::__private::Inputs<'__a, '__c>,
            _: ::flamingock::__private::Outlives<'__a, '__c>,
        ) -> ::flamingock::__private::Answer<'__a, #answer> {
            match #read {
                ::core::result::Result::Ok(__payload) => {
                    ::flamingock::__private::#erase::<#output>(#future)
                }
                ::core::result::Result::Err(__mistake) => {
                    ::flamingock::__private::refuse_payload(__mistake)
                }
            }
        }
    }
}

/// `TemplateBody { .. }`
fn body(payload: &Type, rest: &Function) -> TokenStream {
    let name = rest.signature.ident.unraw().to_string();
    let location = quote_spanned! {rest.signature.ident.span()=>
        ::flamingock::__private::Location { file: ::core::file!(), line: ::core::line!() }
    };
    let check = as_payload(payload, &quote!(check));
    quote! {
        ::flamingock::__private::TemplateBody {
            name: #name,
            location: #location,
            needs: __FLAMINGOCK_NEEDS,
            check: #check,
            call: __flamingock_call,
        }
    }
}

/// `<T as IsPayload>::what`, shown at the type.
fn as_payload(ty: &Type, what: &TokenStream) -> TokenStream {
    let ty = respan(ty.to_token_stream());
    let (first, last) = ends(&ty);
    let open = quote_spanned!(first=> <);
    let rest = quote_spanned!(last=> as ::flamingock::__private::IsPayload>::);
    let what = respan_to(what.clone(), last);
    quote!(#open #ty #rest #what)
}
