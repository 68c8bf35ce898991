//! The option `--by`: the operator of a command that writes to the audit.

use clap::Args;

use crate::change::names;
use crate::runner::builder::Runner;

/// The operator of a command.
#[derive(Debug, Args)]
pub(super) struct By {
    /// The operator, recorded in the audit [default: the user of the operating system]
    #[arg(long = "by", value_name = "NAME")]
    name: Option<String>,
}

impl By {
    /// Sets the runner's operator: the option takes precedence over the application's own setting,
    /// and that over the user of the operating system.
    pub(super) fn name(&self, runner: Runner) -> Runner {
        let own = || runner.settings.operator.is_none();
        let name = self.name.clone().or_else(|| user().filter(|_| own()));
        match name {
            Some(name) => runner.operator(name),
            None => runner,
        }
    }
}

/// Returns the user of the operating system; `None` if it has no name, as in many containers, or one that
/// cannot be recorded: nobody has asked for that name.
fn user() -> Option<String> {
    let name = whoami::username().ok()?;
    names::problem("operator", &name).is_none().then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::memory::MemoryStore;

    #[test]
    fn option_comes_before_the_application_and_that_before_the_user() {
        let named = |by: Option<&str>, runner: Runner| {
            let by = By {
                name: by.map(str::to_owned),
            };
            by.name(runner).settings.operator.clone()
        };
        let plain = || Runner::new(MemoryStore::new());
        let set = || plain().operator("deployer");
        assert_eq!(named(Some("ada"), set()).as_deref(), Some("ada"));
        assert_eq!(named(None, set()).as_deref(), Some("deployer"));
        assert_eq!(named(None, plain()), user());
        // The command refuses an invalid name.
        assert_eq!(named(Some(""), set()).as_deref(), Some(""));
    }
}
