//! Another call that an event mentions.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::protocol::device::RemoteDevice;
use crate::protocol::limits::{self, LARGEST_DEVICE};
use crate::protocol::object::Object;

/// A call that an event mentions. Members that the service left out are empty, and so are names of more than 1 KiB and
/// a device of more than 16 KiB, which the event itself has.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Peer {
    /// ID of the call.
    pub call_id: String,
    /// Node of the service that has the call.
    pub node_id: String,
    /// Tag of the call.
    pub tag: String,
    /// Device at the far end.
    pub device: RemoteDevice,
    /// Kind of the device, where only that is reported.
    pub device_type: String,
    /// ID of the queue that the call was taken from.
    pub queue_id: String,
    /// Name of the queue that the call was taken from.
    pub queue_name: String,
    /// Whether the call is the leg that won the dial. In the event of a dial only.
    #[doc(alias = "dial_winner")]
    pub is_dial_winner: bool,
}

impl Peer {
    pub(super) fn read(raw: Option<&RawValue>) -> Option<Self> {
        let peer = Object::parse(raw?);
        // A peer is kept for as long as its bridge.
        let name = |key| peer.text(key).filter(|name| limits::is_name(name)).map(Cow::into_owned).unwrap_or_default();
        (!peer.is_empty()).then(|| Self {
            call_id: name("call_id"),
            node_id: name("node_id"),
            tag: name("tag"),
            device: RemoteDevice::read(peer.get("device").filter(|device| device.get().len() <= LARGEST_DEVICE)),
            device_type: name("device_type"),
            queue_id: name("queue_id"),
            queue_name: name("queue_name"),
            is_dial_winner: peer.flag("dial_winner").unwrap_or_default(),
        })
    }
}
