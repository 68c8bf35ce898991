//! The function of a template with its payload, which can be called like a function of a change.

use crate::change::argument::{Inputs, Outlives};
use crate::change::body::{Answer, Callable};
use crate::change::secret::Revealed;
use crate::source::template::tree::Node;
use crate::source::template::{Payload, TemplateCall};

/// The function of a template, and a payload for it.
pub(super) struct Called<T: 'static> {
    call: TemplateCall<T>,
    node: &'static Node,
    secrets: &'static [&'static str],
}

impl<T> std::fmt::Debug for Called<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Called").field(self.node).finish()
    }
}

impl<T> Called<T> {
    pub(super) fn new(call: TemplateCall<T>, node: &'static Node) -> Called<T> {
        let mut names = Vec::new();
        node.secrets(&mut names);
        let names = names.into_iter().map(|name| &*name.leak());
        Called {
            call,
            node,
            secrets: names.collect::<Vec<_>>().leak(),
        }
    }
}

impl<T: Send> Callable<T> for Called<T> {
    fn call<'a, 'c>(
        &'static self,
        inputs: Inputs<'a, 'c>,
        _outlives: Outlives<'a, 'c>,
    ) -> Answer<'a, T> {
        let revealed = inputs.value::<Revealed>();
        let payload = Payload::new(self.node, revealed);
        match revealed {
            None => (self.call)(payload, inputs, []),
            // Removes the secrets from whatever error the function returns.
            Some(revealed) => {
                // Reading the payload can panic too, so it is part of the guarded future.
                let work = async move { (self.call)(payload, inputs, []).await };
                Box::pin(revealed.guard(work))
            }
        }
    }

    fn secrets(&self) -> Vec<&'static str> {
        self.secrets.to_vec()
    }
}
