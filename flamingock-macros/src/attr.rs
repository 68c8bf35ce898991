//! The contents of `#[change(..)]`, `#[rollback(..)]` and `#[verify(..)]`.

use std::time::Duration;

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::Path;
use syn::parse::Parser;

use crate::function::is_word;
use crate::keys::{Key, Owner, Spanned, entries, literal, meant, split};
use crate::names::LONGEST_NAME;
use crate::problems::Problems;

pub(crate) const TRANSACTION: Key = Key {
    name: "transaction",
    shape: "is `true` or `false`, without quotes",
    example: "transaction = false",
};

pub(crate) const fn text(name: &'static str, example: &'static str) -> Key {
    Key {
        name,
        shape: "is a string",
        example,
    }
}

pub(crate) const fn time(name: &'static str, example: &'static str) -> Key {
    Key {
        name,
        shape: "is a string with a number and a unit",
        example,
    }
}

pub(crate) const ORDER: Key = text("order", r#"order = "0001""#);
pub(crate) const AUTHOR: Key = text("author", r#"author = "ada""#);
pub(crate) const STAGE: Key = text("stage", r#"stage = "schema""#);
pub(crate) const TARGET: Key = text("target", r#"target = "billing""#);
pub(crate) const RECOVERY: Key = Key {
    name: "recovery",
    shape: r#"is "manual" or "retry""#,
    example: r#"recovery = "retry""#,
};
pub(crate) const REPEAT: Key = Key {
    name: "repeat",
    shape: r#"is "on-change""#,
    example: r#"repeat = "on-change""#,
};
pub(crate) const TAGS: Key = Key {
    name: "tags",
    shape: "is a list of strings",
    example: r#"tags = ["dev", "demo"]"#,
};
pub(crate) const TIMEOUT: Key = time("timeout", r#"timeout = "30s""#);
pub(crate) const LOCK_TIMEOUT: Key = time("lock_timeout", r#"lock_timeout = "3s""#);
pub(crate) const STATEMENT_TIMEOUT: Key =
    time("statement_timeout", r#"statement_timeout = "1m 30s""#);
pub(crate) const REGISTER: Key = Key {
    name: "register",
    shape: "is `true` or `false`, without quotes",
    example: "register = false",
};

pub(crate) const BATCH: Key = Key {
    name: "batch",
    shape: "is a word without a value",
    example: "batch",
};

pub(crate) const PHASE: Key = Key {
    name: "phase",
    shape: r#"is "startup" or "background""#,
    example: r#"phase = "background""#,
};

pub(crate) const REQUIRES: Key = text("requires", r#"requires = "fill-emails""#);

const CHANGE_KEYS: &[Key] = &[
    text("id", r#"id = "create-users""#),
    ORDER,
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
    BATCH,
    PHASE,
    REQUIRES,
    REGISTER,
];

const ROLLBACK_KEYS: &[Key] = &[TRANSACTION, BATCH];

const TEMPLATE_KEYS: &[Key] = &[REGISTER];

/// The arguments of `#[change]`; mistakes are in the problems, and `None` here.
#[derive(Debug, Default)]
pub(crate) struct ChangeAttr {
    pub(crate) id: Option<Spanned<String>>,
    pub(crate) order: Option<Spanned<String>>,
    pub(crate) author: Option<Spanned<String>>,
    pub(crate) stage: Option<Spanned<String>>,
    pub(crate) target: Option<Spanned<String>>,
    pub(crate) transaction: Option<Spanned<bool>>,
    pub(crate) retry: bool,
    pub(crate) repeats: bool,
    pub(crate) tags: Vec<String>,
    pub(crate) timeout: Option<Spanned<Duration>>,
    pub(crate) lock_timeout: Option<Spanned<Duration>>,
    pub(crate) statement_timeout: Option<Spanned<Duration>>,
    /// The key by which the function does one batch, if it is there.
    pub(crate) batch: Option<TokenStream>,
    /// The key by which the change runs in the background, if it is there.
    pub(crate) background: Option<TokenStream>,
    /// The change in the background that must be applied before.
    pub(crate) requires: Option<Spanned<String>>,
    /// Whether it is in the linker's registry, which is the default.
    pub(crate) unregistered: bool,
}

impl ChangeAttr {
    /// Reads everything, however many mistakes there are.
    pub(crate) fn parse(tokens: TokenStream, problems: &mut Problems) -> ChangeAttr {
        let mut attr = ChangeAttr::default();
        let mut given = Vec::new();
        let parts = split(tokens);
        for entry in entries(&parts, CHANGE_KEYS, Owner::Attribute("change"), problems) {
            given.push(entry.key.name);
            match entry.key.name {
                "id" => attr.id = entry.text(problems),
                "order" => attr.order = entry.text(problems),
                "author" => attr.author = entry.text(problems),
                "stage" => attr.stage = entry.text(problems),
                "target" => attr.target = entry.text(problems),
                "transaction" => attr.transaction = entry.switch(problems),
                "recovery" => {
                    attr.retry = entry.choice(&["manual", "retry"], problems) == Some("retry");
                }
                "repeat" => attr.repeats = entry.choice(&["on-change"], problems).is_some(),
                "tags" => attr.tags = entry.texts(problems),
                "timeout" => attr.timeout = entry.duration(problems),
                "lock_timeout" => attr.lock_timeout = entry.duration(problems),
                "statement_timeout" => attr.statement_timeout = entry.duration(problems),
                "batch" => attr.batch = Some(entry.word(problems)),
                "phase" => {
                    let phase = entry.choice(&["startup", "background"], problems);
                    attr.background = (phase == Some("background")).then(|| entry.place());
                }
                "requires" => attr.requires = entry.text(problems),
                _ => attr.unregistered = entry.is_off(problems),
            }
        }
        // A misspelled key counts as present: its own error reports it.
        given.extend(parts.iter().filter_map(|part| meant(part, CHANGE_KEYS)));
        let missing: Vec<&str> = ["id", "order"]
            .into_iter()
            .filter(|key| !given.contains(key))
            .collect();
        if !missing.is_empty() {
            problems.push(syn::Error::new(
                Span::call_site(),
                format!(
                    "a change needs an `{}`: `#[change(id = \"create-users\", order = \"0001\")]`",
                    missing.join("` and an `")
                ),
            ));
        }
        attr.validate(problems);
        attr
    }

    fn validate(&self, problems: &mut Problems) {
        if let (Some(batch), true) = (&self.batch, self.repeats) {
            problems.at(
                batch,
                "`batch` and `repeat` exclude each other: a change that works in batches is applied once",
            );
        }
        if let (Some(_), Some(requires)) = (&self.background, &self.requires) {
            problems.at(
                &requires.tokens,
                "a change in the background has no `requires`: those of a runner run one after the other, in their order",
            );
        }
        for (key, name) in [
            ("id", &self.id),
            ("requires", &self.requires),
            ("stage", &self.stage),
            ("target", &self.target),
        ] {
            if let Some(name) = name {
                check_length(key, name, problems);
            }
        }
        if let Some(order) = &self.order {
            check_order(order, problems);
        }
    }
}

pub(crate) fn check_length(key: &str, name: &Spanned<String>, problems: &mut Problems) {
    let length = name.value.chars().count();
    if length > LONGEST_NAME {
        problems.at(
            &name.tokens,
            format!("`{key}` has at most {LONGEST_NAME} characters, this one has {length}"),
        );
    }
}

/// Empty text and blanks at its ends are reported for each key.
pub(crate) fn check_order(order: &Spanned<String>, problems: &mut Problems) {
    let text = &order.value;
    if text.is_empty() || text.trim() != text {
        return;
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let significant = text.chars().filter(char::is_ascii_alphanumeric).count();
    if !text.chars().all(allowed) {
        problems.at(
            &order.tokens,
            "`order` consists of letters, digits, `_`, `.` and `-`: `order = \"0001\"`",
        );
    } else if significant < 3 {
        problems.at(
            &order.tokens,
            "`order` has at least three letters or digits, so that there is room to grow: \
             `order = \"0001\"`",
        );
    }
}

/// The arguments of `#[template]`.
#[derive(Debug, Default)]
pub(crate) struct TemplateAttr {
    pub(crate) name: Option<Spanned<String>>,
    pub(crate) unregistered: bool,
}

impl TemplateAttr {
    pub(crate) fn parse(tokens: TokenStream, problems: &mut Problems) -> TemplateAttr {
        const RULE: &str =
            "the template's name comes first, as a string: `#[template(\"nats-stream\")]`";
        let parts = split(tokens);
        let Some((first, rest)) = parts.split_first() else {
            problems.push(syn::Error::new(Span::call_site(), RULE));
            return TemplateAttr::default();
        };
        let written: TokenStream = first.iter().cloned().collect();
        let name = match first.as_slice() {
            [token] => literal(token),
            _ => None,
        };
        let name = match name {
            None => {
                problems.at(&written, RULE);
                None
            }
            Some(value) if !is_template_name(&value) => {
                problems.at(
                    &written,
                    "the name of a template consists of letters, digits, `-`, `_` and `.`: `#[template(\"nats-stream\")]`",
                );
                None
            }
            Some(value) => Some(Spanned {
                value,
                tokens: written,
            }),
        };
        let mut unregistered = false;
        for entry in entries(rest, TEMPLATE_KEYS, Owner::Attribute("template"), problems) {
            unregistered = entry.is_off(problems);
        }
        TemplateAttr { name, unregistered }
    }
}

/// A name that needs no quotes in YAML.
fn is_template_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(fits)
}

/// The arguments of `#[rollback]` and `#[verify]`.
#[derive(Debug, Default)]
pub(crate) struct LinkAttr {
    /// The change.
    pub(crate) change: Option<Path>,
    pub(crate) transaction: Option<Spanned<bool>>,
    /// The key by which a rollback does one batch, if it is there.
    pub(crate) batch: Option<TokenStream>,
}

impl LinkAttr {
    pub(crate) fn rollback(tokens: TokenStream, problems: &mut Problems) -> LinkAttr {
        LinkAttr::parse(tokens, ROLLBACK_KEYS, "rollback", problems)
    }

    pub(crate) fn verify(tokens: TokenStream, problems: &mut Problems) -> LinkAttr {
        LinkAttr::parse(tokens, &[], "verify", problems)
    }

    /// The template in `#[verify(template = ..)]`; none for the verify function of a change.
    pub(crate) fn of_template(
        tokens: &TokenStream,
        problems: &mut Problems,
    ) -> Option<Option<Path>> {
        let mut tokens = tokens.clone().into_iter();
        let is_key = tokens
            .next()
            .is_some_and(|token| is_word(&token, "template"));
        let is_set =
            matches!(tokens.next(), Some(TokenTree::Punct(punct)) if punct.as_char() == '=');
        if !is_key || !is_set {
            return None;
        }
        let path: TokenStream = tokens.collect();
        let parsed = Path::parse_mod_style.parse2(path.clone()).ok();
        if parsed.is_none() {
            problems.at(
                path,
                "name the function of the template, by its path: `#[verify(template = nats_stream)]`",
            );
        }
        Some(parsed)
    }

    fn parse(
        tokens: TokenStream,
        keys: &'static [Key],
        attribute: &'static str,
        problems: &mut Problems,
    ) -> LinkAttr {
        let parts = split(tokens);
        let (change, rest) = match parts.split_first() {
            Some((first, rest)) => (path(first, attribute, problems), rest),
            None => {
                problems.push(syn::Error::new(
                    Span::call_site(),
                    format!("name the function of the change: `#[{attribute}(create_users)]`"),
                ));
                (None, [].as_slice())
            }
        };
        let (mut transaction, mut batch) = (None, None);
        for entry in entries(rest, keys, Owner::Attribute(attribute), problems) {
            match entry.key.name {
                "batch" => batch = Some(entry.word(problems)),
                _ => transaction = entry.switch(problems),
            }
        }
        LinkAttr {
            change,
            transaction,
            batch,
        }
    }
}

fn path(part: &[TokenTree], attribute: &str, problems: &mut Problems) -> Option<Path> {
    let tokens: TokenStream = part.iter().cloned().collect();
    match Path::parse_mod_style.parse2(tokens.clone()) {
        Ok(path) => Some(path),
        Err(_) => {
            let reason = match part {
                [TokenTree::Literal(_)] => "name the function of the change, not its id",
                _ => "name the function of the change first, by its path",
            };
            problems.at(tokens, format!("{reason}: `#[{attribute}(create_users)]`"));
            None
        }
    }
}

#[cfg(test)]
mod tests;
