//! Reads the sources of a crate, and follows each path to the file that defines its name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

pub(super) type ModulePath = Vec<String>;

/// A file of a crate.
#[derive(Default)]
struct Module {
    /// Whether it is an entry file without logic, whose re-exports are not imports.
    is_entry: bool,
    children: BTreeSet<String>,
    items: BTreeSet<String>,
    /// The imports by `use`: the name, and the path as written.
    uses: BTreeMap<String, ModulePath>,
    globs: Vec<ModulePath>,
    /// The names that are re-exported.
    public: BTreeSet<String>,
    /// Other paths in the code.
    paths: BTreeSet<ModulePath>,
}

/// The files of a crate by their module paths.
pub(super) struct Crate(BTreeMap<ModulePath, Module>);

impl Crate {
    pub(super) fn read(source: &Path) -> Crate {
        let mut found = Crate(BTreeMap::new());
        found.module(&source.join("lib.rs"), source, Vec::new());
        found
    }

    fn module(&mut self, file: &Path, folder: &Path, path: ModulePath) {
        let text = std::fs::read_to_string(file).unwrap();
        let tokens = TokenStream::from_str(&text).unwrap_or_else(|error| {
            panic!("{}: {error}", file.display());
        });
        let mut module = Module {
            is_entry: file.ends_with("lib.rs") || file.ends_with("mod.rs"),
            ..Module::default()
        };
        module.scan(tokens);
        for child in module.children.clone() {
            let mut inner = path.clone();
            inner.push(child.clone());
            let [flat, nested] = [
                folder.join(format!("{child}.rs")),
                folder.join(&child).join("mod.rs"),
            ];
            let file: PathBuf = if flat.exists() { flat } else { nested };
            self.module(&file, &folder.join(&child), inner);
        }
        self.0.insert(path, module);
    }

    /// A path as written in a module, from the crate's root; none for a path into another crate.
    fn absolute(&self, from: &ModulePath, path: &[String]) -> Option<ModulePath> {
        let module = &self.0[from];
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => Some(rest.to_vec()),
            "self" => Some([from, rest].concat()),
            "super" => {
                let ups = path.iter().take_while(|part| *part == "super").count();
                let kept = from.len().checked_sub(ups)?;
                Some([&from[..kept], &path[ups..]].concat())
            }
            name if module.children.contains(name) || module.items.contains(name) => {
                Some([from, path].concat())
            }
            name => {
                let used = module
                    .uses
                    .get(name)
                    .filter(|used| used.as_slice() != path)?;
                Some([self.absolute(from, used)?.as_slice(), rest].concat())
            }
        }
    }

    /// The file that defines the item of an absolute path; none for a module.
    fn definer(&self, path: &[String], depth: usize) -> Option<ModulePath> {
        let mut at: ModulePath = Vec::new();
        for (index, part) in path.iter().enumerate() {
            let module = &self.0[&at];
            if module.children.contains(part) {
                at.push(part.clone());
                continue;
            }
            if module.items.contains(part) {
                return Some(at);
            }
            let rest = &path[index + 1..];
            if depth > 20 {
                return None;
            }
            if let Some(used) = module.uses.get(part) {
                let used = self.absolute(&at, used)?;
                return self.definer(&[&used, rest].concat(), depth + 1);
            }
            return module.globs.iter().find_map(|glob| {
                let used = self.absolute(&at, glob)?;
                self.definer(&[&used, &path[index..]].concat(), depth + 1)
            });
        }
        None
    }

    /// The files that each file imports from.
    pub(super) fn imports(&self) -> BTreeMap<&ModulePath, BTreeSet<ModulePath>> {
        let mut all = BTreeMap::new();
        for (from, module) in &self.0 {
            let used = module
                .uses
                .iter()
                .filter(|(name, _)| !module.is_entry || !module.public.contains(*name))
                .map(|(_, path)| path);
            let definers = used.chain(&module.paths).filter_map(|path| {
                let path = self.absolute(from, path)?;
                (1..=path.len())
                    .rev()
                    .find_map(|length| self.definer(&path[..length], 0))
            });
            let definers = definers.filter(|to| to != from && !to.is_empty());
            if !from.is_empty() {
                all.insert(from, definers.collect());
            }
        }
        all
    }
}

impl Module {
    fn scan(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        let mut is_test = false;
        while at < tokens.len() {
            let end = item_end(&tokens, at);
            match &tokens[at] {
                TokenTree::Punct(hash) if hash.as_char() == '#' => {
                    let attribute = tokens.get(at + 1).map(ToString::to_string);
                    let attribute = attribute.unwrap_or_default().replace(' ', "");
                    is_test |= attribute.starts_with("[cfg(test") || attribute.contains("all(test");
                    at += if attribute.starts_with('[') { 2 } else { 3 };
                    continue;
                }
                _ if is_test => {}
                _ => self.item(&tokens[at..end]),
            }
            is_test = false;
            at = end;
        }
    }

    fn item(&mut self, tokens: &[TokenTree]) {
        const KINDS: [&str; 8] = [
            "fn", "struct", "enum", "trait", "type", "const", "static", "mod",
        ];
        let is_public = matches!(&tokens[0], TokenTree::Ident(word) if word == "pub");
        let words: Vec<String> = tokens.iter().map(ToString::to_string).collect();
        let kind = words.iter().position(|word| {
            KINDS.contains(&word.as_str())
                || ["use", "impl", "macro_rules"].contains(&word.as_str())
        });
        let Some(kind) = kind else {
            return self.look(tokens);
        };
        match words[kind].as_str() {
            "use" => {
                let mut found = Vec::new();
                tree(&tokens[kind + 1..], &Vec::new(), &mut found);
                for (path, name) in found {
                    if name == "*" {
                        self.globs.push(path);
                        continue;
                    }
                    if is_public {
                        self.public.insert(name.clone());
                    }
                    // A trait that is imported without a name counts as well.
                    let name = if name == "_" { path.join("::") } else { name };
                    self.uses.insert(name, path);
                }
            }
            "mod" if words.get(kind + 2).is_some_and(|next| next == ";") => {
                self.children.insert(words[kind + 1].clone());
            }
            "macro_rules" => {
                self.items.insert(words[kind + 2].clone());
                self.look(tokens);
            }
            "impl" => self.look(tokens),
            _ => {
                let name = words[kind + 1..].iter().find(|word| {
                    !KINDS.contains(&word.as_str()) && *word != "unsafe" && *word != "async"
                });
                if let Some(name) = name {
                    self.items.insert(name.trim_start_matches("r#").to_owned());
                }
                self.look(&tokens[kind + 1..]);
            }
        }
    }

    /// Collects the paths of tokens, including those in groups.
    fn look(&mut self, tokens: &[TokenTree]) {
        let mut at = 0;
        while at < tokens.len() {
            match &tokens[at] {
                TokenTree::Group(group) => {
                    let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                    self.look(&inner);
                }
                // Code that a macro writes for its callers.
                TokenTree::Punct(dollar) if dollar.as_char() == '$' => at += 1,
                TokenTree::Ident(first) => {
                    let mut path = vec![first.to_string()];
                    while let [
                        TokenTree::Punct(one),
                        TokenTree::Punct(two),
                        TokenTree::Ident(next),
                        ..,
                    ] = &tokens[at + 1..]
                        && (one.as_char(), two.as_char()) == (':', ':')
                    {
                        path.push(next.to_string());
                        at += 3;
                    }
                    if path.len() > 1 {
                        self.paths.insert(path);
                    }
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
            at += 1;
        }
    }
}

/// The end of the item that begins here: after its semicolon or its block.
fn item_end(tokens: &[TokenTree], begin: usize) -> usize {
    let is_use = tokens[begin..]
        .iter()
        .take(3)
        .any(|token| matches!(token, TokenTree::Ident(word) if word == "use"));
    for (at, token) in tokens.iter().enumerate().skip(begin) {
        match token {
            TokenTree::Punct(mark) if mark.as_char() == ';' => return at + 1,
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace && !is_use => {
                return at + 1;
            }
            _ => {}
        }
    }
    tokens.len()
}

/// The paths of a `use` tree, with the imported names.
fn tree(tokens: &[TokenTree], prefix: &ModulePath, found: &mut Vec<(ModulePath, String)>) {
    let mut path = prefix.clone();
    let mut name = None;
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Ident(word) if word == "as" => {
                at += 1;
                name = Some(tokens[at].to_string());
            }
            TokenTree::Ident(word) => path.push(word.to_string()),
            TokenTree::Punct(star) if star.as_char() == '*' => name = Some("*".to_owned()),
            TokenTree::Group(group) => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                let is_comma = |token: &TokenTree| matches!(token, TokenTree::Punct(mark) if mark.as_char() == ',');
                for part in inner.split(is_comma) {
                    tree(part, &path, found);
                }
                return;
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
        at += 1;
    }
    if path.len() > prefix.len() || name.is_some() {
        if path.last().is_some_and(|last| last == "self") && path.len() > 1 {
            path.pop();
        }
        let last = path.last().cloned().unwrap_or_default();
        found.push((path, name.unwrap_or(last)));
    }
}
