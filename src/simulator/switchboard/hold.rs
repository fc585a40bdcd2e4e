//! Calls on hold.
//!
//! Where the documentation of the service is silent: hold is simulated although one guide says that the service never
//! implemented it ([`refuse_always`](crate::simulator::Simulator::refuse_always) makes it fail); a person on hold
//! neither hears the connected parties nor is heard by them; a second hold is rejected with 409.

use serde_json::json;

use crate::simulator::wire::reply::{Reply, refuse, reply};
use crate::simulator::world::state::World;

impl World {
    pub(crate) fn on_hold(&mut self, call_id: &str, hold: bool) -> Reply {
        let Some(leg) = self.calls.get_mut(call_id) else { return refuse(404, "Call does not exist") };
        if leg.held == hold {
            return refuse(409, if hold { "Call is on hold" } else { "Call is not on hold" });
        }
        leg.held = hold;
        let person = leg.person;
        self.emit_on(call_id, "calling.call.hold", json!({"state": if hold { "hold" } else { "unhold" }}));
        self.conference_member_held(call_id, hold);
        let name = self.person_name(person);
        self.tell(format!("{name} {}", if hold { "was put on hold" } else { "is no longer on hold" }));
        Ok(reply(if hold { "Call on hold" } else { "Call off hold" }))
    }
}
