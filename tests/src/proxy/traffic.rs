//! Counts what clients sent.

use std::collections::HashMap;

use super::cut::occurrences;
use super::wire::{Protocol, statements};

/// The bursts of all connections: the bytes that a client sent between two answers.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    bursts: Vec<Vec<u8>>,
    /// The connection of each burst, and its bytes.
    protocols: Vec<Protocol>,
    /// The burst that a connection is in the middle of.
    open: HashMap<u64, usize>,
    /// Of each connection: which side sent first.
    speaks: HashMap<u64, Protocol>,
}

impl Traffic {
    pub(super) fn client_sent(&mut self, connection: u64, chunk: &[u8]) {
        let speaks = self.speaks.entry(connection);
        let protocol = *speaks.or_insert(Protocol::PostgreSql);
        let burst = *self.open.entry(connection).or_insert_with(|| {
            self.bursts.push(Vec::new());
            self.protocols.push(protocol);
            self.bursts.len() - 1
        });
        self.bursts[burst].extend_from_slice(chunk);
    }

    pub(super) fn server_sent(&mut self, connection: u64) {
        self.speaks.entry(connection).or_insert(Protocol::MySql);
        self.open.remove(&connection);
    }

    /// The number of executions that clients requested.
    pub(super) fn statements(&self) -> usize {
        let bursts = self.bursts.iter().zip(&self.protocols);
        bursts
            .map(|(burst, protocol)| statements(*protocol, burst))
            .sum()
    }

    pub(super) fn bursts(&self) -> &[Vec<u8>] {
        &self.bursts
    }

    pub(super) fn count(&self, text: &str) -> usize {
        let text = text.to_ascii_lowercase().into_bytes();
        assert!(!text.is_empty(), "a text to count");
        self.bursts
            .iter()
            .map(|burst| occurrences(&burst.to_ascii_lowercase(), &text))
            .sum()
    }

    pub(super) fn forget(&mut self) {
        self.bursts.clear();
        self.protocols.clear();
        self.open.clear();
    }
}
