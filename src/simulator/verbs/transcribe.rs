//! Transcription in the background: a file of the spoken words.
//!
//! No text is created: the events carry the file's URL and length, as on the service, which posts the text to the
//! `status_url`.

use std::time::Instant;

use serde_json::{Value, json};

use crate::simulator::verbs::activity::{Activity, Begun, Ends, Steps, Turn, Verb, View};
use crate::simulator::wire::frame::text;
use crate::simulator::wire::reply::{Params, Refusal, refuse, started};

pub(crate) const TRANSCRIBE: Verb = Verb {
    commands: &[("stop", "+ control_id:s!")],
    ..Verb::new("calling.transcribe", "+ control_id:s! status_url:s", begin)
};

const EVENT: &str = "calling.call.transcribe";

/// A transcription of a call.
struct Transcribing {
    id: String,
    start: f64,
    since: Instant,
    status_url: Option<String>,
}

fn begin(params: &Params, call: &View<'_>, out: &mut Steps) -> Result<Begun, Refusal> {
    if call.runs(&["transcribe"]) {
        return refuse(409, "A transcription is running");
    }
    let transcribing = Transcribing {
        id: call.ids.fresh(0x7ec0),
        start: call.unix,
        since: call.now,
        status_url: text(params, "status_url").map(str::to_owned),
    };
    let begun = transcribing.event("transcribing");
    let mut fields = started("Transcribing", call.call_id, params);
    fields.insert("url".into(), begun["url"].clone());
    out.emit(EVENT, begun);
    Ok(Begun::Runs(Box::new(transcribing), fields))
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

impl Activity for Transcribing {
    fn family(&self) -> &'static str {
        "transcribe"
    }

    fn turn(&self) -> Turn {
        Turn::File
    }

    fn ends(&mut self, _: Ends, call: &View<'_>, out: &mut Steps) {
        let duration = (call.seconds_since(self.since) * 1000.0).round() / 1000.0;
        let mut event = self.event("finished");
        event["duration"] = duration.into();
        // The product is positive and small enough for such a file.
        event["size"] = ((duration * 16_000.0) as u64).into();
        event["start_time"] = self.start.into();
        event["end_time"] = (self.start + duration).into();
        out.end(EVENT, event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::verbs::tests::Rig;

    #[test]
    fn a_transcription_lasts_until_it_is_stopped() {
        let mut rig = Rig::begin(&TRANSCRIBE, json!({"status_url": "https://x.example"})).expect("it runs");
        rig.pass(2.5);
        assert!(rig.command("stop", json!({})).is_ok() && rig.is_over());
        let last = rig.told().pop().expect("it runs").1;
        assert_eq!((&last["duration"], &last["status_url"]), (&json!(2.5), &json!("https://x.example")));
    }
}
