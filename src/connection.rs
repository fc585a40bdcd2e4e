//! The client's connection: settings, state, statistics, and the iterators over inbound calls and messages.
//!
//! [`Builder`] has the settings that programs use often, [`Tuning`] the rest. [`LinkState`] is the state of the connection,
//! [`LinkStates`] the iterator over its changes, [`Stats`] the client's counters. [`Trace`] is a file with all of its frames. [`Reply`] is the service's response to
//! [`Client::execute`].

pub use crate::client::{Calls, CancelToken, DEFAULT_HOST, Messages, Tuning};
pub use crate::protocol::frame::Reply;
pub use crate::session::{HandlerFailure, LinkStates, Stats};
pub use crate::trace::Trace;
pub use crate::transport::TlsBackend;
#[doc(no_inline)]
pub use crate::{Builder, Client, LinkState, WeakClient};
