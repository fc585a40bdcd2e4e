//! What asks a program to stop, while `Client::run` runs: signals on Unix, the events of its console on Windows.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(super) use self::unix::Watch;
#[cfg(windows)]
pub(super) use self::windows::Watch;
use super::{Client, WeakClient};

/// Shuts a client down because somebody asked for it.
fn shut_down(client: &WeakClient, event: &str) {
    let Some(client) = client.upgrade() else { return };
    let limit = client.handle.session.settings.drain_limit;
    log::warn!(
        "a {event} asks to stop: shutting down within {limit:?}, {}; another {event} ends the process at once",
        client.waited_for()
    );
    client.shutdown(limit);
}
