//! Sending the audio of a call to a WebSocket.

use serde_json::Value;

use super::operation::sealed::Sealed;
use super::{Action, Call, Meaning, Operation, Stoppable};
use crate::error::Result;
use crate::protocol::choices::{HttpMethod, Track};
use crate::protocol::event::StreamEvent;
use crate::protocol::fields::Fields;
use crate::protocol::states::StreamState;

params! {
    /// Parameters of [`Call::stream`]. The URL of a WebSocket converts into `Stream`.
    pub struct Stream("calling.stream") {
        /// Label that is included in the events of this stream.
        name: String,
        /// Codec, optionally with a rate and an interval, such as `OPUS@48000h` or `PCMU@20i`. Default: the call's
        /// codec.
        codec: String,
        /// Side of the call whose audio is sent. Default: the inbound side.
        track: Track,
        /// URL that receives the operation's status callbacks.
        status_url: String,
        /// HTTP method of the status callback. Default: POST.
        status_url_method: HttpMethod,
        /// Token for the WebSocket's `Authorization` header. `Debug` does not show the token.
        authorization_bearer_token: String,
        /// A JSON object that is sent to the WebSocket.
        custom_parameters: Json,
        /// Control ID of this stream. Default: a generated one.
        control_id: NonEmpty,
    }
}

/// A media stream that was started.
pub type StreamAction = Action<Stream>;

impl Stream {
    /// Sends the audio to this WebSocket, given as a `wss` URL.
    pub fn new(url: impl Into<String>) -> Self {
        let mut fields = Fields::default();
        fields.set("", "url", Value::String(url.into()));
        Self::of(fields)
    }
}

impl From<&str> for Stream {
    fn from(url: &str) -> Self {
        Self::new(url)
    }
}

impl From<String> for Stream {
    fn from(url: String) -> Self {
        Self::new(url)
    }
}

impl Sealed for Stream {}

impl Operation for Stream {
    type Event = StreamEvent;
    type Outcome = StreamEvent;
    type Memo = ();
    const METHOD: &'static str = Self::METHOD;

    fn fields(&self) -> &Fields {
        &self.fields
    }

    fn outcome(event: &StreamEvent, _memo: &()) -> Result<StreamEvent> {
        Ok(event.clone())
    }

    fn judge(event: &StreamEvent, _memo: &mut ()) -> Meaning {
        match event.state {
            StreamState::Finished | StreamState::Error => Meaning::Final,
            _ => Meaning::Progress,
        }
    }

    fn ended_by_call(call_id: &str, control_id: &str, _memo: &()) -> Option<StreamEvent> {
        Some(StreamEvent::ended_by_call(call_id, control_id))
    }
}

impl Stoppable for Stream {
    const STOP: &'static str = "calling.stream.stop";
}

/// # Streaming the audio to a WebSocket
impl Call {
    /// Sends the call's audio to a WebSocket. Sends `calling.stream`, and returns when the service has accepted the
    /// request.
    ///
    /// The stream continues until it is stopped or the call ends; [`wait`](Action::wait) on the returned action blocks
    /// until then. For a WebSocket that sends audio back, connect the call to [`stream_to`](crate::devices::stream_to).
    /// Dropping the action changes nothing.
    ///
    /// ```no_run
    /// # use signalwire_relay::choices::Track;
    /// # use signalwire_relay::params::Stream;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// let stream = call.stream(Stream::new("wss://example.com/audio").track(Track::Both).codec("PCMU@20i"))?;
    /// call.wait_for_ended(None)?;
    /// assert!(stream.wait(None)?.ended_by_call);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the service rejects the request, or the connection is down for longer than the request
    /// timeout. If the call has already ended, the returned action is already complete.
    pub fn stream(&self, what: impl Into<Stream>) -> Result<StreamAction> {
        self.start(what.into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::protocol::event::{Event, parse_event};

    #[test]
    fn requests_are_as_on_the_wire() {
        let url = "wss://example.com/audio";
        for (stream, params) in [
            (Stream::from(url), json!({"url": url})),
            (
                Stream::new(url).custom_parameters(json!({"lang": "en", "n": 1})),
                json!({"url": url, "custom_parameters": {"lang": "en", "n": 1}}),
            ),
            (Stream::new(url).extra("realtime", true), json!({"url": url, "realtime": true})),
            (
                Stream::new(url)
                    .name("stream-1")
                    .codec("PCMU@20i")
                    .track(Track::Both)
                    .status_url("https://example.com/stream")
                    .status_url_method(HttpMethod::Post)
                    .authorization_bearer_token("bearer-abc")
                    .custom_parameters(json!({"lang": "en", "n": 1}))
                    .control_id("str-1"),
                json!({"control_id": "str-1", "url": url, "name": "stream-1", "codec": "PCMU@20i",
                    "track": "both_tracks", "status_url": "https://example.com/stream", "status_url_method": "POST",
                    "authorization_bearer_token": "bearer-abc", "custom_parameters": {"lang": "en", "n": 1}}),
            ),
        ] {
            assert_eq!(stream.fields.to_json(), params);
        }
        let shown = format!("{:?}", Stream::new(url).authorization_bearer_token("canary"));
        assert!(!shown.contains("canary"), "{shown}");
    }

    #[test]
    fn it_ends_when_finished_or_failed_and_well_with_its_call() {
        for (state, verdict) in [
            ("streaming", Meaning::Progress),
            ("", Meaning::Progress),
            ("finished", Meaning::Final),
            ("error", Meaning::Final),
        ] {
            let event = parse_event(&json!({"event_type": "calling.call.stream", "params": {"state": state}}));
            let Event::Stream(event) = event else { panic!("a stream") };
            assert_eq!(Stream::judge(&event, &mut ()), verdict, "{state}");
        }
        assert!(Stream::ended_by_call("c", "k", &()).is_some_and(|end| end.ended_by_call));
    }
}
