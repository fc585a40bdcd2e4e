//! What a signal does.

use crate::client::WeakClient;

/// Shuts a client down because somebody asked for it.
pub(super) fn shut_down(client: &WeakClient, event: &str) {
    let Some(client) = client.upgrade() else { return };
    let limit = client.handle.session.settings.drain_limit;
    log::warn!(
        "a {event} asks to stop: shutting down within {limit:?}, {}; another {event} ends the process at once",
        client.waited_for()
    );
    client.shutdown(limit);
}
