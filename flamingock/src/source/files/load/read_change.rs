//! The content of a change's files, before it becomes a definition.

use super::super::header::Header;
use crate::change::body::Body;

/// The content of a change's files.
#[derive(Debug)]
pub(in crate::source::files) struct Read {
    pub(in crate::source::files) header: Header,
    pub(in crate::source::files) digest: String,
    pub(in crate::source::files) body: Body<()>,
    pub(in crate::source::files) rollback: Option<Body<()>>,
    pub(in crate::source::files) verify: Option<Body<bool>>,
}
