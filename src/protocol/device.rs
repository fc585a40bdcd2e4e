//! Whom to call: one device, and devices tried in order or at once.

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

/// A telephone number, in the form `+15551234567`.
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

/// A SIP endpoint, by its URI.
pub fn sip(to: impl Into<String>) -> Sip {
    Sip::of(with("to", to))
}

/// A resource of the project, by its address, such as `/private/support`.
pub fn fabric(to: impl Into<String>) -> Fabric {
    Fabric::of(with("to", to))
}

/// A browser or app, by its address; only older versions of the service know it.
pub fn webrtc(to: impl Into<String>) -> WebRtc {
    WebRtc::of(with("to", to))
}

/// An Agora channel; only older versions of the service know it.
pub fn agora(app_id: impl Into<String>, channel: impl Into<String>) -> Agora {
    let mut fields = with("appid", app_id);
    fields.set("", "channel", Value::String(channel.into()));
    Agora::of(fields)
}

/// A call that exists, to be bridged with another.
pub fn existing_call(node_id: impl Into<String>, call_id: impl Into<String>) -> ExistingCall {
    let mut fields = with("node_id", node_id);
    fields.set("", "call_id", Value::String(call_id.into()));
    ExistingCall::of(fields)
}

/// A queue of calls, whose first call is to be bridged.
pub fn queue(node_id: impl Into<String>, name: impl Into<String>) -> QueuedCall {
    let mut fields = with("node_id", node_id);
    fields.set("", "queue_name", Value::String(name.into()));
    QueuedCall::of(fields)
}

/// A WebSocket, by its `wss` URL, that takes the call's audio and answers with its own.
pub fn stream_to(url: impl Into<String>) -> StreamDevice {
    StreamDevice::of(with("url", url))
}

fn with(key: &'static str, value: impl Into<String>) -> Fields {
    let mut fields = Fields::default();
    fields.set("", key, Value::String(value.into()));
    fields
}

params! {
    /// A telephone number to call; made by [`phone`].
    pub struct Phone {
        /// The number that the call comes from. Without it the service picks one.
        #[doc(alias = "from_number")]
        from: String as "from_number",
        /// How long it may ring; sent in whole seconds, 30 by default.
        timeout: WholeSeconds,
        /// A webhook for the states of this leg.
        call_state_url: String,
        /// The states that the webhook is told; only `ended` by default.
        call_state_events: Strings,
        /// What the callee hears before the two are bridged, and may refuse: an SWML URL or document.
        confirm: Json,
        /// How long the callee may take to confirm; sent in whole seconds.
        confirm_timeout: WholeSeconds,
        /// How long the leg may last. Only older documents have it, and they leave the unit open.
        max_duration: u32,
    }
}

params! {
    /// A SIP endpoint to call; made by [`sip`].
    pub struct Sip {
        /// The SIP URI that the call comes from.
        from: String,
        /// The name that is shown for the caller.
        from_name: String,
        /// How long it may ring; sent in whole seconds, 30 by default.
        timeout: WholeSeconds,
        /// The codecs to offer, best first: names, or [`Codec`](crate::choices::Codec)s.
        codecs: Strings,
        /// Whether the endpoint speaks WebRTC.
        webrtc_media: bool,
        /// Whether the media are encrypted.
        encryption: Encryption,
        /// The user name for the endpoint.
        username: String,
        /// The password for the endpoint. It is not shown by `Debug`.
        password: String,
        /// The session timer of SIP; sent in whole seconds.
        session_timeout: WholeSeconds,
        /// A webhook for the states of this leg.
        call_state_url: String,
        /// The states that the webhook is told; only `ended` by default.
        call_state_events: Strings,
        /// What the callee hears before the two are bridged, and may refuse: an SWML URL or document.
        confirm: Json,
        /// How long the callee may take to confirm; sent in whole seconds.
        confirm_timeout: WholeSeconds,
    }
}

impl Sip {
    /// Adds a SIP header, whose name begins with `X-`. `X-SignalWire` and `X-CID` are the service's own.
    #[doc(alias = "headers")]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.fields.push("headers", json!({ "name": name.into(), "value": value.into() }));
        self
    }
}

params! {
    /// A resource of the project to call; made by [`fabric`].
    pub struct Fabric {
        /// Whom the call comes from.
        from: String,
        /// How long it may ring; sent in whole seconds, 30 by default.
        timeout: WholeSeconds,
        /// A webhook for the states of this leg.
        call_state_url: String,
        /// The states that the webhook is told; only `ended` by default.
        call_state_events: Strings,
        /// What the callee hears before the two are bridged, and may refuse: an SWML URL or document.
        confirm: Json,
        /// How long the callee may take to confirm; sent in whole seconds.
        confirm_timeout: WholeSeconds,
    }
}

params! {
    /// A browser or app to call; made by [`webrtc`].
    pub struct WebRtc {
        /// Whom the call comes from.
        from: String,
        /// How long it may ring; sent in whole seconds.
        timeout: WholeSeconds,
        /// The codecs to offer, best first.
        codecs: Strings,
    }
}

params! {
    /// An Agora channel to call; made by [`agora`].
    pub struct Agora {
        /// Whom the call comes from; required by the service.
        from: String,
        /// Whom it is for.
        to: String,
        /// How long it may ring; sent in whole seconds.
        timeout: WholeSeconds,
    }
}

params! {
    /// A call that exists; made by [`existing_call`].
    pub struct ExistingCall {}
}

params! {
    /// A queue of calls; made by [`queue`].
    pub struct QueuedCall {
        /// The queue's id.
        queue_id: String,
        /// What is done after the queue.
        execute_after_queue: Json,
    }
}

params! {
    /// A WebSocket for audio; made by [`stream_to`].
    pub struct StreamDevice {
        /// A name for the stream.
        name: String,
        /// The codec, perhaps with an interval and a rate: `L16@24000h@40i`. PCMU by default.
        codec: String,
        /// A webhook for the stream's states.
        status_url: String,
        /// How the webhook is called; POST by default.
        status_url_method: HttpMethod,
        /// Whether audio is sent as fast as it comes, without a buffer.
        realtime: bool,
        /// A token for the WebSocket's `Authorization` header. It is not shown by `Debug`.
        authorization_bearer_token: String,
        /// An object that is passed to the WebSocket.
        custom_parameters: Json,
    }
}

/// One destination: a [`phone`], a [`sip`] endpoint or one of the others, or JSON.
#[derive(Clone, PartialEq)]
#[must_use]
pub struct Device(Value);

impl Device {
    /// A device given as JSON, with `type` and `params`; sent as it is.
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

/// What is wrong with an address, if it certainly cannot be one; all else is for the service to judge. A SIP address may
/// have a name with white space in front of it: `Alice <sip:alice@example.com>` (RFC 3261, name-addr).
pub(crate) fn address_fault(to: &str) -> Option<&'static str> {
    if to.trim().is_empty() {
        return Some("`to` is empty: give a number or an address");
    }
    to.contains(char::is_control).then_some("`to` has control characters in it: remove them")
}

/// The same of a phone number.
pub(crate) fn number_fault(to: &str) -> Option<&'static str> {
    let spaced = || to.contains(char::is_whitespace).then_some("`to` has white space in it: remove it");
    address_fault(to).or_else(spaced)
}

/// Whether this may be a phone number. What is not may still be one for the service.
pub(crate) fn looks_like_a_number(to: &str) -> bool {
    let rest = to.strip_prefix('+').unwrap_or(to);
    rest.bytes().all(|byte| byte.is_ascii_digit() || b"-().*#".contains(&byte))
        && rest.bytes().any(|byte| byte.is_ascii_digit())
}

/// The first number among these devices that does not look like one.
pub(crate) fn odd_number(devices: Option<&Value>) -> Option<&str> {
    let groups = devices?.as_array()?.iter().filter_map(Value::as_array).flatten();
    let mut numbers = groups.filter_map(|device| device.get("params")?.get("to_number")?.as_str());
    numbers.find(|number| !looks_like_a_number(number))
}

/// What is wrong with the JSON of devices, if they certainly cannot be called.
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

/// How long a device rings that says nothing, as the service has it.
const RINGING: Duration = Duration::from_secs(30);

/// How long each group of the devices of a dial or a connect may ring: as long as its most patient device, including the
/// time that the callee may take to confirm. A device that says nothing rings as long as the request says, or for 30 s.
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

/// Destinations: groups that are tried one after another, the devices of a group at once. Whoever answers first wins.
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
    /// One after another; each may itself be a group made by [`at_once`](Self::at_once).
    #[doc(alias = "serial")]
    pub fn in_order(devices: impl IntoIterator<Item = impl Into<Self>>) -> Self {
        Self(devices.into_iter().flat_map(|devices| devices.into().0).collect())
    }

    /// All at the same time.
    #[doc(alias = "parallel")]
    pub fn at_once(devices: impl IntoIterator<Item = impl Into<Device>>) -> Self {
        Self(vec![devices.into_iter().map(Into::into).collect()])
    }

    /// These, and when none of them answers, the `next`.
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

/// The other end of a call, as the service describes it. Cheap to clone.
#[derive(Clone, Default)]
pub struct RemoteDevice {
    /// The device as the service sent it. Behind it stand those of its addresses that are written with escapes.
    text: Option<Arc<str>>,
    raw_end: u32,
    from: Part,
    to: Part,
}

/// Where an address stands in the text.
#[derive(Clone, Copy, Default)]
struct Part {
    start: u32,
    end: u32,
}

impl Part {
    /// Finds `address`, which was read from `raw`, or puts it into `behind`.
    fn of(address: Cow<'_, str>, raw: &str, behind: &mut String) -> Self {
        let length = address.len();
        let start = match address {
            // Borrowed from the text itself.
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
    /// Of the `device` of an event, which may be anything.
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

    /// What it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.text.as_ref().map_or(0, |text| text.len() + 64)
    }

    fn part(&self, Part { start, end }: Part) -> &str {
        self.text.as_deref().and_then(|text| text.get(start as usize..end as usize)).unwrap_or_default()
    }

    /// What kind of endpoint it is; `Other` without text when the service did not say.
    #[must_use]
    pub fn kind(&self) -> DeviceKind {
        let [kind] = object::pick(self.raw(), ["type"]).values;
        DeviceKind::from(kind.and_then(text_of).as_deref().unwrap_or_default())
    }

    /// The number or address that the call comes from; empty when unknown.
    #[must_use]
    pub fn from(&self) -> &str {
        self.part(self.from)
    }

    /// The number or address that the call goes to; empty when unknown.
    #[must_use]
    pub fn to(&self) -> &str {
        self.part(self.to)
    }

    /// The parameters of the device, as JSON. An empty object when the service sent none.
    #[must_use]
    pub fn params(&self) -> Value {
        member_of(self.raw(), "params").unwrap_or_else(|| json!({}))
    }

    /// The whole device as the service sent it: the text of a JSON object, with `type`, `params` and whatever stands
    /// beside them. `{}` when the service sent none.
    #[must_use]
    pub fn raw(&self) -> &str {
        if self.is_unknown() { "{}" } else { self.part(Part { start: 0, end: self.raw_end }) }
    }

    /// Whether the service said nothing about it.
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
