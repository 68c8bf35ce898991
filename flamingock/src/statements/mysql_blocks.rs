//! The statements of MySQL and MariaDB that contain semicolons.
//!
//! Scripts for the server's own client set a `DELIMITER` around them; scripts for tools that send a
//! file unchanged do not. So the blocks of a routine's body are tracked here: `BEGIN .. END`,
//! `CASE .. END` and `CASE .. END CASE`, and in a body without `BEGIN` also `IF`, `LOOP`, `WHILE`,
//! `REPEAT` and `FOR`. Each statement of a list ends with a semicolon, so an `END` after a
//! semicolon closes a block or a compound statement, and any other closes a `CASE` expression.
//!
//! `BEGIN` and `END` are not reserved words: they count only where a statement can begin or an
//! expression can end. If a name is taken for a block all the same, the rest of the script stays
//! together, and the server finds the ends itself, because it accepts several statements in one
//! message.

use super::context::{Before, Seen, is_one_of};

const LOOPS: &[&str] = &["IF", "LOOP", "WHILE", "REPEAT", "FOR"];
const ROUTINES: &[&str] = &["PROCEDURE", "FUNCTION", "TRIGGER", "EVENT", "PACKAGE"];
const OTHERS: &[&str] = &[
    "TABLE", "VIEW", "INDEX", "DATABASE", "SCHEMA", "USER", "ROLE", "SERVER", "SEQUENCE",
];

/// Words after which a statement of a list begins.
pub(super) const STATEMENT_FOLLOWS: &[&str] =
    &["THEN", "ELSE", "DO", "LOOP", "REPEAT", "BEGIN", "ATOMIC"];

/// Words after which an expression or a name continues, so that no block begins and no expression
/// ends.
const EXPRESSION_FOLLOWS: &[&str] = &[
    "ALL",
    "AND",
    "BETWEEN",
    "BY",
    "DECLARE",
    "DISTINCT",
    "DIV",
    "EVENT",
    "FROM",
    "FUNCTION",
    "HAVING",
    "IF",
    "IN",
    "INTERVAL",
    "INTO",
    "JOIN",
    "LIKE",
    "LIMIT",
    "MOD",
    "NOT",
    "ON",
    "OR",
    "PROCEDURE",
    "RETURN",
    "SELECT",
    "SET",
    "TABLE",
    "TRIGGER",
    "UNTIL",
    "UPDATE",
    "USING",
    "VALUES",
    "WHEN",
    "WHERE",
    "XOR",
];

/// The state of a statement that determines whether a semicolon ends it.
#[derive(Debug, Default)]
pub(super) struct Shape<'a> {
    before: Before<'a>,
    head: Head,
    parentheses: usize,
    open: Vec<Frame>,
    /// After an `END` that follows a semicolon: the next token determines what it closes.
    end_is_undecided: bool,
    /// After a `REPEAT`: it is the statement, unless a parenthesis follows, which makes it the
    /// function.
    repeat_is_undecided: bool,
    /// After a `FOR` that can have a `DO`, and is not that of `FOR EACH ROW`.
    for_is_open: bool,
}

/// The kind of the statement, as far as its first words show it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Head {
    #[default]
    Start,
    /// `BEGIN`, which begins a block only before `NOT ATOMIC`.
    Begin,
    Create,
    Routine,
    Other,
}

/// A block or an expression that has no `END` yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Frame {
    Block,
    Case {
        parentheses: usize,
    },
    /// Nested statements such as `IF`. Inside a block they need not be counted, because their
    /// `END IF` names them.
    Loops {
        count: usize,
    },
}

impl<'a> Shape<'a> {
    pub(super) fn see(&mut self, seen: Seen<'a>) {
        if std::mem::take(&mut self.repeat_is_undecided) && seen != Seen::Symbol(b'(') {
            self.open.push(Frame::Loops { count: 1 });
        }
        let taken = std::mem::take(&mut self.end_is_undecided) && self.decide_end(seen);
        if !taken {
            match seen {
                Seen::Symbol(b'(') => self.parentheses += 1,
                Seen::Symbol(b')') => self.parentheses = self.parentheses.saturating_sub(1),
                Seen::Word(word) => self.word(word),
                Seen::Symbol(_) | Seen::Value => {}
            }
        }
        if self.head == Head::Start {
            self.head = Head::Other;
        }
        self.before = Before::from(seen);
    }

    pub(super) fn can_end(&self) -> bool {
        match self.open.as_slice() {
            [] => true,
            // An `END;`.
            [Frame::Block | Frame::Case { .. }] => self.end_is_undecided,
            [Frame::Loops { .. }] | [_, _, ..] => false,
        }
    }

    pub(super) fn is_routine(&self) -> bool {
        self.head == Head::Routine
    }

    fn word(&mut self, word: &'a str) {
        match self.head {
            Head::Start => self.first_word(word),
            Head::Begin => {
                if is_one_of(word, &["NOT"]) {
                    self.head = Head::Routine;
                    self.open.push(Frame::Block);
                } else {
                    self.head = Head::Other;
                }
            }
            Head::Create => {
                if is_one_of(word, ROUTINES) {
                    self.head = Head::Routine;
                } else if is_one_of(word, OTHERS) {
                    self.head = Head::Other;
                }
            }
            Head::Routine => self.body_word(word),
            Head::Other => {}
        }
    }

    fn first_word(&mut self, word: &str) {
        self.head = if is_one_of(word, &["CREATE", "ALTER"]) {
            Head::Create
        } else if is_one_of(word, &["BEGIN"]) {
            Head::Begin
        } else if is_one_of(word, LOOPS) {
            self.open.push(Frame::Loops { count: 1 });
            Head::Routine
        } else if is_one_of(word, &["CASE"]) {
            self.open.push(Frame::Case { parentheses: 0 });
            Head::Routine
        } else {
            Head::Other
        };
    }

    fn body_word(&mut self, word: &str) {
        // Names, such as `t.end` and `@case`.
        if self.before.is_symbol(b'.') || self.before.is_symbol(b'@') {
            return;
        }
        if is_one_of(word, &["BEGIN"]) {
            if self.parentheses == 0 && self.block_can_begin() {
                self.open.push(Frame::Block);
            }
        } else if is_one_of(word, &["CASE"]) {
            let parentheses = self.parentheses;
            self.open.push(Frame::Case { parentheses });
        } else if is_one_of(word, &["END"]) {
            self.end();
        } else {
            self.compound_word(word);
        }
    }

    fn block_can_begin(&self) -> bool {
        match self.before.seen() {
            Some(Seen::Symbol(symbol)) => matches!(symbol, b';' | b')' | b':'),
            // In MariaDB's Oracle mode, `AS` comes before a routine's body.
            Some(Seen::Word(word)) if is_one_of(word, &["AS"]) => self.open.is_empty(),
            Some(Seen::Word(word)) => !is_one_of(word, EXPRESSION_FOLLOWS),
            Some(Seen::Value) => true,
            None => false,
        }
    }

    fn end(&mut self) {
        let after_statement = self.before.is_symbol(b';');
        match self.open.last() {
            None => {}
            Some(Frame::Case { parentheses }) => {
                if after_statement {
                    self.end_is_undecided = true;
                } else if *parentheses == self.parentheses && self.expression_can_end() {
                    self.open.pop();
                }
            }
            Some(Frame::Block) => {
                if after_statement {
                    self.end_is_undecided = true;
                } else if self.before.is_word_of(&["BEGIN", "ATOMIC"]) {
                    self.open.pop();
                }
            }
            // `UNTIL a END REPEAT`: a condition comes before it.
            Some(Frame::Loops { .. }) => {
                self.end_is_undecided = after_statement || self.expression_can_end();
            }
        }
    }

    fn expression_can_end(&self) -> bool {
        match self.before.seen() {
            Some(Seen::Symbol(symbol)) => symbol == b')',
            Some(Seen::Word(word)) => {
                !is_one_of(word, EXPRESSION_FOLLOWS)
                    && !is_one_of(word, &["AS", "THEN", "ELSE", "CASE"])
            }
            Some(Seen::Value) => true,
            None => false,
        }
    }

    /// Determines what an `END` after a semicolon closes, by the token after it. Returns whether
    /// that token belongs to the `END`.
    fn decide_end(&mut self, seen: Seen<'a>) -> bool {
        let names_a_loop = matches!(seen, Seen::Word(word) if is_one_of(word, LOOPS));
        match self.open.last_mut() {
            Some(Frame::Loops { count }) if names_a_loop => {
                *count -= 1;
                if *count == 0 {
                    self.open.pop();
                }
                true
            }
            Some(Frame::Block | Frame::Case { .. }) if !names_a_loop => {
                self.open.pop();
                matches!(seen, Seen::Word(word) if is_one_of(word, &["CASE"]))
            }
            Some(Frame::Loops { .. } | Frame::Block | Frame::Case { .. }) | None => names_a_loop,
        }
    }

    /// Tracks `IF`, `LOOP` and similar statements that are a routine's whole body.
    fn compound_word(&mut self, word: &str) {
        match self.open.last_mut() {
            None if self.parentheses == 0 => self.body_begins(word),
            Some(Frame::Loops { count }) if is_one_of(word, LOOPS) => {
                let begins = self.before.is_symbol(b';')
                    || self.before.is_symbol(b':')
                    || self.before.is_word_of(STATEMENT_FOLLOWS);
                *count += usize::from(begins);
            }
            Some(Frame::Loops { .. } | Frame::Block | Frame::Case { .. }) | None => {}
        }
    }

    /// Checks whether a routine's whole body is a compound statement other than a block.
    fn body_begins(&mut self, word: &str) {
        // The `IF` statement has a `THEN`; the function `IF` has none.
        let begins = is_one_of(word, &["THEN", "LOOP", "WHILE"])
            || (self.for_is_open && is_one_of(word, &["DO"]));
        if begins {
            self.open.push(Frame::Loops { count: 1 });
        }
        self.repeat_is_undecided = is_one_of(word, &["REPEAT"]);
        self.for_is_open = is_one_of(word, &["FOR"])
            || (self.for_is_open && !begins && !is_one_of(word, &["EACH"]));
    }
}
