//! Templates, which YAML and TOML files name together with a payload.
//!
//! [`guide::templates`](crate::guide::templates) says how they are written.

mod de;
#[cfg(feature = "template-http")]
mod http;
mod item;
mod mistake;
mod payload;
mod placeholder;
mod reading;
mod secret;
mod sql;
pub(crate) mod toml;
pub(crate) mod tree;
pub(crate) mod yaml;

pub use self::item::Template;
#[doc(hidden)]
pub use self::item::{
    HasTemplateVerify, IsPayload, IsTemplate, REFUSED_TEMPLATE, TemplateBody, TemplateCall,
    TemplateLink, TemplateUnlinked, Work, refuse_payload,
};
#[doc(hidden)]
pub use self::mistake::Mistake;
pub(crate) use self::mistake::unknown;
#[doc(hidden)]
pub use self::payload::Payload;
pub(crate) use self::placeholder::expand;
pub use self::secret::{Secret, Text};
pub(crate) use self::sql::text as sql_text;
pub use crate::change::secret::SecretResolver;

/// The built-in templates.
pub(crate) const BUILT_IN: &[&Template] = &[
    &sql::SQL,
    #[cfg(feature = "template-http")]
    &http::HTTP,
];

/// Lists templates by the paths of their functions, for
/// [`Runner::templates`](crate::Runner::templates).
///
/// The result is a constant array of `&'static` templates. A name that is no template does not
/// compile.
#[macro_export]
macro_rules! templates {
    () => {
        [] as [&'static $crate::template::Template; 0]
    };
    ($($template:path),+ $(,)?) => {
        [$(<$template as $crate::__private::IsTemplate>::DEFINITION),+]
    };
}
