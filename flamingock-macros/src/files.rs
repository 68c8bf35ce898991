//! `include_files!(..)`: finds the files, and embeds them unchanged. Their contents are interpreted
//! at run time.

use std::time::Duration;

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};

use crate::attr::{
    AUTHOR, LOCK_TIMEOUT, RECOVERY, REGISTER, REPEAT, STAGE, STATEMENT_TIMEOUT, TAGS, TARGET,
    TIMEOUT, TRANSACTION,
};
use crate::build_script;
use crate::expand::duration;
use crate::folder;
use crate::keys::{Entry, Key, Owner, Spanned, entries, literal, split};
use crate::problems::Problems;

const OWNER: Owner = Owner::Macro {
    name: "include_files",
    first: "\"changes\"",
};

const FORMATS: [&str; 9] = [
    "flamingock",
    "sqlx",
    "refinery",
    "diesel",
    "goose",
    "flyway",
    "dbmate",
    "golang-migrate",
    "atlas",
];

const KEYS: &[Key] = &[
    AUTHOR,
    STAGE,
    TARGET,
    TRANSACTION,
    RECOVERY,
    REPEAT,
    TAGS,
    TIMEOUT,
    LOCK_TIMEOUT,
    STATEMENT_TIMEOUT,
    Key {
        name: "format",
        shape: r#"is "flamingock", "sqlx", "refinery", "diesel", "goose", "flyway", "dbmate", "golang-migrate" or "atlas""#,
        example: r#"format = "sqlx""#,
    },
    Key {
        name: "static",
        shape: "has no value",
        example: "static",
    },
    REGISTER,
];

/// The arguments; mistakes are in the problems, and absent here.
#[derive(Debug, Default)]
struct Arguments {
    path: Option<Spanned<String>>,
    /// The fields of the defaults that are set.
    defaults: Vec<TokenStream>,
    is_static: bool,
    unregistered: bool,
}

/// The macro's code, or its mistakes.
pub(crate) fn include_files(input: TokenStream) -> TokenStream {
    let mut problems = Problems::default();
    let arguments = Arguments::parse(input, &mut problems);
    let files = arguments.find(&mut problems);
    match (problems.to_compile_errors(), &arguments.path) {
        (None, Some(path)) => expand(&arguments, &path.value, &files),
        (errors, _) => errors.unwrap_or_default(),
    }
}

impl Arguments {
    fn parse(input: TokenStream, problems: &mut Problems) -> Arguments {
        let parts = split(input);
        let mut arguments = Arguments::default();
        let rest = match parts.split_first() {
            Some((first, rest)) => {
                arguments.path = path(first, problems);
                rest
            }
            None => {
                problems.push(syn::Error::new(
                    Span::call_site(),
                    "name the folder, relative to the package: `include_files!(\"changes\")`",
                ));
                &[]
            }
        };
        for entry in entries(rest, KEYS, OWNER, problems) {
            arguments.take(&entry, problems);
        }
        arguments
    }

    fn take(&mut self, entry: &Entry, problems: &mut Problems) {
        let name = entry.key.name;
        let value = match name {
            "author" | "stage" | "target" => entry.text(problems).map(|text| some(text.value)),
            "transaction" => entry.switch(problems).map(|wanted| some(wanted.value)),
            "recovery" => {
                let word = entry.choice(&["manual", "retry"], problems);
                word.map(|word| match word {
                    "retry" => some(quote!(::flamingock::__private::Recovery::Retry)),
                    _ => some(quote!(::flamingock::__private::Recovery::Manual)),
                })
            }
            "repeat" => entry
                .choice(&["on-change"], problems)
                .map(|_| quote!(::flamingock::__private::Repeat::OnChange)),
            "tags" => {
                let tags = entry.texts(problems);
                Some(quote!(&[#(#tags),*]))
            }
            "timeout" | "lock_timeout" | "statement_timeout" => {
                let length: Option<Spanned<Duration>> = entry.duration(problems);
                length.map(|length| duration(Some(&length)))
            }
            "format" => entry.choice(&FORMATS, problems).map(some),
            "static" => {
                self.is_static = entry.bare(problems);
                None
            }
            _ => {
                self.unregistered = entry.is_off(problems);
                None
            }
        };
        if let Some(value) = value {
            let name = syn::Ident::new(name, Span::call_site());
            self.defaults.push(quote!(#name: #value,));
        }
    }

    /// The files of the folder, and whether cargo will notice new ones.
    fn find(&self, problems: &mut Problems) -> Vec<String> {
        let Some(Spanned { value, tokens }) = &self.path else {
            return Vec::new();
        };
        let Some(package) = folder::package() else {
            problems.at(
                tokens,
                "the folder is one of the package, which the variable `CARGO_MANIFEST_DIR` names: it is not set",
            );
            return Vec::new();
        };
        let place = package.join(value);
        if !place.is_dir() {
            let meant = folder::near_miss(&package, value);
            let meant = meant.map(|meant| format!(", did you mean `{meant}`?"));
            problems.at(
                tokens,
                format!(
                    "the package has no folder `{value}`{}",
                    meant.unwrap_or_default()
                ),
            );
            return Vec::new();
        }
        if !self.is_static && !build_script::watches(&package, value) {
            problems.at(
                tokens,
                format!(
                    "cargo would not notice a new file in `{value}`: the package needs a build script, `build.rs`, with `println!(\"cargo::rerun-if-changed={value}\");` in its `main`. `include_files!(\"{value}\", static)` does without"
                ),
            );
        }
        match folder::files(&place) {
            Ok(files) if files.is_empty() => {
                problems.at(
                    tokens,
                    format!("the folder `{value}` has no file that could be a change: add one, as in `{value}/0001__create_users.sql`"),
                );
                files
            }
            Ok(files) => {
                let texts = files.iter().filter(|file| folder::is_embedded(file));
                for file in texts {
                    if let Some((line, message)) = folder::misencoded(&place, file) {
                        problems.at(tokens, format!("{value}/{file}:{line}: {message}"));
                    }
                }
                files
            }
            Err(message) => {
                problems.at(tokens, format!("in the folder `{value}`: {message}"));
                Vec::new()
            }
        }
    }
}

fn some(value: impl ToTokens) -> TokenStream {
    quote!(::core::option::Option::Some(#value))
}

/// The first argument.
fn path(part: &[TokenTree], problems: &mut Problems) -> Option<Spanned<String>> {
    let tokens: TokenStream = part.iter().cloned().collect();
    let text = match part {
        [token] => literal(token),
        _ => None,
    };
    let Some(value) = text else {
        problems.at(
            tokens,
            "the folder comes first, as a string: `include_files!(\"changes\")`",
        );
        return None;
    };
    if let Some(fault) = folder::fault(&value) {
        problems.at(
            tokens,
            format!("the folder {fault}: `include_files!(\"changes\")`"),
        );
        return None;
    }
    Some(Spanned { value, tokens })
}

fn expand(arguments: &Arguments, path: &str, files: &[String]) -> TokenStream {
    let defaults = &arguments.defaults;
    let on_disk = format!("/{path}");
    let texts = files.iter().map(|file| {
        if !folder::is_embedded(file) {
            return quote!((#file, ""));
        }
        let place = format!("/{path}/{file}");
        quote! {
            (#file, ::core::include_str!(::core::concat!(::core::env!("CARGO_MANIFEST_DIR"), #place)))
        }
    });
    let folder = quote! {
        static __FOLDER: ::flamingock::__private::EmbeddedFolder =
            ::flamingock::__private::EmbeddedFolder::new(
                #path,
                ::flamingock::__private::Location { file: ::core::file!(), line: ::core::line!() },
                ::core::module_path!(),
                ::flamingock::__private::default_author(
                    ::core::option_env!("CARGO_PKG_NAME"),
                    ::core::module_path!(),
                ),
                ::flamingock::__private::Defaults {
                    #(#defaults)*
                    ..::flamingock::__private::Defaults::NONE
                },
                &[#(#texts),*],
                if ::core::cfg!(debug_assertions) {
                    ::core::option::Option::Some(
                        ::core::concat!(::core::env!("CARGO_MANIFEST_DIR"), #on_disk)
                    )
                } else {
                    ::core::option::Option::None
                },
            );
    };
    if arguments.unregistered {
        return quote! {{ #folder &__FOLDER }};
    }
    quote! {
        const _: () = {
            #folder
            #[::flamingock::__private::linkme::distributed_slice(
                ::flamingock::__private::FLAMINGOCK_FOLDERS_0_1
            )]
            #[linkme(crate = ::flamingock::__private::linkme)]
            static __ENTRY: &'static ::flamingock::__private::EmbeddedFolder = &__FOLDER;
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(source: &str) -> Vec<String> {
        let mut problems = Problems::default();
        Arguments::parse(source.parse().unwrap(), &mut problems);
        problems.texts()
    }

    #[test]
    fn all_keys_are_read() {
        let source = r#""changes", author = "ada", stage = "schema", target = "t", transaction = false,
            recovery = "retry", repeat = "on-change", tags = ["dev"], timeout = "30s",
            lock_timeout = "3s", statement_timeout = "1m", format = "sqlx", static, register = false"#;
        let mut found = Problems::default();
        let arguments = Arguments::parse(source.parse().unwrap(), &mut found);
        assert_eq!(found.texts(), [""; 0]);
        assert_eq!(arguments.path.unwrap().value, "changes");
        assert_eq!(arguments.defaults.len(), KEYS.len() - 2);
        assert!(arguments.is_static && arguments.unregistered);
    }

    #[test]
    fn each_mistake_is_reported_once() {
        for (source, expected) in [
            (
                "",
                "name the folder, relative to the package: `include_files!(\"changes\")`",
            ),
            (
                "changes",
                "the folder comes first, as a string: `include_files!(\"changes\")`",
            ),
            (
                "\"/changes\"",
                "the folder is relative to the package, not to the root: `include_files!(\"changes\")`",
            ),
            (
                "\"changes\", stag = \"a\"",
                "unknown key `stag`, did you mean `stage`?",
            ),
            (
                "\"changes\", \"more\"",
                "expected a key: `include_files!(\"changes\", key = value)`",
            ),
            (
                "\"changes\", format = \"liquibase\"",
                "`format` is \"flamingock\", \"sqlx\", \"refinery\", \"diesel\", \"goose\", \"flyway\", \"dbmate\", \"golang-migrate\" or \"atlas\": `format = \"sqlx\"`",
            ),
            (
                "\"changes\", static = true",
                "`static` has no value: `static`",
            ),
        ] {
            assert_eq!(problems(source), [expected], "{source}");
        }
    }
}
