//! Faxes, sent and received.
//!
//! Where the documentation of the service is silent: a fax has two pages unless the test sets another number
//! ([`fax_pages`](crate::simulator::Persona::fax_pages)), of 3 s each, after a negotiation of 2 s; without a fax
//! machine at the far end, it fails after 35 s with `finished` and `success: false`; it fails in the same way, at
//! once, if it is stopped or the call ends. For failures, `result` is 1 and the text has the reason. `error` is never
//! sent, because its form is unknown.

use serde_json::{Value, json};

use crate::simulator::people::plan::{FaxManner, PersonKind};
use crate::simulator::record::interaction::InteractionKind;
use crate::simulator::verbs::activity::{Activity, Begun, Ends, Steps, Turn, Verb, View};
use crate::simulator::wire::frame::text;
use crate::simulator::wire::reply::{Params, Refusal, refuse, started};

pub(crate) const SEND_FAX: Verb = Verb {
    commands: &[("stop", "+ control_id:s!")],
    ..Verb::new(
        "calling.send_fax",
        "+ control_id:s! document:s! identity:s header_info:s status_url:s",
        |p, call, out| begin(p, call, out, true),
    )
};

pub(crate) const RECEIVE_FAX: Verb = Verb {
    commands: &[("stop", "+ control_id:s!")],
    ..Verb::new("calling.receive_fax", "+ control_id:s! status_url:s", |p, call, out| begin(p, call, out, false))
};

const EVENT: &str = "calling.call.fax";

const AGREEING_SECONDS: f64 = 2.0;
const PAGE_SECONDS: f64 = 3.0;
const NO_MACHINE_SECONDS: f64 = 35.0;

/// A fax that is sent or received.
struct Fax {
    sends: bool,
    identity: String,
    remote: String,
    document: String,
    pages: u32,
    /// The behaviour of the machine at the far end.
    manner: FaxManner,
}

/// The outcome of a fax: the reason if it failed.
type Outcome<'a> = Result<(), &'a str>;

fn begin(params: &Params, call: &View<'_>, out: &mut Steps, sends: bool) -> Result<Begun, Refusal> {
    let document = text(params, "document").unwrap_or_default().to_owned();
    if sends && !(document.starts_with("https://") || document.starts_with("http://")) {
        return refuse(400, "document is no address on the web");
    }
    if call.runs(&["send_fax", "receive_fax"]) {
        return refuse(409, "A fax is running");
    }
    let identity = text(params, "identity").unwrap_or(call.own_address).to_owned();
    let document =
        if sends { document } else { format!("https://files.simulator.invalid/{}.pdf", call.ids.fresh(0xfa00)) };
    let manner = match call.kind {
        PersonKind::Fax(manner) => {
            out.alarm("page", AGREEING_SECONDS + PAGE_SECONDS);
            manner.clone()
        }
        _ => {
            out.alarm("silence", NO_MACHINE_SECONDS);
            FaxManner::default()
        }
    };
    let fax = Fax { sends, identity, remote: call.person.to_owned(), document, pages: 0, manner };
    Ok(Begun::Runs(Box::new(fax), started(if sends { "Sending fax" } else { "Receiving fax" }, call.call_id, params)))
}

impl Fax {
    fn direction(&self) -> &'static str {
        if self.sends { "send" } else { "receive" }
    }

    fn next_page(&mut self, out: &mut Steps) {
        if let Some((_, why)) = self.manner.fails.as_ref().filter(|(after, _)| self.pages >= *after) {
            return self.finish(&Err(why), out);
        }
        if self.pages >= self.manner.pages {
            return self.finish(&Ok(()), out);
        }
        self.pages += 1;
        let page = json!({"direction": self.direction(), "number": self.pages});
        out.emit(EVENT, json!({"fax": {"type": "page", "params": page}}));
        out.alarm("page", if self.pages >= self.manner.pages { 1.0 } else { PAGE_SECONDS });
    }

    fn finish(&self, outcome: &Outcome<'_>, out: &mut Steps) {
        out.end(EVENT, self.last_event(outcome));
        let (from, to) = if self.sends { (&self.identity, &self.remote) } else { (&self.remote, &self.identity) };
        match outcome {
            Ok(()) => {
                out.tell(format!("{} pages were faxed from {from} to {to}: {}", self.pages, self.document));
                out.did(InteractionKind::Faxed, &self.document);
            }
            Err(why) => out.tell(format!("the fax from {from} to {to} failed: {why}")),
        }
        if outcome.is_ok() && self.sends {
            out.faxed(self.document.clone());
        }
    }

    fn last_event(&self, outcome: &Outcome<'_>) -> Value {
        let mut params = json!({
            "direction": self.direction(),
            "identity": self.identity,
            "remote_identity": self.remote,
            "format": "pdf",
            "pages": self.pages,
            "success": outcome.is_ok(),
            "result": i32::from(outcome.is_err()),
            "result_text": outcome.err().unwrap_or("OK"),
        });
        if self.sends || outcome.is_ok() {
            params["document"] = self.document.clone().into();
        }
        json!({"fax": {"type": "finished", "params": params}})
    }
}

impl Activity for Fax {
    fn family(&self) -> &'static str {
        if self.sends { "send_fax" } else { "receive_fax" }
    }

    fn turn(&self) -> Turn {
        Turn::File
    }

    fn alarm(&mut self, name: &'static str, _: u64, _: &View<'_>, out: &mut Steps) {
        match (name, self.sends) {
            ("page", _) => self.next_page(out),
            (_, true) => self.finish(&Err("CED not heard"), out),
            (_, false) => self.finish(&Err("CNG not heard"), out),
        }
    }

    fn ends(&mut self, why: Ends, _: &View<'_>, out: &mut Steps) {
        match why {
            Ends::Asked => self.finish(&Err("The fax was stopped"), out),
            Ends::CallEnded => out.end(EVENT, self.last_event(&Err("The call ended"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::verbs::tests::Rig;

    #[test]
    fn a_fax_to_a_machine_has_its_pages_and_one_to_a_person_fails() {
        let machine = PersonKind::Fax(FaxManner { pages: 2, fails: None });
        let document = json!({"document": "https://x.example/d.pdf"});
        let mut rig = Rig::begin_with(machine, &SEND_FAX, document.clone()).expect("it runs");
        rig.pass(9.1);
        assert_eq!(rig.told().len(), 3);
        assert_eq!(rig.told().pop().expect("it runs").1["fax"]["params"]["success"], true);
        let mut rig = Rig::begin(&SEND_FAX, document).expect("it runs");
        rig.pass(35.1);
        assert_eq!(rig.told().pop().expect("it runs").1["fax"]["params"]["result_text"], "CED not heard");
    }
}
