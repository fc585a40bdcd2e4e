//! A small HTTP server for the loopback: one request for each connection, and a thread for each of them.
//!
//! A page holds an event stream open for its whole life. With a pool of threads, streams would take threads from the
//! requests behind them; here a stream costs its own thread, and the number of connections is bounded.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Number of connections that are served at a time; further ones are closed at once.
const CONNECTIONS: usize = 64;

/// Longest head of a request, in bytes.
const HEAD: usize = 16 * 1024;

/// Largest number of headers of a request.
const HEADERS: usize = 64;

/// Longest body of a request, in bytes.
pub const BODY: usize = 64 * 1024;

/// Timeout for a part of a request, and for a part of the response.
const PATIENCE: Duration = Duration::from_secs(10);

/// Time for which the end of the server waits for connections that are being served.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Pause after a connection could not be accepted, for example because the machine has no file descriptor left.
const PAUSE: Duration = Duration::from_millis(50);

/// The head of a request, and the connection for its body and the response.
pub struct Request {
    pub from: IpAddr,
    pub method: String,
    pub target: String,
    headers: Vec<(String, String)>,
    stream: TcpStream,
    /// The bytes that were read after the head.
    ahead: Vec<u8>,
}

impl Request {
    /// Returns the only header of a name. Returns an error if there are several.
    pub fn header(&self, name: &str) -> Result<Option<&str>, &'static str> {
        let mut all = self.headers.iter().filter(|(given, _)| given.eq_ignore_ascii_case(name));
        let first = all.next().map(|(_, value)| value.as_str());
        if all.next().is_some() { Err("a header is there twice") } else { Ok(first) }
    }

    /// Returns the value of a parameter after the `?`, as it was sent.
    pub fn query(&self, name: &str) -> Option<&str> {
        let (_, query) = self.target.split_once('?')?;
        query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    }

    /// Reads the body. The error is a status and a reason.
    pub fn body(&mut self) -> Result<Vec<u8>, (u16, &'static str)> {
        let bad = |why| (400, why);
        if self.header("Transfer-Encoding").map_err(bad)?.is_some() {
            return Err((411, "expected a Content-Length"));
        }
        let length = self.header("Content-Length").map_err(bad)?.unwrap_or("0");
        let length: usize = length.trim().parse().map_err(|_| bad("Content-Length is not a number"))?;
        if length > BODY {
            return Err((413, "a command has at most 64 KiB"));
        }
        let mut body = std::mem::take(&mut self.ahead);
        body.truncate(length);
        let missing = length - body.len();
        let read = (&self.stream).take(missing as u64).read_to_end(&mut body);
        if read.is_err() || body.len() < length {
            return Err(bad("the body did not arrive"));
        }
        Ok(body)
    }

    /// Sends the response.
    pub fn answer(mut self, status: u16, headers: &[(&str, &str)], body: &[u8]) -> io::Result<()> {
        let length = body.len().to_string();
        let mut all = head(status, &[headers, &[("Content-Length", &length)]].concat());
        all.extend_from_slice(body);
        self.stream.write_all(&all)?;
        self.stream.shutdown(Shutdown::Write)?;
        // The rest of the request is read, because closing without reading it would reset the connection, and the
        // response with it.
        let _rest = io::copy(&mut (&self.stream).take(BODY as u64 * 2), &mut io::sink());
        Ok(())
    }

    /// Sends a response whose body continues until the connection ends.
    pub fn stream(mut self, headers: &[(&str, &str)]) -> io::Result<TcpStream> {
        self.stream.write_all(&head(200, headers))?;
        Ok(self.stream)
    }
}

fn head(status: u16, headers: &[(&str, &str)]) -> Vec<u8> {
    let word = match status {
        200 => "OK",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        411 => "Length Required",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        431 => "Request Header Fields Too Large",
        _ => "Service Unavailable",
    };
    let mut head = format!("HTTP/1.1 {status} {word}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += "\r\n";
    head.into_bytes()
}

/// Reads the head of a request. The error is a status, or `None` if no response is due.
fn read(stream: TcpStream, from: IpAddr) -> Result<Request, Option<(TcpStream, u16)>> {
    let mut taken = Vec::new();
    let mut part = [0; 4096];
    loop {
        let count = (&stream).read(&mut part).map_err(|_| None)?;
        if count == 0 {
            return Err(None);
        }
        taken.extend_from_slice(part.get(..count).unwrap_or_default());
        let mut headers = [httparse::EMPTY_HEADER; HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        match request.parse(&taken) {
            Ok(httparse::Status::Complete(length)) => {
                let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
                let headers = request.headers.iter().map(|one| (one.name.to_owned(), text(one.value))).collect();
                let (method, target) = (request.method.unwrap_or_default(), request.path.unwrap_or_default());
                let (method, target) = (method.to_owned(), target.to_owned());
                return Ok(Request { from, method, target, headers, ahead: taken.split_off(length), stream });
            }
            Ok(httparse::Status::Partial) if taken.len() < HEAD => {}
            Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => return Err(Some((stream, 431))),
            Err(_) => return Err(Some((stream, 400))),
        }
    }
}

/// A running server. It stops when it is dropped.
pub struct Server {
    shared: Arc<Shared>,
    address: SocketAddr,
    accepts: Option<JoinHandle<()>>,
}

/// The state that the server's threads share.
struct Shared {
    stops: AtomicBool,
    open: Mutex<usize>,
    bell: Condvar,
}

impl Shared {
    fn open(&self) -> MutexGuard<'_, usize> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a connection, unless there are too many.
    fn enter(self: &Arc<Self>) -> Option<Open> {
        let mut open = self.open();
        if *open >= CONNECTIONS {
            return None;
        }
        *open += 1;
        Some(Open(Arc::clone(self)))
    }
}

/// A counted connection, until this is dropped.
struct Open(Arc<Shared>);

impl Drop for Open {
    fn drop(&mut self) {
        *self.0.open() -= 1;
        self.0.bell.notify_all();
    }
}

impl Server {
    /// Serves a listener: `serve` is called with each request, on a thread of the request.
    pub fn start(listener: TcpListener, serve: impl Fn(Request) + Send + Sync + 'static) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { stops: AtomicBool::new(false), open: Mutex::new(0), bell: Condvar::new() });
        let of_thread = Arc::clone(&shared);
        let accepts = std::thread::Builder::new().name("web".into()).spawn(move || {
            accept(&listener, &of_thread, &Arc::new(serve));
        })?;
        Ok(Self { shared, address, accepts: Some(accepts) })
    }
}

fn accept<F: Fn(Request) + Send + Sync + 'static>(listener: &TcpListener, shared: &Arc<Shared>, serve: &Arc<F>) {
    loop {
        let accepted = listener.accept();
        if shared.stops.load(Ordering::SeqCst) {
            return;
        }
        let Ok((stream, from)) = accepted else {
            // The wait ends when a connection ends, which frees its file descriptor.
            drop(shared.bell.wait_timeout(shared.open(), PAUSE));
            continue;
        };
        let Some(open) = shared.enter() else { continue };
        let serve = Arc::clone(serve);
        // Without a thread the connection is closed, which its client sees.
        let _refused = std::thread::Builder::new().name("web-request".into()).spawn(move || {
            let _open = open;
            let set = [
                stream.set_read_timeout(Some(PATIENCE)),
                stream.set_write_timeout(Some(PATIENCE)),
                stream.set_nodelay(true),
            ];
            if set.into_iter().any(|set| set.is_err()) {
                return;
            }
            match read(stream, from.ip()) {
                Ok(request) => serve(request),
                Err(Some((mut stream, status))) => {
                    let _gone = stream.write_all(&head(status, &[("Content-Length", "0")]));
                }
                Err(None) => {}
            }
        });
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stops.store(true, Ordering::SeqCst);
        // This wakes the accepting thread, if it has not ended.
        let _woken = TcpStream::connect(self.address);
        if let Some(accepts) = self.accepts.take() {
            let _ended = accepts.join();
        }
        let open = self.shared.open();
        let waited = self.shared.bell.wait_timeout_while(open, LAST_WORDS, |open| *open > 0);
        drop(waited);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(serve: impl Fn(Request) + Send + Sync + 'static) -> Server {
        Server::start(TcpListener::bind("127.0.0.1:0").expect("a port"), serve).expect("a server")
    }

    fn echo(mut request: Request) {
        let body = request.body();
        let (status, told) = match &body {
            Ok(body) => (200, body.as_slice()),
            Err((status, why)) => (*status, why.as_bytes()),
        };
        let path = request.target.clone();
        let _gone = request.answer(status, &[("X-Path", &path)], told);
    }

    /// Sends pieces of a request one after another. Returns the whole response.
    fn ask(server: &Server, pieces: &[&str]) -> String {
        let mut stream = TcpStream::connect(server.address).expect("it listens");
        for piece in pieces {
            // A server that has responded already accepts no more bytes.
            let _closed = stream.write_all(piece.as_bytes());
        }
        let mut told = String::new();
        let _reset = stream.read_to_string(&mut told);
        told
    }

    #[test]
    fn a_request_is_read_in_pieces_with_its_body() {
        let server = server(echo);
        let told = ask(&server, &["POST /a?b=1 HT", "TP/1.1\r\nContent-Le", "ngth: 5\r\n\r\nhe", "llo and more"]);
        assert!(told.starts_with("HTTP/1.1 200 OK\r\n") && told.ends_with("\r\n\r\nhello"), "{told}");
        assert!(told.contains("X-Path: /a?b=1") && told.contains("Connection: close"), "{told}");
    }

    #[test]
    fn what_is_no_request_or_too_long_is_refused() {
        let server = server(echo);
        let long = format!("GET /{} HTTP/1.1\r\n", "x".repeat(2 * HEAD));
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: 1\r\n".repeat(HEADERS + 1));
        for (request, status) in [
            ("\x16\x03\x01\x02\x00\r\n\r\n", 400),
            (long.as_str(), 431),
            (many.as_str(), 431),
            ("POST / HTTP/1.1\r\nContent-Length: 65537\r\n\r\n", 413),
            ("POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
        ] {
            let told = ask(&server, &[request]);
            assert!(told.starts_with(&format!("HTTP/1.1 {status} ")), "{request:.60}: {told}");
        }
    }

    #[test]
    fn so_many_connections_are_served_and_one_that_ends_makes_room() {
        let server = server(|request| drop(request.stream(&[]).and_then(|stream| (&stream).read(&mut [0]))));
        let open = || {
            let mut stream = TcpStream::connect(server.address).expect("it listens");
            let mut first = [0; 4];
            // A connection that is not served is closed, or reset.
            let served = stream.write_all(b"GET / HTTP/1.1\r\n\r\n").and_then(|()| stream.read_exact(&mut first));
            served.is_ok().then_some(stream)
        };
        let mut streams: Vec<TcpStream> = (0..CONNECTIONS).map(|_| open().expect("it is served")).collect();
        assert!(open().is_none(), "one too many");
        streams.pop();
        {
            let count = server.shared.open();
            let waited = server.shared.bell.wait_timeout_while(count, PATIENCE * 6, |count| *count == CONNECTIONS);
            assert_eq!(waited.map(|(count, _)| *count).ok(), Some(CONNECTIONS - 1));
        }
        assert!(open().is_some(), "there is room again");
    }
}
