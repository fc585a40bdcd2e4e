//! `relay sim --web`: a page with phones, the ladder of their calls, and faults to cause.
//!
//! The server listens on the loopback alone. [`gate`] decides which requests are served; [`scene`] collects what
//! happens, and [`feed`] sends it to the page as server-sent events.

mod feed;
mod gate;
mod http;
mod orders;
mod scene;

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

use self::feed::{Feed, News};
use self::gate::{Gate, Knock};
use self::http::{Request, Server};
use self::scene::{Scene, Sight};
use crate::sim::Stage;

const PAGE: &str = include_str!("page/index.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

/// Interval at which a quiet event stream is written to, which detects a closed page.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// Headers of every response. The page loads nothing from elsewhere but the audio that a program plays.
const SAFETY: [(&str, &str); 7] = [
    (
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
         media-src http: https:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
];

/// The server of the page. It stops when it is dropped.
pub struct Web {
    url: String,
    shared: Arc<Shared>,
    /// The server. `None` once it has stopped.
    server: Option<Server>,
    scene: Option<JoinHandle<()>>,
}

/// The state that the requests share.
struct Shared {
    gate: Gate,
    feed: Arc<Feed>,
    /// The sender to the thread of the scene.
    scene: Mutex<Sender<Sight>>,
}

impl Web {
    /// Starts to serve the page of a simulator. `about` is the description of the simulator.
    pub fn start(address: SocketAddr, stage: &Stage, about: Value) -> Result<Self, String> {
        if !address.ip().is_loopback() {
            let port = address.port();
            return Err(format!("--web {address}: the page is served on the loopback alone, such as 127.0.0.1:{port}"));
        }
        Self::serve(address, stage, about).map_err(|error| format!("--web {address}: {error}"))
    }

    fn serve(address: SocketAddr, stage: &Stage, about: Value) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let token = Uuid::new_v4().simple().to_string();
        let url = format!("http://{address}/{token}/");
        let feed = Arc::new(Feed::new(Uuid::new_v4().simple().to_string()));

        // A number without a description rings on the page, where a person can answer.
        let simulator = Arc::clone(&stage.simulator);
        let _set = simulator.unlisted_callee().rings();
        let (to_scene, sights) = channel();
        scene::watch(&simulator, &to_scene);
        let (ready, is_ready) = channel();
        let (stop, shown) = (Arc::clone(&stage.stop), Arc::clone(&feed));
        let scene = std::thread::Builder::new().name("web-scene".into()).spawn(move || {
            Scene::new(Stage::beside(simulator, stop), shown).run(&sights, about, &ready);
        })?;
        // A program that opens the page finds the whole state. Without the thread there is nothing to wait for.
        let _first = is_ready.recv();

        let gate = Gate::new(address, token);
        let shared = Arc::new(Shared { gate, feed, scene: Mutex::new(to_scene) });
        let mut web = Self { url, shared: Arc::clone(&shared), server: None, scene: Some(scene) };
        web.server = Some(Server::start(listener, move |request| {
            // A client that does not accept the response has disconnected, which is no error.
            let _gone = serve(&shared, request);
        })?);
        Ok(web)
    }

    /// The address of the page, with its token.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        // The event streams end with the feed, and then the server ends.
        self.shared.feed.close();
        drop(self.server.take());
        let _ = self.shared.scene().send(Sight::End);
        if let Some(scene) = self.scene.take() {
            let _ended = scene.join();
        }
    }
}

impl Shared {
    fn scene(&self) -> Sender<Sight> {
        self.scene.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Handles one request.
fn serve(shared: &Shared, mut request: Request) -> io::Result<()> {
    let path = match admit(shared, &request) {
        Ok(path) => path,
        Err(why) => return say(request, 403, &format!("relay sim: {why}\n")),
    };
    let (ladder_script, ladder_style) = signalwire_relay::ladder::page_parts();
    match (request.method.as_str(), path.as_str()) {
        ("GET", "") => answer(request, 200, "text/html; charset=utf-8", PAGE),
        ("GET", "page.css") => answer(request, 200, "text/css; charset=utf-8", STYLE),
        ("GET", "page.js") => answer(request, 200, "text/javascript; charset=utf-8", SCRIPT),
        ("GET", "ladder.css") => answer(request, 200, "text/css; charset=utf-8", ladder_style),
        ("GET", "ladder.js") => answer(request, 200, "text/javascript; charset=utf-8", ladder_script),
        ("GET", "snapshot") => answer_json(request, 200, &shared.feed.snapshot()),
        ("GET", "events") => {
            let seen = request.header("Last-Event-ID").ok().flatten().or_else(|| request.query("after"));
            let seen = seen.unwrap_or_default().to_owned();
            tell(&shared.feed, request, seen)
        }
        ("POST", "command") => {
            let (status, told) = command(shared, &mut request);
            answer_json(request, status, &told)
        }
        (_, "" | "page.css" | "page.js" | "ladder.css" | "ladder.js" | "snapshot" | "events" | "command") => {
            say(request, 405, "relay sim: this method is not served here\n")
        }
        _ => say(request, 404, "relay sim: there is nothing here\n"),
    }
}

fn admit(shared: &Shared, request: &Request) -> Result<String, &'static str> {
    let knock = Knock {
        from: Some(request.from),
        host: request.header("Host")?,
        origin: request.header("Origin")?,
        site: request.header("Sec-Fetch-Site")?,
        path: &request.target,
    };
    shared.gate.admit(&knock).map(str::to_owned)
}

fn answer(request: Request, status: u16, kind: &str, body: &str) -> io::Result<()> {
    request.answer(status, &[&SAFETY[..], &[("Content-Type", kind)]].concat(), body.as_bytes())
}

fn say(request: Request, status: u16, words: &str) -> io::Result<()> {
    answer(request, status, "text/plain; charset=utf-8", words)
}

fn answer_json(request: Request, status: u16, body: &Value) -> io::Result<()> {
    answer(request, status, "application/json", &body.to_string())
}

/// Executes a command. Returns the status and the response.
fn command(shared: &Shared, request: &mut Request) -> (u16, Value) {
    let refused = |status: u16, error: &str| (status, json!({"ok": false, "error": error}));
    // A form of another page cannot send this content type without a preflight request.
    let kind = request.header("Content-Type").ok().flatten().unwrap_or_default();
    if kind.split(';').next().unwrap_or_default().trim() != "application/json" {
        return refused(415, "expected Content-Type: application/json");
    }
    let body = match request.body() {
        Ok(body) => body,
        Err((status, why)) => return refused(status, why),
    };
    let Ok(line) = String::from_utf8(body) else { return refused(400, "the body is not UTF-8") };
    let (sender, answered) = channel();
    if shared.scene().send(Sight::Order(line, sender)).is_err() {
        return refused(503, "the simulator is ending");
    }
    match answered.recv() {
        Ok(told) if told["ok"] == true => (200, told),
        Ok(told) => (400, told),
        Err(_) => refused(503, "the simulator is ending"),
    }
}

/// Sends changes as server-sent events, until the page is closed.
fn tell(feed: &Feed, request: Request, mut seen: String) -> io::Result<()> {
    let mut page = request.stream(&[&SAFETY[..], &[("Content-Type", "text/event-stream")]].concat())?;
    page.write_all(b"retry: 500\n\n")?;
    loop {
        let mut told = String::new();
        let mut is_last = false;
        match feed.after(&seen, HEARTBEAT) {
            News::Changes(changes) => {
                for (id, change) in changes {
                    told += &format!("id: {id}\ndata: {change}\n\n");
                    seen = id;
                }
            }
            News::Nothing => told += ":\n\n",
            News::Stale => (told, is_last) = ("event: stale\ndata: {}\n\n".into(), true),
            News::Closed => (told, is_last) = ("event: end\ndata: {}\n\n".into(), true),
        }
        page.write_all(told.as_bytes())?;
        if is_last {
            return Ok(());
        }
    }
}
