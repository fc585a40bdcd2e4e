//! Counts accesses to table entries, in tests: the work that the service causes must not grow faster than its input.
//! Outside of tests it costs nothing.

use std::borrow::Borrow;
use std::sync::Arc;

/// An ID of the service in a table. Each comparison with another ID is a step, so that a search with many comparisons
/// is noticed.
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

/// Counts one access to an entry.
#[inline]
pub(crate) fn step() {
    #[cfg(test)]
    COUNT.with(|count| count.set(count.get() + 1));
}

#[cfg(test)]
thread_local! {
    static COUNT: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// Returns the number of steps that `work` takes on this thread.
#[cfg(test)]
pub(crate) fn of(work: impl FnOnce()) -> u64 {
    let before = COUNT.with(std::cell::Cell::get);
    work();
    COUNT.with(std::cell::Cell::get) - before
}
