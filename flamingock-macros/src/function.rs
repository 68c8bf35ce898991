//! The annotated function: its signature, and its body as opaque tokens.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, Expr, ExprLit, FnArg, Lit, Meta, Signature, Type, Visibility};

/// The parts of the function that the attributes need.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    /// The attributes that decide whether the function exists: they are added to all generated
    /// items.
    pub(crate) cfgs: Vec<TokenStream>,
    /// The doc comment.
    pub(crate) description: String,
    pub(crate) visibility: Visibility,
    pub(crate) signature: Signature,
    /// The tokens between the parentheses.
    pub(crate) parameters: TokenStream,
    /// The tokens between the parentheses and the body.
    pub(crate) output: TokenStream,
    /// The tokens between the braces. They are never parsed: that would cost time, and an editor
    /// would stop completing in a half-typed body.
    pub(crate) body: TokenStream,
}

impl Function {
    /// Reads the item below `#[attribute]`.
    pub(crate) fn parse(item: &TokenStream, attribute: &str) -> syn::Result<Function> {
        let mut head = Vec::new();
        unwrap_item(item.clone(), &mut head);
        let no_function = || {
            syn::Error::new(
                Span::call_site(),
                format!("`#[{attribute}]` goes on an async function: `async fn name(..) {{ .. }}`"),
            )
        };
        let Some(TokenTree::Group(body)) = head.pop() else {
            return Err(no_function());
        };
        let Some(start) = head.iter().position(|token| is_word(token, "fn")) else {
            return Err(no_function());
        };
        // After `fn` and the name. Generics have no parentheses before the parameters, unless they
        // are invalid anyway.
        let Some((offset, parameters)) =
            head.iter()
                .enumerate()
                .skip(start)
                .find_map(|(index, token)| match token {
                    TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis => {
                        Some((index, group.stream()))
                    }
                    _ => None,
                })
        else {
            return Err(no_function());
        };
        let output = head.iter().skip(offset + 1).cloned().collect();
        let (attributes, visibility, signature) = parse_head.parse2(head.into_iter().collect())?;
        Ok(Function {
            cfgs: attributes.iter().filter_map(cfg).collect(),
            description: description(&attributes),
            visibility,
            signature,
            parameters,
            output,
            body: body.stream(),
        })
    }

    /// The types of the arguments, in order.
    pub(crate) fn argument_types(&self) -> impl Iterator<Item = &Type> {
        self.signature
            .inputs
            .iter()
            .filter_map(|input| match input {
                FnArg::Typed(parameter) => Some(&*parameter.ty),
                FnArg::Receiver(_) => None,
            })
    }
}

fn parse_head(input: ParseStream<'_>) -> syn::Result<(Vec<Attribute>, Visibility, Signature)> {
    Ok((
        Attribute::parse_outer(input)?,
        input.parse()?,
        input.parse()?,
    ))
}

/// An item that came through a `macro_rules!` fragment is in a group without brackets.
fn unwrap_item(item: TokenStream, into: &mut Vec<TokenTree>) {
    for token in item {
        match token {
            TokenTree::Group(group) if into.is_empty() && group.delimiter() == Delimiter::None => {
                unwrap_item(group.stream(), into);
            }
            token => into.push(token),
        }
    }
}

pub(crate) fn is_word(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident == word)
}

/// The part of an attribute that decides whether the item exists.
fn cfg(attribute: &Attribute) -> Option<TokenStream> {
    if attribute.path().is_ident("cfg") {
        return Some(attribute.to_token_stream());
    }
    let Meta::List(list) = &attribute.meta else {
        return None;
    };
    if !list.path.is_ident("cfg_attr") {
        return None;
    }
    let tokens: Vec<TokenTree> = list.tokens.clone().into_iter().collect();
    let mut parts = tokens
        .split(|token| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ','))
        .map(|part| part.iter().cloned().collect::<TokenStream>());
    let predicate = parts.next()?;
    let cfgs: Vec<TokenStream> = parts
        .filter(|part| {
            part.clone()
                .into_iter()
                .next()
                .is_some_and(|first| is_word(&first, "cfg"))
        })
        .collect();
    (!cfgs.is_empty()).then(|| quote!(#[cfg_attr(#predicate, #(#cfgs),*)]))
}

/// The lines of the doc comment, without the blank after the slashes.
fn description(attributes: &[Attribute]) -> String {
    let mut lines = Vec::new();
    for attribute in attributes {
        let Meta::NameValue(doc) = &attribute.meta else {
            continue;
        };
        if !doc.path.is_ident("doc") {
            continue;
        }
        if let Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) = &doc.value
        {
            lines.extend(
                text.value()
                    .split('\n')
                    .map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end().to_owned()),
            );
        }
    }
    lines.join("\n").trim_matches('\n').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(source: &str) -> syn::Result<Function> {
        Function::parse(&source.parse().unwrap(), "change")
    }

    #[test]
    fn doc_comments_become_the_description() {
        for (source, expected) in [
            ("async fn a() {}", ""),
            ("/// One line.\nasync fn a() {}", "One line."),
            (
                "/// One.  \n///\n///   Indented.\nasync fn a() {}",
                "One.\n\n  Indented.",
            ),
            ("///\n/// One.\n///\nasync fn a() {}", "One."),
            ("/** Block.\n\n Two. */ async fn a() {}", "Block.\n\nTwo."),
            (
                "#[doc = \"Text\"] #[doc(alias = \"b\")] async fn a() {}",
                "Text",
            ),
            ("#[doc = include_str!(\"x\")] async fn a() {}", ""),
        ] {
            assert_eq!(parse(source).unwrap().description, expected, "{source}");
        }
    }

    #[test]
    fn cfgs_are_kept() {
        let function = parse(
            "#[cfg(unix)] #[inline] #[cfg_attr(test, inline, cfg(windows))] \
             #[cfg_attr(test, must_use)] async fn a() {}",
        )
        .unwrap();
        let cfgs: Vec<String> = function.cfgs.iter().map(ToString::to_string).collect();
        let expected = [
            quote!(#[cfg(unix)]),
            quote!(#[cfg_attr(test, cfg(windows))]),
        ];
        assert_eq!(cfgs, expected.map(|tokens| tokens.to_string()));
    }

    #[test]
    fn parts_are_found() {
        let function = parse("pub(crate) async fn a(x: &(u8, u8)) -> (u8,) { b() }").unwrap();
        assert_eq!(function.parameters.to_string(), "x : & (u8 , u8)");
        assert_eq!(function.output.to_string(), quote!(-> (u8,)).to_string());
        assert_eq!(function.body.to_string(), "b ()");
        assert_eq!(function.signature.ident, "a");
    }

    #[test]
    fn body_is_not_parsed() {
        assert!(parse("async fn a() { let x = ; ] . }".replace("] ", "").as_str()).is_ok());
    }

    #[test]
    fn other_items_are_refused() {
        for source in [
            "struct A;",
            "mod a {}",
            "async fn a();",
            "impl A { fn b() {} }",
            "",
        ] {
            let error = parse(source).unwrap_err().to_string();
            assert!(
                error.starts_with("`#[change]` goes on an async function"),
                "{source}: {error}"
            );
        }
    }
}
