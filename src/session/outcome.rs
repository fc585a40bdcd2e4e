//! How code of the program ends: handlers, listeners and callbacks are judged alike.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::Session;
use super::lines::Pairs;
use crate::error::{BoxError, Error, HandlerResult};

fn is_normal_way_out(error: &BoxError) -> bool {
    error.downcast_ref::<Error>().is_some_and(Error::is_normal_way_out)
}

impl Session {
    /// Runs code of the program on a worker. An error is logged and counted, unless it only tells that the call or the
    /// client has ended; `failed` follows it. `pairs` and `what` say in the log what it was about. A panic goes on afterwards, for the worker to count.
    pub(crate) fn run_user(
        &self,
        pairs: &Pairs<'_>,
        what: impl Fn() -> String,
        code: impl FnOnce() -> HandlerResult,
        failed: impl FnOnce(),
    ) {
        match catch_unwind(AssertUnwindSafe(code)) {
            Ok(Ok(())) => {}
            Ok(Err(error)) if is_normal_way_out(&error) => {
                self.line(log::Level::Debug, pairs, || format!("{} is done: {error}", what()));
            }
            Ok(Err(error)) => {
                self.counters.handler_failures.add(1);
                log::error!("{} failed: {}", what(), self.for_log(&error.to_string()));
                failed();
            }
            Err(panic) => {
                log::error!("{} panicked", what());
                failed();
                resume_unwind(panic);
            }
        }
    }
}
