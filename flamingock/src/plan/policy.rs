//! The policy: how a run reacts to findings that do not stop it by themselves.

/// What to do when a check finds something that does not stop a run by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// Ignore it: it is not even noted.
    Allow,
    /// Note it in the plan, the report and the log.
    #[default]
    Warn,
    /// Refuse to run.
    Deny,
}

impl Rule {
    fn as_str(self) -> &'static str {
        match self {
            Rule::Allow => "allow",
            Rule::Warn => "warn",
            Rule::Deny => "deny",
        }
    }
}

/// What to do about changes that do not match the audit: `Policy::default().drift(Rule::Deny)`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Policy {
    /// What to do if a change was edited after it was applied.
    pub drift: Rule,
    /// What to do if an applied change is not in this binary.
    pub missing: Rule,
    /// What to do if a new change has a lower order than an applied one.
    pub out_of_order: Rule,
}

impl Policy {
    /// Sets [`drift`](Self::drift).
    #[must_use]
    pub fn drift(self, drift: Rule) -> Policy {
        Policy { drift, ..self }
    }

    /// Sets [`missing`](Self::missing).
    #[must_use]
    pub fn missing(self, missing: Rule) -> Policy {
        Policy { missing, ..self }
    }

    /// Sets [`out_of_order`](Self::out_of_order).
    #[must_use]
    pub fn out_of_order(self, out_of_order: Rule) -> Policy {
        Policy {
            out_of_order,
            ..self
        }
    }

    pub(crate) fn text(self) -> String {
        format!(
            "{} {} {}",
            self.drift.as_str(),
            self.missing.as_str(),
            self.out_of_order.as_str()
        )
    }
}
