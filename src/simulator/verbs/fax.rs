//! Faxes, sent and received.
//!
//! Choices where the published material is silent: a fax has two pages unless the machine is told otherwise
//! ([`fax_pages`](crate::simulator::Scripted::fax_pages)), of three seconds each, after two seconds of agreeing on how; when no
//! fax machine is at the other end, it fails after 35 s with `finished` and `success: false`; the same, at once, when
//! it is stopped or the call ends. Of failures, `result` is 1 and the text says why. `error` is never sent, as nobody
//! knows its form.

use serde_json::{Map, Value, json};

use crate::simulator::service::sessions::{Verdict, refuse};
use crate::simulator::switchboard::activities::{What, started};
use crate::simulator::switchboard::conversation::{FaxManner, Kind};
use crate::simulator::verdict::deeds::DeedKind;
use crate::simulator::wire::frame::text;
use crate::simulator::world::state::World;

const AGREEING_SECONDS: f64 = 2.0;
const PAGE_SECONDS: f64 = 3.0;
const NO_MACHINE_SECONDS: f64 = 35.0;

pub(crate) struct Fax {
    pub(crate) sends: bool,
    identity: String,
    remote: String,
    document: String,
    pages: u32,
    /// How the machine at the other end behaves.
    manner: FaxManner,
}

/// Why a fax failed, when it did.
type Outcome<'a> = Result<(), &'a str>;

impl World {
    pub(crate) fn on_fax(&mut self, call_id: &str, params: &Map<String, Value>, sends: bool) -> Verdict {
        let document = text(params, "document").unwrap_or_default().to_owned();
        if sends && !(document.starts_with("https://") || document.starts_with("http://")) {
            return refuse(400, "document is no address on the web");
        }
        if self.runs(call_id, &["send_fax", "receive_fax"]) {
            return refuse(409, "A fax is running");
        }
        let Some(leg) = self.calls.get(call_id) else { return refuse(404, "Call does not exist") };
        let identity = text(params, "identity").map_or_else(|| leg.own_address(), str::to_owned);
        let remote = self.person_name(leg.person);
        let document =
            if sends { document } else { format!("https://files.simulator.invalid/{}.pdf", self.fresh_id(0xfa00)) };
        let (machine, manner) = match self.kind_at(call_id) {
            Some(Kind::Fax(manner)) => (true, manner),
            _ => (false, FaxManner::default()),
        };
        let fax = Fax { sends, identity, remote, document, pages: 0, manner };
        let key = self.start(call_id, params, What::Fax(fax))?;
        if machine {
            self.next_page(call_id, key, AGREEING_SECONDS + PAGE_SECONDS);
        } else {
            let id = call_id.to_owned();
            let why = if sends { "CED not heard" } else { "CNG not heard" };
            self.after_seconds(NO_MACHINE_SECONDS, move |world| world.finish_fax(&id, key, &Err(why)));
        }
        Ok(started(if sends { "Sending fax" } else { "Receiving fax" }, call_id, params))
    }

    fn next_page(&mut self, call_id: &str, key: u64, wait: f64) {
        let id = call_id.to_owned();
        self.after_seconds(wait, move |world| {
            let Some(What::Fax(fax)) = world.operation(&id, key).map(|operation| &mut operation.what) else { return };
            if let Some((_, why)) = fax.manner.fails.clone().filter(|(after, _)| fax.pages >= *after) {
                return world.finish_fax(&id, key, &Err(&why));
            }
            if fax.pages >= fax.manner.pages {
                return world.finish_fax(&id, key, &Ok(()));
            }
            fax.pages += 1;
            let page = json!({"direction": direction(fax), "number": fax.pages});
            let last = fax.pages >= fax.manner.pages;
            world.emit_operation(&id, key, "calling.call.fax", json!({"fax": {"type": "page", "params": page}}));
            world.next_page(&id, key, if last { 1.0 } else { PAGE_SECONDS });
        });
    }

    pub(crate) fn finish_fax(&mut self, call_id: &str, key: u64, outcome: &Outcome<'_>) {
        if !matches!(self.operation(call_id, key).map(|operation| &operation.what), Some(What::Fax(_))) {
            return;
        }
        let Some(operation) = self.take(call_id, key) else { return };
        let What::Fax(fax) = &operation.what else { return };
        self.tell_operation(call_id, "calling.call.fax", &operation, faxed(fax, outcome));
        let (from, to) = if fax.sends { (&fax.identity, &fax.remote) } else { (&fax.remote, &fax.identity) };
        match outcome {
            Ok(()) => {
                self.tell(format!("{} pages were faxed from {from} to {to}: {}", fax.pages, fax.document));
                self.did(DeedKind::Faxed, &fax.remote, Some(call_id), &fax.document);
            }
            Err(why) => self.tell(format!("the fax from {from} to {to} failed: {why}")),
        }
        if let (Ok(()), true, Some(plan)) = (outcome, fax.sends, self.plans.get_mut(&fax.remote)) {
            plan.faxes.push(fax.document.clone());
        }
    }
}

fn direction(fax: &Fax) -> &'static str {
    if fax.sends { "send" } else { "receive" }
}

/// The last event of a fax.
pub(crate) fn faxed(fax: &Fax, outcome: &Outcome<'_>) -> Value {
    let mut params = json!({
        "direction": direction(fax),
        "identity": fax.identity,
        "remote_identity": fax.remote,
        "format": "pdf",
        "pages": fax.pages,
        "success": outcome.is_ok(),
        "result": i32::from(outcome.is_err()),
        "result_text": outcome.err().unwrap_or("OK"),
    });
    if fax.sends || outcome.is_ok() {
        params["document"] = fax.document.clone().into();
    }
    json!({"fax": {"type": "finished", "params": params}})
}
