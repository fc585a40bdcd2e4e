//! The system's socket as both ends of a connection use it: blocking, and cut from any thread.
//!
//! On Unix a shutdown wakes every thread that is blocked in the socket. On Windows it wakes none, and a socket whose
//! call has timed out is in an undefined state. So there the socket does not block, and threads wait for it in short
//! steps. The cfg `relay_polled_sockets` builds that form on any system, so that the tests can be run with it.

#[cfg(not(any(windows, relay_polled_sockets)))]
mod blocking;
#[cfg(any(windows, relay_polled_sockets))]
mod polled;

#[cfg(not(any(windows, relay_polled_sockets)))]
pub(crate) use self::blocking::Socket;
#[cfg(any(windows, relay_polled_sockets))]
pub(crate) use self::polled::Socket;

#[cfg(test)]
mod tests {
    use std::io::{self, Read, Write};
    use std::net::{Shutdown, TcpListener, TcpStream};
    use std::sync::mpsc::channel;
    use std::thread;
    use std::time::{Duration, Instant};

    use super::Socket;

    /// A limit that only a hang reaches.
    const LONG: Duration = Duration::from_secs(60);

    fn pair() -> (Socket, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let near = TcpStream::connect(listener.local_addr().expect("an address")).expect("a listener");
        (Socket::new(near), listener.accept().expect("a connection").0)
    }

    /// Returns the result of `job`, which runs on its own thread and is cut from this one.
    fn cut_while<T: Send>(socket: &Socket, job: impl FnOnce(&Socket) -> T + Send) -> T {
        thread::scope(|scope| {
            let (tell, told) = channel();
            scope.spawn(move || tell.send(job(socket)));
            // The thread may or may not block yet: a cut is seen before and after.
            thread::yield_now();
            socket.shutdown(Shutdown::Both).expect("an open connection");
            told.recv_timeout(LONG).expect("the cut frees it")
        })
    }

    #[test]
    fn a_cut_frees_a_thread_that_reads() {
        let (socket, _peer) = pair();
        assert_eq!(cut_while(&socket, |socket| socket.read(&mut [0; 8], None)).expect("the end"), 0);
    }

    #[test]
    fn a_cut_frees_a_thread_that_peeks() {
        let (socket, _peer) = pair();
        assert_eq!(cut_while(&socket, |socket| socket.peek(None)).expect("the end"), 0);
    }

    #[test]
    fn a_cut_frees_a_thread_that_writes_to_a_peer_that_reads_nothing() {
        let (socket, _peer) = pair();
        let bytes = vec![0; 1 << 20];
        let ended = cut_while(&socket, |socket| {
            loop {
                if let Err(error) = socket.write(&bytes) {
                    return error;
                }
            }
        });
        assert!(!matches!(ended.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut), "{ended}");
    }

    #[test]
    fn bytes_go_both_ways_and_the_end_of_the_peer_is_seen() {
        let (socket, mut peer) = pair();
        peer.write_all(b"hello").expect("an open connection");
        assert_eq!(socket.peek(None).expect("what was written"), 1);
        let mut into = [0; 16];
        let count = socket.read(&mut into, None).expect("what was written");
        assert_eq!(&into[..count], b"hello");
        assert_eq!(socket.write(b"welcome").expect("an open connection"), 7);
        peer.read_exact(&mut into[..7]).expect("what was written");
        assert_eq!(&into[..7], b"welcome");
        assert!(!socket.has_arrived());
        drop(peer);
        assert_eq!(socket.read(&mut into, None).expect("the end"), 0);
        assert!(socket.has_arrived(), "the end has arrived too");
    }

    #[test]
    fn a_write_that_times_out_says_so_and_one_that_must_not_block_does_not() {
        let (socket, _peer) = pair();
        socket.set_write_timeout(Some(Duration::from_millis(10))).expect("an open connection");
        let bytes = vec![0; 1 << 20];
        let full = || loop {
            if let Err(error) = socket.write(&bytes) {
                return error.kind();
            }
        };
        assert!(matches!(full(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut));
        socket.set_write_timeout(None).expect("an open connection");
        socket.set_nonblocking(true).expect("an open connection");
        assert_eq!(full(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn a_socket_that_keeps_deadlines_ends_a_read_at_its_deadline() {
        let (socket, _peer) = pair();
        if !Socket::KEEPS_DEADLINES {
            return;
        }
        for span in [Duration::ZERO, Duration::from_millis(20)] {
            let until = Some(Instant::now() + span);
            assert_eq!(socket.read(&mut [0], until).expect_err("the deadline").kind(), io::ErrorKind::TimedOut);
            assert_eq!(socket.peek(until).expect_err("the deadline").kind(), io::ErrorKind::TimedOut);
        }
    }
}
