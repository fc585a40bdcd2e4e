//! Faults as values, and the choice of those that apply.

pub(crate) mod active;
pub(crate) mod by_hand;
pub(crate) mod cut;
pub(crate) mod fault;
pub(crate) mod json;
pub(crate) mod malformed;

use self::active::Injected;
use self::by_hand::ByHand;
use self::cut::Cutting;

/// All faults of a simulator.
#[derive(Default)]
pub(crate) struct Faults {
    /// Faults that a method of the simulator turns on and off.
    pub(crate) by_hand: ByHand,
    /// Faults that were injected.
    pub(crate) injected: Injected,
    /// Cuts at a counted frame.
    pub(crate) cutting: Cutting,
}

impl Faults {
    /// `true` if all bytes are lost.
    pub(crate) fn is_frozen(&self) -> bool {
        self.by_hand.is_frozen() || self.injected.is_frozen()
    }

    /// `true` if pings of clients stay without a response.
    pub(crate) fn ignores_pings(&self) -> bool {
        self.by_hand.ignores_pings() || self.injected.ignores_pings()
    }
}
