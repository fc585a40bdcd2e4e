//! The client: connecting, inbound and outbound traffic, stopping.

mod builder;
mod by_id;
mod cancel;
pub(crate) mod diagnosis;
mod dial;
mod dial_params;
mod early;
mod inbox;
mod ordered;
mod over;
mod router;
#[cfg(all(feature = "signals", any(unix, windows)))]
mod signals;
mod tuning;
mod unmatched;

// The page of `Client` lists its methods in the order of these lines, each with a title. The blank lines keep rustfmt
// from sorting them.
mod opening;

mod incoming;

mod dialing;

mod sending;

mod stopping;

mod about;

mod requests;

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Weak};

pub use self::builder::{Builder, DEFAULT_HOST};
pub use self::cancel::CancelToken;
pub use self::dial::Dialing;
pub use self::dial_params::Dial;
pub use self::incoming::{Calls, Messages};
use self::router::Router;
pub use self::tuning::Tuning;
use crate::call::Call;
use crate::error::{self, Result};
use crate::session::Session;

/// Lists the first few items and the number of the others.
fn some_of(all: impl ExactSizeIterator<Item = String>) -> String {
    const SHOWN: usize = 5;
    let count = all.len();
    let mut shown: Vec<String> = all.take(SHOWN).collect();
    if count > SHOWN {
        shown.push(format!("and {} more", count - SHOWN));
    }
    shown.join(", ")
}

/// A connection to RELAY: receives and places calls, receives and sends messages, over one WebSocket.
///
/// [`Builder::connect`] returns a client that is connected. The client reconnects by itself until it is closed, by
/// [`disconnect`](Self::disconnect), [`shutdown`](Self::shutdown), or the drop of its last handle.
///
/// ```no_run
/// use signalwire_relay::{Client, Result, phone, tts};
///
/// fn main() -> Result<()> {
///     let client = Client::builder().contexts(["default"]).connect()?;
///     client.on_call(|call| {
///         call.answer()?;
///         call.play(tts("Welcome!"))?.wait(None)?;
///         call.hangup()?;
///         Ok(())
///     });
///     let call = client.dial(phone("+15552222222").from("+15551111111"))?;
///     call.play(tts("The line is open."))?.wait(None)?;
///     call.hangup()?;
///     client.run()
/// }
/// ```
///
/// # Cloning and dropping
///
/// Clones share the connection, and are cheap. Dropping the last clone closes the client; the drop does not block. A clone
/// that a handler captures keeps the client open: use [`Call::client`] in a handler, or [`downgrade`](Self::downgrade).
///
/// # Threads
///
/// Any thread may use a client, handlers and destructors included. A client has a reader and a writer thread, which never
/// run code of the program; handlers, listeners and callbacks run on worker threads. A client belongs to the process that
/// connected it: in a forked process its methods return [`Closed`](crate::ErrorKind::Closed) and send nothing.
///
/// # When the client ends
///
/// Waits and requests return [`Closed`](crate::ErrorKind::Closed). Handlers, listeners and callbacks are dropped. Calls are
/// not hung up, except by [`shutdown`](Self::shutdown) at its limit, and except for dials that are still ringing.
///
/// # When the connection is lost
///
/// The client reconnects, with delays from 1 s to 30 s, until it is closed. [`state`](Self::state) and
/// [`states`](Self::states) report it. Requests wait for the connection, at most the request timeout, and then return
/// [`Offline`](crate::ErrorKind::Offline). Contexts are subscribed again, and handlers stay registered. If the service does
/// not resume the session, its calls and messages end with [`SessionLost`](crate::ErrorKind::SessionLost). See
/// [Reconnecting](crate::docs::reconnecting).
#[derive(Clone)]
pub struct Client {
    pub(crate) handle: Arc<Handle>,
}

/// The state that the clones of a client share. The threads do not hold it: its drop closes the client.
pub(crate) struct Handle {
    pub(crate) session: Arc<Session>,
    pub(crate) router: Arc<Router>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.session.close();
    }
}

/// A handle that does not keep the client open. Made by [`Client::downgrade`].
#[derive(Clone)]
pub struct WeakClient(Weak<Handle>);

impl WeakClient {
    /// Returns a client handle, unless the last one has been dropped.
    #[must_use]
    pub fn upgrade(&self) -> Option<Client> {
        Some(Client { handle: self.0.upgrade()? })
    }
}

impl fmt::Debug for WeakClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakClient").finish_non_exhaustive()
    }
}

impl Client {
    pub(crate) fn new(session: Arc<Session>, router: Arc<Router>) -> Self {
        let handle = Arc::new(Handle { session, router });
        let weak: Weak<Handle> = Arc::downgrade(&handle);
        handle.session.set_owner(weak);
        Self { handle }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("host", &self.host())
            .field("contexts", &self.contexts())
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

/// # The client of a call
impl Call {
    /// Returns the call's client.
    ///
    /// # Errors
    ///
    /// `Closed` if the last handle of the client has been dropped.
    pub fn client(&self) -> Result<Client> {
        Client::of(self.core.session(), "the client of a call")
    }
}

impl Client {
    /// Returns the client of a session. If the client is closed, `what` is named in the error.
    fn of(session: Option<Arc<Session>>, what: &str) -> Result<Self> {
        let owner: Option<Arc<dyn Any + Send + Sync>> = session.and_then(|session| session.owner());
        let handle = owner.and_then(|owner| owner.downcast::<Handle>().ok());
        handle.map(|handle| Self { handle }).ok_or_else(|| error::closed(what))
    }
}

#[cfg(test)]
mod tests;
