//! Running code of the program: handlers, listeners and callbacks follow the same rules.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::Session;
use super::lines::Pairs;
use crate::error::{BoxError, Error, HandlerResult};

fn is_normal_way_out(error: &BoxError) -> bool {
    error.downcast_ref::<Error>().is_some_and(Error::is_normal_way_out)
}

impl Session {
    /// Runs code of the program on a worker. An error is logged and counted, unless it only reports that the call or
    /// the client has ended; then `failed` runs. `pairs` and `what` describe the code in the log. A panic is passed on
    /// for the worker to count.
    pub(crate) fn run_user(
        &self,
        pairs: &Pairs<'_>,
        what: impl Fn() -> String,
        code: impl FnOnce() -> HandlerResult,
        failed: impl FnOnce(),
    ) {
        let began = self.tracer.is_some().then(|| self.clock.now());
        let trace = |state: &str, error: Option<String>| {
            if let Some(began) = began {
                let call_id = pairs.iter().find(|(name, _)| *name == "call_id").map(|(_, id)| *id);
                self.trace_handler(call_id, state, &what(), Some(began).filter(|_| state != "started"), error);
            }
        };
        trace("started", None);
        match catch_unwind(AssertUnwindSafe(code)) {
            Ok(Ok(())) => trace("ended", None),
            Ok(Err(error)) if is_normal_way_out(&error) => {
                trace("ended", Some(error.to_string()));
                self.line(log::Level::Debug, pairs, || format!("{} is done: {error}", what()));
            }
            Ok(Err(error)) => {
                self.counters.handler_failures.add(1);
                log::error!("{} failed: {}", what(), self.for_log(&error.to_string()));
                trace("failed", Some(error.to_string()));
                failed();
            }
            Err(panic) => {
                log::error!("{} panicked", what());
                trace("panicked", None);
                failed();
                resume_unwind(panic);
            }
        }
    }
}
