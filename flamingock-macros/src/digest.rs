//! The digest of a change's code, which shows an edit of an applied change.
//!
//! It covers the parameters, the return type and the body, as tokens. It ignores what the compiler
//! or rustfmt may write differently for the same program: comments and doc comments, line breaks,
//! trailing commas, the spelling of literals. It is a hint and not a seal, so a short hash without
//! a dependency is enough.

use proc_macro2::{Delimiter, Literal, TokenStream, TokenTree};
use syn::Lit;

use crate::function::Function;

/// The version of the rules below and 32 hexadecimal digits.
pub(crate) fn digest(function: &Function) -> String {
    let mut hash = Fnv::new();
    hash.sequence(&function.parameters);
    hash.write(b";");
    hash.sequence(&function.output);
    hash.write(b";");
    hash.sequence(&function.body);
    format!("v1:{:032x}", hash.0)
}

/// FNV-1a with 128 bits.
struct Fnv(u128);

impl Fnv {
    fn new() -> Self {
        Fnv(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d)
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 ^= u128::from(*byte);
            self.0 = self
                .0
                .wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
        }
    }

    /// The kind and the length come before the text, so that no two sequences have the same
    /// encoding.
    fn token(&mut self, kind: u8, text: &[u8]) {
        self.write(&[kind]);
        self.write(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_le_bytes());
        self.write(text);
    }

    fn sequence(&mut self, stream: &TokenStream) {
        let mut tokens = Vec::new();
        flatten(stream.clone(), &mut tokens);
        let mut rest = tokens.as_slice();
        loop {
            rest = skip_docs(rest);
            let Some((token, after)) = rest.split_first() else {
                return;
            };
            rest = after;
            match token {
                TokenTree::Ident(ident) => self.token(b'i', ident.to_string().as_bytes()),
                TokenTree::Literal(literal) => self.literal(literal),
                // The spacing of punctuation differs between compilers.
                TokenTree::Punct(punct) => {
                    let trailing = punct.as_char() == ',' && closes(skip_docs(rest));
                    if !trailing {
                        self.token(b'p', punct.as_char().to_string().as_bytes());
                    }
                }
                TokenTree::Group(group) => {
                    let (open, close): (&[u8], &[u8]) = match group.delimiter() {
                        Delimiter::Brace => (b"{", b"}"),
                        Delimiter::Bracket => (b"[", b"]"),
                        Delimiter::Parenthesis | Delimiter::None => (b"(", b")"),
                    };
                    self.write(open);
                    self.sequence(&group.stream());
                    self.write(close);
                }
            }
        }
    }

    /// By value: `1_000` is `1000`, `r"a"` is `"a"`.
    fn literal(&mut self, literal: &Literal) {
        let (kind, text, suffix) = match &Lit::new(literal.clone()) {
            Lit::Str(value) => (b's', value.value().into_bytes(), value.suffix().to_owned()),
            Lit::ByteStr(value) => (b'b', value.value(), value.suffix().to_owned()),
            Lit::CStr(value) => (b'z', value.value().into_bytes(), value.suffix().to_owned()),
            Lit::Byte(value) => (b'y', vec![value.value()], value.suffix().to_owned()),
            Lit::Char(value) => (
                b'c',
                value.value().to_string().into_bytes(),
                value.suffix().to_owned(),
            ),
            Lit::Int(value) => (
                b'n',
                value.base10_digits().as_bytes().to_vec(),
                value.suffix().to_owned(),
            ),
            Lit::Float(value) => (
                b'f',
                value.base10_digits().as_bytes().to_vec(),
                value.suffix().to_owned(),
            ),
            _ => (b'v', literal.to_string().into_bytes(), String::new()),
        };
        self.token(kind, &text);
        self.token(b'u', suffix.as_bytes());
    }
}

/// Groups without brackets come from macros and are not in the source.
fn flatten(stream: TokenStream, into: &mut Vec<TokenTree>) {
    for token in stream {
        match token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::None => {
                flatten(group.stream(), into);
            }
            token => into.push(token),
        }
    }
}

/// Skips `#[doc ..]` and `#![doc ..]`, the form of doc comments in tokens.
fn skip_docs(mut tokens: &[TokenTree]) -> &[TokenTree] {
    loop {
        let rest = match tokens {
            [TokenTree::Punct(hash), rest @ ..] if hash.as_char() == '#' => match rest {
                [TokenTree::Punct(bang), rest @ ..] if bang.as_char() == '!' => rest,
                rest => rest,
            },
            _ => return tokens,
        };
        let [TokenTree::Group(group), rest @ ..] = rest else {
            return tokens;
        };
        let is_doc = group.delimiter() == Delimiter::Bracket
            && matches!(group.stream().into_iter().next(), Some(TokenTree::Ident(name)) if name == "doc");
        if !is_doc {
            return tokens;
        }
        tokens = rest;
    }
}

/// Whether a comma before these tokens is a trailing one.
fn closes(tokens: &[TokenTree]) -> bool {
    match tokens.first() {
        None => true,
        Some(TokenTree::Punct(punct)) => punct.as_char() == '>',
        Some(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(source: &str) -> String {
        let item: TokenStream = source.parse().unwrap();
        digest(&Function::parse(&item, "change").unwrap())
    }

    #[test]
    fn hash_is_fnv_1a() {
        for (text, expected) in [
            ("", 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d),
            ("a", 0xd228_cb69_6f1a_8caf_7891_2b70_4e4a_8964),
            ("foobar", 0x343e_1662_793c_64bf_6f0d_3597_ba44_6f18),
        ] {
            let mut hash = Fnv::new();
            hash.write(text.as_bytes());
            assert_eq!(hash.0, expected, "{text}");
        }
    }

    #[test]
    fn text_is_stable() {
        // Digests are stored in audit tables and in committed manifests: this value never changes.
        assert_eq!(
            of(r#"async fn a(db: &mut Db) -> Result<(), E> { db.run("x", 1_000).await }"#),
            "v1:8f2010eb3d91e463ea4970e7fd83a76a"
        );
    }

    const BASE: &str = r#"async fn a(db: &mut Db, n: &Limits) -> Result<(), E> {
        let rows = vec![1000, 0xFF];
        log::start();
        db.run("insert", "a\"b", rows, Page { size: 2 }).await?;
        Ok(())
    }"#;

    #[test]
    fn digest_ignores_formatting() {
        for (what, from, to) in [
            ("the function's name", "fn a", "fn other"),
            ("visibility", "async fn", "pub(crate) async fn"),
            (
                "an attribute of the function",
                "async fn",
                "#[inline] async fn",
            ),
            ("its doc comment", "async fn", "/// Says more.\nasync fn"),
            ("a comment", "let rows", "/* why */ let rows // and how\n"),
            ("a doc comment inside", "let rows", "/// Rows.\n let rows"),
            (
                "a doc comment before a comma's bracket",
                "size: 2 }",
                "size: 2, /** x */ }",
            ),
            ("an inner doc comment", "let rows", "//! Rows.\n let rows"),
            ("line breaks", "await?;", "await\n\n?\n;"),
            ("punctuation spacing", "log::start", "log: :start"),
            ("a trailing comma of an array", "0xFF]", "0xFF,]"),
            ("a trailing comma of a call", "size: 2 })", "size: 2 },)"),
            ("a trailing comma of a struct", "size: 2 }", "size: 2, }"),
            (
                "a trailing comma of the parameters",
                "&Limits)",
                "&Limits,)",
            ),
            (
                "a trailing comma of generics",
                "Result<(), E>",
                "Result<(), E,>",
            ),
            ("digit separators", "1000", "1_000"),
            ("a number's base", "0xFF", "255"),
            ("a raw string", r#""insert""#, r##"r#"insert"#"##),
            ("an escaped string", r#""a\"b""#, r##"r#"a"b"#"##),
            ("an escape", r#""insert""#, r#""\x69nsert""#),
        ] {
            let edited = BASE.replace(from, to);
            assert_ne!(edited, BASE, "{what}");
            assert_eq!(of(&edited), of(BASE), "{what}");
        }
    }

    #[test]
    fn digest_changes_with_code() {
        for (what, from, to) in [
            ("a string", "insert", "upsert"),
            ("a number", "1000", "1001"),
            ("a number's suffix", "1000", "1000u8"),
            ("text for a number", "1000", "\"1000\""),
            ("bytes for text", r#""insert""#, r#"b"insert""#),
            ("an argument's type", "&mut Db", "&Db"),
            ("an argument's name", "n: ", "limits: "),
            ("an argument more", "&Limits", "&Limits, x: &u8"),
            ("the return type", "Result<(), E>", "Result<(), F>"),
            ("a statement more", "Ok(())", "done(); Ok(())"),
            ("a statement less", "let rows = vec![1000, 0xFF];", ""),
            ("an attribute inside", "let rows", "#[cfg(unix)] let rows"),
            (
                "the kind of bracket",
                "vec![1000, 0xFF]",
                "vec!(1000, 0xFF)",
            ),
            ("a comma that separates", "1000, 0xFF", "1000; 0xFF"),
            (
                "where a string ends",
                r#""insert", "a\"b""#,
                r#""inserta", "\"b""#,
            ),
            ("an operator", "await?", "await!"),
        ] {
            let edited = BASE.replace(from, to);
            assert_ne!(edited, BASE, "{what}");
            assert_ne!(of(&edited), of(BASE), "{what}");
        }
    }

    #[test]
    fn groups_of_macros_are_transparent() {
        let name: TokenTree =
            proc_macro2::Group::new(Delimiter::None, "x + 1".parse().unwrap()).into();
        let grouped = quote::quote! { async fn a() { f(#name) } };
        assert_eq!(
            digest(&Function::parse(&grouped, "change").unwrap()),
            of("async fn a() { f(x + 1) }")
        );
    }
}
