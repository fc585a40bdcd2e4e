//! The listeners and the streams of a call.

use std::sync::Arc;

use super::CallCore;
use super::state::{Handler, Listened, ListenerEntry};
use crate::mailbox::{Letter, Mailbox, PARTS, Reads};
use crate::protocol::event::{Event, Unread};
use crate::protocol::states::EventName;
use crate::session::Session;
use crate::stream::{EventStream, StreamSender};
use crate::workers::run_each;

impl CallCore {
    pub(crate) fn mailbox(&self) -> Arc<Mailbox> {
        self.inner.lock().live().audience.mailbox()
    }

    /// Registers a listener. On a call that has ended it is never called.
    pub(crate) fn listen(&self, name: Option<EventName>, handler: Handler) -> Arc<ListenerEntry> {
        let mut inner = self.inner.lock();
        if inner.progress.is_over() {
            drop(inner);
            return Arc::new(ListenerEntry::new(name, handler, 0));
        }
        inner.live().audience.listen(name, handler)
    }

    /// Returns a stream of the call's events. On a call that has ended it is empty.
    pub(crate) fn stream(&self) -> EventStream<Event> {
        let Some(session) = self.session.upgrade() else { return EventStream::ended() };
        let mut inner = self.inner.lock();
        if inner.progress.is_over() {
            return EventStream::ended();
        }
        let (feed, stream) = StreamSender::new(&session);
        inner.live().audience.add_streams([feed]);
        stream
    }

    /// Posts an event to the listeners. They are looked up on the worker, so that the reader never holds the last
    /// reference to a closure of the program.
    pub(super) fn notify(
        self: &Arc<Self>,
        session: &Arc<Session>,
        mailbox: &Arc<Mailbox>,
        number: u64,
        event: Event,
        always: bool,
    ) {
        let Some(room) = session.charge(event.bytes(), always) else { return };
        let (call, its_session) = (Arc::clone(self), Arc::clone(session));
        mailbox.push(
            &session.workers,
            Box::new(move || {
                let _room = room;
                call.run_listeners(&its_session, &call.listeners(), number, &event);
            }),
        );
    }

    /// Posts the texts of an event to the listeners. The event is read on the worker.
    pub(super) fn notify_unread(
        self: &Arc<Self>,
        session: &Arc<Session>,
        mailbox: &Arc<Mailbox>,
        number: u64,
        event: &Unread<'_>,
        always: bool,
    ) {
        let bytes = event.bytes();
        if !session.take_room(bytes, always) {
            return;
        }
        let reader = || Listening { call: Arc::clone(self), session: Arc::clone(session), listeners: None };
        let Unread { event_type, timestamp, payload, call_id, control_id, channel } = *event;
        let letter = Letter { number, timestamp, bytes };
        mailbox.push_letter(&session.workers, reader, letter, [event_type, payload, call_id, control_id, channel]);
    }

    fn run_listeners(
        self: &Arc<Self>,
        session: &Session,
        listeners: &[Arc<ListenerEntry>],
        number: u64,
        event: &Event,
    ) {
        let name = event.raw().name().as_str();
        let concerned = listeners.iter().filter(|listener| listener.is_for(number) && listener.wants(name));
        run_each(concerned, |listener| self.run_callback(session, name, || listener.run(event)));
    }

    fn listeners(&self) -> Vec<Arc<ListenerEntry>> {
        self.inner.lock().live.as_ref().map(|live| live.audience.listeners()).unwrap_or_default()
    }

    /// Takes the listeners out.
    pub(super) fn take_listeners(&self) -> Vec<Arc<ListenerEntry>> {
        self.inner.lock().live.as_mut().map(|live| live.audience.take_listeners()).unwrap_or_default()
    }

    /// Sends an event to the streams. They are taken out meanwhile, because nothing is sent to a channel under the lock.
    pub(super) fn feed_streams(&self, session: &Arc<Session>, event: &Event, always: bool) {
        let bytes = event.bytes();
        let streams = self.inner.lock().live.as_mut().map(|live| live.audience.take_streams()).unwrap_or_default();
        let kept: Vec<_> =
            streams.into_iter().filter(|feed| feed.push(session, event.clone(), bytes, always)).collect();
        let mut inner = self.inner.lock();
        if !inner.progress.is_over() {
            inner.live().audience.add_streams(kept);
        }
    }
}

impl Listened for CallCore {
    fn unlisten(&self, entry: &Arc<ListenerEntry>) {
        entry.retire();
        let removed = self.inner.lock().live.as_mut().and_then(|live| live.audience.unlisten(entry));
        drop(removed);
    }
}

/// Reads the letters of a call's mailbox to the call's listeners.
struct Listening {
    call: Arc<CallCore>,
    session: Arc<Session>,
    /// Looked up once for many events. A listener that is registered later does not receive any of them.
    listeners: Option<Vec<Arc<ListenerEntry>>>,
}

impl Reads for Listening {
    fn read(&mut self, letter: &Letter, texts: [&str; PARTS]) {
        /// Gives the room of a letter back, also when a listener panics.
        struct Room<'a>(&'a Listening, &'a Letter);
        impl Drop for Room<'_> {
            fn drop(&mut self) {
                self.0.discard(self.1);
            }
        }
        let mut listeners = self.listeners.take().unwrap_or_else(|| self.call.listeners());
        let room = Room(self, letter);
        let [event_type, payload, call_id, control_id, channel] = texts;
        let event = Unread { event_type, timestamp: letter.timestamp, payload, call_id, control_id, channel }.read();
        self.call.run_listeners(&self.session, &listeners, letter.number, &event);
        drop(room);
        // A removed listener is dropped here, on a thread that may run the program's code.
        listeners.retain(|listener| !listener.is_retired());
        self.listeners = Some(listeners);
    }

    fn pause(&mut self) {
        self.listeners = None;
    }

    fn discard(&self, letter: &Letter) {
        self.session.give_back(letter.bytes);
    }
}
