//! Events that belong to no call or to an ended one, and their listeners.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::call::core::{Handler, Listened, ListenerEntry};
use crate::mailbox::Mailbox;
use crate::protocol::event::Event;
use crate::protocol::frame::Envelope;
use crate::session::Session;
use crate::workers::run_each;

/// The listeners of a client for events whose call or message is unknown.
pub(super) struct UnmatchedEvents {
    inner: Mutex<Inner>,
    mailbox: Arc<Mailbox>,
}

/// The listeners, behind their lock.
#[derive(Default)]
struct Inner {
    listeners: Vec<Arc<ListenerEntry>>,
    /// Number of events that were posted to the listeners.
    posted: u64,
    closed: bool,
}

impl UnmatchedEvents {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { inner: Mutex::default(), mailbox: Mailbox::new() })
    }

    pub(super) fn listen(&self, handler: Handler) -> Arc<ListenerEntry> {
        let mut inner = self.inner.lock();
        let entry = Arc::new(ListenerEntry::new(None, handler, inner.posted));
        if !inner.closed {
            inner.listeners.push(Arc::clone(&entry));
        }
        // If the client is closed, the caller drops the handler after the lock is released.
        entry
    }

    /// Queues an event for the listeners. Called on the reader. Returns `false` if there is none. The list of listeners
    /// is read when the job runs.
    pub(super) fn tell(self: &Arc<Self>, session: &Arc<Session>, envelope: &Envelope<'_>) -> bool {
        let number = {
            let mut inner = self.inner.lock();
            if inner.listeners.is_empty() {
                return false;
            }
            inner.posted += 1;
            inner.posted
        };
        let (unmatched, its_session, event) = (Arc::clone(self), Arc::clone(session), Event::parse(envelope));
        let Some(room) = session.charge(event.bytes(), false) else { return true };
        self.mailbox.push(
            &session.workers,
            Box::new(move || {
                let _room = room;
                run_each(unmatched.listeners_since(number), |listener| {
                    let what = || "a callback of Client::on_event".into();
                    its_session.run_user(&[], what, || listener.run(&event), || ());
                });
            }),
        );
        true
    }

    fn listeners_since(&self, number: u64) -> Vec<Arc<ListenerEntry>> {
        self.inner.lock().listeners.iter().filter(|listener| listener.is_for(number)).cloned().collect()
    }

    /// Closes the registry. The handlers are closures of the program: they are dropped on a thread that runs its code,
    /// after the events that still wait for them.
    pub(super) fn close(self: &Arc<Self>, session: &Session) {
        let any = {
            let mut inner = self.inner.lock();
            inner.closed = true;
            !inner.listeners.is_empty()
        };
        if any {
            let unmatched = Arc::clone(self);
            self.mailbox.post(
                &session.workers,
                Box::new(move || {
                    let listeners = std::mem::take(&mut unmatched.inner.lock().listeners);
                    drop(listeners);
                }),
            );
        }
    }
}

impl Listened for UnmatchedEvents {
    fn unlisten(&self, entry: &Arc<ListenerEntry>) {
        entry.retire();
        let removed = {
            let mut inner = self.inner.lock();
            let at = inner.listeners.iter().position(|listener| Arc::ptr_eq(listener, entry));
            at.map(|at| inner.listeners.remove(at))
        };
        drop(removed);
    }
}
