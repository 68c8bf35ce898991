//! Building the definition of a change from its files and the settings of its folder.

use super::file::leak;
use super::reader::Reader;
use crate::change::definition::{Definition, Phase, Recovery, Repeat};
use crate::change::names::DEFAULT;
use crate::source::files::load::read_change::Read;
use crate::source::files::role::Name;

impl Reader<'_> {
    /// Builds the definition of a change from its files and the settings of the folder.
    pub(super) fn defined(&self, name: &Name, read: Read) -> Definition {
        let Read { header, .. } = read;
        let defaults = &self.folder.defaults;
        let tags = header.tags.map_or(defaults.tags, |tags| {
            let tags: Vec<&'static str> = tags.into_iter().map(leak).collect();
            Box::leak(tags.into_boxed_slice())
        });
        let text = |own: Option<String>, folder: Option<&'static str>, default| {
            own.map(leak).or(folder).unwrap_or(default)
        };
        let named = if name.repeats {
            Repeat::OnChange
        } else {
            defaults.repeat
        };
        Definition {
            id: leak(header.id.unwrap_or_else(|| name.id.clone())),
            order: leak(header.order.unwrap_or_else(|| name.order.clone())),
            author: text(header.author, defaults.author, self.folder.author),
            description: leak(header.description),
            stage: text(header.stage, defaults.stage, DEFAULT),
            target: text(header.target, defaults.target, DEFAULT),
            recovery: header
                .recovery
                .or(defaults.recovery)
                .unwrap_or(Recovery::Manual),
            repeat: header.repeat.unwrap_or(named),
            phase: header.phase.unwrap_or(Phase::Startup),
            requires: header.requires.map(leak),
            tags,
            timeout: header.timeout.or(defaults.timeout),
            lock_timeout: header.lock_timeout.or(defaults.lock_timeout),
            statement_timeout: header.statement_timeout.or(defaults.statement_timeout),
            digest: leak(read.digest),
            module_path: self.folder.module_path,
            body: read.body,
            rollback: read.rollback.map(|body| &*Box::leak(Box::new(body))),
            verify: read.verify.map(|body| &*Box::leak(Box::new(body))),
        }
    }
}
