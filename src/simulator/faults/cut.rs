//! Connections that are cut at one counted frame.

use crate::simulator::record::journal::Direction;

/// The side of a frame on which the connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CutPoint {
    /// The frame does not arrive.
    Before,
    /// The frame arrives, and no frame after it, in either direction.
    After,
}

/// The pending cuts.
#[derive(Default)]
pub(crate) struct Cutting {
    plans: Vec<Plan>,
    /// The connection over which nothing is sent any more because it is about to be cut.
    doomed: Option<u64>,
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
    pub(crate) fn plan(&mut self, plan: Plan) {
        self.plans.push(plan);
    }

    /// Stops what is sent over a connection, which is about to be cut.
    pub(crate) fn doom(&mut self, conn: u64) {
        self.doomed = Some(conn);
    }

    pub(crate) fn is_doomed(&self, conn: u64) -> bool {
        self.doomed == Some(conn)
    }

    /// Forgets a connection that has ended.
    pub(crate) fn forget(&mut self, conn: u64) {
        self.doomed.take_if(|doomed| *doomed == conn);
    }

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
