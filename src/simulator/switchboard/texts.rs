//! Text messages, in and out.

use crate::simulator::record::interaction::InteractionKind;
use crate::simulator::wire::frame::{list, text};
use crate::simulator::wire::reply::{Params, Reply, refuse, reply};
use crate::simulator::world::numbers::{Outlook, Text};
use crate::simulator::world::state::World;
use serde_json::{Value, json};

impl World {
    pub(crate) fn on_send(&mut self, session: &str, params: &Params) -> Reply {
        let own = |key| text(params, key).unwrap_or_default().to_owned();
        let (from, to, body) = (own("from_number"), own("to_number"), own("body"));
        let media: Vec<String> = list(params, "media").iter().filter_map(Value::as_str).map(str::to_owned).collect();
        if body.is_empty() && media.is_empty() {
            return refuse(400, "body and media are both missing");
        }
        if media.len() > 8 {
            return refuse(400, "more than 8 media");
        }
        if let Some(bad) = [&from, &to].into_iter().find(|number| !is_number(number)) {
            return refuse(400, format!("{bad:?} is not a phone number"));
        }
        let context = Some(own("context")).filter(|context| !context.is_empty()).unwrap_or_else(|| "default".into());
        let outlook = self.numbers.next_outlook(&to);
        let (last, reason) = match outlook {
            Outlook::Delivered => ("delivered", None),
            Outlook::Undelivered(reason) => ("undelivered", Some(reason)),
            Outlook::Failed(reason) => ("failed", Some(reason)),
            Outlook::Refused(code, message) => {
                self.tell(format!("a text to {to} was refused ({code}): {body}"));
                return refuse(code, message);
            }
        };
        let message_id = format!("msg-{}", self.ids.fresh(0x3e55));
        self.tell(format!("{to} is sent: {body}"));
        self.did(InteractionKind::Texted, &to, None, &body);
        let base = json!({
            "message_id": message_id,
            "context": context,
            "direction": "outbound",
            "from_number": from,
            "to_number": to,
            "body": body,
            "media": media,
            "segments": segments(&body),
            "tags": list(params, "tags"),
        });
        self.numbers.text_sent(Text { from, to: to.clone(), body, media });
        let steps: &[(f64, &'static str)] = &[(0.0, "queued"), (0.1, "initiated"), (0.3, "sent"), (0.8, last)];
        for (wait, state) in steps {
            let (session, context, to, state) = (session.to_owned(), context.clone(), to.clone(), *state);
            let mut event = base.clone();
            event["message_state"] = state.into();
            let ends = state == last;
            if let Some(reason) = reason.as_ref().filter(|_| ends) {
                event["reason"] = reason.clone().into();
            }
            let job = move |world: &mut Self| {
                if ends {
                    world.tell(format!("the text to {to} was {state}"));
                }
                world.emit_in(&session, "messaging.state", Some(context), event);
            };
            // An event without a delay still follows the response.
            if *wait == 0.0 { job(self) } else { self.after_seconds(*wait, job) }
        }
        let mut fields = reply("Message accepted");
        fields.insert("message_id".into(), message_id.into());
        Ok(fields)
    }

    /// Sends a text message to the program; returns its ID.
    pub(crate) fn text_in(&mut self, context: &str, from: &str, to: &str, body: &str, media: &[String]) -> String {
        let message_id = format!("msg-{}", self.ids.fresh(0x3e56));
        let said = [body].into_iter().chain(media.iter().map(String::as_str)).filter(|part| !part.is_empty());
        self.tell(format!("{from} texts {to}: {}", said.collect::<Vec<_>>().join(" ")));
        let event = json!({
            "message_id": message_id,
            "context": context,
            "direction": "inbound",
            "tags": [],
            "from_number": from,
            "to_number": to,
            "body": body,
            "media": media,
            "segments": segments(body),
            "message_state": "received",
        });
        self.numbers.text_waits(context.to_owned(), event);
        self.route_texts();
        message_id
    }

    pub(crate) fn route_texts(&mut self) {
        for (context, event) in self.numbers.take_unrouted() {
            match self.sessions.next_for(&context, &[]) {
                Some(session) => self.emit_in(&session, "messaging.receive", Some(context), event),
                None => self.numbers.text_waits(context, event),
            }
        }
    }
}

fn is_number(number: &str) -> bool {
    let digits = number.strip_prefix('+').unwrap_or(number);
    (3..=20).contains(&digits.len()) && digits.chars().all(|digit| digit.is_ascii_digit())
}

fn segments(body: &str) -> usize {
    body.chars().count().div_ceil(160).max(1)
}
