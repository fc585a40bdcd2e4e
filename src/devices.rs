//! Destinations of calls: telephone numbers, SIP addresses, and others.
//!
//! A function makes a destination: [`phone`], [`sip`], [`fabric`], [`webrtc`], [`agora`], [`existing_call`], [`queue`],
//! [`stream_to`]. [`Client::dial`](crate::Client::dial) and [`Connect`](crate::Connect) take one of them, or [`Devices`]:
//! several at the same time or one after the other.
//!
//! [`RemoteDevice`] is the device of an existing call, as the service reports it. [`Leg`] is one leg of a dial or of a
//! connect. [`rtp`] and [`ws`] make the target of [`Call::tap`](crate::Call::tap).

pub use crate::call::{Rtp, TapDevice, Ws, rtp, ws};
pub use crate::protocol::device::{
    Agora, Device, Devices, ExistingCall, Fabric, Phone, QueuedCall, RemoteDevice, Sip, StreamDevice, WebRtc, agora,
    existing_call, fabric, queue, stream_to, webrtc,
};
pub use crate::protocol::states::DeviceKind;
#[doc(no_inline)]
pub use crate::{Leg, phone, sip};
