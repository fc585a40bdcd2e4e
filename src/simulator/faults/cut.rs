//! Connections that are cut at one counted frame.

use crate::simulator::record::journal::Direction;

/// The side of a frame on which the connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CutPoint {
    /// The frame does not arrive any more.
    Before,
    /// The frame arrives, and no frame after it, in either direction.
    After,
}

/// The pending cuts.
#[derive(Default)]
pub(crate) struct Cutting {
    pub(crate) plans: Vec<Plan>,
    /// `Some` if nothing is sent over this connection any more because it is cut in a moment.
    pub(crate) doomed: Option<u64>,
}

/// One cut.
pub(crate) struct Plan {
    /// Number of frames until then.
    pub(crate) left: usize,
    pub(crate) cut: CutPoint,
    pub(crate) direction: Direction,
    pub(crate) forget: bool,
}

impl Cutting {
    /// Counts a frame; returns the cut that is due with it, and whether sessions are forgotten afterwards.
    pub(crate) fn due(&mut self, direction: Direction) -> Option<(CutPoint, bool)> {
        let mut due = None;
        self.plans.retain_mut(|plan| {
            plan.left = plan.left.saturating_sub(usize::from(plan.direction == direction));
            if plan.left == 0 {
                due = Some((plan.cut, plan.forget));
            }
            plan.left > 0
        });
        due
    }
}
