//! The context for reading files: the known templates, and the formats that a history has
//! determined.

#[cfg(feature = "templates")]
use crate::change::problem::Problem;
#[cfg(feature = "templates")]
use crate::source::template::{BUILT_IN, Template};

/// The templates by name. Without the feature `templates` there are none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Templates {
    /// The formats of ambiguous folders that a history has determined.
    pub(crate) formats: Vec<Decided>,
    #[cfg(feature = "templates")]
    known: Vec<&'static Template>,
}

/// A folder, by its address, and its format.
pub(crate) type Decided = (usize, &'static str);

impl PartialEq for Templates {
    fn eq(&self, other: &Templates) -> bool {
        #[cfg(feature = "templates")]
        if self.known.len() != other.known.len()
            || !std::iter::zip(&self.known, &other.known).all(|(one, other)| is_same(one, other))
        {
            return false;
        }
        self.formats == other.formats
    }
}

#[cfg(feature = "templates")]
impl Templates {
    /// Adds these templates to the built-in ones, and checks that their names are unique.
    pub(crate) fn new(
        given: impl IntoIterator<Item = &'static Template>,
    ) -> Result<Templates, Vec<Problem>> {
        let mut known: Vec<&'static Template> = BUILT_IN.to_vec();
        let mut problems = Vec::new();
        for template in given {
            // A template can be both registered and listed.
            if known.iter().any(|other| is_same(other, template)) {
                continue;
            }
            let same = known.iter().find(|other| other.name == template.name);
            let Some(other) = same else {
                known.push(template);
                continue;
            };
            let whose = match other.location() {
                Some(location) => format!("the one at {location}"),
                None => "a built-in one".to_owned(),
            };
            let rule = format!(
                "the name \"{}\" of the template is taken by {whose}: give this one its own",
                template.name
            );
            problems.push(match template.location() {
                Some(location) => Problem::at(location, rule),
                None => Problem::general(rule),
            });
        }
        if problems.is_empty() {
            Ok(Templates {
                known,
                formats: Vec::new(),
            })
        } else {
            Err(problems)
        }
    }

    pub(super) fn named(&self, name: &str) -> Result<&'static Template, String> {
        if let Some(template) = self.known.iter().find(|known| known.name == name) {
            return Ok(template);
        }
        let mut names: Vec<&str> = self.known.iter().map(|known| known.name).collect();
        names.sort_unstable();
        let known = crate::source::template::unknown("template", name, &names);
        let end = if known.ends_with('?') { "" } else { "." };
        Err(format!(
            "{known}{end} One of your own is an async function with `#[template(\"{name}\")]`, in a crate that the binary names"
        ))
    }
}

/// Constants have no address of their own, so templates are compared by name and place.
#[cfg(feature = "templates")]
fn is_same(one: &Template, other: &Template) -> bool {
    one.name == other.name && one.location() == other.location()
}
