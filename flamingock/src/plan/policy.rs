//! What to do about what a run finds and need not stop it.

/// What to do about something that does not stop a run by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// Nothing: it is not even noted.
    Allow,
    /// Note it in plan, report and log.
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

/// What to do about changes that do not fit the audit: `Policy::default().drift(Rule::Deny)`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Policy {
    /// A change was edited after it was applied.
    pub drift: Rule,
    /// A change is applied, but not in this binary.
    pub missing: Rule,
    /// A new change has an order below one that is applied.
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
