//! Connections in virtual time: the bytes on their way, and their readers.

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;

use parking_lot::Condvar;

use super::super::socket::Socket;
use super::ways::{Line, Side};
use super::{Deadline, Key, State, Virtual, Waiting};

impl Virtual {
    pub(crate) fn serves(&self, address: SocketAddr) {
        self.0.lock().served.insert(address);
    }

    pub(crate) fn serves_no_more(&self, address: SocketAddr) {
        let mut state = self.0.lock();
        state.served.remove(&address);
        // Connections that were never accepted were reset by the system when the listener was closed. Those that were
        // cut before the client attached its end have ended.
        let stranded: Vec<u64> = state
            .lines
            .iter()
            .filter(|(_, line)| is_at(address, line.pair.1) && line.is_stranded())
            .map(|(id, _)| *id)
            .collect();
        for id in stranded {
            state.change(id, Line::close);
            state.remove_if_over(id);
        }
        state.go_on();
    }

    /// Registers one end of a connection. Returns `None` if the other end is in another time.
    pub(crate) fn attach(&self, side: Side, socket: &Arc<Socket>) -> Option<LineEnd> {
        let (own, peer) = (canonical(socket.local_addr().ok()?), canonical(socket.peer_addr().ok()?));
        let pair = if side == Side::Client { (own, peer) } else { (peer, own) };
        let mut state = self.0.lock();
        let place = side.place();
        let known = state.pairs.get(&pair).copied().filter(|id| !state.lines[id].attached[place]);
        let id = match known {
            // The connection may have been accepted before the listener was closed, so the listener is not checked.
            Some(id) => id,
            None if !state.served.iter().any(|served| is_at(*served, pair.1)) => return None,
            None => {
                let id = state.number();
                state.lines.insert(id, Line::new(pair));
                state.pairs.insert(pair, id);
                id
            }
        };
        state.change(id, |line| line.attached[place] = true);
        Some(LineEnd { time: self.clone(), id, side, socket: Arc::clone(socket) })
    }
}

/// Converts an IPv4 address in IPv6 form to plain IPv4, because the two ends may see it differently.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Returns `true` if a socket with the address `served` accepts connections to `to`.
fn is_at(served: SocketAddr, to: SocketAddr) -> bool {
    served.port() == to.port() && (served.ip().is_unspecified() || canonical(served).ip() == to.ip())
}

impl State {
    pub(super) fn change(&mut self, line: u64, job: impl FnOnce(&mut Line)) {
        let Some(line) = self.lines.get_mut(&line) else { return };
        let before = line.flying().count();
        job(line);
        let after = line.flying().count();
        self.flying = self.flying + after - before;
        self.turns += 1;
    }

    /// Notes that the service's end has received bytes of a peer that is not attached, so the peer is in another time.
    /// Such a line must not be mistaken for a later connection from the same address.
    fn note_foreign(&mut self, id: u64) {
        let Some(line) = self.lines.get(&id) else { return };
        if !line.attached[Side::Client.place()] {
            let pair = line.pair;
            self.forget_pair(pair, id);
        }
    }

    /// Removes a connection whose ends have both ended or were never attached.
    fn remove_if_over(&mut self, id: u64) {
        let ends = |line: &Line| line.gone.iter().zip(line.attached).all(|(gone, attached)| *gone || !attached);
        if !self.lines.get(&id).is_some_and(ends) {
            return;
        }
        self.change(id, Line::close);
        if let Some(line) = self.lines.remove(&id) {
            self.forget_pair(line.pair, id);
        }
    }

    fn forget_pair(&mut self, pair: (SocketAddr, SocketAddr), id: u64) {
        if self.pairs.get(&pair) == Some(&id) {
            self.pairs.remove(&pair);
        }
    }

    /// Lists the connections with unread bytes, and their readers.
    pub(super) fn unread(&self) -> String {
        let mut unread: Vec<String> = Vec::new();
        for line in self.lines.values() {
            unread.extend(line.flying().map(|reader| {
                let reader = if reader == Side::Client { "client" } else { "simulator" };
                format!("from {} to {}, for the {reader}", line.pair.0, line.pair.1)
            }));
        }
        unread.sort();
        unread.join("; ")
    }
}

/// One end of a connection whose other end is in the same time.
pub(crate) struct LineEnd {
    time: Virtual,
    id: u64,
    side: Side,
    socket: Arc<Socket>,
}

impl LineEnd {
    /// Reads, and no longer counts the bytes as on their way. The thread counts as busy until its next read.
    pub(crate) fn read(&self, into: &mut [u8], until: Deadline) -> io::Result<usize> {
        self.receive(until, |socket| socket.read(into, None).map(|count| (count, count)))
    }

    /// Waits as `read`, and leaves the bytes in the socket: they stay on their way.
    pub(crate) fn peek(&self, until: Deadline) -> io::Result<usize> {
        self.receive(until, |socket| socket.peek(None).map(|count| (count, 0)))
    }

    /// Runs `job`, which returns the number of available bytes, and of those that were taken.
    fn receive(&self, until: Deadline, job: impl FnOnce(&Socket) -> io::Result<(usize, usize)>) -> io::Result<usize> {
        let (whose, token) = self.time.presence();
        let waiting = Waiting {
            reads: true,
            socket: until.map(|_| Arc::clone(&self.socket)),
            ..Waiting::new(Key::nobody(), until, whose, token, Arc::new(Condvar::new()))
        };
        let place = {
            let mut state = self.time.0.lock();
            let id = state.queue_up(waiting);
            state.rest(id);
            id
        };
        let result = job(&self.socket);
        let mut state = self.time.0.lock();
        state.dequeue(place);
        let waiting = state.waiting.remove(&place);
        if let Some(Waiting { outcome: None, token: Some((token, name)), .. }) = &waiting {
            state.busy.insert(*token, Arc::clone(name));
        }
        let timed_out = waiting.is_some_and(|waiting| waiting.outcome == Some(false));
        let way = self.side.incoming();
        state.change(self.id, |line| {
            match &result {
                Ok((count, taken)) if *count > 0 => {
                    line.ways[way].bytes = line.ways[way].bytes.saturating_sub(*taken as u64);
                }
                Err(error) if is_passing(error) => {}
                _ => (line.ways[way].closed, line.ways[way].end) = (true, false),
            }
            // The connection ended before it was accepted, and not because of this end: no peer reads the bytes of this
            // end. Windows reports that as an end, others as a reset.
            let over = match &result {
                Ok((count, _)) => *count == 0 && !line.ways[way].ended,
                Err(error) => !is_passing(error),
            };
            if over && !line.attached[Side::Service.place()] {
                line.close();
            }
        });
        if self.side == Side::Service {
            state.note_foreign(self.id);
        }
        match result {
            Ok((0, _)) | Err(_) if timed_out => Err(io::ErrorKind::TimedOut.into()),
            result => result.map(|(count, _)| count),
        }
    }

    /// Writes. The bytes count as on their way before they are written.
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let (way, all) = (self.side.outgoing(), bytes.len() as u64);
        self.time.0.lock().change(self.id, |line| line.ways[way].bytes += all);
        let result = self.socket.write(bytes);
        let written = result.as_ref().map_or(0, |count| *count as u64);
        if written < all {
            let mut state = self.time.0.lock();
            state.change(self.id, |line| line.ways[way].bytes = line.ways[way].bytes.saturating_sub(all - written));
            state.go_on();
        }
        result
    }

    /// Returns `true` if bytes are on their way to this end.
    pub(crate) fn has_arrived(&self) -> bool {
        let state = self.time.0.lock();
        state.lines.get(&self.id).is_some_and(|line| line.ways[self.side.incoming()].flies())
    }

    /// Notes whether this end has stopped reading, so that unread bytes do not stop time.
    pub(crate) fn stall(&self, stalled: bool) {
        let way = self.side.incoming();
        let mut state = self.time.0.lock();
        state.change(self.id, |line| line.ways[way].stalled = stalled);
        state.go_on();
    }

    /// Notes that this end reads no more, though it stays open: its unread bytes and its end are ignored.
    pub(crate) fn reads_no_more(&self) {
        let way = self.side.incoming();
        let mut state = self.time.0.lock();
        state.change(self.id, |line| line.ways[way].closed = true);
        state.go_on();
    }

    /// Returns `true` if the other end is in this time too, as far as is known yet.
    pub(crate) fn is_shared(&self) -> bool {
        self.time.0.lock().lines.get(&self.id).is_some_and(|line| line.attached == [true, true])
    }

    pub(crate) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.end(how != Shutdown::Read, how != Shutdown::Write);
        self.socket.shutdown(how)
    }

    fn end(&self, outgoing: bool, incoming: bool) {
        let mut state = self.time.0.lock();
        for (ends, way) in [(outgoing, self.side.outgoing()), (incoming, self.side.incoming())] {
            if ends {
                state.change(self.id, |line| {
                    let way = &mut line.ways[way];
                    way.end |= !std::mem::replace(&mut way.ended, true) && !way.closed;
                });
            }
        }
    }
}

impl Drop for LineEnd {
    fn drop(&mut self) {
        self.end(true, false);
        let (side, mut state) = (self.side, self.time.0.lock());
        state.change(self.id, |line| {
            line.gone[side.place()] = true;
            line.ways[side.incoming()].closed = true;
            if line.gone == [true, true] || !line.attached[Side::Service.place()] {
                // The connection was not accepted yet, and may never be: the service does not need to see it.
                line.close();
            }
        });
        // A client that has connected, and is about to attach its end, still finds the line of a service that cut it.
        let awaited =
            |line: &Line| !line.attached[Side::Client.place()] && state.pairs.get(&line.pair) == Some(&self.id);
        if side == Side::Client || !state.lines.get(&self.id).is_some_and(awaited) {
            state.remove_if_over(self.id);
        }
        state.go_on();
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    fn served() -> (Virtual, TcpListener, SocketAddr) {
        let time = Virtual::new(1, false);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        time.serves(address);
        (time, listener, address)
    }

    fn connect(address: SocketAddr) -> Arc<Socket> {
        Arc::new(Socket::new(TcpStream::connect(address).expect("a listener")))
    }

    fn accept(listener: &TcpListener) -> Arc<Socket> {
        Arc::new(Socket::new(listener.accept().expect("a connection").0))
    }

    fn flying(time: &Virtual) -> usize {
        time.0.lock().flying
    }

    fn is_empty(time: &Virtual) -> bool {
        let state = time.0.lock();
        state.flying == 0 && state.lines.is_empty() && state.pairs.is_empty()
    }

    #[test]
    fn bytes_hold_time_from_when_they_are_written_until_they_are_read() {
        let (time, listener, address) = served();
        let client = time.attach(Side::Client, &connect(address)).expect("a line");
        client.write(b"hello").expect("an open connection");
        assert_eq!(flying(&time), 1, "what is not accepted yet is going to be");
        let service = time.attach(Side::Service, &accept(&listener)).expect("a line");
        assert!(client.is_shared() && service.is_shared());
        assert_eq!(flying(&time), 1);
        assert_eq!(service.read(&mut [0; 16], None).expect("what was written"), 5);
        assert_eq!(flying(&time), 0);
        service.write(b"welcome").expect("an open connection");
        assert_eq!(flying(&time), 1);
        drop(client);
        assert_eq!(flying(&time), 1, "the end of the client is news for the service");
        drop(service);
        assert!(is_empty(&time));
    }

    #[test]
    fn a_peer_of_another_time_holds_nothing_up_and_leaves_nothing() {
        let (time, listener, address) = served();
        let foreign = connect(address);
        let service = time.attach(Side::Service, &accept(&listener)).expect("a line");
        foreign.write(b"hello").expect("an open connection");
        assert_eq!(service.read(&mut [0; 16], None).expect("what was written"), 5);
        service.write(b"bytes that nobody reads").expect("an open connection");
        assert_eq!(flying(&time), 0);
        assert!(!service.is_shared());
        drop((foreign, service));
        assert!(is_empty(&time));
    }

    #[test]
    fn a_connection_that_is_reset_before_it_was_accepted_holds_nothing_up() {
        let (time, listener, address) = served();
        let client = time.attach(Side::Client, &connect(address)).expect("a line");
        client.write(b"hello").expect("an open connection");
        // This simulates an address that was closed and reopened before the client attached its end.
        drop(listener);
        assert!(!matches!(client.read(&mut [0; 16], None), Ok(1..)));
        assert_eq!(flying(&time), 0);
        drop(client);
        assert!(is_empty(&time));
    }

    #[test]
    fn a_client_that_goes_before_it_was_accepted_holds_nothing_up() {
        let (time, listener, address) = served();
        let client = time.attach(Side::Client, &connect(address)).expect("a line");
        client.write(b"hello").expect("an open connection");
        drop(client);
        assert!(is_empty(&time));
        let service = time.attach(Side::Service, &accept(&listener)).expect("a line");
        assert_eq!(service.read(&mut [0; 16], None).expect("what was written"), 5);
        drop(service);
        assert!(is_empty(&time));
    }

    #[test]
    fn what_comes_to_an_end_that_reads_no_more_holds_nothing_up() {
        let (time, listener, address) = served();
        let client = time.attach(Side::Client, &connect(address)).expect("a line");
        let service = time.attach(Side::Service, &accept(&listener)).expect("a line");
        client.write(b"goodbye").expect("an open connection");
        assert_eq!(flying(&time), 1);
        service.reads_no_more();
        assert_eq!(flying(&time), 0);
        client.write(b"and more").expect("an open connection");
        client.shutdown(Shutdown::Write).expect("an open connection");
        assert_eq!(flying(&time), 0, "nobody is told of the end");
        drop((client, service));
        assert!(is_empty(&time));
    }

    #[test]
    fn a_listener_that_closes_strands_what_it_did_not_accept_and_nothing_else() {
        let (time, listener, address) = served();
        let accepted = connect(address);
        let service = time.attach(Side::Service, &accept(&listener)).expect("a line");
        let stranded = time.attach(Side::Client, &connect(address)).expect("a line");
        stranded.write(b"hello").expect("an open connection");
        drop(listener);
        time.serves_no_more(address);
        assert_eq!(flying(&time), 0);
        let client = time.attach(Side::Client, &accepted).expect("the line of its other end");
        client.write(b"hello").expect("an open connection");
        assert_eq!(flying(&time), 1);
        drop((stranded, client, service));
        assert!(is_empty(&time));
    }
}
