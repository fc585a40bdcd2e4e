//! Starting an operation on a call.

use std::sync::Arc;

use super::Call;
use super::action::Action;
use super::core::CallCore;
use super::op_core::OpCore;
use super::operation::Operation;
use super::over::{CallFate, Refusal};
use super::running::Running;
use crate::error::{self, Error, ErrorKind, Result};
use crate::protocol::limits::LONGEST_NAME;
use crate::session::{Answer, Session};

impl Call {
    /// Starts an operation: registers it, sends its request, and blocks until the response arrives.
    pub(crate) fn start<O: Operation>(&self, operation: O) -> Result<Action<O>> {
        self.start_holding(operation, None)
    }

    /// Starts an operation with a guard that is dropped after the operation's last event.
    pub(crate) fn start_holding<O: Operation>(&self, operation: O, held: Option<Box<dyn Send>>) -> Result<Action<O>> {
        operation.check()?;
        operation.fields().check(O::METHOD)?;
        let call = &self.core;
        let Some(session) = call.session() else {
            return Err(call.over().unwrap_or(CallFate::Closed).error(O::METHOD, &call.shown_id()));
        };
        let given = operation.control_id().map(Box::from).filter(|_| !O::BY_KIND);
        let control_id: Box<str> = given.unwrap_or_else(|| session.new_id().into());
        if control_id.len() > LONGEST_NAME {
            let why = format!("its control ID has {} bytes, and at most {LONGEST_NAME} are allowed", control_id.len());
            return Err(error::refused(O::METHOD, &why));
        }
        let core = Arc::new(OpCore::<O>::new(control_id, operation.memo(), held));
        let action = Action { call: self.clone(), core: Arc::clone(&core) };
        match call.enter(Arc::clone(&core) as Arc<dyn Running<CallCore>>) {
            Ok(()) => {}
            Err(Refusal::InUse) => {
                let why = format!("control ID {:?} is in use on this call: choose another", core.control_id());
                return Err(error::refused(O::METHOD, &why));
            }
            Err(Refusal::Over(over @ (CallFate::SessionLost | CallFate::Closed))) => {
                return Err(over.error(O::METHOD, &call.shown_id()));
            }
            Err(Refusal::Over(over)) => {
                core.end(&session, &over, self.id());
                return Ok(action);
            }
        }
        let of_reply = (Arc::clone(call), Arc::clone(&core));
        let effect = Box::new(move |answer: &Answer| {
            let (call, core) = of_reply;
            // A rejected operation gets no more events. One with an unknown outcome gets none either: its caller
            // receives the error, and has no handle to wait on.
            match answer {
                Answer::Reply(reply) => {
                    core.begun(reply);
                }
                _ => call.leave(core.control_id()),
            }
        });
        let control_id = (!O::BY_KIND).then_some(core.control_id());
        match call.request_with(O::METHOD, operation.fields(), control_id, Some(effect)) {
            Ok(reply) => {
                let done = core.memo(|memo| O::done_by_reply(self.id(), memo));
                // Without room for its response the operation continues, and the stored response is empty.
                if let Ok(charge) = session.keep(reply.json().len(), || format!("{} (its response)", O::METHOD)) {
                    core.keep_reply(reply, charge);
                }
                if let Some(outcome) = done {
                    call.leave(core.control_id());
                    core.end_with(&session, Ok(outcome));
                }
                Ok(action)
            }
            Err(error) => self.not_started(&session, action, error),
        }
    }

    fn not_started<O: Operation>(&self, session: &Arc<Session>, action: Action<O>, error: Error) -> Result<Action<O>> {
        let core = &action.core;
        self.core.leave(core.control_id());
        if error.kind() == ErrorKind::CallGone && (O::NEEDS_CALL_ONLY || error.code() == Some(410)) {
            self.core.gone();
        }
        // The operation may have run and ended although the response was lost, and the end of the call has ended it
        // too.
        if core.has_outcome() && (error.is_call_gone() || error.may_have_been_sent()) {
            return Ok(action);
        }
        self.core.not_started(session, O::METHOD, &error);
        // On a call that has ended the operation ends too, though it may still wait for its last event.
        if let Some(over @ (CallFate::Ended(_) | CallFate::Gone)) =
            self.core.over().filter(|_| error.may_have_been_sent())
        {
            core.end(session, &over, self.id());
            return Ok(action);
        }
        core.end_with(session, Err(error.clone()));
        if error.is_call_gone() { Ok(action) } else { Err(error) }
    }
}
