//! The offer that an inbound call is, and how the call leaves this client.

use super::super::super::over::Leaving;
use crate::protocol::states::CallState;

/// The offer of an inbound call. A call that was dialled has none.
#[derive(Default)]
pub(crate) struct Offer {
    /// `true` until the program has decided what becomes of the call.
    is_open: bool,
    /// Whether this client has given the call away, so that it may be offered again.
    leaving: Leaving,
    /// Number that tells the offer from other offers of the same call ID. 0 for a call that was not offered.
    number: u64,
}

impl Offer {
    pub(crate) fn make(&mut self, number: u64) {
        self.is_open = true;
        self.number = number;
    }

    /// Takes the decision. Returns `false` if it was taken already.
    pub(crate) fn settle(&mut self) -> bool {
        std::mem::take(&mut self.is_open)
    }

    pub(crate) fn set_open(&mut self, is_open: bool) {
        self.is_open = is_open;
    }

    pub(crate) fn leave(&mut self, how: Leaving) {
        self.leaving = how;
    }

    /// The number of the offer, once, if the call was given away.
    pub(crate) fn take_left(&mut self) -> Option<u64> {
        (std::mem::take(&mut self.leaving) != Leaving::No).then_some(self.number)
    }

    /// `true` if the call is being passed back, and `number` is another offer of it.
    pub(crate) fn is_passed_and_offered_anew(&self, number: u64) -> bool {
        self.leaving == Leaving::Passed && self.number != number
    }

    /// Applies a state that the call has reached.
    pub(crate) fn raised(&mut self, state: &CallState) {
        // An answered call is no offer any more, whichever request answered it.
        self.is_open &= state.rank() < CallState::Answered.rank();
        if self.leaving == Leaving::Passed && state.rank() == CallState::Answered.rank() {
            // The service did not take the call back.
            self.leaving = Leaving::No;
        }
    }
}
