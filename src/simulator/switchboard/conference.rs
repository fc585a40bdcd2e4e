//! Conferences.
//!
//! Where the documentation of the service is silent: a name stands for one conference of all sessions, and every
//! session with a member receives every event; a conference begins with the first member whose `start_on_enter` is
//! true, and members that joined before hear no one until then; a call is in one conference at a time, a second join
//! is rejected with 409, and so is a join beyond the first member's `max_participants`; calls stay up when a
//! conference ends; leaving a conference that the call is not in is rejected with 404. `calling.hold` on a member is
//! reported as `participant-hold`.

use crate::simulator::wire::frame::{flag, text};
use crate::simulator::wire::reply::{Params, Reply, one_of, refuse, reply};
use crate::simulator::world::meetings::{Conference, Member};
use crate::simulator::world::state::World;
use serde_json::{Value, json};

impl World {
    pub(crate) fn on_join_conference(&mut self, call_id: &str, params: &Params) -> Reply {
        one_of(params, "beep", &["true", "false", "onEnter", "onExit"])?;
        one_of(params, "record", &["do-not-record", "record-from-start"])?;
        one_of(params, "region", &["global", "us", "eu", "ch"])?;
        one_of(params, "trim", &["trim-silence", "do-not-trim"])?;
        one_of(params, "acl", &["private", "public-read"])?;
        let limit = params.get("max_participants").and_then(Value::as_i64).unwrap_or(250);
        let Some(limit) = usize::try_from(limit).ok().filter(|limit| (1..=250).contains(limit)) else {
            return refuse(400, "max_participants is not between 1 and 250");
        };
        let name = text(params, "name").unwrap_or_default().to_owned();
        if name.is_empty() {
            return refuse(400, "name is empty");
        }
        let Some(leg) = self.calls.get(call_id) else { return refuse(404, "Call does not exist") };
        if leg.conference.is_some() {
            return refuse(409, "Call is in a conference");
        }
        let known = self.meetings.conference(&name);
        if known.is_some_and(|known| known.members.len() >= known.limit) {
            return refuse(409, "The conference is full");
        }
        let coaches = text(params, "coach").filter(|coached| !coached.is_empty()).map(str::to_owned);
        if coaches.as_ref().is_some_and(|coached| known.and_then(|known| known.at(coached)).is_none()) {
            return refuse(400, "coach is no member of the conference");
        }
        let member = Member {
            call_id: call_id.to_owned(),
            muted: flag(params, "muted"),
            coaches,
            starts: params.get("start_on_enter").and_then(Value::as_bool).unwrap_or(true),
            ends: flag(params, "end_on_exit"),
        };
        let id = self.ids.fresh(0xc0f0);
        let region = text(params, "region").unwrap_or("global").to_owned();
        let conference = self.meetings.conference_or(&name, || Conference {
            id,
            region,
            limit,
            started: false,
            members: Vec::new(),
            recording: None,
        });
        let (id, starts) = (conference.id.clone(), member.starts && !conference.started);
        conference.members.push(member);
        conference.started |= starts;
        if let Some(leg) = self.calls.get_mut(call_id) {
            leg.conference = Some(name.clone());
        }
        if starts {
            self.tell_conference(&name, None, "conference-start", json!({}));
            if text(params, "record") == Some("record-from-start") {
                self.record_conference(&name);
            }
        }
        self.tell_member(&name, call_id, "participant-join");
        let person = self.calls.get(call_id).map(|leg| leg.person);
        let who = person.map(|person| self.person_name(person)).unwrap_or_default();
        self.tell(format!("{who} joined the conference {name}"));
        if let (Some(url), Some(person), false) =
            (text(params, "wait_url"), person, self.meetings.conference(&name).is_none_or(|known| known.started))
        {
            self.hears(person, url);
        }
        let members = self.meetings.conference(&name).map(|known| known.members.clone()).unwrap_or_default();
        members.iter().for_each(|member| self.act_at(&member.call_id));
        let mut fields = reply("Joining conference");
        fields.insert("conference_id".into(), id.into());
        Ok(fields)
    }

    fn record_conference(&mut self, name: &str) {
        let (file, now) = (self.ids.fresh(0x2ec0), self.time.now());
        if let Some(conference) = self.meetings.conference_mut(name) {
            conference.recording = Some((format!("https://files.simulator.invalid/{file}.wav"), now));
            self.tell_conference(name, None, "record-start", json!({}));
        }
    }

    pub(crate) fn on_leave_conference(&mut self, call_id: &str, params: &Params) -> Reply {
        let wanted = text(params, "conference_id").unwrap_or_default();
        let name = self.calls.get(call_id).and_then(|leg| leg.conference.as_ref());
        if name.and_then(|name| self.meetings.conference(name)).is_none_or(|conference| conference.id != wanted) {
            return refuse(404, "Call is not in this conference");
        }
        self.leave_conference(call_id);
        Ok(reply("Leaving conference"))
    }

    /// Takes a call out of its conference, if it is in one.
    pub(crate) fn leave_conference(&mut self, call_id: &str) {
        let Some(name) = self.calls.get(call_id).and_then(|leg| leg.conference.clone()) else { return };
        let Some(conference) = self.meetings.conference(&name) else { return };
        let ends = conference.at(call_id).and_then(|at| conference.members.get(at)).is_some_and(|member| member.ends);
        let sessions = self.conference_sessions(&name);
        self.remove_member(&name, call_id);
        let others = self.meetings.conference(&name).map(|known| known.members.clone()).unwrap_or_default();
        if !ends && !others.is_empty() {
            return;
        }
        others.iter().for_each(|other| self.remove_member(&name, &other.call_id));
        let Some(conference) = self.meetings.end_conference(&name).filter(|conference| conference.started) else {
            return;
        };
        let reason = if ends { "participant-with-end-conference-on-exit-left" } else { "last-participant-left" };
        let mut event = json!({
            "conference_id": conference.id, "name": name, "region": conference.region, "size": 0,
            "status": "conference-end", "call_id_ending_conf": call_id, "reason_ended": reason,
        });
        if let Some((url, since)) = conference.recording {
            let lasted = self.time.seconds_since(since);
            event["recording_url"] = url.into();
            event["recording_duration"] = (lasted as u64).into();
            event["recording_file_size"] = ((lasted * 16_000.0) as u64).into();
        }
        for session in sessions {
            self.emit(&session, "calling.conference", event.clone());
        }
        self.tell(format!("the conference {name} ended"));
    }

    /// Takes one call out of a conference, and sends the event to all members, including that call.
    fn remove_member(&mut self, name: &str, call_id: &str) {
        let sessions = self.conference_sessions(name);
        let Some(conference) = self.meetings.conference_mut(name) else { return };
        let Some(at) = conference.at(call_id) else { return };
        let member = conference.members.remove(at);
        let event = self.conference_event(name, Some(&member), "participant-leave");
        for session in sessions {
            self.emit(&session, "calling.conference", event.clone());
        }
        let Some(leg) = self.calls.get_mut(call_id) else { return };
        leg.conference = None;
        let person = leg.person;
        let who = self.person_name(person);
        self.tell(format!("{who} left the conference {name}"));
    }

    pub(crate) fn conference_member_held(&mut self, call_id: &str, hold: bool) {
        if let Some(name) = self.calls.get(call_id).and_then(|leg| leg.conference.clone()) {
            self.tell_member(&name, call_id, if hold { "participant-hold" } else { "participant-unhold" });
        }
    }

    fn tell_member(&mut self, name: &str, call_id: &str, status: &str) {
        let conference = self.meetings.conference(name);
        let member = conference.and_then(|known| known.members.get(known.at(call_id)?)).cloned();
        if member.is_some() {
            self.tell_conference(name, member.as_ref(), status, json!({}));
        }
    }

    fn tell_conference(&mut self, name: &str, member: Option<&Member>, status: &str, more: Value) {
        let mut event = self.conference_event(name, member, status);
        if let (Value::Object(event), Value::Object(more)) = (&mut event, more) {
            event.extend(more);
        }
        for session in self.conference_sessions(name) {
            self.emit(&session, "calling.conference", event.clone());
        }
    }

    fn conference_event(&self, name: &str, member: Option<&Member>, status: &str) -> Value {
        let Some(conference) = self.meetings.conference(name) else { return json!({}) };
        let mut event = json!({
            "conference_id": conference.id, "name": name, "region": conference.region,
            "size": conference.members.len(), "status": status,
        });
        if let Some(member) = member {
            let leg = self.calls.get(&member.call_id);
            event["call_id"] = member.call_id.clone().into();
            event["node_id"] = leg.map(|leg| leg.node_id.clone()).into();
            event["muted"] = member.muted.into();
            event["hold"] = leg.is_some_and(|leg| leg.held).into();
            event["coaching"] = member.coaches.is_some().into();
            event["start_on_join"] = member.starts.into();
            event["end_on_leave"] = member.ends.into();
            if let Some(coached) = &member.coaches {
                event["call_id_to_coach"] = coached.clone().into();
            }
        }
        event
    }

    /// The sessions that have a call in a conference.
    fn conference_sessions(&self, name: &str) -> Vec<String> {
        let members = self.meetings.conference(name).map(|conference| conference.members.iter());
        let legs = members.into_iter().flatten().filter_map(|member| self.calls.get(&member.call_id));
        let mut sessions: Vec<String> = legs.map(|leg| leg.session.clone()).collect();
        sessions.sort();
        sessions.dedup();
        sessions
    }
}
