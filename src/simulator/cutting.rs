//! A link that is cut at one frame, counted out.

use std::time::Duration;

use super::Simulator;
use super::journal::Direction;
use super::world::{Out, World};

/// On which side of a frame the link is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cut {
    /// The frame does not arrive any more.
    Before,
    /// The frame arrives, and nothing after it, in either direction.
    After,
}

/// The cuts that are to come.
#[derive(Default)]
pub(super) struct Cutting {
    plans: Vec<Plan>,
    /// Nothing is sent over this connection any more; it is cut in a moment.
    doomed: Option<u64>,
}

struct Plan {
    /// How many frames it is until then.
    left: usize,
    cut: Cut,
    direction: Direction,
    forget: bool,
}

impl Simulator {
    /// Cuts the connection that carries the `frame`-th frame from now on in this direction; 1 is the next. Frames are
    /// counted over all connections, as the [journal](Self::journal) has them.
    pub fn cut_at(&self, frame: usize, cut: Cut, direction: Direction) {
        self.plan_cut(Plan { left: frame, cut, direction, forget: false });
    }

    /// The same, and [forgets all sessions](Self::forget_sessions) then, so that the reconnect is not a resume.
    pub fn cut_and_forget_at(&self, frame: usize, cut: Cut, direction: Direction) {
        self.plan_cut(Plan { left: frame, cut, direction, forget: true });
    }

    fn plan_cut(&self, plan: Plan) {
        self.shared.with(|world| world.cutting.plans.push(plan));
    }
}

impl World {
    /// A frame is about to go over a connection; whether it may, and whether the link is cut behind it.
    pub(super) fn before_frame(&mut self, conn: u64, direction: Direction) -> (bool, bool) {
        if self.cutting.doomed == Some(conn) {
            return (false, false);
        }
        let mut due = None;
        self.cutting.plans.retain_mut(|plan| {
            plan.left = plan.left.saturating_sub(usize::from(plan.direction == direction));
            let keep = plan.left > 0;
            if !keep {
                due = Some((plan.cut, plan.forget));
            }
            keep
        });
        let Some((cut, forget)) = due else { return (true, false) };
        if forget {
            // A moment later: whoever sends this frame may be looking at the sessions.
            self.after_real(Duration::ZERO, Self::forget_sessions);
        }
        match cut {
            Cut::Before => {
                self.end_here(conn);
                (false, false)
            }
            Cut::After => {
                if direction == Direction::FromClient {
                    // What it causes is lost.
                    self.cutting.doomed = Some(conn);
                }
                (true, true)
            }
        }
    }

    /// Ends a connection behind what was sent over it already, without a word.
    pub(super) fn end_here(&mut self, conn: u64) {
        self.cutting.doomed = None;
        if let Some(connection) = self.conns.remove(&conn) {
            let _ = connection.out.send(Out::End);
            self.left(conn, &connection);
        }
    }
}
