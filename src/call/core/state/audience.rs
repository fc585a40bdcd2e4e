//! The listeners and the streams of a call.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::HandlerResult;
use crate::mailbox::Mailbox;
use crate::protocol::event::Event;
use crate::protocol::states::EventName;
use crate::stream::StreamSender;

/// The closure of a listener.
pub(crate) type Handler = Box<dyn Fn(&Event) -> HandlerResult + Send + Sync>;

/// Something that has listeners: a call, or a client.
pub(crate) trait Listened: Send + Sync {
    fn unlisten(&self, entry: &Arc<ListenerEntry>);
}

/// One listener.
pub(crate) struct ListenerEntry {
    /// The type of the events that the listener receives. `None` stands for all types.
    name: Option<EventName>,
    handler: Handler,
    /// Number of events that had been posted when the listener was registered. The listener does not receive them.
    since: u64,
    removed: AtomicBool,
}

impl ListenerEntry {
    pub(crate) fn new(name: Option<EventName>, handler: Handler, since: u64) -> Self {
        Self { name, handler, since, removed: AtomicBool::new(false) }
    }

    /// `true` if the listener was registered before the event of this number.
    pub(crate) fn is_for(&self, number: u64) -> bool {
        self.since < number
    }

    /// Calls the handler, unless the listener was removed meanwhile.
    pub(crate) fn run(&self, event: &Event) -> HandlerResult {
        if self.is_retired() { Ok(()) } else { (self.handler)(event) }
    }

    /// Makes sure that the handler is not called any more.
    pub(crate) fn retire(&self) {
        self.removed.store(true, Ordering::Release);
    }

    pub(crate) fn is_retired(&self) -> bool {
        self.removed.load(Ordering::Acquire)
    }

    pub(crate) fn wants(&self, event_type: &str) -> bool {
        self.name.as_ref().is_none_or(|name| name.as_str() == event_type)
    }
}

/// The listeners and the streams of a call, and the mailbox that keeps what runs on workers in order.
#[derive(Default)]
pub(crate) struct Audience {
    listeners: Vec<Arc<ListenerEntry>>,
    /// Number of events that were posted to listeners.
    posted: u64,
    streams: Vec<StreamSender<Event>>,
    mailbox: Option<Arc<Mailbox>>,
}

impl Audience {
    pub(crate) fn mailbox(&mut self) -> Arc<Mailbox> {
        Arc::clone(self.mailbox.get_or_insert_with(Mailbox::new))
    }

    pub(crate) fn listen(&mut self, name: Option<EventName>, handler: Handler) -> Arc<ListenerEntry> {
        let entry = Arc::new(ListenerEntry::new(name, handler, self.posted));
        self.listeners.push(Arc::clone(&entry));
        entry
    }

    /// Takes a listener out. The caller drops it after the lock, because its drop may run code of the program.
    pub(crate) fn unlisten(&mut self, entry: &Arc<ListenerEntry>) -> Option<Arc<ListenerEntry>> {
        let at = self.listeners.iter().position(|listener| Arc::ptr_eq(listener, entry))?;
        Some(self.listeners.remove(at))
    }

    pub(crate) fn listeners(&self) -> Vec<Arc<ListenerEntry>> {
        self.listeners.clone()
    }

    pub(crate) fn take_listeners(&mut self) -> Vec<Arc<ListenerEntry>> {
        std::mem::take(&mut self.listeners)
    }

    /// Counts an event of this type. Returns its number, and the mailbox that takes it to the listeners. `None` if no
    /// listener wants it.
    pub(crate) fn count(&mut self, event_type: &str) -> Option<(Arc<Mailbox>, u64)> {
        if !self.listeners.iter().any(|listener| listener.wants(event_type)) {
            return None;
        }
        self.posted += 1;
        Some((self.mailbox(), self.posted))
    }

    pub(crate) fn has_streams(&self) -> bool {
        !self.streams.is_empty()
    }

    pub(crate) fn add_streams(&mut self, streams: impl IntoIterator<Item = StreamSender<Event>>) {
        self.streams.extend(streams);
    }

    /// Takes the streams out, so that an event is sent to them after the lock.
    pub(crate) fn take_streams(&mut self) -> Vec<StreamSender<Event>> {
        std::mem::take(&mut self.streams)
    }

    /// Takes the streams out, because the call has ended. Returns the mailbox too if there are listeners to be dropped.
    pub(crate) fn end(&mut self) -> (Vec<StreamSender<Event>>, Option<Arc<Mailbox>>) {
        let mailbox = (!self.listeners.is_empty()).then(|| self.mailbox());
        (self.take_streams(), mailbox)
    }
}
