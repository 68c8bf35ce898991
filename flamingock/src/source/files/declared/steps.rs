//! The steps of a declared change.

use super::{File, Use};
use crate::change::body::Step;
use crate::change::body::{Body, Callable, Code};
use crate::source::files::in_order::{Backward, Forward};
use crate::source::template::tree::{Entry, Node, Value};
use crate::source::template::unknown;

impl File {
    /// Creates the body of the change, and that of its rollback if every step has one.
    pub(super) fn steps(
        &mut self,
        entry: Entry,
        usage: Use,
    ) -> Option<(Body<()>, Option<Body<()>>)> {
        const RULE: &str =
            "`steps` is a list, each with `apply` and, if it can be rolled back, `rollback`";
        let nodes = match entry.node.value {
            Value::List(nodes) if !nodes.is_empty() => nodes,
            Value::List(_)
            | Value::Null
            | Value::Bool(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Text(_)
            | Value::Secret(_)
            | Value::Map(_) => {
                self.mistakes.push((entry.line, RULE.to_owned()));
                return None;
            }
        };
        let count = nodes.len();
        // Checks every step, however many have mistakes.
        let steps: Vec<Option<Step>> = nodes
            .into_iter()
            .map(|node| self.step(node, RULE, usage))
            .collect();
        let steps: Vec<Step> = steps.into_iter().flatten().collect();
        if steps.len() < count {
            return None;
        }
        let steps: &'static [Step] = steps.leak();
        let body = |code: &'static dyn Callable<()>| usage.body(usage.location, Code::Read(code));
        let rollback = steps
            .iter()
            .all(|step| step.rollback.is_some())
            .then(|| body(Box::leak(Box::new(Backward(steps)))));
        Some((body(Box::leak(Box::new(Forward(steps)))), rollback))
    }

    fn step(&mut self, node: Node, rule: &str, usage: Use) -> Option<Step> {
        let line = node.line;
        let Value::Map(entries) = node.value else {
            self.mistakes.push((line, rule.to_owned()));
            return None;
        };
        let (mut apply, mut rollback, mut wrong) = (None, None, false);
        for entry in entries {
            match entry.key.as_str() {
                "apply" => apply = Some(entry.node),
                "rollback" => rollback = Some(entry.node),
                key => {
                    wrong = true;
                    let known = ["apply", "rollback"];
                    self.mistakes
                        .push((entry.line, unknown("key", key, &known)));
                }
            }
        }
        let rollback = rollback.map(|node| self.payload(node, usage));
        let Some(apply) = apply else {
            if !wrong {
                self.mistakes
                    .push((line, format!("`apply` is missing: {rule}")));
            }
            return None;
        };
        let apply = self.payload(apply, usage);
        match rollback {
            _ if wrong => None,
            None => Some(Step {
                apply: apply?,
                rollback: None,
            }),
            Some(rollback) => Some(Step {
                apply: apply?,
                rollback: Some(rollback?),
            }),
        }
    }
}
