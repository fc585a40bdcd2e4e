//! The parameters of a dial.

use std::time::Duration;

use crate::error::{self, Result};
use crate::protocol::constants::DIAL_TIMEOUT;
use crate::protocol::device::{Devices, devices_fault, ringing};
use crate::protocol::fields::Fields;

/// Time for setting up the calls of one group of devices and for reporting their results, besides ringing.
const SETUP: Duration = Duration::from_secs(10);

params! {
    /// Parameters of [`Client::dial`](crate::Client::dial). [`Devices`], and anything that converts into them, convert
    /// into `Dial`.
    pub struct Dial("calling.dial") keeps limit: Duration {
        /// Label of the dial. Default: a generated one. The label may not be in use by another dial in progress.
        tag: NonEmpty,
        /// Longest duration of the call. `0` means no limit is sent. The unit is disputed: the older documentation of
        /// the service says minutes, the newest seconds.
        max_duration: NonZero,
        /// Region from which the call is dialled.
        region: String,
        /// Price per minute above which destinations are not called.
        max_price_per_minute: f64,
        /// Ringing time for devices that set none of their own. Sent in seconds.
        #[doc(alias = "timeout")]
        ring_timeout: Seconds as "timeout",
        /// DTMF digits that are sent after the answer.
        send_digits: String,
        /// SWML that is attached to the dial, as a URL or a document.
        dest_swml: Json,
    }
}

impl Dial {
    /// Dials devices; the first that answers is the call.
    pub fn new(devices: impl Into<Devices>) -> Self {
        let mut fields = Fields::default();
        fields.set("", "devices", devices.into().into_json());
        Self::of(fields)
    }

    /// Sets the time after which this client ends a dial that was not answered. The limit is not sent.
    ///
    /// Default: what [`Builder::dial_timeout`](crate::Builder::dial_timeout) sets. If that is not set either: 120 s, or
    /// the ringing time of the dial if that is longer. That is, for each group of devices, the longest timeout of a
    /// device (30 s for one that has none) and 10 s for setting up the calls.
    #[doc(alias = "dial_timeout")]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Returns the default limit, which is long enough that no phone stops ringing early because of it.
    pub(crate) fn default_limit(&self) -> Duration {
        let groups = ringing(&self.fields).into_iter().map(|ringing| ringing.saturating_add(SETUP));
        groups.fold(Duration::ZERO, Duration::saturating_add).max(DIAL_TIMEOUT)
    }

    /// Rejects parameters that cannot be dialled.
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
    use serde_json::{Value, json};

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
    fn the_default_limit_leaves_every_phone_its_ringing_time() {
        let secs = Duration::from_secs;
        let rings = |seconds: u64| phone("+1").timeout(secs(seconds));
        let raw = |devices: Value| Dial::new(phone("+1")).extra("devices", devices);
        for (dial, limit) in [
            (Dial::new(phone("+1")), 120),
            (Dial::new(rings(180)), 190),
            (Dial::new(rings(110)), 120),
            (Dial::new(rings(111)), 121),
            (Dial::new(phone("+1")).ring_timeout(secs(180)), 190),
            (Dial::new(rings(20)).ring_timeout(secs(180)), 120),
            // Devices in order, and at once.
            (Dial::new(Devices::in_order((0..5).map(|_| rings(30)))), 200),
            (Dial::new(Devices::in_order((0..5).map(|_| phone("+1")))), 200),
            (Dial::new(Devices::at_once((0..5).map(|_| rings(30)))), 120),
            (Dial::new(Devices::at_once([rings(100), rings(20)]).then(rings(60))), 180),
            // Parameters that the crate has no names for.
            (raw(json!([[{"type": "x", "params": {"timeout": 100, "confirm_timeout": 60}}]])), 170),
            (raw(json!([{"params": {"timeout": 200}}])), 210),
            (raw(json!([[{"params": {"timeout": "200"}}], 7, {}, [], null])), 170),
            (raw(json!("nonsense")), 120),
        ] {
            assert_eq!(dial.default_limit(), secs(limit), "{dial:?}");
        }
        let endless = raw(json!([[{"params": {"timeout": 1e300}}], [{"params": {"timeout": 1e300}}]]));
        assert_eq!(endless.default_limit(), Duration::MAX);
    }

    #[test]
    fn a_dial_needs_a_destination() {
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
