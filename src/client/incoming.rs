//! Inbound calls and messages.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::router::Router;
use super::{Client, unmatched};
use crate::call::core::Listened;
use crate::call::{Call, Listener};
use crate::error::{CallbackResult, HandlerResult, Result};
use crate::message::Message;
use crate::protocol::constants::{METHOD_SIGNALWIRE_RECEIVE, METHOD_SIGNALWIRE_UNRECEIVE};
use crate::protocol::event::Event;
use crate::protocol::limits::check_contexts;
use crate::session::{Ask, Session};

/// # Inbound calls and messages
impl Client {
    /// Registers the handler for inbound calls and replaces any previous one.
    ///
    /// The handler runs on a thread of its own for each call: it may block and use any method. At most
    /// [`Tuning::max_workers`](crate::connection::Tuning::max_workers) handlers run at the same time. Further calls
    /// wait for a thread, at most [`Tuning::claim_timeout`](crate::connection::Tuning::claim_timeout), and are then passed
    /// back to the service.
    ///
    /// If the caller hangs up, the methods of the call return an error that the handler passes on with `?`: this is the
    /// normal way out and is not logged as an error. If a handler returns another error or panics, its call is ended,
    /// see [`Builder::on_handler_failure`](crate::Builder::on_handler_failure). A call that its handler leaves
    /// unanswered is passed back.
    ///
    /// Without a handler, calls are queued for [`next_call`](Self::next_call) and [`calls`](Self::calls): each for at
    /// most [`Tuning::claim_timeout`](crate::connection::Tuning::claim_timeout), and at most
    /// [`Tuning::max_unclaimed`](crate::connection::Tuning::max_unclaimed) of them. Further calls are passed back.
    ///
    /// ```no_run
    /// use signalwire_relay::{Client, tts};
    ///
    /// # fn main() -> signalwire_relay::Result<()> {
    /// let client = Client::builder().contexts(["default"]).connect()?;
    /// client.on_call(|call| {
    ///     call.answer()?;
    ///     call.play(tts("Welcome!"))?.wait(None)?;
    ///     // No clone of the client is needed, and none keeps it open:
    ///     println!("{:?}", call.client()?.state());
    ///     call.hangup()?;
    ///     Ok(())
    /// });
    /// client.run()
    /// # }
    /// ```
    ///
    /// A function that returns [`HandlerResult`] is a handler by its name. A function that returns the result of
    /// another library, such as `anyhow::Result`, and one that returns nothing, need a closure around them, because the
    /// type of `Ok(())` in a closure would be ambiguous otherwise:
    ///
    /// ```no_run
    /// use signalwire_relay::{Call, Client, HandlerResult, tts};
    /// # mod anyhow { pub type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>; }
    ///
    /// fn welcome(call: Call) -> HandlerResult {
    ///     call.answer()?;
    ///     call.play(tts("Welcome!"))?.wait(None)?;
    ///     call.hangup()?;
    ///     Ok(())
    /// }
    ///
    /// fn with_anyhow(call: Call) -> anyhow::Result<()> {
    ///     call.answer()?;
    ///     call.hangup()?;
    ///     Ok(())
    /// }
    ///
    /// fn never_fails(call: Call) {
    ///     if let Err(error) = call.hangup() {
    ///         eprintln!("{error}");
    ///     }
    /// }
    ///
    /// # fn main() -> signalwire_relay::Result<()> {
    /// let client = Client::builder().contexts(["default"]).connect()?;
    /// client.on_call(welcome);
    /// client.on_call(|call| Ok(with_anyhow(call)?));
    /// client.on_call(|call| Ok(never_fails(call)));
    /// # Ok(()) }
    /// ```
    ///
    /// If the client subscribes to no context, one warning is logged: it receives no calls.
    pub fn on_call(&self, handler: impl Fn(Call) -> HandlerResult + Send + Sync + 'static) {
        self.may_be_offered("Client::on_call");
        let settings = &self.handle.session.settings;
        let (threads, calls) = (settings.max_workers, settings.max_active_calls);
        if threads < calls {
            log::info!(
                "Tuning::max_workers is {threads}, which is less than Builder::max_active_calls ({calls}): a handler \
                 that lasts as long as its call keeps others waiting, and calls are passed back after {:?}",
                settings.claim_timeout
            );
        }
        self.handle.router.calls.handle(&self.handle.session, handler);
    }

    /// Returns an iterator over inbound calls. The iterator blocks until a call arrives, and ends when the client is
    /// closed.
    ///
    /// ```no_run
    /// # fn menu(call: signalwire_relay::Call) {}
    /// # fn main() -> signalwire_relay::Result<()> {
    /// # let client = signalwire_relay::Client::from_env()?;
    /// for call in client.calls() {
    ///     std::thread::spawn(move || menu(call));
    /// }
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn calls(&self) -> Calls {
        self.may_be_offered("Client::calls");
        Calls { session: Arc::clone(&self.handle.session), router: Arc::clone(&self.handle.router) }
    }

    /// Blocks until the next inbound call arrives, at most `timeout`. With `None` it blocks indefinitely.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # fn main() -> signalwire_relay::Result<()> {
    /// # let client = signalwire_relay::Client::from_env()?;
    /// let call = client.next_call(Duration::from_secs(60))?;
    /// call.answer()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// `Timeout` after `timeout`; `Closed` if the client is closed.
    pub fn next_call(&self, timeout: impl Into<Option<Duration>>) -> Result<Call> {
        self.may_be_offered("Client::next_call");
        let session = &self.handle.session;
        self.handle.router.calls.next(session, session.clock.deadline(timeout.into()))
    }

    /// Registers the handler for inbound messages and replaces any previous one.
    ///
    /// The handler runs on a thread of its own for each message, as that of [`on_call`](Self::on_call). Without a
    /// handler, messages are queued for [`next_message`](Self::next_message) and [`messages`](Self::messages). A
    /// message that is not claimed within [`Tuning::claim_timeout`](crate::connection::Tuning::claim_timeout) is dropped and
    /// counted.
    ///
    /// ```no_run
    /// # fn main() -> signalwire_relay::Result<()> {
    /// # let client = signalwire_relay::Client::from_env()?;
    /// client.on_message(|message| {
    ///     println!("{}: {}", message.from_number(), message.body());
    ///     Ok(())
    /// });
    /// # Ok(()) }
    /// ```
    pub fn on_message(&self, handler: impl Fn(Message) -> HandlerResult + Send + Sync + 'static) {
        self.may_be_offered("Client::on_message");
        self.handle.router.messages.handle(&self.handle.session, handler);
    }

    /// Returns an iterator over inbound messages. The iterator blocks until a message arrives, and ends when the client
    /// is closed.
    ///
    /// ```no_run
    /// # fn main() -> signalwire_relay::Result<()> {
    /// # let client = signalwire_relay::Client::from_env()?;
    /// for message in client.messages() {
    ///     println!("{}: {}", message.from_number(), message.body());
    /// }
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn messages(&self) -> Messages {
        self.may_be_offered("Client::messages");
        Messages { session: Arc::clone(&self.handle.session), router: Arc::clone(&self.handle.router) }
    }

    /// Blocks until the next inbound message arrives, at most `timeout`. With `None` it blocks indefinitely.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # fn main() -> signalwire_relay::Result<()> {
    /// # let client = signalwire_relay::Client::from_env()?;
    /// let message = client.next_message(Duration::from_secs(60))?;
    /// println!("{}: {}", message.from_number(), message.body());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// `Timeout` after `timeout`; `Closed` if the client is closed.
    pub fn next_message(&self, timeout: impl Into<Option<Duration>>) -> Result<Message> {
        self.may_be_offered("Client::next_message");
        let session = &self.handle.session;
        self.handle.router.messages.next(session, session.clock.deadline(timeout.into()))
    }
}

/// # Contexts
impl Client {
    /// Subscribes to more contexts, on this connection and on later ones. Sends `signalwire.receive`. Without contexts
    /// nothing is sent.
    ///
    /// Blocks until the service responds, at most the request timeout.
    ///
    /// ```no_run
    /// # fn main() -> signalwire_relay::Result<()> {
    /// # let client = signalwire_relay::Client::from_env()?;
    /// client.receive(["night"])?;
    /// // In the morning:
    /// client.unreceive(["night"])?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// `Config` for a context of more than 1,024 bytes. Returns an error as well if the service rejects the request, or
    /// the connection is down for longer than the request timeout; the contexts are then subscribed with the next
    /// connection nevertheless.
    pub fn receive(&self, contexts: impl IntoIterator<Item = impl Into<String>>) -> Result<()> {
        let contexts: Vec<String> = contexts.into_iter().map(Into::into).collect();
        check_contexts(METHOD_SIGNALWIRE_RECEIVE, &contexts)?;
        self.handle.session.want(&contexts);
        self.subscribe(METHOD_SIGNALWIRE_RECEIVE, &contexts)
    }

    /// Unsubscribes from contexts. Sends `signalwire.unreceive`. Without contexts nothing is sent.
    ///
    /// Blocks until the service responds, at most the request timeout.
    ///
    /// # Errors
    ///
    /// `Config` for a context of more than 1,024 bytes. Returns an error as well if the service rejects the request, or
    /// the connection is down for longer than the request timeout.
    pub fn unreceive(&self, contexts: impl IntoIterator<Item = impl Into<String>>) -> Result<()> {
        let contexts: Vec<String> = contexts.into_iter().map(Into::into).collect();
        check_contexts(METHOD_SIGNALWIRE_UNRECEIVE, &contexts)?;
        self.handle.session.unwant(&contexts);
        self.subscribe(METHOD_SIGNALWIRE_UNRECEIVE, &contexts)
    }

    fn subscribe(&self, method: &str, contexts: &[String]) -> Result<()> {
        if contexts.is_empty() {
            return Ok(());
        }
        let params = serde_json::json!({ "contexts": contexts }).to_string();
        self.handle.session.request(Ask::new(method, &params, None))?;
        Ok(())
    }
}

/// # Events without a call
impl Client {
    /// Registers a listener for events that belong to no live call or message: the start and the end of conferences,
    /// reports about a call after its end, tasks sent to a context.
    ///
    /// Listeners run in order, one event at a time, on a worker thread: they may block and use any method. Events that
    /// are queued for slow listeners count against
    /// [`Tuning::max_listener_backlog_bytes`](crate::connection::Tuning::max_listener_backlog_bytes); beyond that they
    /// are dropped and counted. An event with an unknown ID waits
    /// [`Tuning::unmatched_event_ttl`](crate::connection::Tuning::unmatched_event_ttl), 2 s by default, for a call with
    /// that ID, and is then delivered here. The listener is removed when the client is closed.
    ///
    /// ```no_run
    /// use signalwire_relay::{Client, Event};
    ///
    /// # fn main() -> signalwire_relay::Result<()> {
    /// # let client = Client::from_env()?;
    /// let listener = client.on_event(|event| {
    ///     if let Event::Conference(conference) = event {
    ///         println!("{}: {}", conference.name, conference.status);
    ///     }
    /// });
    /// // Later:
    /// listener.remove();
    /// # Ok(()) }
    /// ```
    pub fn on_event<R: CallbackResult>(&self, handler: impl Fn(&Event) -> R + Send + Sync + 'static) -> Listener {
        let unmatched = &self.handle.router.unmatched;
        let entry = unmatched.listen(Box::new(move |event| handler(event).into_result()));
        let of: Weak<dyn Listened> = Arc::<unmatched::UnmatchedEvents>::downgrade(unmatched);
        Listener::new(of, &entry)
    }

    /// Warns once if the program waits for calls or messages but has no contexts.
    pub(super) fn may_be_offered(&self, what: &str) {
        let (session, router) = (&self.handle.session, &self.handle.router);
        if session.is_forked() || session.is_closing() || router.is_draining() || !session.contexts().is_empty() {
            return;
        }
        if router.first_without_contexts() {
            log::warn!(
                "{what} is used, and the client subscribes to no context: no call and no message is offered to it until \
                 Builder::contexts or Client::receive names one"
            );
        }
    }
}

/// An iterator over inbound calls, until the client is closed. Made by [`Client::calls`]. The iterator does not keep
/// the client open.
pub struct Calls {
    session: Arc<Session>,
    router: Arc<Router>,
}

impl Iterator for Calls {
    type Item = Call;

    fn next(&mut self) -> Option<Call> {
        self.router.calls.next(&self.session, None).ok()
    }
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calls").finish_non_exhaustive()
    }
}

/// An iterator over inbound messages, until the client is closed. Made by [`Client::messages`]. The iterator does not
/// keep the client open.
pub struct Messages {
    session: Arc<Session>,
    router: Arc<Router>,
}

impl Iterator for Messages {
    type Item = Message;

    fn next(&mut self) -> Option<Message> {
        self.router.messages.next(&self.session, None).ok()
    }
}

impl fmt::Debug for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Messages").finish_non_exhaustive()
    }
}
