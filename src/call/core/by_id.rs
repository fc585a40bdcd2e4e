//! A call in a table that is searched by call ID.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::CallCore;
use crate::steps::step;

/// A call in a table, found by its ID.
pub(crate) struct ById(pub(crate) Arc<CallCore>);

impl Borrow<str> for ById {
    fn borrow(&self) -> &str {
        step();
        self.0.id()
    }
}

impl Hash for ById {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.id().hash(state);
    }
}

impl PartialEq for ById {
    fn eq(&self, other: &Self) -> bool {
        self.0.id() == other.0.id()
    }
}

impl Eq for ById {}
