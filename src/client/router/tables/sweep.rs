//! One timer for a table whose entries expire.

/// Whether the timer of a table runs. There is at most one at a time, however many entries expire.
#[derive(Default)]
pub(crate) struct Sweep {
    is_due: bool,
}

impl Sweep {
    /// Returns `true` if the timer has to be started.
    pub(crate) fn begin(&mut self) -> bool {
        !std::mem::replace(&mut self.is_due, true)
    }

    /// Notes whether the timer is started again after a sweep.
    pub(crate) fn goes_on(&mut self, is_due: bool) {
        self.is_due = is_due;
    }
}
