//! State of a stay in a conference and one in a room have in common.

use std::time::Duration;

use super::{Action, Call, Operation};
use crate::error::{self, Result};
use crate::protocol::fields::Fields;

/// A caller who hangs up leaves a conference, a room or a queue first, as the service reports it: so long the end of the
/// call may follow. A conference that ends takes its calls out first, too.
pub(super) const MOMENT: Duration = Duration::from_secs(1);

/// Waits until a stay has begun, which it does some time after its request was accepted. `what` names that in messages.
pub(super) fn wait_joined<O: Operation>(
    stay: &Action<O>,
    joined: fn(&O::Memo) -> bool,
    what: &str,
    timeout: Option<Duration>,
) -> Result<()> {
    stay.wait_until_ready(timeout)?;
    if stay.core.memo(|memo| joined(memo)) {
        return Ok(());
    }
    let (call_id, over) = (stay.call.core.shown_id(), stay.call.core.over());
    Err(over.map_or_else(|| error::call_ended(what, &call_id), |over| over.error(what, &call_id)))
}

impl Call {
    /// Asks for the end of the stays that `join` began. They know that they were asked before the end comes.
    pub(super) fn leave_stays(&self, join: &str, leave: &'static str, fields: &Fields) -> Result<()> {
        self.core.all_leaving(join, true);
        let outcome = self.command(leave, fields);
        if outcome.as_ref().is_err_and(|error| !error.may_have_been_sent()) {
            self.core.all_leaving(join, false);
        }
        outcome.map(drop)
    }
}
