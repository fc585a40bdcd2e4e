//! Sending text messages.

use std::sync::Arc;

use super::Client;
use crate::clock::Deadline;
use crate::error::{self, ErrorKind, Result};
use crate::message::{Message, Sms};
use crate::protocol::device::looks_like_a_number;
use crate::protocol::limits::is_name;
use crate::session::{Answer, Ask};

/// # Sending text messages
impl Client {
    /// Sends a text message (SMS or MMS). Sends `messaging.send`.
    ///
    /// Blocks until the service has accepted the message, at most the request timeout. [`Message::wait`] blocks until
    /// its final state is known.
    ///
    /// During a [`shutdown`](Self::shutdown), handlers, listeners and callbacks of the client may still send messages, as
    /// the shutdown waits for them. Other threads get `Draining`.
    ///
    /// ```no_run
    /// use std::time::Duration;
    /// use signalwire_relay::{Client, sms};
    ///
    /// # fn main() -> signalwire_relay::Result<()> {
    /// let client = Client::from_env()?;
    /// let message = client.send_message(sms("+15552222222").from("+15551111111").body("Your code is 4711"))?;
    /// println!("{}", message.wait(Duration::from_secs(60))?.state);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// `Config` if the message has neither body nor media, or its recipient cannot be a number: nothing is sent then.
    /// `Rejected` if the service rejects the message. `OutcomeUnknown` if no response came, or one from a service in
    /// trouble: the message may have been sent, and is not sent again. `Offline`, `SessionLost`, `Draining`, `Closed`.
    #[doc(alias = "send_sms")]
    pub fn send_message(&self, sms: impl Into<Sms>) -> Result<Message> {
        let sms: Sms = sms.into();
        sms.check()?;
        self.may_send()?;
        let session = &self.handle.session;
        if let Some(number) = sms.fields.text("to_number").filter(|number| !looks_like_a_number(number)) {
            session.warn_of_number(Sms::METHOD, number);
        }
        let until = session.clock.after(session.settings.request_timeout);
        if sms.fields.text("context").is_some() {
            return self.post_message(&sms, until, false);
        }
        loop {
            let protocol = session.protocol();
            let context = if protocol.is_empty() { "default" } else { &protocol };
            let mut addressed = sms.clone();
            addressed.fields.set("", "context", context.into());
            match self.post_message(&addressed, until, true) {
                // The request waited for the connection and was never sent; the session whose context it named is lost.
                Err(error) if error.kind() == ErrorKind::SessionLost && session.protocol() != protocol => {}
                outcome => return outcome,
            }
        }
    }

    /// Sends a message whose states are sent to the context in it. `of_session` is `true` if that context belongs to
    /// this session, so that the states would be lost in another one.
    fn post_message(&self, sms: &Sms, until: Deadline, of_session: bool) -> Result<Message> {
        let (session, router) = (&self.handle.session, &self.handle.router);
        let message = Message::outbound(session, &sms.fields);
        let mut params = String::from("{");
        sms.fields.write_into(&mut params, None);
        params.push('}');
        let (of_reply, its_router, its_session) =
            (Arc::clone(message.core()), Arc::clone(router), Arc::downgrade(session));
        let sending = router.sending();
        // This runs on the reader before the next frame is read, so that a state that follows finds its message.
        let effect = Box::new(move |answer: &Answer| {
            // Earlier states are kept until here.
            let _sending = sending;
            let (Answer::Reply(reply), Some(session)) = (answer, its_session.upgrade()) else { return };
            match reply.text("message_id").filter(|id| is_name(id)) {
                Some(id) => {
                    of_reply.set_id(&id);
                    its_router.track_message(&session, &id, &of_reply);
                }
                None => {
                    let error = error::protocol("messaging.send: accepted, but the response has no message ID");
                    of_reply.settle(&session, Err(error));
                }
            }
        });
        session.request(Ask { of_session, until, ..Ask::new(Sms::METHOD, &params, None).with_effect(effect) })?;
        Ok(message)
    }

    /// Returns an error for a message while the client is shutting down. Code that the client waits for then may send one,
    /// such as a handler that reports a voicemail when its caller has hung up.
    fn may_send(&self) -> Result<()> {
        match self.may_start(Sms::METHOD) {
            Err(error) if error.kind() == ErrorKind::Draining && self.handle.session.runs_here() => Ok(()),
            outcome => outcome,
        }
    }

    /// Returns an error for what would be new while the client is shutting down.
    pub(super) fn may_start(&self, what: &str) -> Result<()> {
        self.handle.session.check_process(what)?;
        if self.handle.session.is_closing() {
            return Err(error::closed(what));
        }
        if self.handle.router.is_draining() { Err(error::draining(what)) } else { Ok(()) }
    }
}
