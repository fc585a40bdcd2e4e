//! Cancelling a first connect that blocks.

use std::fmt;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::error::{self, Result};
use crate::session::Session;

/// A token that ends [`Builder::connect`](crate::Builder::connect) from another thread. Passed to
/// [`Builder::cancel`](crate::Builder::cancel).
///
/// Clones are the same token, and cheap. A cancelled token stays cancelled. The token has no effect on a client that is
/// connected: [`Client::disconnect`](crate::Client::disconnect) closes that one.
///
/// ```no_run
/// use signalwire_relay::Client;
/// use signalwire_relay::connection::CancelToken;
///
/// # fn main() -> signalwire_relay::Result<()> {
/// let token = CancelToken::new();
/// let by_signal = token.clone();
/// std::thread::spawn(move || {
///     // When the program is told to stop:
///     by_signal.cancel();
/// });
/// let client = Client::builder().retry_first_connect(true).cancel(&token).connect()?;
/// # Ok(()) }
/// ```
#[derive(Clone, Default)]
pub struct CancelToken(Arc<Mutex<State>>);

/// The state of a token, behind its lock.
#[derive(Default)]
struct State {
    cancelled: bool,
    /// Sessions that are being connected.
    connecting: Vec<Weak<Session>>,
}

impl CancelToken {
    /// Makes a token that is not cancelled.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends every `connect` that has this token: those that block return `Closed` at once, and later ones do not begin.
    /// Never blocks.
    pub fn cancel(&self) {
        let connecting = {
            let mut state = self.0.lock();
            state.cancelled = true;
            std::mem::take(&mut state.connecting)
        };
        for session in connecting.iter().filter_map(Weak::upgrade) {
            session.close();
        }
    }

    /// `true` if the token was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.lock().cancelled
    }

    /// Starts a session, and closes it if the token is cancelled meanwhile.
    pub(super) fn start(&self, session: &Arc<Session>) -> Result<()> {
        {
            let mut state = self.0.lock();
            if state.cancelled {
                return Err(error::closed("connect"));
            }
            state.connecting.push(Arc::downgrade(session));
        }
        let outcome = session.start();
        let cancelled = {
            let mut state = self.0.lock();
            let this = Arc::downgrade(session);
            state.connecting.retain(|other| !other.ptr_eq(&this));
            state.cancelled
        };
        // The token was cancelled while the session was being accepted: the session is closed already.
        if cancelled && outcome.is_ok() { Err(error::closed("connect")) } else { outcome }
    }
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelToken").field("cancelled", &self.is_cancelled()).finish()
    }
}
