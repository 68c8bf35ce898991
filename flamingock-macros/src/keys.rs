//! `key = value, ..`: the syntax that the attributes share, and the values of keys.

use std::time::Duration;

use proc_macro2::{Delimiter, Ident, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::Lit;

use crate::names::fault;
use crate::near_miss::near_miss;
use crate::problems::Problems;

/// A value and its tokens.
#[derive(Clone, Debug)]
pub(crate) struct Spanned<T> {
    pub(crate) value: T,
    pub(crate) tokens: TokenStream,
}

/// A key that an attribute knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    /// The required value, as the end of a sentence.
    pub(crate) shape: &'static str,
    /// An example of the right form.
    pub(crate) example: &'static str,
}

impl Key {
    /// The rule, then the right form.
    fn rule(&self) -> String {
        format!("`{}` {}: `{}`", self.name, self.shape, self.example)
    }
}

/// The owner of the keys, as it is written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Owner {
    /// `#[name(..)]`
    Attribute(&'static str),
    /// `name!(first, ..)`
    Macro {
        name: &'static str,
        /// The argument before the keys, in an example.
        first: &'static str,
    },
}

impl Owner {
    /// Its name.
    fn name(self) -> String {
        match self {
            Owner::Attribute(name) => format!("#[{name}]"),
            Owner::Macro { name, .. } => format!("{name}!"),
        }
    }

    /// Its spelling with these keys.
    pub(crate) fn with(self, keys: &str) -> String {
        match self {
            Owner::Attribute(name) => format!("#[{name}({keys})]"),
            Owner::Macro { name, first } => format!("{name}!({first}, {keys})"),
        }
    }
}

/// One `key`, or `key = value`, as written in the attribute.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: &'static Key,
    name: Ident,
    /// The tokens after the equals sign; `None` without one.
    value: Option<Vec<TokenTree>>,
}

/// The parts between the commas, without the groups of a macro's fragments.
pub(crate) fn split(attribute: TokenStream) -> Vec<Vec<TokenTree>> {
    let tokens: Vec<TokenTree> = attribute.into_iter().collect();
    let mut parts: Vec<Vec<TokenTree>> = tokens
        .split(|token| is_punct(token, ','))
        .map(<[TokenTree]>::to_vec)
        .collect();
    if parts.last().is_some_and(Vec::is_empty) {
        parts.pop();
    }
    parts
}

/// Reads the parts as entries with known keys, each at most once.
pub(crate) fn entries(
    parts: &[Vec<TokenTree>],
    keys: &'static [Key],
    owner: Owner,
    problems: &mut Problems,
) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for part in parts {
        let (name, rest) = match part.split_first() {
            Some((TokenTree::Ident(name), rest)) => (name, rest),
            Some(_) => {
                problems.at(
                    part.iter().cloned().collect::<TokenStream>(),
                    format!("expected a key: `{}`", owner.with("key = value")),
                );
                continue;
            }
            None => {
                problems.push(syn::Error::new(
                    Span::call_site(),
                    format!("two commas in a row in `{}`", owner.name()),
                ));
                continue;
            }
        };
        let Some(key) = keys.iter().find(|key| name == key.name) else {
            problems.at(name, unknown(&name.to_string(), keys, owner));
            continue;
        };
        if entries.iter().any(|entry| entry.key.name == key.name) {
            problems.at(
                name,
                format!("`{}` is set twice: keep one of them", key.name),
            );
            continue;
        }
        let value = match rest.split_first() {
            None => None,
            Some((equals, value)) if is_punct(equals, '=') => Some(value.to_vec()),
            // As in the literal of a struct.
            Some((colon, [_])) if is_punct(colon, ':') && key.example.contains('=') => {
                problems.at(
                    colon,
                    format!("a key has its value after `=`: `{}`", key.example),
                );
                continue;
            }
            Some(_) => Some(rest.to_vec()),
        };
        entries.push(Entry {
            key,
            name: name.clone(),
            value,
        });
    }
    entries
}

/// The known key at the beginning of a part, or the one that is misspelled there.
pub(crate) fn meant(part: &[TokenTree], keys: &[Key]) -> Option<&'static str> {
    let Some(TokenTree::Ident(name)) = part.first() else {
        return None;
    };
    let names: Vec<&'static str> = keys.iter().map(|key| key.name).collect();
    near_miss(&name.to_string(), &names)
}

fn unknown(name: &str, keys: &[Key], owner: Owner) -> String {
    let owner = owner.name();
    let names: Vec<&str> = keys.iter().map(|key| key.name).collect();
    match (near_miss(name, &names), names.as_slice()) {
        (Some(meant), _) => format!("unknown key `{name}`, did you mean `{meant}`?"),
        (None, []) => {
            format!("unknown key `{name}`: `{owner}` takes only the change")
        }
        (None, _) => {
            format!(
                "unknown key `{name}`: `{owner}` supports `{}`",
                names.join("`, `")
            )
        }
    }
}

fn is_punct(token: &TokenTree, expected: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == expected)
}

impl Entry {
    /// The tokens to report for a wrong value: the value, or the key if there is none.
    pub(crate) fn place(&self) -> TokenStream {
        match &self.value {
            Some(value) if !value.is_empty() => value.iter().cloned().collect(),
            _ => self.name.to_token_stream(),
        }
    }

    fn spanned<T>(&self, value: T) -> Spanned<T> {
        Spanned {
            value,
            tokens: self.place(),
        }
    }

    fn single(&self) -> Option<TokenTree> {
        single(self.value.as_deref()?.iter().cloned())
    }

    /// A key without a value.
    pub(crate) fn bare(&self, problems: &mut Problems) -> bool {
        if self.value.is_some() {
            problems.at(self.place(), self.key.rule());
        }
        true
    }

    /// A key without a value. Returns its tokens.
    pub(crate) fn word(&self, problems: &mut Problems) -> TokenStream {
        self.bare(problems);
        self.name.to_token_stream()
    }

    /// `true` or `false`.
    pub(crate) fn switch(&self, problems: &mut Problems) -> Option<Spanned<bool>> {
        match self.single() {
            Some(TokenTree::Ident(word)) if word == "true" => Some(self.spanned(true)),
            Some(TokenTree::Ident(word)) if word == "false" => Some(self.spanned(false)),
            _ => {
                problems.at(self.place(), self.key.rule());
                None
            }
        }
    }

    /// Whether it is `false`.
    pub(crate) fn is_off(&self, problems: &mut Problems) -> bool {
        self.switch(problems).is_some_and(|switch| !switch.value)
    }

    /// Text that is not empty, on one line, without blanks at its ends.
    pub(crate) fn text(&self, problems: &mut Problems) -> Option<Spanned<String>> {
        let Some(value) = self.single().as_ref().and_then(string) else {
            problems.at(self.place(), self.key.rule());
            return None;
        };
        if let Some(fault) = fault(self.key.name, &value) {
            problems.at(
                self.place(),
                format!("`{}` {fault}: `{}`", self.key.name, self.key.example),
            );
        }
        Some(self.spanned(value))
    }

    /// One of several words, as text.
    pub(crate) fn choice(
        &self,
        words: &[&'static str],
        problems: &mut Problems,
    ) -> Option<&'static str> {
        let text = self.single().as_ref().and_then(string);
        let word = text.and_then(|text| words.iter().find(|word| **word == text).copied());
        if word.is_none() {
            problems.at(self.place(), self.key.rule());
        }
        word
    }

    /// `["text", ..]`
    pub(crate) fn texts(&self, problems: &mut Problems) -> Vec<String> {
        let Some(TokenTree::Group(list)) = self.single() else {
            problems.at(self.place(), self.key.rule());
            return Vec::new();
        };
        if list.delimiter() != Delimiter::Bracket {
            problems.at(list, self.key.rule());
            return Vec::new();
        }
        let mut texts = Vec::new();
        for part in split(list.stream()) {
            match single(part.iter().cloned()).as_ref().and_then(string) {
                Some(text) => match fault(self.key.name, &text) {
                    None => texts.push(text),
                    Some(fault) => problems.at(
                        part.into_iter().collect::<TokenStream>(),
                        format!(
                            "an element of `{}` {fault}: `{}`",
                            self.key.name, self.key.example
                        ),
                    ),
                },
                None => {
                    let part: TokenStream = part.into_iter().collect();
                    let place = if part.is_empty() {
                        list.to_token_stream()
                    } else {
                        part
                    };
                    problems.at(place, self.key.rule());
                }
            }
        }
        texts
    }

    /// A length of time, as text with units.
    pub(crate) fn duration(&self, problems: &mut Problems) -> Option<Spanned<Duration>> {
        let Some(text) = self.single().as_ref().and_then(string) else {
            problems.at(self.place(), self.key.rule());
            return None;
        };
        match humantime::parse_duration(&text) {
            Ok(Duration::ZERO) => {
                let (name, example) = (self.key.name, self.key.example);
                problems.at(
                    self.place(),
                    format!("`{name}` cannot be zero; leave it out for no limit: `{example}`"),
                );
                None
            }
            Ok(duration) => Some(self.spanned(duration)),
            Err(error) => {
                problems.at(self.place(), format!("{} ({error})", self.key.rule()));
                None
            }
        }
    }
}

/// The only token of a value; a macro's fragment counts as the one token that it wraps.
fn single(tokens: impl IntoIterator<Item = TokenTree>) -> Option<TokenTree> {
    let mut tokens = tokens.into_iter();
    let token = tokens.next()?;
    if tokens.next().is_some() {
        return None;
    }
    match token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::None => single(group.stream()),
        token => Some(token),
    }
}

/// The text of a token; a fragment of another macro counts as what it wraps.
pub(crate) fn literal(token: &TokenTree) -> Option<String> {
    string(&single([token.clone()])?)
}

fn string(token: &TokenTree) -> Option<String> {
    let TokenTree::Literal(literal) = token else {
        return None;
    };
    match Lit::new(literal.clone()) {
        Lit::Str(text) if text.suffix().is_empty() => Some(text.value()),
        _ => None,
    }
}
