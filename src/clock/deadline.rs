//! Deadlines of waits, and the owners of threads.

use std::time::Instant;

/// The point in time at which a wait ends. `None` means no limit.
pub(crate) type Deadline = Option<Instant>;

/// The owner of a thread. At the same virtual time, waits end in this order: when an event and a deadline meet, the
/// event comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Whose {
    /// A thread of the simulator, whose timers are events.
    #[cfg(feature = "simulator")]
    Service,
    /// A thread of the client, which keeps its deadlines.
    Client,
    /// A thread that runs code of the program.
    User,
    /// No owner: the very last at its time.
    #[cfg(feature = "simulator")]
    Nobody,
}
