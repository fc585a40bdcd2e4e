//! The client: connecting, what comes in, what goes out, stopping.

mod builder;
mod by_id;
mod cancel;
pub(crate) mod diagnosis;
mod dial;
mod dial_params;
mod early;
mod inbox;
mod ordered;
mod over;
mod router;
#[cfg(all(feature = "signals", any(unix, windows)))]
mod signals;
mod strays;
mod tuning;

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

pub use self::builder::{Builder, DEFAULT_HOST};
pub use self::cancel::CancelToken;
pub use self::dial::Dialing;
pub use self::dial_params::Dial;
use self::router::Router;
pub use self::tuning::Tuning;
use crate::call::core::{Leaving, Listened};
use crate::call::owed::Duty;
use crate::call::{Call, Listener};
use crate::clock::Deadline;
use crate::error::{self, CallbackResult, ErrorKind, HandlerResult, Result};
use crate::message::{Message, Sms};
use crate::protocol::constants::{METHOD_SIGNALWIRE_RECEIVE, METHOD_SIGNALWIRE_UNRECEIVE};
use crate::protocol::device::looks_like_a_number;
use crate::protocol::event::Event;
use crate::protocol::fields;
use crate::protocol::frame::Reply;
use crate::protocol::limits::{check_contexts, is_name};
use crate::secret::Secret;
use crate::session::{Answer, Ask, LinkState, LinkStates, Session, Stats};

/// The first few of these, and how many there are beside them.
fn some_of(all: impl ExactSizeIterator<Item = String>) -> String {
    const SHOWN: usize = 5;
    let count = all.len();
    let mut shown: Vec<String> = all.take(SHOWN).collect();
    if count > SHOWN {
        shown.push(format!("and {} more", count - SHOWN));
    }
    shown.join(", ")
}

/// How long a call that was hung up at the end of a shutdown has to report its end.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A connection to RELAY: calls and messages, in and out, over one WebSocket.
///
/// Cheap to clone; clones share the connection. It is connected when it is made, and from then on reconnects by
/// itself until it is closed: by [`disconnect`](Self::disconnect), [`shutdown`](Self::shutdown), or by dropping the
/// last clone. Dropping only signals; the connection is gone a moment later.
///
/// Any method may be called from any thread, handlers included, and from destructors.
///
/// A client belongs to the process that connected it. In a process that was forked from it, its methods return
/// [`ErrorKind::Closed`] and send nothing: connect a new one there.
#[derive(Clone)]
pub struct Client {
    pub(crate) handle: Arc<Handle>,
}

/// What the clones of a client share. The threads do not hold it: when it goes, the client is closed.
pub(crate) struct Handle {
    pub(crate) session: Arc<Session>,
    pub(crate) router: Arc<Router>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.session.close();
    }
}

/// A [`Client`] that does not keep the connection open. Made by [`Client::downgrade`].
#[derive(Clone)]
pub struct WeakClient(Weak<Handle>);

impl WeakClient {
    /// The client, unless its last clone has been dropped.
    #[must_use]
    pub fn upgrade(&self) -> Option<Client> {
        Some(Client { handle: self.0.upgrade()? })
    }
}

impl fmt::Debug for WeakClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakClient").finish_non_exhaustive()
    }
}

impl Client {
    /// Starts to put a client together.
    ///
    /// ```no_run
    /// use signalwire_relay::Client;
    ///
    /// # fn main() -> signalwire_relay::Result<()> {
    /// let client = Client::builder().project("project id").token("API token").contexts(["default"]).connect()?;
    /// # Ok(()) }
    /// ```
    #[doc(alias = "RelayClient")]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Connects with what the environment says: `Client::builder().connect()`.
    ///
    /// # Errors
    ///
    /// As [`Builder::connect`].
    pub fn from_env() -> Result<Self> {
        Self::builder().connect()
    }

    pub(crate) fn new(session: Arc<Session>, router: Arc<Router>) -> Self {
        let handle = Arc::new(Handle { session, router });
        let weak: Weak<Handle> = Arc::downgrade(&handle);
        handle.session.set_owner(weak);
        Self { handle }
    }

    // Who we are.

    /// The project that the client belongs to. `None` when it authenticates with a JWT, and neither the builder nor the
    /// environment names a project.
    #[must_use]
    pub fn project(&self) -> Option<&str> {
        self.handle.session.credentials.project()
    }

    /// The host that it is connected to.
    #[must_use]
    pub fn host(&self) -> &str {
        self.handle.session.host()
    }

    /// The contexts that it is subscribed to: those it was built with, and what [`receive`](Self::receive) and
    /// [`unreceive`](Self::unreceive) made of them.
    #[must_use]
    pub fn contexts(&self) -> Vec<String> {
        self.handle.session.contexts()
    }

    /// The service's name for the session. It is part of no secret, and the default context of messages.
    #[must_use]
    #[doc(alias = "relay_protocol")]
    pub fn protocol(&self) -> String {
        self.handle.session.protocol()
    }

    // The link.

    /// Whether it is connected, right now.
    #[must_use]
    pub fn state(&self) -> LinkState {
        self.handle.session.board.get()
    }

    /// The states of the connection, from the present one on, until the client is closed.
    #[must_use]
    pub fn states(&self) -> LinkStates {
        self.handle.session.board.stream(&self.handle.session.clock)
    }

    /// What the client has done and holds: counters, and the fill of every table and queue.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut stats = self.handle.session.stats();
        self.handle.router.count(&mut stats);
        stats
    }

    // What comes in.

    /// Registers the handler for inbound calls and replaces any previous one.
    ///
    /// Each call has its handler run on a thread of its own: the handler may block as long as it likes, and use any
    /// method. At most [`Tuning::max_workers`] handlers run at a time. Further calls wait for a thread for at most
    /// [`Tuning::offer_wait`] and are then passed back to routing.
    ///
    /// A caller who hangs up makes the methods of the call return an error that `?` passes on; that is the
    /// normal way out and is not logged as an error. If a handler fails otherwise, or panics, its call is ended
    /// ([`Builder::on_handler_failure`]). A call that its handler leaves unanswered is passed back.
    ///
    /// Without a handler, calls wait for [`next_call`](Self::next_call) or [`calls`](Self::calls), at most
    /// [`Tuning::offer_wait`] and at most [`Tuning::offer_queue`] of them; further ones are passed back.
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
    /// A function is a handler, too: one that returns [`HandlerResult`], by its name. One that returns the result of
    /// another library, such as `anyhow::Result`, and one that returns nothing, need a closure around them, because the
    /// type of `Ok(())` in a closure would be open otherwise:
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
    /// If the client subscribes to no context, a warning says once that nothing will be offered.
    pub fn on_call(&self, handler: impl Fn(Call) -> HandlerResult + Send + Sync + 'static) {
        self.may_be_offered("Client::on_call");
        let settings = &self.handle.session.settings;
        let (threads, calls) = (settings.max_workers, settings.max_active_calls);
        if threads < calls {
            log::info!(
                "Tuning::max_workers is {threads}, which is less than Builder::max_active_calls ({calls}): a handler \
                 that lasts as long as its call keeps others waiting, and calls are passed back after {:?}",
                settings.offer_wait
            );
        }
        self.handle.router.calls.handle(&self.handle.session, handler);
    }

    /// Has `handler` called with every inbound message; otherwise as [`on_call`](Self::on_call). A message that nobody
    /// claims is dropped and counted.
    pub fn on_message(&self, handler: impl Fn(Message) -> HandlerResult + Send + Sync + 'static) {
        self.may_be_offered("Client::on_message");
        self.handle.router.messages.handle(&self.handle.session, handler);
    }

    /// Has `handler` called with every event that belongs to no call, or to a call or message that is not known any
    /// more: the beginning and the end of conferences, what is told about a call after its end, tasks sent to a context.
    ///
    /// Handlers run in order, one event at a time, on a thread of their own kind: they may block and use any method.
    /// Events that wait for slow ones count against the client's bound on waiting notices
    /// ([`Tuning::notice_bytes`]); beyond that they are dropped and counted. An event for an id that is not known
    /// waits up to 2 s for a call of that id, and comes here then. The handler is let go when the client is closed.
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
    /// // Later, when nothing more is to be heard:
    /// listener.remove();
    /// # Ok(()) }
    /// ```
    pub fn on_event<R: CallbackResult>(&self, handler: impl Fn(&Event) -> R + Send + Sync + 'static) -> Listener {
        let strays = &self.handle.router.strays;
        let entry = strays.listen(Box::new(move |event| handler(event).into_result()));
        let of: Weak<dyn Listened> = Arc::<strays::Strays>::downgrade(strays);
        Listener::new(of, &entry)
    }

    /// Waits for the next inbound call. `None` waits for ever.
    ///
    /// # Errors
    ///
    /// `Timeout` when the time is up, `Closed` when the client is closed.
    pub fn next_call(&self, timeout: impl Into<Option<Duration>>) -> Result<Call> {
        self.may_be_offered("Client::next_call");
        let session = &self.handle.session;
        self.handle.router.calls.next(session, session.clock.deadline(timeout.into()))
    }

    /// Waits for the next inbound message. `None` waits for ever.
    ///
    /// # Errors
    ///
    /// `Timeout` when the time is up, `Closed` when the client is closed.
    pub fn next_message(&self, timeout: impl Into<Option<Duration>>) -> Result<Message> {
        self.may_be_offered("Client::next_message");
        let session = &self.handle.session;
        self.handle.router.messages.next(session, session.clock.deadline(timeout.into()))
    }

    /// Inbound calls as an iterator that ends when the client is closed.
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

    /// Inbound messages as an iterator that ends when the client is closed.
    #[must_use]
    pub fn messages(&self) -> Messages {
        self.may_be_offered("Client::messages");
        Messages { session: Arc::clone(&self.handle.session), router: Arc::clone(&self.handle.router) }
    }

    /// Subscribes to more contexts, on this connection and every later one. RELAY method `signalwire.receive`.
    ///
    /// # Errors
    ///
    /// `Config` for a context of more than 1,024 bytes. When the service refuses or cannot be reached; the contexts are
    /// wanted all the same then, and subscribed with the next connection. No contexts are no request.
    pub fn receive(&self, contexts: impl IntoIterator<Item = impl Into<String>>) -> Result<()> {
        let contexts: Vec<String> = contexts.into_iter().map(Into::into).collect();
        check_contexts(METHOD_SIGNALWIRE_RECEIVE, &contexts)?;
        self.handle.session.want(&contexts);
        self.subscribe(METHOD_SIGNALWIRE_RECEIVE, &contexts)
    }

    /// Ends the subscription to contexts. RELAY method `signalwire.unreceive`.
    ///
    /// # Errors
    ///
    /// `Config` for a context of more than 1,024 bytes. When the service refuses or cannot be reached. No contexts are no
    /// request.
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

    /// Gives the service a fresh JWT on the open connection, and makes it the one that later connections send. Sends
    /// `signalwire.reauthenticate`.
    ///
    /// When the outcome is unknown, or there is no connection, the new JWT is sent with the next connection all the
    /// same. A client with [`Builder::jwt_from`] asks its closure then.
    ///
    /// # Errors
    ///
    /// `Config` if the JWT is empty. `Rejected` if the service refuses the JWT: the one before it stays in use.
    /// Otherwise as [`execute`](Self::execute).
    pub fn reauthenticate(&self, jwt: impl Into<String>) -> Result<()> {
        const METHOD: &str = "signalwire.reauthenticate";
        let jwt: String = jwt.into();
        let jwt = jwt.trim();
        if jwt.is_empty() {
            return Err(error::refused(METHOD, "the JWT is empty"));
        }
        let session = &self.handle.session;
        let params = serde_json::json!({"authentication": {"jwt_token": jwt}}).to_string();
        let outcome = session.request(Ask::new(METHOD, &params, None));
        if !outcome.as_ref().is_err_and(|error| error.kind() == ErrorKind::Rejected) {
            session.keep_jwt(Secret::new(jwt));
        }
        outcome.map(drop)
    }

    // What goes out.

    /// Sends a text message, and returns when the service has taken it. RELAY method `messaging.send`.
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
    /// `Config` when it has neither body nor media, or no proper recipient; `Rejected` when the service refuses;
    /// `OutcomeUnknown` when its response did not come, or comes from a service in trouble: then the text may have been
    /// sent, and is not sent again.
    pub fn send_message(&self, sms: impl Into<Sms>) -> Result<Message> {
        let sms: Sms = sms.into();
        sms.check()?;
        self.may_start(Sms::METHOD)?;
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
                // It waited for the link and was never sent; the session whose context it named is gone.
                Err(error) if error.kind() == ErrorKind::SessionLost && session.protocol() != protocol => {}
                outcome => return outcome,
            }
        }
    }

    /// Sends a message whose states go to the context in it. `of_session`: that context is this session's own, and
    /// nobody would hear of them in another.
    fn post_message(&self, sms: &Sms, until: Deadline, of_session: bool) -> Result<Message> {
        let (session, router) = (&self.handle.session, &self.handle.router);
        let message = Message::outbound(session, &sms.fields);
        let mut params = String::from("{");
        sms.fields.write_into(&mut params, None);
        params.push('}');
        let (of_reply, its_router, its_session) =
            (Arc::clone(message.core()), Arc::clone(router), Arc::downgrade(session));
        let sending = router.sending();
        // On the reader, before the next frame is looked at: a state that follows finds its message.
        let effect = Box::new(move |answer: &Answer| {
            // States that came before are kept until here.
            let _sending = sending;
            let (Answer::Reply(reply), Some(session)) = (answer, its_session.upgrade()) else { return };
            match reply.text("message_id").filter(|id| is_name(id)) {
                Some(id) => {
                    of_reply.set_id(&id);
                    its_router.track_message(&session, &id, &of_reply);
                }
                None => {
                    let error = error::protocol("messaging.send: taken, but the service did not name the message");
                    of_reply.settle(&session, Err(error));
                }
            }
        });
        session.request(Ask { of_session, until, ..Ask::new(Sms::METHOD, &params, None).with_effect(effect) })?;
        Ok(message)
    }

    /// Sends any request: the escape hatch for methods that this crate does not know. `params` is a JSON object.
    ///
    /// # Errors
    ///
    /// When the service refuses, or does not answer within the request timeout, or cannot be reached in that time.
    pub fn execute(&self, method: &str, params: serde_json::Value) -> Result<Reply> {
        if !params.is_object() {
            return Err(error::refused(method, "its parameters must be a JSON object"));
        }
        fields::check(method, &params)?;
        // As with `Call::transfer` and `Call::pass`: the end of the call, and its offer anew, may be told before the
        // reply comes.
        let leaving = Leaving::of_method(method);
        let leaves = params["call_id"].as_str().filter(|_| leaving != Leaving::No);
        let leaves = leaves.and_then(|id| self.handle.router.find(id));
        if let Some(call) = &leaves {
            call.leaves(leaving);
        }
        let outcome = self.handle.session.request(Ask::new(method, &params.to_string(), None));
        if let (Some(call), Err(error)) = (&leaves, &outcome) {
            if !error.may_have_been_sent() {
                call.leaves(Leaving::No);
            }
        }
        outcome
    }

    /// Sends a notification: a request that has no id, so that no answer comes. `params` is a JSON object. RELAY needs
    /// none from a client; it is there for what this crate does not know.
    ///
    /// ```no_run
    /// # fn main() -> signalwire_relay::Result<()> {
    /// # let client = signalwire_relay::Client::from_env()?;
    /// client.notify("signalwire.something", serde_json::json!({"key": "value"}))?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// `Offline` when there is no connection at the moment, or it takes nothing for as long as the request timeout: it
    /// was not sent then. `Closed` when the client is closed. `Ok` means that it is on its way: whether it arrives,
    /// nobody tells.
    pub fn notify(&self, method: &str, params: serde_json::Value) -> Result<()> {
        if !params.is_object() {
            return Err(error::refused(method, "its parameters must be a JSON object"));
        }
        fields::check(method, &params)?;
        self.handle.session.notify(method, &params.to_string())
    }

    /// Warns a program, once, that waits for calls or messages of no context.
    fn may_be_offered(&self, what: &str) {
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

    /// Refuses what would start something new while the client is shutting down.
    fn may_start(&self, what: &str) -> Result<()> {
        self.handle.session.check_process(what)?;
        if self.handle.session.is_closing() {
            return Err(error::closed(what));
        }
        if self.handle.router.is_draining() { Err(error::draining(what)) } else { Ok(()) }
    }

    // Stopping.

    /// Blocks until the client is closed.
    ///
    /// With the feature `signals`, on by default, SIGINT, SIGTERM and SIGHUP (on Windows Ctrl-C, Ctrl-Break and the
    /// closing of the console) end it cleanly: as [`shutdown`](Self::shutdown) with the builder's
    /// [`drain_limit`](Builder::drain_limit). A second one ends the process at once. No handler is installed unless this
    /// is called.
    ///
    /// A signal that is ignored when the process starts, as `nohup` does with SIGHUP, stays ignored, and a program that
    /// has a handler of its own for SIGHUP keeps that signal to itself (both are known on Linux only). Other handlers that
    /// a program has installed before are called as well. After `run` has returned they alone are, and a signal without
    /// one ends the process, as it did before. A handler that is installed by `signal-hook` has to be there before the
    /// first `run`.
    ///
    /// On Windows, handlers of the program that were installed before the first `run` are no longer called. If the program
    /// has one by the crate `ctrlc`, that one stays, and a line at WARN says that `run` does not end by it. The system
    /// gives a process a few seconds when its console is closed, whatever the drain limit.
    ///
    /// # Errors
    ///
    /// What closed the client, when nobody asked for it.
    pub fn run(&self) -> Result<()> {
        self.handle.session.check_process("run")?;
        #[cfg(all(feature = "signals", any(unix, windows)))]
        let _watch = signals::Watch::start(self)?;
        match self.handle.session.wait_ended() {
            None => Ok(()),
            Some(cause) => Err(cause),
        }
    }

    /// Closes the connection. Whatever waits on this client ends with `Closed`; calls are not hung up, but what a
    /// dial makes ring is.
    ///
    /// Returns when reader and writer have ended, within 2 s. It does not wait for handlers; called from one, or from
    /// any thread of the crate, it does not wait at all. May be called again.
    pub fn disconnect(&self) {
        self.handle.session.close();
        self.handle.session.join();
    }

    /// Ends work in progress, then closes the client. Blocks until `limit` has passed or nothing is left to wait for, and
    /// up to 2 s longer if calls are hung up at the limit.
    ///
    /// - The client unsubscribes from its contexts first (`signalwire.unreceive`), so that the service offers new calls
    ///   to others. A call that is offered all the same is passed back. New dials and messages are refused with
    ///   `Draining`.
    /// - Live calls, dials, handlers and listeners may finish until `limit`, and recordings, transcriptions and faxes may
    ///   get their last event.
    /// - Calls that are live at `limit` are hung up. They have 1 s to report their end, and then their handlers have 1 s
    ///   to finish.
    ///
    /// The log says what is waited for, and at WARN what was not waited for.
    pub fn shutdown(&self, limit: Duration) {
        let (session, router) = (&self.handle.session, &self.handle.router);
        if session.is_forked() {
            return;
        }
        router.drain();
        let until = session.clock.after(limit);
        self.unsubscribe();
        log::info!("shutting down within {limit:?}: {}", self.waited_for());
        for dial in router.running_dials() {
            dial.wait_over(session, until);
        }
        self.wait_for_calls(until);
        // A waiting thread wakes a moment before the table drops the call, which may be here still.
        let mut left = router.live_calls();
        left.retain(|call| call.over().is_none());
        let (mut last_words, mut quiet) = (until, until);
        if !left.is_empty() {
            let ids = left.iter().map(|call| session.clean(call.id()));
            log::warn!("{}: {}", error::hanging_up(limit, left.len()), some_of(ids));
            for call in &left {
                call.owe(Duty::End, "\"reason\":\"hangup\"");
            }
            last_words = session.clock.after(LAST_WORDS);
            self.wait_for_calls(last_words);
            // Their handlers have something to store, too.
            quiet = session.clock.after(LAST_WORDS);
        }
        // A recording's last event often follows the end of its call, and may be what a handler waits for.
        for call in router.lingering_calls() {
            call.wait_operations(session, last_words);
        }
        if !session.wait_quiet(quiet) {
            let jobs = error::counted(session.unfinished(), "handler or callback");
            log::warn!("shutdown: the limit of {limit:?} has passed, no longer waiting for {jobs}");
        }
        self.disconnect();
    }

    /// Has new calls and messages go to others. Blocks for nothing: this client passes back what comes all the same.
    fn unsubscribe(&self) {
        let session = &self.handle.session;
        let contexts = session.contexts();
        // Not with the next connection either.
        session.unwant(&contexts);
        if contexts.is_empty() || !session.is_up() {
            return;
        }
        let params = serde_json::json!({ "contexts": contexts }).to_string();
        if let Err(error) = session.post(Ask::new(METHOD_SIGNALWIRE_UNRECEIVE, &params, None)) {
            log::debug!("{error}");
        }
    }

    /// What a shutdown waits for, in words.
    pub(crate) fn waited_for(&self) -> String {
        let (session, router) = (&self.handle.session, &self.handle.router);
        let mut calls = router.live_calls();
        calls.retain(|call| call.over().is_none());
        let ids = some_of(calls.iter().map(|call| session.clean(call.id())));
        let counts = [
            (calls.len(), "call", if ids.is_empty() { ids } else { format!(" ({ids})") }),
            (router.running_dials().len(), "dial", String::new()),
            (session.unfinished(), "handler or callback", String::new()),
        ];
        let some = counts.into_iter().filter(|(count, ..)| *count > 0);
        let some: Vec<_> = some.map(|(count, what, ids)| format!("{}{ids}", error::counted(count, what))).collect();
        if some.is_empty() { "nothing is waited for".to_owned() } else { format!("waiting for {}", some.join(", ")) }
    }

    fn wait_for_calls(&self, until: Deadline) {
        for call in self.handle.router.live_calls() {
            // Whether it ended or the time is up: what is left is looked at afterwards.
            let _ = call.wait_over(until);
        }
    }

    /// A handle that does not keep the client open.
    #[must_use]
    pub fn downgrade(&self) -> WeakClient {
        WeakClient(Arc::downgrade(&self.handle))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("host", &self.host())
            .field("contexts", &self.contexts())
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

impl Call {
    /// The client that the call belongs to.
    ///
    /// # Errors
    ///
    /// `Closed` when the last clone of the client has been dropped.
    pub fn client(&self) -> Result<Client> {
        let owner: Option<Arc<dyn Any + Send + Sync>> = self.core.session().and_then(|session| session.owner());
        let handle = owner.and_then(|owner| owner.downcast::<Handle>().ok());
        handle.map(|handle| Client { handle }).ok_or_else(|| error::closed("the client of a call"))
    }
}

/// Inbound calls, one after another, until the client is closed. Made by [`Client::calls`]; it does not keep the
/// client open.
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

/// Inbound messages, one after another, until the client is closed. Made by [`Client::messages`]; it does not keep
/// the client open.
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

#[cfg(test)]
mod tests;
