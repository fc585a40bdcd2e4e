//! Faults by name, and cuts that are counted out.

use std::fmt;
use std::sync::Arc;

use crate::simulator::faults::cut::{CutPoint, Plan};
use crate::simulator::faults::fault::Fault;
use crate::simulator::handles::instance::Simulator;
use crate::simulator::record::journal::Direction;
use crate::simulator::world::shared::Shared;

/// # Faults by name
impl Simulator {
    /// Lets something go wrong from now on, or once; see the table of [faults](crate::simulator#faults). Several may be injected
    /// at a time. Chance is drawn from the [seed](crate::simulator::Builder::seed), for each fault by itself.
    pub fn inject(&self, fault: Fault) -> ActiveFault {
        let id = self.shared.with(|world| world.inject(fault));
        ActiveFault { shared: Arc::clone(&self.shared), id }
    }

    /// Returns the faults that are injected now, in order.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        self.shared.with(|world| world.faults.active.iter().map(|active| active.fault.clone()).collect())
    }

    /// Removes all that is injected. What has been done by it stays done.
    pub fn remove_faults(&self) {
        self.shared.with(|world| {
            world.faults.active.clear();
            world.faults.down.clear();
            world.reshape();
        });
    }
}

/// A fault at work; from [`Simulator::inject`]. Dropping it leaves the fault where it is.
#[derive(Clone)]
pub struct ActiveFault {
    shared: Arc<Shared>,
    id: u64,
}

impl ActiveFault {
    /// Ends the fault. What the fault has already done remains.
    pub fn remove(&self) {
        self.shared.with(|world| world.remove_fault(self.id));
    }

    /// The number of times that the fault took effect: frames, requests or connections. The shape of a line is not
    /// counted.
    #[must_use]
    pub fn times(&self) -> u64 {
        self.shared.with(|world| world.faults.took.get(&self.id).copied().unwrap_or_default())
    }

    /// `true` if the fault is used up, was removed, or has happened.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.shared.with(|world| world.faults.active.iter().all(|active| active.id != self.id))
    }
}

impl fmt::Debug for ActiveFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActiveFault").field("id", &self.id).finish_non_exhaustive()
    }
}

/// # Cuts at a frame
impl Simulator {
    /// Cuts the connection that carries the `frame`-th frame from now on in this direction; 1 is the next. Frames are
    /// counted over all connections, as the [journal](Self::journal) has them; a frame of the client that is cut off is
    /// in it too. Where missed events are [replayed](crate::simulator::Builder::replays_missed_events), so is what the client had
    /// not acknowledged.
    pub fn cut_at_frame(&self, frame: usize, cut: CutPoint, direction: Direction) {
        self.plan_cut(Plan { left: frame, cut, direction, forget: false });
    }

    /// Cuts the connection like [`cut_at_frame`](Self::cut_at_frame), and then [forgets all
    /// sessions](Self::forget_sessions), so that the reconnect is not a resume.
    pub fn cut_and_forget_at_frame(&self, frame: usize, cut: CutPoint, direction: Direction) {
        self.plan_cut(Plan { left: frame, cut, direction, forget: true });
    }

    fn plan_cut(&self, plan: Plan) {
        self.shared.with(|world| world.faults.cutting.plans.push(plan));
    }
}
