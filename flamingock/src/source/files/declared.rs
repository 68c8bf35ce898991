//! Changes declared in YAML or TOML files: a template, and payloads for it.

use super::digest;
use super::header;
use super::header::Header;
use super::load::read_change::Read;
use super::mistake::Mistake;
use super::role::Kind;
use super::sql::SqlFile;
use super::templates::Templates;
use crate::change::argument::Need;
use crate::change::body::{Body, Code};
use crate::change::client::Client;
use crate::change::problem::Location;
use crate::change::script::Script;
use crate::source::template;
use crate::source::template::tree::{Entry, Node, Value};
use crate::source::template::{Payload, Template, TemplateBody, Work, expand, unknown};

mod called;
mod keys;
mod steps;

use self::called::Called;

/// The keys of a declared change that are no keys of `#[change]`.
const PARTS: [&str; 5] = ["template", "apply", "rollback", "verify", "steps"];

/// Reads a file, and reports all of its mistakes together.
pub(super) fn read(
    path: &'static str,
    kind: Kind,
    text: &str,
    transaction: Option<bool>,
    templates: &Templates,
) -> Result<Read, Vec<Mistake>> {
    let parsed = match kind {
        Kind::Yaml => template::yaml::read(text),
        Kind::Toml => template::toml::read(text),
        Kind::Sql => return Err(vec![(1, "it is SQL".to_owned())]),
    };
    let root = parsed.map_err(|mistake| vec![mistake])?;
    let Value::Map(entries) = root.value else {
        let rule = format!("it says nothing: {}", FORM);
        return Err(vec![(root.line, rule)]);
    };
    let mut file = File {
        path,
        mistakes: Vec::new(),
    };
    let mut header = keys::header(&entries, kind, &mut file.mistakes);
    header.description = keys::description(text);
    let declared = file.body(entries, &mut header, transaction, templates);
    match declared {
        Some((body, rollback, verify)) if file.mistakes.is_empty() => Ok(Read {
            header,
            digest: digest::of(text),
            body,
            rollback,
            verify,
        }),
        _ => {
            file.mistakes.sort_by_key(|(line, _)| *line);
            Err(file.mistakes)
        }
    }
}

const FORM: &str = "a declared change names its template and has a payload for it: `template: sql` and `apply: \"UPDATE ..\"`";

/// No SQL contains it, and `$${` of PostgreSQL is expanded to it.
#[cfg(feature = "_sqlx")]
const UNQUOTED: &str = "`$${` stands for `${`, which means nothing in SQL outside of quotes: where PostgreSQL's `$$` is to begin a text, write `$$${`";

/// The bodies of a change.
type Bodies = (Body<()>, Option<Body<()>>, Option<Body<bool>>);

/// The file that is being read.
struct File {
    path: &'static str,
    mistakes: Vec<Mistake>,
}

/// The template of a payload, with the location and the transaction setting of its change.
#[derive(Clone, Copy)]
struct Use {
    template: &'static Template,
    location: Location,
    transaction: bool,
}

impl File {
    fn body(
        &mut self,
        entries: Vec<Entry>,
        header: &mut Header,
        transaction: Option<bool>,
        templates: &Templates,
    ) -> Option<Bodies> {
        let mut parts = Parts::default();
        for entry in entries {
            match entry.key.as_str() {
                "template" => parts.template = Some(entry),
                "apply" => parts.apply = Some(entry),
                "rollback" => parts.rollback = Some(entry),
                "verify" => parts.verify = Some(entry),
                "steps" => parts.steps = Some(entry),
                key if header::KEYS.contains(&key) => {}
                key => {
                    let known: Vec<&str> = PARTS.into_iter().chain(header::KEYS).collect();
                    self.mistakes
                        .push((entry.line, unknown("key", key, &known)));
                }
            }
        }
        let template = self.template(parts.template.as_ref(), templates);
        if let Some(entry) = &parts.template {
            header.line = entry.line;
        }
        self.check_parts(&parts, header.line);
        let usage = Use {
            template: template?,
            location: Location {
                file: self.path,
                line: header.line,
            },
            transaction: header.transaction.or(transaction).unwrap_or(true),
        };
        keys::check_connection(
            header,
            usage.needs(),
            usage.template.name,
            &mut self.mistakes,
        );
        let (body, rollback) = match parts.steps {
            Some(steps) => self.steps(steps, usage)?,
            None => {
                let mut apply = self.payload(parts.apply?.node, usage);
                if let Some(apply) = &mut apply {
                    apply.location = usage.location;
                }
                let rollback = parts
                    .rollback
                    .map(|rollback| self.payload(rollback.node, usage));
                match rollback {
                    None => (apply?, None),
                    Some(rollback) => (apply?, Some(rollback?)),
                }
            }
        };
        let verify = match parts.verify {
            None => None,
            Some(entry) => Some(self.verify(entry, usage)?),
        };
        Some((body, rollback, verify))
    }

    fn template(
        &mut self,
        entry: Option<&Entry>,
        templates: &Templates,
    ) -> Option<&'static Template> {
        let Some(entry) = entry else {
            self.mistakes
                .push((1, format!("`template` is missing: {FORM}")));
            return None;
        };
        let Value::Text(name) = &entry.node.value else {
            let rule = "`template` is the name of one: `template: sql`";
            self.mistakes.push((entry.node.line, rule.to_owned()));
            return None;
        };
        match templates.named(&name.text) {
            Ok(template) => Some(template),
            Err(rule) => {
                self.mistakes.push((entry.node.line, rule));
                None
            }
        }
    }

    /// Checks that there is either one payload or a list of steps.
    fn check_parts(&mut self, parts: &Parts, line: u32) {
        match (&parts.apply, &parts.steps) {
            (None, None) => {
                let rule = format!("`apply` is missing, or `steps`: {FORM}");
                self.mistakes.push((line, rule));
            }
            (Some(_), Some(steps)) => {
                let rule = "`steps` and `apply` exclude each other: each step has its own `apply`";
                self.mistakes.push((steps.line, rule.to_owned()));
            }
            (Some(_), None) | (None, Some(_)) => {}
        }
        if let (Some(_), Some(rollback)) = (&parts.steps, &parts.rollback) {
            let rule =
                "`steps` and `rollback` exclude each other: each step has its own `rollback`";
            self.mistakes.push((rollback.line, rule.to_owned()));
        }
    }

    /// Creates the body for a payload of the template.
    fn payload(&mut self, node: Node, usage: Use) -> Option<Body<()>> {
        let node = self.expanded(node)?;
        let location = Location {
            file: self.path,
            line: node.line,
        };
        match &usage.template.work {
            Work::Function(function) => {
                let called = self.called(function, node)?;
                Some(usage.body(location, Code::Read(called)))
            }
            Work::Sql => {
                let script = self.script(&node)?;
                let file = SqlFile {
                    undo_only: false,
                    script,
                    transaction: usage.transaction,
                };
                Some(usage.body(location, Code::Read(Box::leak(Box::new(file)))))
            }
        }
    }

    fn script(&mut self, node: &Node) -> Option<Script> {
        let text = match template::sql_text(node) {
            Ok(text) => text,
            Err(mistake) => {
                self.mistakes
                    .push((mistake.line_or(node.line), mistake.message()));
                return None;
            }
        };
        if text.text.trim().is_empty() {
            self.mistakes
                .push((node.line, "it has no statement".to_owned()));
            return None;
        }
        #[cfg(feature = "_sqlx")]
        if let Some(line) = crate::statements::line_of_unquoted(&text.text, "${") {
            let further = u32::try_from(line - 1).unwrap_or(u32::MAX);
            self.mistakes
                .push((text.line.saturating_add(further), UNQUOTED.to_owned()));
            return None;
        }
        Some(Script {
            file: self.path,
            line: text.line,
            text: text.text.clone().leak(),
            has_blocks: false,
            client: Client::Server,
            without_transaction: "write `transaction: false`, in TOML `transaction = false`",
        })
    }

    fn verify(&mut self, entry: Entry, usage: Use) -> Option<Body<bool>> {
        let Some(function) = usage.template.verify else {
            let name = usage.template.name;
            let rule = format!(
                "the template `{name}` has no verify function, so there is nothing that `verify` could be for: leave it out, or write one, `#[verify(template = ..)]`"
            );
            self.mistakes.push((entry.line, rule));
            return None;
        };
        let node = self.expanded(entry.node)?;
        let location = Location {
            file: self.path,
            line: node.line,
        };
        let called = self.called(function, node)?;
        Some(Body {
            name: function.name,
            location,
            needs: function.needs,
            transaction: false,
            code: Code::Read(called),
        })
    }

    /// Expands the placeholders of a value.
    fn expanded(&mut self, node: Node) -> Option<Node> {
        let before = self.mistakes.len();
        let lookup = |name: &str| std::env::var(name);
        let node = expand(node, &lookup, &mut self.mistakes);
        (self.mistakes.len() == before).then_some(node)
    }

    fn called<T>(
        &mut self,
        function: &'static TemplateBody<T>,
        node: Node,
    ) -> Option<&'static Called<T>> {
        let node: &'static Node = Box::leak(Box::new(node));
        if let Err(mistake) = (function.check)(Payload::new(node, None)) {
            self.mistakes
                .push((mistake.line_or(node.line), mistake.message()));
            return None;
        }
        Some(Box::leak(Box::new(Called::new(function.call, node))))
    }
}

impl Use {
    fn needs(self) -> &'static [Need] {
        match &self.template.work {
            Work::Function(function) => function.needs,
            Work::Sql => &[Need::ANY_CONNECTION],
        }
    }

    fn body(self, location: Location, code: Code<()>) -> Body<()> {
        let needs = self.needs();
        Body {
            name: self.template.name,
            location,
            needs,
            transaction: self.transaction && crate::change::argument::connections(needs) > 0,
            code,
        }
    }
}

/// The keys for payloads.
#[derive(Default)]
struct Parts {
    template: Option<Entry>,
    apply: Option<Entry>,
    rollback: Option<Entry>,
    verify: Option<Entry>,
    steps: Option<Entry>,
}

#[cfg(test)]
mod tests;
