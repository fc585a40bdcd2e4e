//! The methods of a client that dial.

use std::sync::Arc;

use uuid::Uuid;

use super::Client;
use super::dial::{DialCore, Dialing, Registry};
use super::dial_params::Dial;
use crate::call::Call;
use crate::error::{self, Result};
use crate::protocol::device::{destinations, odd_number};
use crate::protocol::limits::LONGEST_NAME;
use crate::session::{Answer, Ask};

/// # Dialling
impl Client {
    /// Dials, and blocks until the call is answered. The same as [`start_dial`](Self::start_dial) and [`Dialing::wait`]
    /// without a timeout; the limit of the dial ([`Dial::limit`]) bounds it. Sends `calling.dial`.
    ///
    /// The returned call is answered. Dropping its handle does not hang up: hang up on every path, also after an error.
    /// [`Builder::max_active_calls`](crate::Builder::max_active_calls) limits inbound calls only: a dial is never rejected
    /// because of that limit, and does not wait.
    ///
    /// ```no_run
    /// use signalwire_relay::{Client, phone, tts};
    ///
    /// # fn main() -> signalwire_relay::Result<()> {
    /// let client = Client::from_env()?;
    /// let call = client.dial(phone("+15552222222").from("+15551111111"))?;
    /// let played = call.play(tts("Your order is on its way.")).and_then(|playback| playback.wait(None));
    /// call.hangup()?;
    /// played.map(drop)
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// `DialFailed` if there is no answer, also within the limit of the dial, or if the callee hung up before the dial
    /// was complete: [`Error::end_reason`](crate::Error::end_reason) says why. `Config` if a destination cannot be an
    /// address. `Rejected` if the service rejects the request. `OutcomeUnknown` if no response came, or one from a
    /// service in trouble: a phone that rings nevertheless is hung up by the client, and dialling again may ring it
    /// twice. `Offline`, `SessionLost`, `Draining`, `Closed`.
    pub fn dial(&self, what: impl Into<Dial>) -> Result<Call> {
        self.start_dial(what)?.wait(None)
    }

    /// Starts a dial, and returns without waiting for the service. Sends `calling.dial`. While the connection is down,
    /// the request is queued, at most for the request timeout. See [`Dialing`] for an example.
    ///
    /// # Errors
    ///
    /// `Config` if a destination cannot be an address; `Draining` or `Closed` if the client is shutting down or closed.
    /// [`Dialing::wait`] returns what the service responds.
    #[doc(alias = "dial")]
    pub fn start_dial(&self, what: impl Into<Dial>) -> Result<Dialing> {
        let mut dial: Dial = what.into();
        dial.check()?;
        let (session, router) = (&self.handle.session, &self.handle.router);
        self.may_start("calling.dial")?;
        let tag = dial.fields.text("tag").map_or_else(|| Uuid::new_v4().to_string(), str::to_owned);
        if tag.len() > LONGEST_NAME {
            let why = format!("its tag has {} bytes, and at most {LONGEST_NAME} are allowed", tag.len());
            return Err(error::refused("calling.dial", &why));
        }
        if let Some(number) = odd_number(dial.fields.get("devices")) {
            session.warn_of_number("calling.dial", number);
        }
        dial.fields.set("", "tag", tag.as_str().into());
        let tag: Box<str> = tag.into();
        let to = session.clean(&destinations(dial.fields.get("devices"))).into();
        let limit = dial.limit.or(session.settings.dial_timeout).unwrap_or_else(|| dial.default_limit());
        let core = Arc::new(DialCore::new(tag, to));
        if !router.add_dial(&core) {
            return Err(error::refused("calling.dial", &format!("tag {:?} is in use: choose another", core.tag())));
        }
        // The timer holds the dial weakly, so that a finished dial is freed before its limit.
        let (at_limit, its_router) = (Arc::downgrade(&core), Arc::downgrade(router));
        let timer = session.later(limit, move |session| {
            if let (Some(dial), Some(router)) = (at_limit.upgrade(), its_router.upgrade()) {
                let error = dial.limit_error(session);
                router.give_up(session, &dial, error);
            }
        });
        core.keep_timer(session, timer);
        let (of_reply, its_router) = (Arc::clone(&core), Arc::clone(router));
        let its_session = Arc::downgrade(session);
        let effect = Box::new(move |answer: &Answer| {
            if let Some(session) = its_session.upgrade() {
                of_reply.answered_by_service(&session, &*its_router, answer);
            }
        });
        let mut params = String::from("{");
        dial.fields.write_into(&mut params, None);
        params.push('}');
        let posted = session.post(Ask::new("calling.dial", &params, None).with_effect(effect));
        match posted {
            Ok(request) => core.keep_request(request),
            Err(error) => {
                router.forget_unsent(&core);
                core.drop_timer(session);
                return Err(error);
            }
        }
        if core.has_outcome() {
            // The dial was given up while its request was being posted.
            core.retract(session);
        }
        Ok(Dialing::new(session, Arc::clone(router) as Arc<dyn Registry>, core))
    }
}
