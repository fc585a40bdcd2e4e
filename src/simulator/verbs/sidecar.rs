//! AI observers: they listen to a call and tell the program what they think.
//!
//! No model is behind them, and the published material leaves most of it open. Here one starts and stops with the
//! events of these names, a poke is followed by an `insight` that repeats it, a question by `ask_request` and, a second
//! later, `ask_answer`; one that runs is not started again (409), and without one the other methods are refused with
//! 404. The end of a call brings `final`.

use serde_json::{Map, Value, json};

use crate::simulator::service::sessions::{Verdict, refuse, reply};
use crate::simulator::wire::frame::text;
use crate::simulator::world::state::World;

/// An observer; how many events it has told.
pub(crate) struct Sidecar {
    ticks: u64,
}

impl World {
    pub(crate) fn on_sidecar(&mut self, call_id: &str) -> Verdict {
        let Some(leg) = self.calls.get_mut(call_id) else { return refuse(404, "Call does not exist") };
        if leg.features.sidecar.is_some() {
            return refuse(409, "An observer is attached");
        }
        leg.features.sidecar = Some(Sidecar { ticks: 0 });
        self.sidecar_tells(call_id, "start", json!({}));
        Ok(reply("+OK"))
    }

    pub(crate) fn on_sidecar_poke(&mut self, call_id: &str, params: &Map<String, Value>) -> Verdict {
        self.check_sidecar(call_id)?;
        self.sidecar_tells(call_id, "insight", json!({"raw": text(params, "text")}));
        Ok(reply("+OK"))
    }

    pub(crate) fn on_sidecar_ask(&mut self, call_id: &str, params: &Map<String, Value>) -> Verdict {
        self.check_sidecar(call_id)?;
        let ask_id = format!("ask-{}", self.fresh_id(0xa5c0));
        let asked = text(params, "text").unwrap_or_default().to_owned();
        self.sidecar_tells(call_id, "ask_request", json!({"ask_id": ask_id, "raw": asked}));
        let (id, answered) = (call_id.to_owned(), ask_id.clone());
        self.after_seconds(1.0, move |world| {
            let raw = format!("You asked: {asked}");
            world.sidecar_tells(&id, "ask_answer", json!({"ask_id": answered, "raw": raw}));
        });
        let mut fields = reply("queued");
        fields.insert("ask_id".into(), ask_id.into());
        Ok(fields)
    }

    pub(crate) fn on_sidecar_status(&mut self, call_id: &str) -> Verdict {
        self.check_sidecar(call_id)?;
        Ok(reply("+OK"))
    }

    pub(crate) fn on_sidecar_stop(&mut self, call_id: &str) -> Verdict {
        self.check_sidecar(call_id)?;
        self.sidecar_tells(call_id, "stop", json!({}));
        if let Some(leg) = self.calls.get_mut(call_id) {
            leg.features.sidecar = None;
        }
        Ok(reply("+OK"))
    }

    /// Ends the observer of a call that ends, if there is one.
    pub(crate) fn end_sidecar(&mut self, call_id: &str) {
        self.sidecar_tells(call_id, "final", json!({}));
        if let Some(leg) = self.calls.get_mut(call_id) {
            leg.features.sidecar = None;
        }
    }

    fn check_sidecar(&self, call_id: &str) -> Result<(), crate::simulator::service::sessions::Refusal> {
        if self.calls.get(call_id).is_some_and(|leg| leg.features.sidecar.is_some()) {
            return Ok(());
        }
        refuse(404, "No observer is attached")
    }

    fn sidecar_tells(&mut self, call_id: &str, what: &str, mut event: Value) {
        let now = self.micros();
        let sidecar = self.calls.get_mut(call_id).and_then(|leg| leg.features.sidecar.as_mut());
        let Some(sidecar) = sidecar else { return };
        sidecar.ticks += 1;
        event["type"] = what.into();
        event["ts"] = now.into();
        event["tick_id"] = sidecar.ticks.into();
        event["channel_data"] = json!({"call_id": call_id});
        let event = json!({"call_info": self.call_info(call_id), "sidecar_event": event});
        self.emit_on(call_id, "calling.ai.sidecar", event);
    }
}
