//! The operations of a call, its bridge and its queues.

use std::sync::Arc;

use super::super::legs::News;
use super::super::over::Refusal;
use super::super::running::{Claim, Fed, Running};
use super::CallCore;
use super::state::{Concerned, brings_together};
use crate::error::Error;
use crate::protocol::event::{Event, Peer};
use crate::session::Session;

/// The method of [`Call::connect`](crate::Call::connect).
const CONNECT: &str = "calling.connect";

/// An operation of a call.
type Operation = Arc<dyn Running<CallCore>>;

impl CallCore {
    /// Enters an operation before its request is written. Refused if the call has ended, or the control ID is in use.
    pub(crate) fn enter(&self, operation: Operation) -> Result<(), Refusal> {
        let mut inner = self.inner.lock();
        if let Some(over) = inner.progress.over() {
            return Err(Refusal::Over(over.clone()));
        }
        if inner.live().operations.enter(operation) { Ok(()) } else { Err(Refusal::InUse) }
    }

    /// Draws conclusions from the failed start of an operation: an earlier one may have succeeded, and the call may be
    /// bridged.
    pub(crate) fn not_started(&self, session: &Arc<Session>, method: &str, error: &Error) {
        if brings_together(method) && error.may_have_been_sent() {
            self.inner.lock().live().bridge.may_exist();
        }
        if method == CONNECT && error.code() == Some(409) {
            // A connect is in progress, so the earlier one has succeeded.
            for running in self.running(method) {
                running.presume(session, &self.id);
            }
            let mut inner = self.inner.lock();
            if !inner.progress.is_over() {
                inner.live().bridge.presume();
            }
        }
    }

    /// All operations.
    pub(super) fn all_running(&self) -> Vec<Operation> {
        let inner = self.inner.lock();
        inner.live.iter().flat_map(|live| live.operations.iter()).cloned().collect()
    }

    /// The operations of a method.
    fn running(&self, method: &str) -> Vec<Operation> {
        let inner = self.inner.lock();
        let operations = inner.live.iter().flat_map(|live| live.operations.iter());
        operations.filter(|running| running.method() == method).cloned().collect()
    }

    /// Adds a call that the service has made for this one as a leg of the newest connect.
    pub(crate) fn take_leg(&self, news: News<'_>, limit: usize) {
        if let Some(connect) = self.running(CONNECT).pop() {
            connect.leg(news, limit);
        }
    }

    /// Notes that the program is about to stop an operation, or that the service refused that.
    pub(crate) fn leaving(&self, control_id: &str, is: bool) {
        let running = {
            let inner = self.inner.lock();
            let mut operations = inner.live.iter().flat_map(|live| live.operations.iter());
            operations.find(|running| running.control_id() == control_id).cloned()
        };
        if let Some(running) = running {
            running.leaving(is);
        }
    }

    /// Notes that the program is about to stop all operations of a method, or that the service refused that.
    pub(crate) fn all_leaving(&self, method: &str, is: bool) {
        for running in self.running(method) {
            running.leaving(is);
        }
    }

    /// Takes an operation out. It receives no more events.
    pub(crate) fn leave(&self, control_id: &str) {
        let taken = self.inner.lock().live.as_mut().and_then(|live| live.operations.remove(control_id));
        drop(taken);
    }

    /// Shows the operations an event of a conference that names no call.
    pub(crate) fn of_conference(self: &Arc<Self>, session: &Arc<Session>, event: &Event) {
        let concerned = {
            let inner = self.inner.lock();
            let name = event.raw().name().as_str();
            inner.live.as_ref().map(|live| live.operations.concerned(name, None)).unwrap_or_default()
        };
        self.feed_operations(session, concerned, event);
    }

    /// Shows an event to the operations that it may be about. Of operations that are found by their kind, the newest one
    /// that the event concerns takes it.
    pub(super) fn feed_operations(
        self: &Arc<Self>,
        session: &Arc<Session>,
        operations: Concerned<Self>,
        event: &Event,
    ) {
        let mut taken: Vec<&'static str> = Vec::new();
        for (operation, claim) in operations.into_iter() {
            if claim == Claim::ByKind && !operation.shares() && taken.contains(&operation.method()) {
                continue;
            }
            let fed = Arc::clone(&operation).feed(session, self, event);
            if claim == Claim::ByKind && fed != Fed::NotMine {
                taken.push(operation.method());
            }
            if fed == Fed::Over {
                self.leave(operation.control_id());
            }
        }
    }

    /// The other call of the bridge, as far as it is known. `None` if there is no bridge.
    pub(crate) fn bridge(&self) -> Option<Option<Peer>> {
        self.inner.lock().live.as_ref()?.bridge.peer()
    }

    /// `true` if the caller may be talking to others, or wait for them, although no event reported it: the call was
    /// bridged, or was about to be, and events may have been missed.
    pub(crate) fn may_be_bridged_unnoticed(&self) -> bool {
        self.inner.lock().may_be_bridged_unnoticed()
    }

    /// Remembers the control ID of the entry in a queue, which the request that leaves the queue has to carry.
    pub(crate) fn enter_queue(&self, queue: &str, control_id: &str) {
        let mut inner = self.inner.lock();
        if !inner.progress.is_over() {
            inner.live().queues.enter(queue, control_id);
        }
    }

    /// The control ID of the entry in a queue. `None` if there is none.
    pub(crate) fn queue_entry(&self, queue: &str) -> Option<Box<str>> {
        self.inner.lock().live.as_ref()?.queues.control_id(queue)
    }

    /// The queue of the entry with this control ID.
    pub(crate) fn queue_of(&self, control_id: &str) -> Option<Box<str>> {
        self.inner.lock().live.as_ref()?.queues.queue(control_id)
    }

    /// Forgets the entry with this control ID, which has ended.
    pub(crate) fn leave_queue(&self, control_id: &str) {
        if let Some(live) = self.inner.lock().live.as_mut() {
            live.queues.leave(control_id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_method_that_connects_is_that_of_its_parameters() {
        assert_eq!(CONNECT, crate::call::Connect::METHOD);
    }
}
