//! The rules for functions that the engine can call. The trait system checks the types of arguments
//! and results, in the expansion.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::{
    FnArg, GenericArgument, GenericParam, Lifetime, PathArguments, ReturnType, Safety, Type,
};

use crate::function::{Function, is_word};
use crate::problems::Problems;

/// Reports everything in the signature that the engine does not support. `what` is the kind of
/// function, with its article.
pub(crate) fn validate(function: &Function, what: &str, problems: &mut Problems) {
    let signature = &function.signature;
    match (&signature.constness, &signature.asyncness) {
        // The compiler itself refuses the two together.
        (_, Some(_)) => {}
        (Some(constness), None) => {
            problems.at(
                constness,
                format!("{what} is an `async fn`, it cannot be `const`"),
            );
        }
        (None, None) => {
            let name = &signature.ident;
            problems.at(
                signature.fn_token,
                format!("{what} is an async function: `async fn {name}(..)`"),
            );
        }
    }
    if let Safety::Unsafe(token) = &signature.safety {
        problems.at(
            token,
            format!(
                "{what} cannot be an `unsafe fn`, because Flamingock calls it: \
                     put an `unsafe` block into its body"
            ),
        );
    }
    if let Some(abi) = &signature.abi {
        problems.at(
            abi,
            format!(
                "{what} is a Rust function, leave out `{}`",
                abi.to_token_stream()
            ),
        );
    }
    generics(function, what, problems);
    for input in &signature.inputs {
        match input {
            FnArg::Receiver(receiver) => problems.at(
                receiver,
                format!(
                    "{what} is a free function without `self`: \
                         take its dependencies as `&T`, provided with `provide`"
                ),
            ),
            FnArg::Typed(parameter) => {
                for attribute in &parameter.attrs {
                    let path = attribute.path();
                    if path.is_ident("cfg") || path.is_ident("cfg_attr") {
                        problems.at(
                            attribute,
                            format!(
                                "{what} has the same arguments in every build: \
                                     write one function for each `#[cfg]`"
                            ),
                        );
                    }
                }
                argument(&parameter.ty, what, problems);
            }
        }
    }
    if let ReturnType::Type(_, output) = &signature.output
        && has_impl(output.to_token_stream())
    {
        problems.at(
            output,
            format!("{what} cannot return an `impl Trait`: name the type"),
        );
    }
}

fn generics(function: &Function, what: &str, problems: &mut Problems) {
    let generics = &function.signature.generics;
    if generics.params.is_empty() {
        if let Some(clause) = &generics.where_clause {
            problems.at(
                clause,
                format!("{what} has no `where` clause, because it is not generic"),
            );
        }
        return;
    }
    let only_lifetimes = generics
        .params
        .iter()
        .all(|param| matches!(param, GenericParam::Lifetime(_)));
    let reason = if only_lifetimes {
        "cannot name lifetimes, because its arguments are borrowed only for the call: \
         leave them out, or write `'_` as in `&mut Transaction<'_, Sqlite>`"
    } else {
        "cannot be generic, because Flamingock finds its arguments by their types: name the types"
    };
    problems.at(&generics.params, format!("{what} {reason}"));
}

fn argument(ty: &Type, what: &str, problems: &mut Problems) {
    if has_impl(ty.to_token_stream()) {
        problems.at(
            ty,
            format!(
                "{what} cannot take an `impl Trait`, because Flamingock finds its arguments by \
                     their types: name the type, or take `&dyn Trait`, provided with `provide_arc`"
            ),
        );
    }
    if let Some(lifetime) = borrowed_for(ty)
        && lifetime.ident == "static"
    {
        problems.at(
            lifetime,
            format!("{what} borrows its arguments only for the call: leave out `'static`"),
        );
    }
}

/// The named lifetime in `&'a T` or `Option<&'a T>`.
fn borrowed_for(ty: &Type) -> Option<&Lifetime> {
    match ty {
        Type::Reference(reference) => reference.lifetime.as_ref(),
        Type::Path(path) => match &path.path.segments.last()?.arguments {
            PathArguments::AngleBracketed(arguments) => match arguments.args.first()? {
                GenericArgument::Type(inner @ Type::Reference(_)) => borrowed_for(inner),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

/// `impl` is a keyword, so this is exact at any depth.
fn has_impl(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Group(group) => has_impl(group.stream()),
        token => is_word(&token, "impl"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(source: &str) -> Vec<String> {
        let function = Function::parse(&source.parse().unwrap(), "change").unwrap();
        let mut problems = Problems::default();
        validate(&function, "a change", &mut problems);
        problems.texts()
    }

    #[test]
    fn valid_functions_are_accepted() {
        for source in [
            "async fn a() {}",
            "pub(super) async fn r#type(mut x: &X, _: &Y, Z(z): &Z) -> Result<(), E> {}",
            "async fn a(#[allow(unused)] x: &mut Transaction<'_, Db>, y: Option<&dyn T>) {}",
            "async fn a(x: &Vec<&'static str>, y: Batch<i64>) {}",
        ] {
            assert_eq!(problems(source), [""; 0], "{source}");
        }
    }

    #[test]
    fn each_refused_function_has_one_message() {
        for (source, expected) in [
            (
                "fn a() {}",
                "a change is an async function: `async fn a(..)`",
            ),
            (
                "const fn a() {}",
                "a change is an `async fn`, it cannot be `const`",
            ),
            (
                "async unsafe fn a() {}",
                "a change cannot be an `unsafe fn`",
            ),
            (
                "async extern \"C\" fn a() {}",
                "a change is a Rust function, leave out `extern \"C\"`",
            ),
            (
                "async fn a<'a>(x: &'a X) {}",
                "a change cannot name lifetimes",
            ),
            (
                "async fn a<T>(x: &T) where T: X {}",
                "a change cannot be generic",
            ),
            (
                "async fn a<const N: usize>() {}",
                "a change cannot be generic",
            ),
            (
                "async fn a() where X: Y {}",
                "a change has no `where` clause",
            ),
            (
                "async fn a(&self) {}",
                "a change is a free function without `self`",
            ),
            (
                "async fn a(#[cfg(unix)] x: &X) {}",
                "a change has the same arguments in every build",
            ),
            (
                "async fn a(x: &impl X) {}",
                "a change cannot take an `impl Trait`",
            ),
            (
                "async fn a(x: &[(impl X, u8)]) {}",
                "a change cannot take an `impl Trait`",
            ),
            (
                "async fn a() -> Result<(), impl E> {}",
                "a change cannot return an `impl Trait`",
            ),
            (
                "async fn a(x: &'static str) {}",
                "a change borrows its arguments only for the call",
            ),
            (
                "async fn a(x: Option<&'static X>) {}",
                "a change borrows its arguments only for the call",
            ),
        ] {
            match problems(source).as_slice() {
                [problem] if problem.starts_with(expected) => {}
                problems => panic!("{source}: {problems:?}"),
            }
        }
    }
}
