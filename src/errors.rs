//! The error type, its kinds, and the results of handlers.
//!
//! [`Error`] is the only error type of the crate. Its [`kind`](Error::kind) says what a program can do next;
//! [`ErrorKind`] has an explanation for each.

pub use crate::error::{BoxError, CallbackResult, Phase};
#[doc(no_inline)]
pub use crate::{Error, ErrorKind, HandlerResult, Result};
