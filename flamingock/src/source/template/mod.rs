//! Templates: what files of YAML and TOML name, with a payload of their own.
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

/// The templates that are there without being written.
pub(crate) const BUILT_IN: &[&Template] = &[
    &sql::SQL,
    #[cfg(feature = "template-http")]
    &http::HTTP,
];

/// An explicit list of templates, by their functions' paths, for
/// [`Runner::templates`](crate::Runner::templates).
///
/// It is an array of `&'static` templates, and constant. Names that are none do not compile.
#[macro_export]
macro_rules! templates {
    () => {
        [] as [&'static $crate::template::Template; 0]
    };
    ($($template:path),+ $(,)?) => {
        [$(<$template as $crate::__private::IsTemplate>::DEFINITION),+]
    };
}
