//! Destinations of calls: one device, and devices tried in order or at once.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::choices::HttpMethod;
use super::fields::Fields;
use super::object::{self, member_of, text_of, value_of};
use super::redact;
use super::states::{DeviceKind, Encryption};

/// Makes a destination from a telephone number in the form `+15551234567`.
///
/// ```
/// use std::time::Duration;
/// use signalwire_relay::phone;
///
/// let agent = phone("+15552222222").from("+15551111111").timeout(Duration::from_secs(30));
/// ```
pub fn phone(to: impl Into<String>) -> Phone {
    Phone::of(with("to_number", to))
}

/// Makes a destination from the URI of a SIP endpoint.
pub fn sip(to: impl Into<String>) -> Sip {
    Sip::of(with("to", to))
}

/// Makes a destination from the address of a resource of the project, such as `/private/support`.
pub fn fabric(to: impl Into<String>) -> Fabric {
    Fabric::of(with("to", to))
}

/// Makes a destination from the address of a browser or app. Only older versions of the service support it.
pub fn webrtc(to: impl Into<String>) -> WebRtc {
    WebRtc::of(with("to", to))
}

/// Makes a destination from an Agora channel. Only older versions of the service support it.
pub fn agora(app_id: impl Into<String>, channel: impl Into<String>) -> Agora {
    let mut fields = with("appid", app_id);
    fields.set("", "channel", Value::String(channel.into()));
    Agora::of(fields)
}

/// Makes a destination from an existing call, which is bridged.
pub fn existing_call(node_id: impl Into<String>, call_id: impl Into<String>) -> ExistingCall {
    let mut fields = with("node_id", node_id);
    fields.set("", "call_id", Value::String(call_id.into()));
    ExistingCall::of(fields)
}

/// Makes a destination from a queue, whose first call is bridged.
pub fn queue(node_id: impl Into<String>, name: impl Into<String>) -> QueuedCall {
    let mut fields = with("node_id", node_id);
    fields.set("", "queue_name", Value::String(name.into()));
    QueuedCall::of(fields)
}

/// Makes a destination from the `wss` URL of a WebSocket, which receives the call's audio and sends its own.
pub fn stream_to(url: impl Into<String>) -> StreamDevice {
    StreamDevice::of(with("url", url))
}

fn with(key: &'static str, value: impl Into<String>) -> Fields {
    let mut fields = Fields::default();
    fields.set("", key, Value::String(value.into()));
    fields
}

params! {
    /// A telephone number to call. Made by [`phone`].
    pub struct Phone {
        /// Number that the call comes from. Default: chosen by the service.
        #[doc(alias = "from_number")]
        from: String as "from_number",
        /// Longest ringing time. Sent in whole seconds. Default: 30 s.
        timeout: WholeSeconds,
        /// URL that receives the status callbacks of this leg.
        call_state_url: String,
        /// States for which the status callback is called. Default: `ended` only.
        call_state_events: Strings,
        /// SWML, as a URL or a document, that the callee hears before the calls are bridged. The callee may decline.
        confirm: Json,
        /// Longest time that the callee has to confirm. Sent in whole seconds.
        confirm_timeout: WholeSeconds,
        /// Longest duration of the leg. Only older documentation of the service has this parameter, and leaves the unit
        /// open.
        max_duration: u32,
    }
}

params! {
    /// A SIP endpoint to call. Made by [`sip`].
    pub struct Sip {
        /// SIP URI that the call comes from.
        from: String,
        /// Name that is displayed for the caller.
        from_name: String,
        /// Longest ringing time. Sent in whole seconds. Default: 30 s.
        timeout: WholeSeconds,
        /// Codecs to offer, in order of preference: names, or [`Codec`](crate::choices::Codec)s.
        codecs: Strings,
        /// Whether the endpoint speaks WebRTC.
        webrtc_media: bool,
        /// Encryption of the media.
        encryption: Encryption,
        /// User name for the endpoint.
        username: String,
        /// Password for the endpoint. `Debug` does not show the password.
        password: String,
        /// SIP session timer. Sent in whole seconds.
        session_timeout: WholeSeconds,
        /// URL that receives the status callbacks of this leg.
        call_state_url: String,
        /// States for which the status callback is called. Default: `ended` only.
        call_state_events: Strings,
        /// SWML, as a URL or a document, that the callee hears before the calls are bridged. The callee may decline.
        confirm: Json,
        /// Longest time that the callee has to confirm. Sent in whole seconds.
        confirm_timeout: WholeSeconds,
    }
}

impl Sip {
    /// Adds a SIP header, whose name begins with `X-`. `X-SignalWire` and `X-CID` are the service's own.
    ///
    /// ```
    /// use signalwire_relay::sip;
    ///
    /// let desk = sip("sip:desk@pbx.example").header("X-Customer", "4711");
    /// ```
    #[doc(alias = "headers")]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.fields.push("headers", json!({ "name": name.into(), "value": value.into() }));
        self
    }
}

params! {
    /// A resource of the project to call. Made by [`fabric`].
    pub struct Fabric {
        /// Address that the call comes from.
        from: String,
        /// Longest ringing time. Sent in whole seconds. Default: 30 s.
        timeout: WholeSeconds,
        /// URL that receives the status callbacks of this leg.
        call_state_url: String,
        /// States for which the status callback is called. Default: `ended` only.
        call_state_events: Strings,
        /// SWML, as a URL or a document, that the callee hears before the calls are bridged. The callee may decline.
        confirm: Json,
        /// Longest time that the callee has to confirm. Sent in whole seconds.
        confirm_timeout: WholeSeconds,
    }
}

params! {
    /// A browser or app to call. Made by [`webrtc`].
    pub struct WebRtc {
        /// Address that the call comes from.
        from: String,
        /// Longest ringing time. Sent in whole seconds.
        timeout: WholeSeconds,
        /// Codecs to offer, in order of preference.
        codecs: Strings,
    }
}

params! {
    /// An Agora channel to call. Made by [`agora`].
    pub struct Agora {
        /// Address that the call comes from. The service requires it.
        from: String,
        /// Address that the call is for.
        to: String,
        /// Longest ringing time. Sent in whole seconds.
        timeout: WholeSeconds,
    }
}

params! {
    /// An existing call. Made by [`existing_call`].
    pub struct ExistingCall {}
}

params! {
    /// A queue of calls. Made by [`queue`].
    pub struct QueuedCall {
        /// The queue's ID.
        queue_id: String,
        /// SWML that runs after the queue.
        execute_after_queue: Json,
    }
}

params! {
    /// A WebSocket for audio. Made by [`stream_to`].
    pub struct StreamDevice {
        /// Label of the stream.
        name: String,
        /// Codec, optionally with an interval and a rate: `L16@24000h@40i`. Default: PCMU.
        codec: String,
        /// URL that receives the status callbacks of the stream.
        status_url: String,
        /// HTTP method of the status callback. Default: POST.
        status_url_method: HttpMethod,
        /// Whether audio is sent without a buffer, as it arrives.
        realtime: bool,
        /// Token for the WebSocket's `Authorization` header. `Debug` does not show the token.
        authorization_bearer_token: String,
        /// JSON object that is passed to the WebSocket.
        custom_parameters: Json,
    }
}

/// One destination: a [`phone`], a [`sip`] endpoint or one of the others, or JSON.
#[derive(Clone, PartialEq)]
#[must_use]
pub struct Device(Value);

impl Device {
    /// Makes a destination from JSON with `type` and `params`, which is sent as it is.
    pub fn raw(json: impl Into<Value>) -> Self {
        Self(json.into())
    }

    fn of(kind: DeviceKind, fields: &Fields) -> Self {
        Self(json!({ "type": kind.as_str(), "params": fields.to_json() }))
    }

    pub(crate) fn into_json(self) -> Value {
        self.0
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Device({})", redact::shown(self.0.clone()))
    }
}

/// Returns the fault of an address that is certainly invalid; the service judges all others. A SIP address may have a
/// name with white space in front: `Alice <sip:alice@example.com>` (RFC 3261, name-addr).
pub(crate) fn address_fault(to: &str) -> Option<&'static str> {
    if to.trim().is_empty() {
        return Some("`to` is empty: give a number or an address");
    }
    to.contains(char::is_control).then_some("`to` has control characters in it: remove them")
}

/// Returns the fault of a phone number that is certainly invalid.
pub(crate) fn number_fault(to: &str) -> Option<&'static str> {
    let spaced = || to.contains(char::is_whitespace).then_some("`to` has white space in it: remove it");
    address_fault(to).or_else(spaced)
}

/// Returns `true` if this may be a phone number. The service may accept others too.
pub(crate) fn looks_like_a_number(to: &str) -> bool {
    let rest = to.strip_prefix('+').unwrap_or(to);
    rest.bytes().all(|byte| byte.is_ascii_digit() || b"-().*#".contains(&byte))
        && rest.bytes().any(|byte| byte.is_ascii_digit())
}

/// The first number among these devices that does not look like a phone number.
pub(crate) fn odd_number(devices: Option<&Value>) -> Option<&str> {
    let groups = devices?.as_array()?.iter().filter_map(Value::as_array).flatten();
    let mut numbers = groups.filter_map(|device| device.get("params")?.get("to_number")?.as_str());
    numbers.find(|number| !looks_like_a_number(number))
}

/// Returns the fault in the JSON of devices that certainly cannot be called.
pub(crate) fn devices_fault(devices: Option<&Value>) -> Option<&'static str> {
    let groups = devices?.as_array()?;
    if groups.is_empty() {
        return Some("there is no device: give at least one");
    }
    let groups: Vec<&Vec<Value>> = groups.iter().filter_map(Value::as_array).collect();
    if groups.iter().any(|group| group.is_empty()) {
        return Some("a group has no device: give it one, or leave it out");
    }
    groups.into_iter().flatten().find_map(|device| {
        let params = device.get("params")?;
        match params.get("to_number") {
            Some(number) => number_fault(number.as_str()?),
            None => address_fault(params.get("to")?.as_str()?),
        }
    })
}

/// The destinations of a dial or a connect, for messages: `+15552222222, sip:desk@pbx.example` or
/// `+15552222222, +15553333333 and 4 others`.
pub(crate) fn destinations(devices: Option<&Value>) -> String {
    let groups = devices.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_array);
    let name = |device: &Value| {
        let text = |key| device.get("params").and_then(|params| params.get(key)?.as_str());
        let address = text("to_number").or_else(|| text("to")).map(str::to_owned);
        let other = ["queue_name", "call_id", "channel"].into_iter().find_map(text);
        let kind = device.get("type").and_then(Value::as_str).unwrap_or("an unnamed device");
        address.unwrap_or_else(|| other.map_or_else(|| kind.to_owned(), |other| format!("{kind} {other}")))
    };
    let mut names: Vec<String> = groups.flatten().map(name).collect();
    match names.len() {
        0 => "no device".to_owned(),
        1..=3 => names.join(", "),
        more => {
            names.truncate(2);
            format!("{} and {} others", names.join(", "), more - 2)
        }
    }
}

/// The service's default ringing time of a device.
const RINGING: Duration = Duration::from_secs(30);

/// Returns how long each group of devices of a dial or a connect may ring: the longest ringing time in the group,
/// including the time for confirmation. A device without a timeout rings for the request's timeout, or for 30 s.
pub(crate) fn ringing(request: &Fields) -> Vec<Duration> {
    let seconds = |of: Option<&Value>| of.and_then(Value::as_f64).filter(|seconds| *seconds > 0.0);
    let span = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
    let of_request = seconds(request.get("timeout")).map_or(RINGING, span);
    let of_device = |device: &Value| {
        let params = device.get("params");
        let ringing = params.and_then(|params| seconds(params.get("timeout"))).map_or(of_request, span);
        let confirming = params.and_then(|params| seconds(params.get("confirm_timeout"))).map_or(Duration::ZERO, span);
        ringing.saturating_add(confirming)
    };
    let of_group = |group: &Value| {
        let devices = group.as_array().map_or(std::slice::from_ref(group), Vec::as_slice);
        devices.iter().map(of_device).max().unwrap_or_default()
    };
    request.get("devices").and_then(Value::as_array).into_iter().flatten().map(of_group).collect()
}

/// Destinations in groups. The groups are tried one after the other, the devices of a group at the same time; the first
/// that answers is connected.
///
/// ```
/// use signalwire_relay::{phone, sip};
/// use signalwire_relay::devices::Devices;
///
/// let one_after_another = Devices::in_order([phone("+15552222222"), phone("+15553333333")]);
/// let first_both_then_sip =
///     Devices::at_once([phone("+15552222222"), phone("+15553333333")]).then(sip("sip:desk@pbx.example"));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Devices(Vec<Vec<Device>>);

impl Devices {
    /// Tries destinations one after the other. Each may itself be a group made by [`at_once`](Self::at_once).
    #[doc(alias = "serial")]
    pub fn in_order(devices: impl IntoIterator<Item = impl Into<Self>>) -> Self {
        Self(devices.into_iter().flat_map(|devices| devices.into().0).collect())
    }

    /// Tries devices at the same time.
    #[doc(alias = "parallel")]
    pub fn at_once(devices: impl IntoIterator<Item = impl Into<Device>>) -> Self {
        Self(vec![devices.into_iter().map(Into::into).collect()])
    }

    /// Adds destinations that are tried if none of the previous ones answers.
    pub fn then(mut self, next: impl Into<Self>) -> Self {
        self.0.extend(next.into().0);
        self
    }

    pub(crate) fn into_json(self) -> Value {
        self.0.into_iter().map(|group| group.into_iter().map(|Device(json)| json).collect::<Value>()).collect()
    }
}

impl From<Phone> for Device {
    fn from(device: Phone) -> Self {
        Self::of(DeviceKind::Phone, &device.fields)
    }
}

impl From<Sip> for Device {
    fn from(device: Sip) -> Self {
        Self::of(DeviceKind::Sip, &device.fields)
    }
}

impl From<Fabric> for Device {
    fn from(device: Fabric) -> Self {
        Self::of(DeviceKind::Fabric, &device.fields)
    }
}

impl From<WebRtc> for Device {
    fn from(device: WebRtc) -> Self {
        Self::of(DeviceKind::WebRtc, &device.fields)
    }
}

impl From<Agora> for Device {
    fn from(device: Agora) -> Self {
        Self::of(DeviceKind::Agora, &device.fields)
    }
}

impl From<ExistingCall> for Device {
    fn from(device: ExistingCall) -> Self {
        Self::of(DeviceKind::Call, &device.fields)
    }
}

impl From<QueuedCall> for Device {
    fn from(device: QueuedCall) -> Self {
        Self::of(DeviceKind::Queue, &device.fields)
    }
}

impl From<StreamDevice> for Device {
    fn from(device: StreamDevice) -> Self {
        Self::of(DeviceKind::Stream, &device.fields)
    }
}

impl<D: Into<Device>> From<D> for Devices {
    fn from(device: D) -> Self {
        Self(vec![vec![device.into()]])
    }
}

/// The device at the far end of a call, as the service reports it. Cheap to clone.
#[derive(Clone, Default)]
pub struct RemoteDevice {
    /// The device as the service sent it, followed by the decoded forms of its escaped addresses.
    text: Option<Arc<str>>,
    raw_end: u32,
    from: Part,
    to: Part,
}

/// The position of an address in the text.
#[derive(Clone, Copy, Default)]
struct Part {
    start: u32,
    end: u32,
}

impl Part {
    /// Finds `address`, which was read from `raw`, or appends it to `behind`.
    fn of(address: Cow<'_, str>, raw: &str, behind: &mut String) -> Self {
        let length = address.len();
        let start = match address {
            // This address is borrowed from the text itself.
            Cow::Borrowed(address) => (address.as_ptr() as usize).saturating_sub(raw.as_ptr() as usize),
            Cow::Owned(address) => {
                behind.push_str(&address);
                raw.len() + behind.len() - length
            }
        };
        Self { start: short(start), end: short(start + length) }
    }
}

/// A frame is far smaller than 4 GiB.
fn short(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

impl RemoteDevice {
    /// Reads the `device` of an event, which may be any JSON.
    pub(crate) fn read(raw: Option<&RawValue>) -> Self {
        let Some(raw) = raw.map(RawValue::get).filter(|raw| raw.starts_with('{')) else { return Self::default() };
        let device = object::pick(raw, ["params"]);
        if device.count == 0 {
            return Self::default();
        }
        let params = device.values[0].map_or("{}", RawValue::get);
        let [from_number, from, to_number, to] =
            object::pick(params, ["from_number", "from", "to_number", "to"]).values.map(|raw| raw.and_then(text_of));
        let mut behind = String::new();
        let mut place = |first: Option<Cow<'_, str>>, second: Option<Cow<'_, str>>| {
            let mut given = [first, second].into_iter().flatten().filter(|address| !address.is_empty());
            given.next().map_or_else(Part::default, |address| Part::of(address, raw, &mut behind))
        };
        let (from, to) = (place(from_number, from), place(to_number, to));
        let text = if behind.is_empty() { Arc::from(raw) } else { Arc::from([raw, &*behind].concat()) };
        Self { text: Some(text), raw_end: short(raw.len()), from, to }
    }

    /// Size of the device in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.text.as_ref().map_or(0, |text| text.len() + 64)
    }

    fn part(&self, Part { start, end }: Part) -> &str {
        self.text.as_deref().and_then(|text| text.get(start as usize..end as usize)).unwrap_or_default()
    }

    /// Returns the kind of the device. `Other` without text if the service reported none.
    #[must_use]
    pub fn kind(&self) -> DeviceKind {
        let [kind] = object::pick(self.raw(), ["type"]).values;
        DeviceKind::from(kind.and_then(text_of).as_deref().unwrap_or_default())
    }

    /// Returns the number or address that the call comes from. Empty if unknown.
    #[must_use]
    pub fn from(&self) -> &str {
        self.part(self.from)
    }

    /// Returns the number or address that the call goes to. Empty if unknown.
    #[must_use]
    pub fn to(&self) -> &str {
        self.part(self.to)
    }

    /// Returns the parameters of the device, as JSON. An empty object if the service sent none.
    #[must_use]
    pub fn params(&self) -> Value {
        member_of(self.raw(), "params").unwrap_or_else(|| json!({}))
    }

    /// Returns the whole device as the service sent it: the text of a JSON object, with `type`, `params` and other
    /// members. `{}` if the service sent none.
    #[must_use]
    pub fn raw(&self) -> &str {
        if self.is_unknown() { "{}" } else { self.part(Part { start: 0, end: self.raw_end }) }
    }

    /// `true` if the service reported nothing about the device.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.text.is_none()
    }
}

impl fmt::Debug for RemoteDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RemoteDevice({})", redact::shown(value_of(self.raw())))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn read(json: &str) -> RemoteDevice {
        RemoteDevice::read(serde_json::from_str(json).ok())
    }

    #[test]
    fn devices_nest_in_order_and_at_once() {
        let first = phone("+1").from("+2").timeout(Duration::from_millis(29_500));
        let first_json = json!({"type": "phone", "params": {"to_number": "+1", "from_number": "+2", "timeout": 30}});
        let desk = sip("sip:a@b").header("X-A", "1").header("X-B", "2").codecs([super::super::states::Codec::Opus]);
        let desk_json = json!({"type": "sip", "params": {
            "to": "sip:a@b",
            "headers": [{"name": "X-A", "value": "1"}, {"name": "X-B", "value": "2"}],
            "codecs": ["OPUS"],
        }});
        assert_eq!(Devices::from(first.clone()).into_json(), json!([[first_json]]));
        assert_eq!(Devices::in_order([first.clone(), first.clone()]).into_json(), json!([[first_json], [first_json]]));
        let both = Devices::at_once([Device::from(first.clone()), desk.clone().into()]);
        assert_eq!(
            Devices::in_order([both, Devices::from(desk)]).then(first).into_json(),
            json!([[first_json, desk_json], [desk_json], [first_json]])
        );
    }

    #[test]
    fn only_what_cannot_be_an_address_is_refused() {
        let fault = |devices: Devices| devices_fault(Some(&devices.into_json()));
        for to in ["", "a\u{7}", "a\n", " "] {
            assert!(fault(phone(to).into()).is_some(), "{to:?}");
            assert!(fault(sip(to).into()).is_some(), "{to:?}");
        }
        assert!(fault(phone("+1 555").into()).is_some());
        for to in ["Alice <sip:alice@example.com>", "\"Alice B.\" <sip:alice@example.com;transport=tls>", "/public/a b"]
        {
            assert_eq!(fault(sip(to).into()), None, "{to:?}");
            assert_eq!(fault(fabric(to).into()), None, "{to:?}");
        }
        for to in ["+15551234567", "555", "nonsense", "sip:ä@b"] {
            assert_eq!(fault(phone(to).into()), None);
        }
        assert!(fault(Devices::in_order([] as [Phone; 0])).is_some());
        assert!(fault(Devices::at_once([] as [Phone; 0]).then(phone("+1"))).is_some());
        assert_eq!(fault(Device::raw(json!("odd")).into()), None);
    }

    #[test]
    fn destinations_are_named_briefly() {
        let named = |devices: Devices| destinations(Some(&devices.into_json()));
        assert_eq!(named(phone("+1").into()), "+1");
        assert_eq!(named(Devices::at_once([phone("+1"), phone("+2")]).then(sip("sip:a@b"))), "+1, +2, sip:a@b");
        assert_eq!(named(Devices::in_order((1..=6).map(|n| phone(format!("+{n}"))))), "+1, +2 and 4 others");
        assert_eq!(named(queue("n", "support").into()), "queue support");
        assert_eq!(named(existing_call("n", "c-1").into()), "call c-1");
        assert_eq!(named(stream_to("wss://x/?token=canary").into()), "stream");
        assert_eq!(named(Device::raw(json!("odd")).into()), "an unnamed device");
        assert_eq!(destinations(None), "no device");
    }

    #[test]
    fn debug_shows_no_password() {
        let desk = sip("sip:a@b").username("u").password("canary");
        let stream = stream_to("wss://x").authorization_bearer_token("canary");
        let seen = read(r#"{"type":"sip","params":{"password":"canary"}}"#);
        let text = format!("{desk:?} {:?} {stream:?} {seen:?}", Devices::from(desk.clone()));
        assert!(!text.contains("canary"), "{text}");
    }

    #[test]
    fn addresses_with_escapes_are_read_and_the_device_stays_as_it_was_sent() {
        let text = r#"{"type":"sip","params":{"from":"sip:a\u0040b","to_number":"","to":"\"\u00e9\" <sip:c>"}}"#;
        let device = read(text);
        assert_eq!((device.from(), device.to(), device.raw()), ("sip:a@b", "\"\u{e9}\" <sip:c>", text));
        assert_eq!(device.kind(), "sip");
        assert_eq!(device.params()["from"], "sip:a@b");
        let one = read(r#"{"params":{"from":"+1","to":"sip:\/x"}}"#);
        assert_eq!((one.from(), one.to(), one.clone().raw().len()), ("+1", "sip:/x", one.raw().len()));
        assert_eq!((read(r#"{"params":{"from":""}}"#).from(), read(r#"{"params":null}"#).to()), ("", ""));
    }

    #[test]
    fn remote_devices_never_fail() {
        let device = read(r#"{"type":"phone","params":{"from_number":"+1","to_number":"+2"}}"#);
        assert_eq!((device.kind(), device.from(), device.to()), (DeviceKind::Phone, "+1", "+2"));
        let device = read(r#"{"type":"sip","params":{"from":"sip:a","to":"sip:b","x":1}}"#);
        assert_eq!((device.from(), device.to(), device.params()["x"].clone()), ("sip:a", "sip:b", json!(1)));
        for odd in ["{}", "null", "[]", "5", r#""x""#] {
            assert!(read(odd).is_unknown(), "{odd}");
            assert_eq!((read(odd).from(), read(odd).params()), ("", json!({})));
        }
        let text = r#"{"type":"sip","params":{"to":"sip:b"},"beside":[1]}"#;
        assert_eq!((read(text).raw(), read(text).params()), (text, json!({"to": "sip:b"})));
        assert_eq!((read(r#"{"type":"sip"}"#).params(), RemoteDevice::default().raw()), (json!({}), "{}"));
        let device = read(r#"{"type":5,"params":[1]}"#);
        assert_eq!((device.kind().as_str(), device.from(), device.params()), ("", "", json!([1])));
    }
}
