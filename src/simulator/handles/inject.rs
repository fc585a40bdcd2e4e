//! Injected faults, and cuts at a counted frame.

use std::fmt;
use std::sync::Arc;

use crate::simulator::faults::cut::{CutPoint, Plan};
use crate::simulator::faults::fault::Fault;
use crate::simulator::handles::instance::Simulator;
use crate::simulator::record::journal::Direction;
use crate::simulator::world::shared::Shared;
use crate::simulator::world::state::World;

/// # Faults by name
impl Simulator {
    /// Injects a fault, from now on or once; see the table of [faults](crate::simulator#faults). Several faults may be
    /// injected at a time. Random choices come from the [seed](crate::simulator::Builder::seed), separately for each
    /// fault.
    pub fn inject(&self, fault: Fault) -> ActiveFault {
        let id = self.shared.with(|world| world.inject(fault));
        ActiveFault { shared: Arc::clone(&self.shared), id }
    }

    /// Returns the faults that are injected now, in order.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        self.shared.with(|world| world.faults.injected.faults())
    }

    /// Removes all injected faults. Their past effects remain.
    pub fn remove_faults(&self) {
        self.shared.with(World::remove_faults);
    }
}

/// An injected fault. Made by [`Simulator::inject`]. Dropping it does not remove the fault.
///
/// ```
/// use signalwire_relay::simulator::{Fault, Simulator};
///
/// let sim = Simulator::start()?;
/// let fault = sim.inject(Fault::refuse(500, "internal error").on("calling.record"));
/// assert_eq!((fault.times(), fault.is_over()), (0, false));
/// fault.remove();
/// assert!(fault.is_over() && sim.faults().is_empty());
/// # Ok::<(), signalwire_relay::Error>(())
/// ```
#[derive(Clone)]
pub struct ActiveFault {
    shared: Arc<Shared>,
    id: u64,
}

impl ActiveFault {
    /// Ends the fault. Its past effects remain.
    pub fn remove(&self) {
        self.shared.with(|world| world.remove_fault(self.id));
    }

    /// The number of times that the fault took effect: frames, requests or connections. The shape of a line is not
    /// counted.
    #[must_use]
    pub fn times(&self) -> u64 {
        self.shared.with(|world| world.faults.injected.times(self.id))
    }

    /// `true` if the fault is used up, was removed, or has occurred.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.shared.with(|world| world.faults.injected.is_over(self.id))
    }
}

impl fmt::Debug for ActiveFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActiveFault").field("id", &self.id).finish_non_exhaustive()
    }
}

/// # Cuts at a frame
impl Simulator {
    /// Cuts the connection that carries the `frame`-th frame from now on in this direction; 1 is the next one. Frames
    /// are counted over all connections, as in the [journal](Self::journal), which also has a frame of the client that
    /// is cut off. If missed events are [replayed](crate::simulator::Builder::replays_missed_events), events that the
    /// client has not acknowledged are replayed as well.
    pub fn cut_at_frame(&self, frame: usize, cut: CutPoint, direction: Direction) {
        self.plan_cut(Plan { left: frame, cut, direction, forget: false });
    }

    /// Cuts the connection like [`cut_at_frame`](Self::cut_at_frame), and then [forgets all
    /// sessions](Self::forget_sessions), so that the reconnect is not a resume.
    pub fn cut_and_forget_at_frame(&self, frame: usize, cut: CutPoint, direction: Direction) {
        self.plan_cut(Plan { left: frame, cut, direction, forget: true });
    }

    fn plan_cut(&self, plan: Plan) {
        self.shared.with(|world| world.faults.cutting.plan(plan));
    }
}
