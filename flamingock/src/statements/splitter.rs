//! The splitter, which reads a script statement by statement.

use std::ops::Range;

use crate::util::database_kind::DatabaseKind;

use super::context::{Seen, is_one_of};
use super::control;
use super::delimiter::Command;
use super::error::{Flaw, SplitError};
use super::goose::{self, Marker};
use super::lexer::{Found, Lexer, Token};
use super::quotes::Quoting;
use super::quoting::{Course, Turn};
use super::script::{Blocks, Parameter, Script, Statement};
use super::shape::Shape;
use super::token::Kind;

/// The state of a script while it is split.
pub(super) struct Splitter<'a> {
    kind: DatabaseKind,
    text: &'a str,
    blocks: Blocks,
    /// Whether the text is a piece of a script that is only inspected, in which commands of a
    /// client have no meaning.
    is_piece: bool,
    lexer: Lexer<'a>,
    shape: Shape<'a>,
    /// The statement that has begun.
    pending: Option<Pending>,
    lines: Lines<'a>,
    course: Course<'a>,
    script: Script<'a>,
}

/// The bytes of a statement that has begun.
#[derive(Clone, Copy)]
struct Pending {
    start: usize,
    end: usize,
    /// Whether it contains more than hints and empty executable comments.
    has_content: bool,
    /// Whether a part of it is outside executable comments.
    is_certain: bool,
}

impl<'a> Splitter<'a> {
    pub(super) fn new(
        kind: DatabaseKind,
        text: &'a str,
        blocks: Blocks,
        quoting: Quoting,
    ) -> Splitter<'a> {
        Splitter {
            kind,
            text,
            blocks,
            is_piece: false,
            lexer: Lexer::new(kind, text, quoting),
            shape: Shape::new(kind),
            pending: None,
            lines: Lines::new(text),
            course: Course::new(kind, quoting),
            script: Script::of(Vec::new()),
        }
    }

    pub(super) fn run(mut self) -> Result<Script<'a>, SplitError> {
        match self.go_through() {
            Ok(()) => Ok(self.script),
            Err(found) => Err(SplitError::at(self.text, found.at, found.flaw)),
        }
    }

    fn go_through(&mut self) -> Result<(), Found> {
        // A database that reads up to the first NUL would silently run a part of the script.
        if let Some(at) = self.text.bytes().position(|byte| byte == 0) {
            let flaw = Flaw::Nul;
            return Err(Found { flaw, at });
        }
        while let Some(token) = self.lexer.next()? {
            self.token(token)?;
        }
        self.end()?;
        self.script.may_be_empty |= self.script.statements.is_empty();
        Ok(())
    }

    fn token(&mut self, token: Token) -> Result<(), Found> {
        match token.kind {
            Kind::Blank => Ok(()),
            Kind::Comment => self.comment(token),
            Kind::Hint | Kind::ExecutableOpen | Kind::ExecutableClose => {
                self.extend(token, false);
                Ok(())
            }
            Kind::Delimiter => self.end(),
            Kind::Symbol(b';') if self.semicolon_ends() => self.end(),
            // Before a statement that ends with another delimiter.
            Kind::Symbol(b';') if !self.has_content() => Ok(()),
            Kind::Word if self.is_delimiter_command(token) => self.delimiter_command(token),
            Kind::Word => self.content(token, Seen::Word(self.lexer.text_of(token))),
            Kind::Symbol(b'{') if self.rest(token).starts_with("{{") => Err(Found {
                flaw: Flaw::Template,
                at: token.start,
            }),
            Kind::Symbol(b'-') if self.is_bare_comment(token) => {
                self.skip_line(token);
                Ok(())
            }
            Kind::Symbol(symbol) => self.content(token, Seen::Symbol(symbol)),
            Kind::Value => self.content(token, Seen::Value),
            Kind::Parameter => {
                self.note_parameter(token);
                self.content(token, Seen::Value)
            }
        }
    }

    fn note_parameter(&mut self, token: Token) {
        if self.script.parameter.is_none() {
            let before = self.text.as_bytes().iter().take(token.start);
            self.script.parameter = Some(Parameter {
                text: self.lexer.text_of(token),
                line: 1 + before.filter(|&&byte| byte == b'\n').count(),
            });
        }
    }

    fn semicolon_ends(&self) -> bool {
        !self.lexer.is_in_executable_comment()
            && !self.lexer.has_delimiter()
            && self.shape.can_end()
    }

    /// Recognizes `--x` between two statements: no statement begins so, and the client and Flyway
    /// skip the line. For the server, a comment needs a blank after the signs.
    fn is_bare_comment(&self, token: Token) -> bool {
        self.kind == DatabaseKind::MySql
            && !self.has_content()
            && !self.lexer.is_in_executable_comment()
            && self.rest(token).starts_with("--")
    }

    /// Returns the text from a token on.
    fn rest(&self, token: Token) -> &'a str {
        self.text.get(token.start..).unwrap_or_default()
    }

    fn skip_line(&mut self, token: Token) {
        let rest = self.rest(token);
        let length = rest.find('\n').unwrap_or(rest.len());
        self.lexer.go_to(token.start + length);
    }

    /// Reports whether a statement has begun that contains more than hints and empty executable
    /// comments.
    fn has_content(&self) -> bool {
        self.pending.is_some_and(|pending| pending.has_content)
    }

    fn content(&mut self, token: Token, seen: Seen<'a>) -> Result<(), Found> {
        if !self.has_content() {
            self.shape.begins(seen, self.rest(token));
        }
        self.shape.see(seen);
        self.extend(token, true);
        // The following text is no SQL, but rows or the arguments of a command.
        match self.shape.flaw() {
            Some(flaw) => Err(Found {
                flaw,
                at: self.pending.map_or(token.start, |pending| pending.start),
            }),
            None => Ok(()),
        }
    }

    fn extend(&mut self, token: Token, is_content: bool) {
        let pending = self.pending.get_or_insert(Pending {
            start: token.start,
            end: token.end,
            has_content: false,
            is_certain: false,
        });
        // A semicolon belongs to the statement only if more of it follows. Sent with its own
        // semicolon and another one after it, there would be an empty statement between the two,
        // which MySQL refuses.
        if token.kind != Kind::Symbol(b';') {
            pending.end = token.end;
        }
        pending.has_content |= is_content;
        pending.is_certain |= is_content && !self.lexer.is_in_executable_comment();
    }

    /// Completes the statement that has begun, if there is one.
    fn end(&mut self) -> Result<(), Found> {
        let shape = std::mem::replace(&mut self.shape, Shape::new(self.kind));
        let Some(pending) = self.pending.take().filter(|pending| pending.has_content) else {
            return Ok(());
        };
        self.script.may_be_empty |= !pending.is_certain;
        self.push(pending.start, pending.end)?;
        if self.lexer.has_delimiter() && !shape.is_routine() {
            self.look_into(pending.start, pending.end);
        }
        Ok(())
    }

    fn push(&mut self, start: usize, end: usize) -> Result<(), Found> {
        let statement = Statement {
            text: self.text.get(start..end).unwrap_or_default(),
            line: self.lines.line_of(start),
            range: start..end,
            quoting: self.lexer.quoting(),
        };
        if self.script.control.is_none() {
            self.script.control = control::of(self.kind, &statement);
        }
        let turn = self.course.follow(self.text, &statement);
        self.script.statements.push(statement);
        match turn {
            Turn::To(quoting) if quoting == self.lexer.quoting() => {}
            Turn::To(quoting) => {
                self.lexer.set_quoting(quoting);
                self.script.changes_quoting = true;
            }
            Turn::Unknown { at } => {
                let set = self.script.statements.last();
                let set = set.map_or("", |statement| statement.text);
                let set = super::shorten(set);
                return Err(Found {
                    flaw: Flaw::UnknownQuoting { set },
                    at,
                });
            }
        }
        Ok(())
    }

    /// Looks for transaction control in a piece that may contain several statements, because
    /// another delimiter than a semicolon ended it. A piece that cannot be read is sent unchanged.
    fn look_into(&mut self, start: usize, end: usize) {
        if self.is_piece || self.script.control.is_some() {
            return;
        }
        let piece = self.text.get(start..end).unwrap_or_default();
        let mut inner = Splitter::new(self.kind, piece, Blocks::None, self.lexer.quoting());
        inner.is_piece = true;
        let control = inner.run().ok().and_then(|script| script.control);
        self.script.control = control.map(|mut control| {
            control.line += self.lines.line_of(start) - 1;
            control
        });
    }

    fn is_delimiter_command(&self, token: Token) -> bool {
        self.kind == DatabaseKind::MySql
            && !self.is_piece
            && !self.has_content()
            && !self.lexer.is_in_executable_comment()
            && is_one_of(self.lexer.text_of(token), &["DELIMITER"])
    }

    fn delimiter_command(&mut self, token: Token) -> Result<(), Found> {
        let command = Command::read(self.text, token.end).map_err(|flaw| Found {
            flaw,
            at: token.start,
        })?;
        self.pending = None;
        self.lexer.set_delimiter(command.delimiter);
        self.lexer.go_to(command.end);
        self.script.has_client_commands = true;
        Ok(())
    }

    fn comment(&mut self, token: Token) -> Result<(), Found> {
        if self.blocks == Blocks::None {
            return Ok(());
        }
        let stray = |reason| {
            let flaw = Flaw::StrayBlock { reason };
            Err(Found {
                flaw,
                at: token.start,
            })
        };
        match goose::marker(self.lexer.text_of(token)) {
            None => Ok(()),
            Some(Marker::Begin) if !self.has_content() => self.block(token),
            Some(Marker::Begin) => stray(
                "a statement begins before this `-- +goose StatementBegin` and has not ended: end it with a semicolon",
            ),
            Some(Marker::End) => {
                stray("no `-- +goose StatementBegin` stands before this `-- +goose StatementEnd`")
            }
        }
    }

    /// Reads a statement between explicit markers.
    fn block(&mut self, begin: Token) -> Result<(), Found> {
        let at = begin.start;
        let (end, next) = goose::block(self.text, begin.end).ok_or(Found {
            flaw: Flaw::OpenBlock,
            at,
        })?;
        let content = self.text.get(begin.end..end).unwrap_or_default();
        self.pending = None;
        if let Some(found) = bounds(self.kind, content, self.lexer.quoting()) {
            let (start, end) = (begin.end + found.start, begin.end + found.end);
            self.push(start, end)?;
            self.look_into(start, end);
        }
        self.lexer.go_to(next);
        Ok(())
    }
}

/// Returns the bounds of a statement in a text, without the comments, blanks and semicolons around
/// it. Text that cannot be read is returned unchanged, and the database reports what is wrong.
fn bounds(kind: DatabaseKind, text: &str, quoting: Quoting) -> Option<Range<usize>> {
    let mut lexer = Lexer::new(kind, text, quoting);
    let (mut found, mut has_content): (Option<Range<usize>>, bool) = (None, false);
    loop {
        let token = match lexer.next() {
            Ok(Some(token)) => token,
            Ok(None) => return found.filter(|_| has_content),
            Err(_) => {
                let start = found.map_or(text.len() - text.trim_start().len(), |found| found.start);
                return Some(start..text.trim_end().len());
            }
        };
        match token.kind {
            Kind::Blank | Kind::Comment | Kind::Symbol(b';') => continue,
            Kind::Hint | Kind::ExecutableOpen | Kind::ExecutableClose => {}
            Kind::Word | Kind::Value | Kind::Parameter | Kind::Symbol(_) | Kind::Delimiter => {
                has_content = true;
            }
        }
        let start = found.map_or(token.start, |found| found.start);
        found = Some(start..token.end);
    }
}

/// Counts lines incrementally, because places only increase.
struct Lines<'a> {
    text: &'a str,
    at: usize,
    line: usize,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Lines<'a> {
        Lines {
            text,
            at: 0,
            line: 1,
        }
    }

    /// Returns the line of a byte, from 1. The byte must not come before that of the previous call.
    fn line_of(&mut self, at: usize) -> usize {
        let passed = self.text.as_bytes().get(self.at..at).unwrap_or_default();
        self.line += passed.iter().filter(|&&byte| byte == b'\n').count();
        self.at = self.at.max(at);
        self.line
    }
}
