//! Text messages: the handle of a message and its state.

mod sms;

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value;

pub use self::sms::{Sms, sms};
use crate::call::core::CallFate;
use crate::error::{self, CallbackResult, Error, HandlerResult, Result};
use crate::latch::Latch;
use crate::mailbox::Mailbox;
use crate::protocol::event::{MessageFailure, MessageReceiveEvent, MessageStateEvent};
use crate::protocol::fields::Fields;
use crate::protocol::limits;
use crate::protocol::states::{Direction, MessageState};
use crate::secret::Secrets;
use crate::session::{Charge, Session, end_wait};
use crate::workers::{Workers, run_each};

/// A text message (SMS or MMS), sent or received.
///
/// [`Client::send_message`](crate::Client::send_message) returns a message as soon as the service has accepted it;
/// [`wait`](Self::wait) blocks until its final state is known. [`Client::on_message`](crate::Client::on_message) receives
/// inbound messages.
///
/// ```no_run
/// use std::time::Duration;
/// use signalwire_relay::{Client, MessageState, Result, sms};
///
/// fn send(client: &Client) -> Result<()> {
///     let message = client.send_message(sms("+15552222222").from("+15551111111").body("Your code is 4711"))?;
///     match message.wait(Duration::from_secs(60)) {
///         Ok(last) if last.state == MessageState::Delivered => println!("delivered"),
///         Ok(last) => println!("{}: {}", last.state, last.reason.unwrap_or_default()),
///         Err(error) if error.is_timeout() => println!("no final state yet"),
///         Err(error) => return Err(error),
///     }
///     Ok(())
/// }
/// ```
///
/// # Cloning and dropping
///
/// Clones are the same message, and cheap. Dropping a message changes nothing: a sent message is still delivered.
///
/// # Threads
///
/// Any thread may use a message. Listeners and callbacks of one message run on a worker thread, in order and one at a time.
/// The handler of an inbound message runs on a thread of its own.
///
/// # When the client ends
///
/// Waits return [`Closed`](crate::ErrorKind::Closed). The properties can still be read.
///
/// # When the connection is lost
///
/// Waits continue, and states that the service sends after the session was resumed arrive as usual. If the session is
/// lost, the message can no longer be followed: waits return [`SessionLost`](crate::ErrorKind::SessionLost), although
/// the message may have been delivered.
#[derive(Clone)]
pub struct Message {
    core: Arc<MessageCore>,
}

/// A callback of the program for the final state of a message.
type Callback = Box<dyn FnOnce(&Result<MessageStateEvent>) -> HandlerResult + Send>;
/// A listener of the program for the states of a message.
type Handler = Arc<dyn Fn(&MessageStateEvent) -> HandlerResult + Send + Sync>;

/// The state of a message, shared by its handles and the tables of the client.
pub(crate) struct MessageCore {
    session: Weak<Session>,
    secrets: Arc<Secrets>,
    outcome: Latch<Result<MessageStateEvent>>,
    inner: Mutex<Inner>,
}

/// The part of a message's state that is behind its lock.
struct Inner {
    id: Box<str>,
    context: String,
    direction: Direction,
    from: String,
    to: String,
    body: String,
    media: Vec<String>,
    segments: i64,
    state: MessageState,
    reason: Option<String>,
    tags: Vec<String>,
    handlers: Vec<Handler>,
    callbacks: Vec<Callback>,
    /// Whether a thread is posting the callbacks. That thread also posts those that are added meanwhile.
    calling_back: bool,
    mailbox: Option<Arc<Mailbox>>,
    /// The charge for the size of the outcome.
    kept: Option<Charge>,
}

impl Message {
    /// Creates a message that is about to be sent.
    pub(crate) fn outbound(session: &Arc<Session>, fields: &Fields) -> Self {
        let text = |key| fields.text(key).unwrap_or_default().to_owned();
        let texts = |key| {
            let texts = fields.get(key).and_then(Value::as_array).into_iter().flatten();
            texts.filter_map(Value::as_str).map(str::to_owned).collect()
        };
        Self::new(
            session,
            Inner {
                id: Box::default(),
                context: text("context"),
                direction: Direction::Outbound,
                from: text("from_number"),
                to: text("to_number"),
                body: text("body"),
                media: texts("media"),
                segments: 0,
                state: MessageState::Queued,
                reason: None,
                tags: texts("tags"),
                handlers: Vec::new(),
                callbacks: Vec::new(),
                calling_back: false,
                mailbox: None,
                kept: None,
            },
        )
    }

    pub(crate) fn received(session: &Arc<Session>, event: MessageReceiveEvent) -> Self {
        Self::new(
            session,
            Inner {
                id: event.message_id.into(),
                context: event.context,
                direction: event.direction,
                from: event.from_number,
                to: event.to_number,
                body: event.body,
                media: event.media,
                segments: event.segments,
                state: event.state,
                reason: None,
                tags: event.tags,
                handlers: Vec::new(),
                callbacks: Vec::new(),
                calling_back: false,
                mailbox: None,
                kept: None,
            },
        )
    }

    fn new(session: &Arc<Session>, inner: Inner) -> Self {
        let core = MessageCore {
            session: Arc::downgrade(session),
            secrets: Arc::clone(&session.secrets),
            outcome: Latch::new(),
            inner: Mutex::new(inner),
        };
        Self { core: Arc::new(core) }
    }

    pub(crate) fn core(&self) -> &Arc<MessageCore> {
        &self.core
    }
}

/// # Properties
///
/// None of these methods blocks or sends anything: they return what responses and events have reported so far.
impl Message {
    /// The message's ID.
    #[must_use]
    #[doc(alias = "message_id")]
    pub fn id(&self) -> String {
        self.core.id().into()
    }

    /// The context on which the message arrived, or to which its states are delivered.
    #[must_use]
    pub fn context(&self) -> String {
        self.core.inner.lock().context.clone()
    }

    /// The message's direction: inbound if it was received, outbound if it was sent.
    #[must_use]
    pub fn direction(&self) -> Direction {
        self.core.inner.lock().direction.clone()
    }

    /// The sender's number.
    #[must_use]
    pub fn from_number(&self) -> String {
        self.core.inner.lock().from.clone()
    }

    /// The recipient's number.
    #[must_use]
    pub fn to_number(&self) -> String {
        self.core.inner.lock().to.clone()
    }

    /// The body of the message.
    #[must_use]
    pub fn body(&self) -> String {
        self.core.inner.lock().body.clone()
    }

    /// The URLs of the message's media.
    #[must_use]
    pub fn media(&self) -> Vec<String> {
        self.core.inner.lock().media.clone()
    }

    /// The number of segments that the message was split into. 0 if unknown.
    #[must_use]
    pub fn segments(&self) -> i64 {
        self.core.inner.lock().segments
    }

    /// The message's labels.
    #[must_use]
    pub fn tags(&self) -> Vec<String> {
        self.core.inner.lock().tags.clone()
    }

    /// The message's state, as the last event reported it.
    #[must_use]
    pub fn state(&self) -> MessageState {
        self.core.inner.lock().state.clone()
    }
}

/// # The final state
impl Message {
    /// Blocks until the final state of the message is known, at most `timeout`: delivered, undelivered or failed. With
    /// `None` it blocks until the state is known, at most
    /// [`Tuning::message_limit`](crate::connection::Tuning::message_limit), 4 h by default.
    ///
    /// The method may be called several times, from any thread. Once the final state is known, it returns at once.
    ///
    /// # Errors
    ///
    /// `Timeout` after `timeout`: the message is still under way and may be waited for again. `Config` for a received
    /// message. `SessionLost` or `Closed` if the message can no longer be followed; `OutcomeUnknown` if no final state
    /// arrived within the limit; `Protocol` if the service reported no ID of the message.
    pub fn wait(&self, timeout: impl Into<Option<Duration>>) -> Result<MessageStateEvent> {
        if let Some(outcome) = self.core.outcome.get() {
            return outcome;
        }
        if self.direction() == Direction::Inbound {
            return Err(error::refused("messaging.state", "a received message has no states to wait for"));
        }
        let Some(session) = self.core.session.upgrade() else {
            return self.core.outcome.get().unwrap_or_else(|| Err(error::closed(&self.core.what())));
        };
        session.check_process("waiting for the state of a message")?;
        let until = session.clock.deadline(timeout.into());
        let wait = session.begin_wait(None, || self.core.what());
        let outcome = self.core.outcome.wait(&session.clock, until);
        let outcome = outcome.unwrap_or_else(|| Err(error::timeout(&self.core.what())));
        end_wait(wait, &outcome);
        outcome
    }

    /// `true` if the message has ended: delivered, undelivered or failed, or no longer followed. A received message has
    /// no final state, so the method returns `false` for it.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.core.outcome.is_set()
    }

    /// Returns the final state without blocking: what [`wait`](Self::wait) returns. `None` while there is none.
    ///
    /// ```no_run
    /// # fn main() -> signalwire_relay::Result<()> {
    /// # let client = signalwire_relay::Client::from_env()?;
    /// # let message = client.send_message(signalwire_relay::sms("+15552222222").from("+15551111111").body("Hello"))?;
    /// match message.result() {
    ///     Some(Ok(last)) => println!("{}", last.state),
    ///     Some(Err(error)) => eprintln!("{error}"),
    ///     None => println!("on its way: {}", message.state()),
    /// }
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn result(&self) -> Option<Result<MessageStateEvent>> {
        self.core.outcome.get()
    }

    /// Returns why the message was not delivered: its state, the reason in words, and the event that reported it.
    /// `None` while there is no final state, and if the message was delivered.
    ///
    /// ```no_run
    /// # use signalwire_relay::{Client, MessageState, sms};
    /// # fn send(client: &Client) -> signalwire_relay::Result<()> {
    /// let message = client.send_message(sms("+15552222222").from("+15551111111").body("Out for delivery."))?;
    /// message.wait(None)?;
    /// if let Some(failure) = message.failure() {
    ///     println!("{failure}");
    /// }
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn failure(&self) -> Option<MessageFailure> {
        self.result()?.ok()?.failure()
    }

    /// The reason, in words, why the message was not delivered. `None` if none was reported; see
    /// [`failure`](Self::failure).
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        self.core.inner.lock().reason.clone()
    }

    /// Registers a listener for the states of the message, from now until the final one.
    ///
    /// The listener runs on a worker thread, in order and one state at a time. It may block and use any method. An
    /// error that it returns is logged and counted. If the message has ended already, the listener is dropped at once.
    ///
    /// ```no_run
    /// # fn main() -> signalwire_relay::Result<()> {
    /// # let client = signalwire_relay::Client::from_env()?;
    /// # let message = client.send_message(signalwire_relay::sms("+15552222222").from("+15551111111").body("Hello"))?;
    /// message.on(|event| println!("{}: {}", event.message_id, event.state));
    /// # Ok(()) }
    /// ```
    pub fn on<R: CallbackResult>(&self, handler: impl Fn(&MessageStateEvent) -> R + Send + Sync + 'static) {
        self.core.inner.lock().handlers.push(Arc::new(move |state| handler(state).into_result()));
        if self.core.outcome.is_set() {
            // The handler was added too late, and is dropped here, on the thread that added it.
            let handlers = std::mem::take(&mut self.core.inner.lock().handlers);
            drop(handlers);
        }
    }

    /// Registers a callback that receives the final state, exactly once, also if it is already known. The callback runs
    /// on a worker thread, never in the calling thread.
    ///
    /// ```no_run
    /// # fn main() -> signalwire_relay::Result<()> {
    /// # let client = signalwire_relay::Client::from_env()?;
    /// # let message = client.send_message(signalwire_relay::sms("+15552222222").from("+15551111111").body("Hello"))?;
    /// message.on_completed(|outcome| match outcome {
    ///     Ok(last) => println!("{}", last.state),
    ///     Err(error) => eprintln!("{error}"),
    /// });
    /// # Ok(()) }
    /// ```
    pub fn on_completed<R: CallbackResult>(
        &self,
        callback: impl FnOnce(&Result<MessageStateEvent>) -> R + Send + 'static,
    ) {
        let Some(session) = self.core.session.upgrade() else {
            if let Some(outcome) = self.result() {
                // The client has been dropped, so an error has no effect.
                Workers::run_alone(move || drop(callback(&outcome).into_result()));
            }
            return;
        };
        self.core.inner.lock().callbacks.push(Box::new(move |outcome| callback(outcome).into_result()));
        if let Some(outcome) = self.core.outcome.get() {
            self.core.call_back(&session, &outcome);
        }
    }
}

impl Inner {
    fn mailbox(&mut self) -> Arc<Mailbox> {
        Arc::clone(self.mailbox.get_or_insert_with(Mailbox::new))
    }
}

impl MessageCore {
    pub(crate) fn id(&self) -> Box<str> {
        self.inner.lock().id.clone()
    }

    pub(crate) fn session(&self) -> Option<Arc<Session>> {
        self.session.upgrade()
    }

    /// Size of the message in bytes.
    pub(crate) fn bytes(&self) -> usize {
        let inner = self.inner.lock();
        let texts = [&inner.context, &inner.from, &inner.to, &inner.body];
        let texts: usize = texts.into_iter().map(String::len).sum();
        let lists = limits::bytes_of_texts(&inner.media) + limits::bytes_of_texts(&inner.tags);
        inner.id.len() + texts + lists + 512
    }

    fn what(&self) -> String {
        format!("message {}", self.shown_id())
    }

    /// The ID, masked for output because it is a text of the service.
    pub(crate) fn shown_id(&self) -> String {
        self.secrets.clean(&self.id())
    }

    pub(crate) fn set_id(&self, id: &str) {
        self.inner.lock().id = id.into();
    }

    /// Applies a state of this message. Called on the reader. Returns `true` if the state was the last one.
    pub(crate) fn deliver(&self, session: &Arc<Session>, event: MessageStateEvent) -> bool {
        if self.outcome.is_set() {
            return true;
        }
        let last = event.state.is_terminal();
        let (handlers, mailbox) = {
            let mut inner = self.inner.lock();
            // An event without a state changes none, and a late one does not revert a later state.
            if event.state != "" && event.state.rank() >= inner.state.rank() {
                inner.state = event.state.clone();
                // The reason belongs to the state: a message that was delivered after all has none.
                inner.reason = event.reason.as_deref().map(|reason| limits::cut(reason).to_owned());
            }
            if event.segments > 0 {
                inner.segments = event.segments;
            }
            let handlers = if last { std::mem::take(&mut inner.handlers) } else { inner.handlers.clone() };
            let mailbox = (!handlers.is_empty()).then(|| inner.mailbox());
            (handlers, mailbox)
        };
        if last {
            let kept = session.keep(event.bytes(), || self.what());
            let outcome = kept.map(|charge| {
                self.inner.lock().kept = charge;
                event.clone()
            });
            self.settle(session, outcome);
        }
        if let Some((mailbox, room)) = mailbox.and_then(|mailbox| Some((mailbox, session.charge(event.bytes(), last)?)))
        {
            let (its_session, what) = (Arc::clone(session), self.what());
            mailbox.push(
                &session.workers,
                Box::new(move || {
                    let _room = room;
                    run_each(handlers, |handler| run_callback(&its_session, &what, || handler(&event)));
                }),
            );
        }
        last
    }

    pub(crate) fn settle(&self, session: &Arc<Session>, outcome: Result<MessageStateEvent>) {
        if !self.outcome.set(&session.clock, outcome.clone()) {
            return;
        }
        self.call_back(session, &outcome);
        // A handler may have been added in between. Closures of the program are dropped on the threads that run its
        // code.
        let late = std::mem::take(&mut self.inner.lock().handlers);
        if !late.is_empty() {
            session.workers.run(move || drop(late));
        }
    }

    /// Posts the callbacks in the order in which they were added. Called when the outcome is set, and for each callback
    /// that is added later. Each callback is taken out once, and only one thread posts at a time, so that callbacks
    /// stay in order.
    fn call_back(&self, session: &Arc<Session>, outcome: &Result<MessageStateEvent>) {
        if std::mem::replace(&mut self.inner.lock().calling_back, true) {
            return;
        }
        loop {
            let (callbacks, mailbox) = {
                let mut inner = self.inner.lock();
                inner.calling_back = !inner.callbacks.is_empty();
                let callbacks = std::mem::take(&mut inner.callbacks);
                let mailbox = (!callbacks.is_empty()).then(|| inner.mailbox());
                (callbacks, mailbox)
            };
            let Some(mailbox) = mailbox else { return };
            for callback in callbacks {
                let (its_session, what, outcome) = (Arc::clone(session), self.what(), outcome.clone());
                let tell = move || run_callback(&its_session, &what, || callback(&outcome));
                mailbox.post(&session.workers, Box::new(tell));
            }
        }
    }

    /// Ends a message that has had no final state for too long. It is no longer tracked.
    pub(crate) fn give_up(&self, session: &Arc<Session>) {
        self.settle(session, Err(error::verdict_missing(&self.what())));
    }

    /// Ends a message whose session or client has ended.
    pub(crate) fn end(&self, session: &Arc<Session>, over: &CallFate) {
        let what = self.what();
        let error: Error =
            if matches!(over, CallFate::Closed) { error::closed(&what) } else { error::session_lost(&what) };
        self.settle(session, Err(error));
    }
}

/// Runs a callback of the program for a message.
fn run_callback(session: &Session, what: &str, code: impl FnOnce() -> HandlerResult) {
    session.run_user(&[], || format!("a callback of {what}"), code, || ());
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("id", &self.core.shown_id())
            .field("direction", &self.direction())
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}
