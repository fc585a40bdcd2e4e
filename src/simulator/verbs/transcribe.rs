//! Transcription in the background: a file of what was said.
//!
//! Nothing is transcribed: the events carry the file's address and length, as they do on the service, which posts the
//! text to the `status_url`.

use std::time::Instant;

use serde_json::{Map, Value, json};

use crate::simulator::service::sessions::{Verdict, refuse};
use crate::simulator::switchboard::activities::{What, started};
use crate::simulator::wire::frame::text;
use crate::simulator::world::state::World;

pub(crate) struct Transcribing {
    id: String,
    start: f64,
    since: Instant,
    status_url: Option<String>,
}

impl Transcribing {
    fn event(&self, state: &str) -> Value {
        let url = format!("recordings/{}.wav", self.id);
        let mut event = json!({"state": state, "url": url, "recording_id": self.id});
        if let Some(status_url) = &self.status_url {
            event["status_url"] = status_url.clone().into();
        }
        event
    }
}

impl World {
    pub(crate) fn on_transcribe(&mut self, call_id: &str, params: &Map<String, Value>) -> Verdict {
        if self.runs(call_id, &["transcribe"]) {
            return refuse(409, "A transcription is running");
        }
        let transcribing = Transcribing {
            id: self.fresh_id(0x7ec0),
            start: self.clock.unix(),
            since: self.clock.now(),
            status_url: text(params, "status_url").map(str::to_owned),
        };
        let begun = transcribing.event("transcribing");
        let url = begun["url"].clone();
        let key = self.start(call_id, params, What::Transcribe(transcribing))?;
        self.emit_operation(call_id, key, "calling.call.transcribe", begun);
        let mut fields = started("Transcribing", call_id, params);
        fields.insert("url".into(), url);
        Ok(fields)
    }

    pub(crate) fn finish_transcribing(&mut self, call_id: &str, key: u64) {
        let Some(operation) = self.take(call_id, key) else { return };
        if let What::Transcribe(transcribing) = &operation.what {
            let event = self.transcribed(transcribing);
            self.tell_operation(call_id, "calling.call.transcribe", &operation, event);
        }
    }

    /// The last event of a transcription.
    pub(crate) fn transcribed(&self, transcribing: &Transcribing) -> Value {
        let duration = (self.seconds_since(transcribing.since) * 1000.0).round() / 1000.0;
        let mut event = transcribing.event("finished");
        event["duration"] = duration.into();
        // Bytes of such a file; it is a positive number of a sane size.
        event["size"] = ((duration * 16_000.0) as u64).into();
        event["start_time"] = transcribing.start.into();
        event["end_time"] = (transcribing.start + duration).into();
        event
    }
}
