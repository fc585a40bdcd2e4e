//! The release of queued requests on a new connection. This is a file of its own because the model check compiles it
//! unchanged.

use std::time::Instant;

use super::pending::{Lost, Pending};
use crate::transport::{Prepared, Socket, WriteHalf, Writer};

/// Releases requests on the connection for which the writer is prepared, the queued ones first.
///
/// Returns the requests to be completed if the connection has ended already. The queued ones then wait for the next
/// connection.
pub(super) fn release(
    pending: &Pending,
    writer: &Writer,
    link: Prepared,
    half: WriteHalf,
    socket: Socket,
    now: Instant,
) -> Option<Lost> {
    let generation = link.generation();
    let waiting = pending.online(link, now);
    let waiting = writer.open(generation, half, socket, waiting).err()?;
    Some(pending.lost(generation, waiting))
}

#[cfg(test)]
mod tests {
    use super::super::pending::{Registered, Request};
    use super::*;
    use crate::clock::Clock;
    use crate::transport::tests::{beside, next, pair};
    use crate::transport::{LinkEnd, WriterSettings};

    #[test]
    fn what_waited_for_a_connection_that_ended_at_once_waits_for_the_next() {
        let clock = Clock::real();
        let (pending, writer) = (Pending::new(clock.clone(), 10), Writer::new(clock, WriterSettings::default()));
        for id in 1..=3 {
            let text = id.to_string();
            let request = Request { id, text, until: None, of_session: true, owed: false, waiter: None, effect: None };
            assert!(matches!(pending.register(request), Registered::Queued));
        }
        let (mut broken, _peer) = pair();
        let link = writer.prepare(1);
        writer.close(1);
        let lost =
            release(&pending, &writer, link, broken.writer, broken.socket, Instant::now()).expect("it has ended");
        assert!(lost.sent.is_empty() && lost.unsent.is_empty());
        assert_eq!(next(&mut broken.reader).err(), Some(LinkEnd::Closed), "nobody reads from it for ever");
        assert_eq!((pending.generation(), pending.queued()), (None, 3));

        let (good, mut peer) = pair();
        let link = writer.prepare(2);
        assert!(release(&pending, &writer, link, good.writer, good.socket, Instant::now()).is_none());
        assert_eq!((pending.generation(), pending.queued(), pending.count()), (Some(2), 0, 3));
        beside(&writer, None, |_| {
            for expected in ["1", "2", "3"] {
                assert_eq!(peer.read().expect("a frame").into_text().expect("a text").as_str(), expected);
            }
        });
    }
}
