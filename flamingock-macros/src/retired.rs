//! `retired!(..)`: keeps the place of a deleted change.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::quote;

use crate::attr::{ORDER, REGISTER, STAGE, TAGS, check_length, check_order, text};
use crate::keys::{Key, Owner, Spanned, entries, literal, meant, split};
use crate::names::fault;
use crate::problems::Problems;

const OWNER: Owner = Owner::Macro {
    name: "retired",
    first: "\"create-users\"",
};

const KEYS: &[Key] = &[
    ORDER,
    text("since", r#"since = "1.8""#),
    STAGE,
    TAGS,
    REGISTER,
];

const FORM: &str = "`retired!(\"create-users\", order = \"0001\", since = \"1.8\")`";

/// The arguments; mistakes are in the problems, and `None` here.
#[derive(Debug, Default)]
struct Arguments {
    id: Option<Spanned<String>>,
    order: Option<Spanned<String>>,
    since: Option<Spanned<String>>,
    stage: Option<Spanned<String>>,
    tags: Vec<String>,
    unregistered: bool,
}

/// The macro's code, or its mistakes.
pub(crate) fn retired(input: TokenStream) -> TokenStream {
    let mut problems = Problems::default();
    let arguments = Arguments::parse(input, &mut problems);
    problems
        .to_compile_errors()
        .unwrap_or_else(|| expand(&arguments))
}

impl Arguments {
    /// Reads everything, however many mistakes there are.
    fn parse(input: TokenStream, problems: &mut Problems) -> Arguments {
        let parts = split(input);
        let mut arguments = Arguments::default();
        let Some((first, rest)) = parts.split_first() else {
            problems.push(syn::Error::new(
                Span::call_site(),
                format!("name the change that was deleted: {FORM}"),
            ));
            return arguments;
        };
        arguments.id = id(first, problems);
        let mut given = Vec::new();
        for entry in entries(rest, KEYS, OWNER, problems) {
            given.push(entry.key.name);
            match entry.key.name {
                "order" => arguments.order = entry.text(problems),
                "since" => arguments.since = entry.text(problems),
                "stage" => arguments.stage = entry.text(problems),
                "tags" => arguments.tags = entry.texts(problems),
                _ => arguments.unregistered = entry.is_off(problems),
            }
        }
        // A misspelled key counts as present, and one in place of the id.
        given.extend(parts.iter().filter_map(|part| meant(part, KEYS)));
        for key in ["order", "since"] {
            if !given.contains(&key) {
                problems.push(syn::Error::new(
                    Span::call_site(),
                    format!("`retired!` needs `{key}`: {FORM}"),
                ));
            }
        }
        if let Some(stage) = &arguments.stage {
            check_length("stage", stage, problems);
        }
        if let Some(order) = &arguments.order {
            check_order(order, problems);
        }
        arguments
    }
}

/// The first argument.
fn id(part: &[TokenTree], problems: &mut Problems) -> Option<Spanned<String>> {
    let tokens: TokenStream = part.iter().cloned().collect();
    let text = match part {
        [token] => literal(token),
        _ => None,
    };
    let Some(value) = text else {
        problems.at(tokens, format!("the id comes first, as a string: {FORM}"));
        return None;
    };
    if let Some(fault) = fault("id", &value) {
        problems.at(&tokens, format!("the id {fault}: {FORM}"));
    }
    let id = Spanned { value, tokens };
    check_length("id", &id, problems);
    Some(id)
}

fn expand(arguments: &Arguments) -> TokenStream {
    let text = |text: &Option<Spanned<String>>| text.as_ref().map(|text| text.value.clone());
    let id = text(&arguments.id);
    let order = text(&arguments.order);
    let since = text(&arguments.since);
    let stage = text(&arguments.stage).unwrap_or_else(|| "default".to_owned());
    let tags = &arguments.tags;
    let definition = quote! {
        static __RETIRED: ::flamingock::__private::Definition =
            ::flamingock::__private::Definition::retired(
                #id,
                #order,
                #stage,
                #since,
                &[#(#tags),*],
                ::flamingock::__private::Location { file: ::core::file!(), line: ::core::line!() },
                ::core::module_path!(),
            );
    };
    if arguments.unregistered {
        return quote! {{ #definition &__RETIRED }};
    }
    quote! {
        const _: () = {
            #definition
            #[::flamingock::__private::linkme::distributed_slice(
                ::flamingock::__private::FLAMINGOCK_CHANGES_0_1
            )]
            #[linkme(crate = ::flamingock::__private::linkme)]
            static __ENTRY: &'static ::flamingock::__private::Definition = &__RETIRED;
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_keys_are_read() {
        let source = r#""a b", order = "0001", since = "1.8", stage = "schema", tags = ["dev"], register = false"#;
        let mut problems = Problems::default();
        let arguments = Arguments::parse(source.parse().unwrap(), &mut problems);
        assert_eq!(problems.texts(), [""; 0]);
        let read = [
            arguments.id,
            arguments.order,
            arguments.since,
            arguments.stage,
        ];
        assert_eq!(
            read.map(|text| text.unwrap().value),
            ["a b", "0001", "1.8", "schema"]
        );
        assert_eq!(arguments.tags, ["dev"]);
        assert!(arguments.unregistered);
    }

    #[test]
    fn each_mistake_is_reported_once() {
        for (source, expected) in [
            (
                "",
                "name the change that was deleted: `retired!(\"create-users\", order = \"0001\", since = \"1.8\")`",
            ),
            (
                r#"order = "0001", since = "1.8""#,
                "the id comes first, as a string: `retired!(\"create-users\", order = \"0001\", since = \"1.8\")`",
            ),
            (
                r#"" a", order = "0001", since = "1.8""#,
                "the id cannot begin or end with a blank: `retired!(\"create-users\", order = \"0001\", since = \"1.8\")`",
            ),
            (
                r#""a", order = "0001""#,
                "`retired!` needs `since`: `retired!(\"create-users\", order = \"0001\", since = \"1.8\")`",
            ),
            (
                r#""a", since = "1.8""#,
                "`retired!` needs `order`: `retired!(\"create-users\", order = \"0001\", since = \"1.8\")`",
            ),
            (
                r#""a", order = "0001", sinse = "1.8""#,
                "unknown key `sinse`, did you mean `since`?",
            ),
            (
                r#""a", order = "0001", since = 1.8"#,
                "`since` is a string: `since = \"1.8\"`",
            ),
            (
                r#""a", order = "1", since = "1.8""#,
                "`order` has at least three letters or digits, so that there is room to grow: `order = \"0001\"`",
            ),
        ] {
            let mut problems = Problems::default();
            Arguments::parse(source.parse().unwrap(), &mut problems);
            assert_eq!(problems.texts(), [expected], "{source}");
        }
    }
}
