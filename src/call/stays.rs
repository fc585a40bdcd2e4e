//! The common parts of stays in a conference, a room and a queue.

use std::time::Duration;

use super::{Action, Call, Operation};
use crate::error::{self, Result};
use crate::protocol::fields::Fields;

/// Time in which the end of the call may follow. The service reports a caller who hangs up as leaving a conference, a
/// room or a queue first. A conference that ends removes its calls first, too.
pub(super) const MOMENT: Duration = Duration::from_secs(1);

/// Blocks until a stay has begun, which happens some time after its request was accepted. `what` names the place in
/// messages.
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
    /// Requests the end of the stays that `join` began. The stays are marked as leaving before the event arrives.
    pub(super) fn leave_stays(&self, join: &str, leave: &'static str, fields: &Fields) -> Result<()> {
        self.core.all_leaving(join, true);
        let outcome = self.command(leave, fields);
        if outcome.as_ref().is_err_and(|error| !error.may_have_been_sent()) {
            self.core.all_leaving(join, false);
        }
        outcome.map(drop)
    }
}
