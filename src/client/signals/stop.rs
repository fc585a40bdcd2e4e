//! The effect of a signal.

use crate::client::WeakClient;

/// Shuts down a client because of a signal.
pub(super) fn shut_down(client: &WeakClient, event: &str) {
    let Some(client) = client.upgrade() else { return };
    let limit = client.handle.session.settings.drain_limit;
    log::warn!(
        "received a {event}: shutting down within {limit:?}, {}; another {event} ends the process at once",
        client.waited_for()
    );
    client.shutdown(limit);
}
