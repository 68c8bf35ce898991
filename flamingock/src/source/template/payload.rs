//! The payload that a file passes to a template.

use std::fmt;

use serde::de::DeserializeOwned;

use super::de::source::{Source, misplaced};
use super::mistake::Mistake;
use super::reading;
use super::tree::Node;
use crate::change::secret::Revealed;

/// A payload, and the values of its secrets once they are known.
#[derive(Clone, Copy)]
pub struct Payload<'a> {
    node: &'a Node,
    revealed: Option<&'a Revealed>,
}

impl fmt::Debug for Payload<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Payload").field(self.node).finish()
    }
}

impl<'a> Payload<'a> {
    pub(crate) fn new(node: &'a Node, revealed: Option<&'a Revealed>) -> Payload<'a> {
        Payload { node, revealed }
    }

    /// Returns the values of its secrets, once they are known.
    #[cfg(feature = "template-http")]
    pub(super) fn revealed(self) -> Option<&'a Revealed> {
        self.revealed
    }

    /// Deserializes the payload into the type that the template takes. A secret in a field that
    /// cannot hold one is a mistake.
    pub(super) fn read<P: DeserializeOwned>(self) -> Result<P, Mistake> {
        let Payload { node, revealed } = self;
        let (read, secrets) = reading::with(|| P::deserialize(Source { node, revealed }));
        match secrets.iter().find(|secret| !secret.taken) {
            // If serde has buffered the value, its own error only says that it is no text.
            Some(secret) => Err(misplaced(secret.line, &secret.pieces)),
            None => read,
        }
    }
}
