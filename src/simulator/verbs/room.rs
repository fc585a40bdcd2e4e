//! Rooms. A call is alone in its room.

use serde_json::json;

use crate::simulator::verbs::activity::{Activity, Begun, Ends, Last, Steps, Turn, Verb, View};
use crate::simulator::wire::frame::text;
use crate::simulator::wire::reply::{Params, Refusal, Reply, refuse, reply};

pub(crate) const JOIN_ROOM: Verb = Verb {
    last: Last::OnCall(EVENT, "", &[]),
    ..Verb::new("calling.join_room", "+ name:s! status_url:s hagrid_json_api_url:s hagrid_node_id:s swml:b", begin)
};

pub(crate) const LEAVE_ROOM: Verb = Verb {
    last: Last::OnCall(EVENT, "", &[]),
    ..Verb::new("calling.leave_room", "+ async:b", |_, call, _| {
        if call.runs(&["room"]) { Ok(Begun::Passes("room", "leave")) } else { refuse(404, "Call is in no room") }
    })
};

const EVENT: &str = "calling.call.room";

/// The name of the room that a call is in.
struct Room(String);

fn begin(params: &Params, call: &View<'_>, out: &mut Steps) -> Result<Begun, Refusal> {
    let name = text(params, "name").unwrap_or_default().to_owned();
    if name.is_empty() {
        return refuse(400, "name is empty");
    }
    if call.runs(&["room"]) {
        return refuse(409, "Call is in a room");
    }
    out.announce(EVENT, json!({"join_status": "joined", "room_name": name}));
    Ok(Begun::Runs(Box::new(Room(name)), reply("Joining room")))
}

impl Activity for Room {
    fn family(&self) -> &'static str {
        "room"
    }

    fn turn(&self) -> Turn {
        Turn::Attached(5)
    }

    fn command(&mut self, _: &str, _: &Params, call: &View<'_>, out: &mut Steps) -> Reply {
        self.ends(Ends::Asked, call, out);
        Ok(reply("Leaving room"))
    }

    fn ends(&mut self, _: Ends, _: &View<'_>, out: &mut Steps) {
        out.gone();
        out.announce(EVENT, json!({"join_status": "leave", "room_name": self.0}));
    }
}
