//! What is dialled, and how.

use std::time::Duration;

use crate::error::{self, Result};
use crate::protocol::device::{Devices, devices_fault};
use crate::protocol::fields::Fields;

params! {
    /// Whom to dial, and how. [`Devices`], and whatever makes them, are one, too.
    pub struct Dial("calling.dial") keeps limit: Duration {
        /// The label of the dial, instead of a generated one. It may not be in use by a dial that still runs.
        tag: NonEmpty,
        /// How long the call may last; 0 means not given. Sources dispute the unit: minutes in the older ones, seconds
        /// in the newest.
        max_duration: NonZero,
        /// The region it is dialled from.
        region: String,
        /// Destinations above this price are left out.
        max_price_per_minute: f64,
        /// How long devices may ring that say nothing themselves; sent in seconds.
        #[doc(alias = "timeout")]
        ring_timeout: Seconds as "timeout",
        /// Keys to send after the answer.
        send_digits: String,
        /// SWML, by URL or as a document, to be attached to the dial.
        dest_swml: Json,
    }
}

impl Dial {
    /// Dials whoever of these answers first.
    pub fn new(devices: impl Into<Devices>) -> Self {
        let mut fields = Fields::default();
        fields.set("", "devices", devices.into().into_json());
        Self::of(fields)
    }

    /// How long this client waits for somebody to answer before it ends the attempt; two minutes by default. It is
    /// not sent.
    #[doc(alias = "dial_timeout")]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Refuses what certainly cannot be dialled.
    pub(crate) fn check(&self) -> Result<()> {
        match devices_fault(self.fields.get("devices")) {
            Some(why) => Err(error::refused(Self::METHOD, why)),
            None => self.fields.check(Self::METHOD),
        }
    }
}

impl<D: Into<Devices>> From<D> for Dial {
    fn from(devices: D) -> Self {
        Self::new(devices)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::protocol::device::{Phone, phone};

    #[test]
    fn empty_means_not_given() {
        let devices = json!([[{"type": "phone", "params": {"to_number": "+1", "from_number": "+2", "timeout": 30}}]]);
        let to = phone("+1").from("+2").timeout(Duration::from_secs(30));
        let dial = Dial::new(to.clone()).tag("").max_duration(0).limit(Duration::ZERO);
        assert_eq!(dial.fields.to_json(), json!({"devices": devices}));
        let dial = Dial::from(to).tag("t").max_duration(5).ring_timeout(Duration::from_secs(20)).region("us");
        assert_eq!(
            dial.fields.to_json(),
            json!({"devices": devices, "tag": "t", "max_duration": 5, "timeout": 20, "region": "us"})
        );
    }

    #[test]
    fn a_dial_needs_somebody_to_call() {
        assert!(Dial::new(phone("+1")).check().is_ok());
        for dial in [
            Dial::new(phone("")),
            Dial::new(phone("+1 2")),
            Dial::new(Devices::in_order([] as [Phone; 0])),
            Dial::new(phone("+1")).extra("devices", json!([[]])),
        ] {
            assert_eq!(dial.check().map_err(|error| error.kind()), Err(crate::ErrorKind::Config), "{dial:?}");
        }
    }
}
