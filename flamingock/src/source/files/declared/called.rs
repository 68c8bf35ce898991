//! A template's function with its payload, called as a function is.

use crate::change::argument::{Inputs, Outlives};
use crate::change::body::{Answer, Callable};
use crate::change::secret::Revealed;
use crate::source::template::tree::Node;
use crate::source::template::{Payload, TemplateCall};

/// A template's function and a payload that it takes.
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
            // Whatever its error says, it does not say a secret.
            Some(revealed) => {
                // Reading the payload may panic too, and so it is done in the future.
                let work = async move { (self.call)(payload, inputs, []).await };
                Box::pin(revealed.guard(work))
            }
        }
    }

    fn secrets(&self) -> Vec<&'static str> {
        self.secrets.to_vec()
    }
}
