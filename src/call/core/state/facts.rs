//! The facts that the service reported about a call: its IDs and texts, its device and its direction.

use std::sync::Arc;

use crate::protocol::device::RemoteDevice;
use crate::protocol::frame::{Envelope, EventHead};
use crate::protocol::labels::{Label, Labels};
use crate::protocol::limits;
use crate::protocol::states::Direction;

/// The facts that the service reported about a call.
pub(crate) struct Facts {
    names: Names,
    device: RemoteDevice,
    direction: Direction,
}

impl Facts {
    pub(crate) fn new(direction: Direction) -> Self {
        Self { names: Names::default(), device: RemoteDevice::default(), direction }
    }

    pub(crate) fn name(&self, name: Name) -> &str {
        self.names.get(name)
    }

    pub(crate) fn device(&self) -> &RemoteDevice {
        &self.device
    }

    pub(crate) fn direction(&self) -> &Direction {
        &self.direction
    }

    /// Memory that the call's own texts take, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.names.own.len() + self.device.bytes()
    }

    /// Sets the node of a call that no event has reported yet, and its device if that is known.
    pub(crate) fn address_to(&mut self, labels: &Labels, node_id: &str, device: Option<&RemoteDevice>) {
        self.names.update(labels, [Some(node_id), None, None, None, None]);
        if let Some(device) = device {
            self.device = device.clone();
        }
    }

    /// Takes over the fields that any event may carry.
    pub(crate) fn fill(&mut self, labels: &Labels, envelope: &Envelope<'_>, head: &EventHead<'_>) {
        if !matches!(&*envelope.event_type, "calling.call.state" | "calling.call.receive" | "calling.call.dial") {
            self.names.update(labels, [head.node_id.as_deref(), None, None, None, None]);
            return;
        }
        let contexts = [head.context.as_deref(), envelope.context.as_deref(), head.protocol.as_deref()];
        self.names.update(
            labels,
            [
                head.node_id.as_deref(),
                head.project_id.as_deref().or(envelope.project_id.as_deref()),
                contexts.into_iter().flatten().find(|context| !context.is_empty()),
                head.tag.as_deref(),
                head.segment_id.as_deref(),
            ],
        );
        if let Some(direction) = head.direction.as_deref().filter(|direction| !direction.is_empty()) {
            self.direction = Direction::from(direction);
        }
        // The device may be empty while the service does not know its kind. It does not change afterwards.
        if self.device.is_unknown() {
            self.device = RemoteDevice::read(head.device.filter(|device| device.get().len() <= limits::LARGEST_DEVICE));
        }
    }
}

/// A name that a call has besides its ID, in the order in which [`Names::update`] takes them.
#[derive(Clone, Copy)]
pub(crate) enum Name {
    Node,
    Project,
    Context,
    Tag,
    Segment,
}

/// The names of a call. Names that the call shares with others are kept once for all of them, and its own names in one
/// piece of memory, because an idle call should take little.
#[derive(Default)]
struct Names {
    shared: Option<Arc<Label>>,
    /// Tag and segment.
    own: Box<str>,
    tag_end: u32,
}

impl Names {
    fn all(&self) -> [&str; 5] {
        let [node, project, context] = self.shared.as_ref().map(|label| label.names()).unwrap_or_default();
        let (tag, segment) = self.own.split_at_checked(self.tag_end as usize).unwrap_or_default();
        [node, project, context, tag, segment]
    }

    fn get(&self, name: Name) -> &str {
        self.all()[name as usize]
    }

    /// Takes over the names that are given, not empty and new.
    fn update(&mut self, labels: &Labels, given: [Option<&str>; 5]) {
        let present = self.all();
        let wanted = |at: usize| given[at].filter(|name| !name.is_empty()).unwrap_or(present[at]);
        let wanted: [&str; 5] = std::array::from_fn(wanted);
        let shared = (wanted[..3] != present[..3]).then(|| labels.get([wanted[0], wanted[1], wanted[2]]));
        // A frame is far smaller than 4 GiB.
        let tag_end = u32::try_from(wanted[3].len()).unwrap_or(u32::MAX);
        let own = (wanted[3..] != present[3..]).then(|| wanted[3..].concat().into());
        if let Some(shared) = shared {
            self.shared = Some(shared);
        }
        if let Some(own) = own {
            (self.own, self.tag_end) = (own, tag_end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_keep_the_names_they_share_once_and_their_own_apart() {
        let labels = Labels::default();
        let (mut one, mut other) = (Names::default(), Names::default());
        one.update(&labels, [Some("node-1"), Some("project"), Some("sales"), Some("t"), Some("segment-1")]);
        other.update(&labels, [Some("node-1"), Some("project"), Some("sales"), None, Some("segment-2")]);
        assert_eq!(one.all(), ["node-1", "project", "sales", "t", "segment-1"]);
        assert_eq!(other.all(), ["node-1", "project", "sales", "", "segment-2"]);
        let shared = |names: &Names| names.shared.clone().expect("a label");
        assert!(Arc::ptr_eq(&shared(&one), &shared(&other)));
        // What is empty or absent changes nothing.
        one.update(&labels, [None, Some(""), None, None, None]);
        assert!(Arc::ptr_eq(&shared(&one), &shared(&other)));
        one.update(&labels, [Some("node-2"), None, None, None, Some("segment-3")]);
        assert_eq!(one.all(), ["node-2", "project", "sales", "t", "segment-3"]);
        assert_eq!(other.all(), ["node-1", "project", "sales", "", "segment-2"]);
    }
}
