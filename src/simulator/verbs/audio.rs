//! What is switched on and off for a whole call: hold, noise reduction, echo; and events of the program's own.
//!
//! Choices where the published material is silent: hold is simulated although one guide says that the service never
//! implemented it ([`fail_always`](crate::simulator::Simulator::fail_always) makes it fail); who is on hold neither hears nor is
//! heard by those the call is connected to; switching on what is on, or off what is off, is refused with 409; an echo
//! lasts 60 s when nothing else is said, and with 0 until the call ends; a user event comes back to the program's
//! session, one that is no object in the field `event`.

use serde_json::{Map, Value, json};

use crate::simulator::service::sessions::{Verdict, refuse, reply};
use crate::simulator::world::state::World;

/// How long an echo lasts when nothing else is said.
const ECHO_SECONDS: f64 = 60.0;

impl World {
    pub(crate) fn on_hold(&mut self, call_id: &str, hold: bool) -> Verdict {
        let Some(leg) = self.calls.get_mut(call_id) else { return refuse(404, "Call does not exist") };
        if leg.features.held == hold {
            return refuse(409, if hold { "Call is on hold" } else { "Call is not on hold" });
        }
        leg.features.held = hold;
        let person = leg.person;
        self.emit_on(call_id, "calling.call.hold", json!({"state": if hold { "hold" } else { "unhold" }}));
        self.conference_member_held(call_id, hold);
        let name = self.person_name(person);
        self.tell(format!("{name} {}", if hold { "was put on hold" } else { "is no longer on hold" }));
        Ok(reply(if hold { "Call on hold" } else { "Call off hold" }))
    }

    pub(crate) fn on_denoise(&mut self, call_id: &str, on: bool) -> Verdict {
        let Some(leg) = self.calls.get_mut(call_id) else { return refuse(404, "Call does not exist") };
        if leg.features.denoised == on {
            return refuse(409, if on { "Denoiser is on" } else { "Denoiser is not on" });
        }
        leg.features.denoised = on;
        self.emit_on(call_id, "calling.call.denoise", json!({"denoised": on}));
        Ok(reply(if on { "Denoiser on" } else { "Denoiser off" }))
    }

    pub(crate) fn on_echo(&mut self, call_id: &str, params: &Map<String, Value>) -> Verdict {
        let lasts = params.get("timeout").and_then(Value::as_f64).unwrap_or(ECHO_SECONDS);
        if lasts < 0.0 {
            return refuse(400, "timeout is negative");
        }
        let mark = self.number();
        let Some(leg) = self.calls.get_mut(call_id) else { return refuse(404, "Call does not exist") };
        if leg.features.echo.is_some() {
            return refuse(409, "An echo is running");
        }
        leg.features.echo = Some(mark);
        self.emit_on(call_id, "calling.call.echo", json!({"state": "echoing"}));
        if lasts > 0.0 {
            let id = call_id.to_owned();
            self.after_seconds(lasts, move |world| world.end_echo(&id, Some(mark)));
        }
        Ok(reply("Echo started"))
    }

    /// Ends the echo of a call, or only a certain one.
    pub(crate) fn end_echo(&mut self, call_id: &str, only: Option<u64>) {
        let Some(leg) = self.calls.get_mut(call_id) else { return };
        if leg.features.echo.is_some() && only.is_none_or(|mark| leg.features.echo == Some(mark)) {
            leg.features.echo = None;
            self.emit_on(call_id, "calling.call.echo", json!({"state": "finished"}));
        }
    }

    pub(crate) fn on_user_event(&mut self, call_id: &str, params: &Map<String, Value>) -> Verdict {
        let Some(leg) = self.calls.get(call_id) else { return refuse(404, "Call does not exist") };
        let mut event = match params.get("event") {
            Some(Value::Object(event)) => event.clone(),
            Some(other) => Map::from_iter([("event".to_owned(), other.clone())]),
            None => Map::new(),
        };
        // What names the call is not for the program to say.
        if let Value::Object(base) = leg.event("calling.user_event", json!({})) {
            event.extend(base);
        }
        let session = leg.session.clone();
        self.emit(&session, "calling.user_event", Value::Object(event));
        Ok(reply("Event sent"))
    }
}
