//! Injected faults, and the choice of the one that applies next.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::clock::Rng;
use crate::simulator::faults::cut::Cutting;
use crate::simulator::faults::fault::{Fault, FaultKind, Ways};
use crate::simulator::line::link::{Flow, Shape};
use crate::simulator::record::journal::FrameKind;

/// Number of next requests that a setting applies to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Times {
    Next(usize),
    Always,
}

impl Times {
    /// Counts one use; returns `false` if none is left.
    pub(crate) fn take(&mut self) -> bool {
        match self {
            Self::Always => true,
            Self::Next(0) => false,
            Self::Next(left) => {
                *left -= 1;
                true
            }
        }
    }
}

/// A refusal that waits for its request.
pub(crate) struct Failure {
    pub(crate) times: Times,
    pub(crate) code: i64,
    pub(crate) message: String,
}

/// All that goes wrong: what was asked for by hand, and what is injected.
#[derive(Default)]
pub(crate) struct Faults {
    pub(crate) failures: HashMap<String, Vec<Failure>>,
    pub(crate) refuse_credentials: Option<Times>,
    pub(crate) held: HashSet<String>,
    pub(crate) unanswered: HashSet<String>,
    pub(crate) events_first: HashSet<String>,
    pub(crate) drop_after: HashSet<String>,
    pub(crate) drop_before: HashSet<String>,
    pub(crate) ignore_pings_by_hand: bool,
    pub(crate) frozen_by_hand: bool,
    /// `true` if set by hand or by an injected fault; likewise `frozen`.
    pub(crate) ignore_pings: bool,
    pub(crate) frozen: bool,
    pub(crate) abrupt_ends: bool,
    pub(crate) recordings_end_first: bool,
    /// The injected faults, in order.
    pub(crate) active: Vec<Active>,
    /// Number of faults that were ever injected, and how often each was applied.
    pub(crate) injected: u64,
    pub(crate) took: HashMap<u64, u64>,
    /// The flaps that are down.
    pub(crate) down: HashSet<u64>,
    pub(crate) behind: Vec<HeldFrame>,
    /// The cuts that are counted out.
    pub(crate) cutting: Cutting,
}

impl Faults {
    /// The refusal that is due for a request of this method.
    pub(crate) fn failure(&mut self, method: &str) -> Option<(i64, String)> {
        let waiting = self.failures.get_mut(method)?;
        while let Some(first) = waiting.first_mut() {
            if first.times.take() {
                return Some((first.code, first.message.clone()));
            }
            waiting.remove(0);
        }
        None
    }

    /// Whether nothing is injected.
    pub(crate) fn is_quiet(&self) -> bool {
        self.active.is_empty() && self.behind.is_empty()
    }

    pub(crate) fn refuses_credentials(&mut self) -> bool {
        self.refuse_credentials.as_mut().is_some_and(Times::take)
    }
}

/// A fault that is injected.
pub(crate) struct Active {
    pub(crate) id: u64,
    pub(crate) fault: Fault,
    pub(crate) left: Option<usize>,
    pub(crate) begun: bool,
    pub(crate) rng: Rng,
}

/// A frame that others are to overtake.
pub(crate) struct HeldFrame {
    pub(crate) id: u64,
    pub(crate) conn: u64,
    pub(crate) left: usize,
    pub(crate) kind: FrameKind,
    pub(crate) method: String,
    pub(crate) frames: Vec<Value>,
}

/// A fault that has its turn, and a number from 0 to below 1 for what is drawn in it.
pub(crate) type Draw = (FaultKind, f64);

impl Faults {
    /// Returns the present shape of the lines; updates whether all bytes are lost, and whether pings are answered.
    pub(crate) fn shape(&mut self) -> Shape {
        let mut shape = Shape::default();
        let (mut frozen, mut deaf) = (self.frozen_by_hand, self.ignore_pings_by_hand);
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
                FaultKind::Freeze => frozen = true,
                FaultKind::UnansweredPings => deaf = true,
                _ => {}
            }
        }
        (self.frozen, self.ignore_pings) = (frozen, deaf);
        shape
    }

    /// The faults that have their turn; those that are used up go.
    pub(crate) fn turns(&mut self, fits: impl Fn(&Fault) -> bool) -> Vec<Draw> {
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
