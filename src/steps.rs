//! Counts the entries of tables that are looked at, in tests: work that the service causes must not grow faster than
//! what the service sends. Elsewhere it costs nothing.

use std::borrow::Borrow;
use std::sync::Arc;

/// An ID of the service in a table. Comparing it with another one is a step, so a search that compares many is seen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key(Arc<str>);

impl Key {
    pub(crate) fn as_str(&self) -> &str {
        step();
        &self.0
    }
}

impl From<&str> for Key {
    fn from(id: &str) -> Self {
        Self(id.into())
    }
}

impl Borrow<str> for Key {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

/// One entry of a table is looked at.
#[inline]
pub(crate) fn step() {
    #[cfg(test)]
    COUNT.with(|count| count.set(count.get() + 1));
}

#[cfg(test)]
thread_local! {
    static COUNT: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// How many steps `work` takes on this thread.
#[cfg(test)]
pub(crate) fn of(work: impl FnOnce()) -> u64 {
    let before = COUNT.with(std::cell::Cell::get);
    work();
    COUNT.with(std::cell::Cell::get) - before
}
