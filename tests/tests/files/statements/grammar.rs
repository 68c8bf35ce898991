//! Random scripts that are valid SQL, with all that a semicolon can hide in.

use flamingock::__private::statements::Quoting;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// The additions of one database to the common grammar.
pub(crate) trait Grammar {
    /// Between two tokens: blanks and comments, at least one.
    const GAPS: &'static [&'static str];

    /// The quoting mode at the beginning of a script.
    const QUOTING: Quoting;

    /// Whether readers of a file skip a byte-order mark at its beginning.
    const KNOWS_MARKS: bool;

    /// An expression whose value is a text.
    fn text(script: &mut Script) -> String;

    /// A statement, or several that belong together, as tokens. The last one is the terminator.
    fn statement(script: &mut Script) -> Vec<String>;
}

/// A script in the making.
pub(crate) struct Script {
    pub(crate) text: String,
    /// The quoting mode at the statement that is generated.
    pub(crate) quoting: Quoting,
    random: StdRng,
    seed: u64,
    last_id: u32,
}

impl Script {
    pub(crate) fn random<G: Grammar>(seed: u64) -> Script {
        let mut script = Script {
            text: String::new(),
            quoting: G::QUOTING,
            random: StdRng::seed_from_u64(seed),
            seed,
            last_id: 0,
        };
        if G::KNOWS_MARKS && script.chance(3) {
            script.text.push('\u{feff}');
        }
        for _ in 0..script.below(18) + 5 {
            for token in G::statement(&mut script) {
                // A line break that belongs to the token itself replaces the gap.
                if !token.starts_with('\n') {
                    let gap = script.one_of(G::GAPS);
                    script.text.push_str(gap);
                }
                script.text.push_str(&token);
            }
        }
        if script.chance(3) {
            // The last statement needs no terminator.
            let last = format!(
                "INSERT INTO log (id, note) VALUES ({}, 'last')",
                script.id()
            );
            script.text.push('\n');
            script.text.push_str(&last);
            script.text.push('\n');
        }
        script
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.random.random_range(0..limit)
    }

    /// True once in that many times.
    pub(crate) fn chance(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }

    pub(crate) fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// A number that no other row of the script has.
    pub(crate) fn id(&mut self) -> u32 {
        self.last_id += 1;
        self.last_id
    }

    /// A name that no other script and no other statement has.
    pub(crate) fn name(&mut self) -> String {
        let id = self.id();
        format!("weekend_{}_{id}", self.seed)
    }

    /// Some of these pieces, joined.
    pub(crate) fn pieces(&mut self, pieces: &[&str]) -> String {
        let number = self.below(6);
        (0..number).map(|_| self.one_of(pieces)).collect()
    }

    /// Statements that every database has: inserted, changed and refused rows.
    pub(crate) fn common<G: Grammar>(&mut self) -> Vec<String> {
        let text = G::text(self);
        match self.below(12) {
            0 => tokens(&[
                "UPDATE", "log", "SET", "note", "=", &text, ",", "\"end\"", "=", "1", "WHERE",
                "id", "=", "1", ";",
            ]),
            1 => tokens(&["DELETE", "FROM", "log", "WHERE", "note", "=", &text, ";"]),
            2 => tokens(&[";", ";"]),
            // Refused from the second time on.
            3 if self.chance(12) => tokens(&[
                "INSERT", "INTO", "log", "(", "id", ")", "VALUES", "(", "-1", ")", ";",
            ]),
            4 => {
                let id = self.id().to_string();
                let end = self.one_of(&["COMMIT", "ROLLBACK"]);
                tokens(&[
                    "BEGIN", ";", "INSERT", "INTO", "log", "(", "id", ",", "note", ")", "VALUES",
                    "(", &id, ",", &text, ")", ";", end, ";",
                ])
            }
            _ => {
                let id = self.id().to_string();
                tokens(&[
                    "INSERT", "INTO", "log", "(", "id", ",", "note", ")", "VALUES", "(", &id, ",",
                    &text, ")", ";",
                ])
            }
        }
    }
}

pub(crate) fn tokens(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
