//! The tables of a client, in parts whose fields only their own file touches.

mod calls;
mod conferences;
mod dials;
mod messages;
mod sweep;

use self::calls::Calls;
use self::conferences::Conferences;
use self::dials::Dials;
pub(super) use self::dials::Late;
use self::messages::Messages;
use self::sweep::Sweep;
use super::super::early::EarlyEvents;

/// Everything that a client knows, behind one lock.
#[derive(Default)]
pub(super) struct Tables {
    pub(super) calls: Calls,
    pub(super) dials: Dials,
    pub(super) messages: Messages,
    pub(super) conferences: Conferences,
    /// Events whose call or message is not known yet.
    pub(super) early: EarlyEvents,
    pub(super) early_sweep: Sweep,
    /// `true` after the client was closed: nothing is entered any more.
    pub(super) closed: bool,
}
