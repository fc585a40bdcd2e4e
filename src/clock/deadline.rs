//! When a wait ends, and whose it is.

use std::time::Instant;

/// A point in time until which something may take; `None` is "for ever".
pub(crate) type Deadline = Option<Instant>;

/// Whose thread it is. Of what is due at the same virtual moment, the first in this order comes first: when an event
/// and a deadline meet, the event wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Whose {
    /// The simulator's, whose timers are events.
    #[cfg(feature = "simulator")]
    Service,
    /// The client's own, which keep its deadlines.
    Client,
    /// One that runs code of the program.
    User,
    /// Nobody's: the very last at its moment.
    #[cfg(feature = "simulator")]
    Nobody,
}
