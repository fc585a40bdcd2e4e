//! Injected faults, and the decision which of them apply.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use serde_json::Value;

use crate::clock::Rng;
use crate::simulator::faults::fault::{Act, Fault, FaultKind, Only, Ways};
use crate::simulator::line::handshake::Trouble;
use crate::simulator::line::link::{Flow, Shape};
use crate::simulator::record::journal::FrameKind;

/// The injected faults.
#[derive(Default)]
pub(crate) struct Injected {
    /// The faults, in the order in which they were injected.
    active: Vec<Active>,
    /// Number of faults so far.
    count: u64,
    /// Number of times that each fault took effect.
    took: HashMap<u64, u64>,
    /// The flaps during which no connection is accepted.
    down: HashSet<u64>,
    /// Frames that others must overtake.
    behind: Vec<HeldFrame>,
    is_frozen: bool,
    ignores_pings: bool,
}

/// An injected fault.
struct Active {
    id: u64,
    fault: Fault,
    /// Number of times that it still takes effect. `None` is no limit.
    left: Option<usize>,
    begun: bool,
    rng: Rng,
}

/// A frame that others must overtake.
pub(crate) struct HeldFrame {
    pub(crate) id: u64,
    pub(crate) conn: u64,
    /// Number of frames that must still overtake it.
    pub(crate) left: usize,
    pub(crate) kind: FrameKind,
    pub(crate) method: String,
    pub(crate) frames: Vec<Value>,
}

/// A fault that applies, and a number from 0 to below 1 for what is drawn in it.
type Draw = (FaultKind, f64);

/// The effect of a fault at its beginning.
pub(crate) enum Begins {
    /// The fault occurs now, and is over.
    Acts(Act),
    /// The fault cuts the connections after this time.
    Flaps(Duration),
    /// The fault applies to frames, requests or connections.
    Waits,
}

/// The end of a request that does not take effect.
pub(crate) enum RequestFate {
    Lost,
    Refused { code: i64, message: String },
}

/// Everything that happens to a frame on its way to the client.
#[derive(Default)]
pub(crate) struct FrameFate {
    pub(crate) is_lost: bool,
    pub(crate) delay: Duration,
    /// Number of frames that must overtake it.
    pub(crate) behind: usize,
    /// Further copies, in order.
    pub(crate) again: Vec<Again>,
}

/// Copies of a frame.
pub(crate) enum Again {
    /// This number of identical copies.
    Same(usize),
    /// One copy with an ID of its own.
    FreshId,
}

impl Injected {
    /// The ID of the next fault.
    pub(crate) fn next_id(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    /// Adds a fault, which [`begin`](Self::begin) starts.
    pub(crate) fn add(&mut self, id: u64, fault: Fault, rng: Rng) {
        let left = fault.times;
        self.active.push(Active { id, fault, left, begun: false, rng });
    }

    pub(crate) fn remove(&mut self, id: u64) {
        self.active.retain(|active| active.id != id);
        self.down.remove(&id);
    }

    pub(crate) fn clear(&mut self) {
        self.active.clear();
        self.down.clear();
    }

    /// The faults, in order.
    pub(crate) fn faults(&self) -> Vec<Fault> {
        self.active.iter().map(|active| active.fault.clone()).collect()
    }

    /// Number of times that a fault took effect.
    pub(crate) fn times(&self, id: u64) -> u64 {
        self.took.get(&id).copied().unwrap_or_default()
    }

    pub(crate) fn is_over(&self, id: u64) -> bool {
        self.active.iter().all(|active| active.id != id)
    }

    pub(crate) fn is_frozen(&self) -> bool {
        self.is_frozen
    }

    pub(crate) fn ignores_pings(&self) -> bool {
        self.ignores_pings
    }

    /// `true` if no fault is injected.
    pub(crate) fn is_quiet(&self) -> bool {
        self.active.is_empty() && self.behind.is_empty()
    }

    /// Starts a fault. `None` if it was removed, or does not occur this time.
    pub(crate) fn begin(&mut self, id: u64) -> Option<Begins> {
        let active = self.active.iter_mut().find(|active| active.id == id)?;
        active.begun = true;
        match active.fault.kind.clone() {
            FaultKind::Act(act) if active.fault.on.is_none() => {
                let happens = active.rng.part() < active.fault.chance;
                self.active.retain(|active| active.id != id);
                if happens {
                    *self.took.entry(id).or_default() += 1;
                }
                happens.then_some(Begins::Acts(act))
            }
            FaultKind::Flap { up, .. } => Some(Begins::Flaps(up.mul_f64(0.5 + active.rng.part()))),
            _ => Some(Begins::Waits),
        }
    }

    /// Moves a flap down or up. Returns the time until it moves again. `None` if it was removed.
    pub(crate) fn flap(&mut self, id: u64, goes_down: bool) -> Option<Duration> {
        let active = self.active.iter_mut().find(|active| active.id == id)?;
        let FaultKind::Flap { up, down } = active.fault.kind else { return None };
        let span = if goes_down { down } else { up }.mul_f64(0.5 + active.rng.part());
        if goes_down {
            self.down.insert(id);
            *self.took.entry(id).or_default() += 1;
        } else {
            self.down.remove(&id);
        }
        Some(span)
    }

    /// Returns the present shape of the lines; updates whether all bytes are lost, and whether pings are answered.
    pub(crate) fn shape(&mut self) -> Shape {
        let mut shape = Shape::default();
        (self.is_frozen, self.ignores_pings) = (false, false);
        for active in self.active.iter().filter(|active| active.begun) {
            let fault = &active.fault;
            let mut flows: Vec<&mut Flow> = Vec::new();
            if fault.way != Ways::FromClient {
                flows.push(&mut shape.to_client);
            }
            if fault.way != Ways::ToClient {
                flows.push(&mut shape.from_client);
            }
            match &fault.kind {
                FaultKind::Bandwidth { rate } => {
                    flows.into_iter().for_each(|flow| flow.rate = Some(flow.rate.unwrap_or(u64::MAX).min(*rate)));
                }
                FaultKind::Slices { bytes, every } => {
                    for flow in flows {
                        flow.slice = Some(flow.slice.unwrap_or(usize::MAX).min(*bytes));
                        flow.pause = flow.pause.max(*every);
                    }
                }
                FaultKind::Latency { by, .. } => {
                    let ways = u32::try_from(flows.len()).unwrap_or(2);
                    shape.round_trip += by.saturating_mul(ways);
                }
                FaultKind::Stall => shape.stalled = true,
                FaultKind::Freeze => self.is_frozen = true,
                FaultKind::UnansweredPings => self.ignores_pings = true,
                _ => {}
            }
        }
        shape
    }

    /// The time by which a frame in this direction arrives later.
    pub(crate) fn latency(&mut self, way: Ways) -> Duration {
        let other = if way == Ways::ToClient { Ways::FromClient } else { Ways::ToClient };
        let turns = self.turns(|fault| matches!(fault.kind, FaultKind::Latency { .. }) && fault.way != other);
        let one = |(kind, part): Draw| match kind {
            FaultKind::Latency { by, jitter } => by + jitter.mul_f64(part),
            _ => Duration::ZERO,
        };
        turns.into_iter().map(one).sum()
    }

    /// The faults of the handshakes of a new connection.
    pub(crate) fn handshakes(&mut self) -> Vec<Trouble> {
        let turns = self.turns(|fault| matches!(fault.kind, FaultKind::Connecting(_)));
        let troubles = turns.into_iter().filter_map(|(kind, _)| match kind {
            FaultKind::Connecting(trouble) => Some(trouble),
            _ => None,
        });
        troubles.collect()
    }

    /// `true` if a new connection is closed at once.
    pub(crate) fn refuses_connections(&mut self) -> bool {
        !self.down.is_empty() || !self.turns(|fault| fault.kind == FaultKind::RefuseConnections).is_empty()
    }

    /// `true` if the credentials of a connect are rejected.
    pub(crate) fn rejects_credentials(&mut self, resumes: bool) -> bool {
        let turns = self.turns(
            |fault| matches!(fault.kind, FaultKind::RefuseCredentials { resumed_only } if resumes || !resumed_only),
        );
        !turns.is_empty()
    }

    /// The faults that occur once and that this request triggers.
    pub(crate) fn acts_on_request(&mut self, method: &str) -> Vec<Act> {
        self.acts(|fault| fault.on.as_deref() == Some(method) && fault.only != Only::Events)
    }

    /// The faults that occur once and that this event triggers.
    pub(crate) fn acts_on_event(&mut self, method: &str) -> Vec<Act> {
        self.acts(|fault| fault.on.as_deref() == Some(method) && fault.only != Only::Requests)
    }

    fn acts(&mut self, fits: impl Fn(&Fault) -> bool) -> Vec<Act> {
        let turns = self.turns(|fault| matches!(fault.kind, FaultKind::Act(_)) && fits(fault));
        let acts = turns.into_iter().filter_map(|(kind, _)| match kind {
            FaultKind::Act(act) => Some(act),
            _ => None,
        });
        acts.collect()
    }

    /// The end of a request that does not take effect. `None` if it takes effect.
    pub(crate) fn on_request(&mut self, method: &str) -> Option<RequestFate> {
        let named = |fault: &Fault| fault.on.is_none() || fault.on.as_deref() == Some(method);
        let lost = |fault: &Fault| fault.kind == FaultKind::Lose && fault.only == Only::Requests && named(fault);
        if !self.turns(lost).is_empty() {
            return Some(RequestFate::Lost);
        }
        let refusals = self.turns(|fault| matches!(fault.kind, FaultKind::Refuse { .. }) && named(fault));
        match refusals.into_iter().next() {
            Some((FaultKind::Refuse { code, message }, _)) => Some(RequestFate::Refused { code, message }),
            _ => None,
        }
    }

    /// Everything that happens to a response or an event on its way to the client.
    pub(crate) fn on_frame(&mut self, sort: Only, method: &str) -> FrameFate {
        let turns = self.turns(|fault| {
            matches!(
                fault.kind,
                FaultKind::Lose
                    | FaultKind::Delay { .. }
                    | FaultKind::Repeat { .. }
                    | FaultKind::Redeliver
                    | FaultKind::Reorder { .. }
            ) && (fault.only == Only::Any || fault.only == sort)
                && (fault.on.is_none() || fault.on.as_deref() == Some(method))
        });
        let mut fate = FrameFate::default();
        for (turn, part) in turns {
            match turn {
                FaultKind::Lose => fate.is_lost = true,
                FaultKind::Delay { by, jitter } => fate.delay += by + jitter.mul_f64(part),
                FaultKind::Repeat { copies } => fate.again.push(Again::Same(copies)),
                FaultKind::Redeliver => fate.again.push(Again::FreshId),
                FaultKind::Reorder { behind } => fate.behind += behind,
                _ => {}
            }
        }
        fate
    }

    /// Keeps a frame until enough others have overtaken it.
    pub(crate) fn hold(&mut self, frame: HeldFrame) {
        self.behind.push(frame);
    }

    /// Counts a frame that was sent over a connection. Returns the frames that enough others have overtaken.
    pub(crate) fn overtaken(&mut self, conn: u64) -> Vec<HeldFrame> {
        self.behind.iter_mut().filter(|frame| frame.conn == conn).for_each(|frame| frame.left -= 1);
        self.take_held(|frame| frame.left == 0)
    }

    /// Takes a frame out that has been kept for too long.
    pub(crate) fn take_held(&mut self, due: impl Fn(&HeldFrame) -> bool) -> Vec<HeldFrame> {
        let (ready, kept) = std::mem::take(&mut self.behind).into_iter().partition(due);
        self.behind = kept;
        ready
    }

    /// The faults that apply now. Those that are used up are removed.
    fn turns(&mut self, fits: impl Fn(&Fault) -> bool) -> Vec<Draw> {
        let mut turns = Vec::new();
        for active in self.active.iter_mut().filter(|active| active.begun && fits(&active.fault)) {
            if active.left == Some(0) || (active.fault.chance < 1.0 && active.rng.part() >= active.fault.chance) {
                continue;
            }
            active.left = active.left.map(|left| left - 1);
            *self.took.entry(active.id).or_default() += 1;
            turns.push((active.fault.kind.clone(), active.rng.part()));
        }
        if !turns.is_empty() {
            self.active.retain(|active| active.left != Some(0));
        }
        turns
    }
}
