//! The only error type of the crate, and all of its messages.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::secret::one_line;

/// The error of a handler, and of [`Error::source`](std::error::Error::source).
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// The result of a handler. `?` works on errors of this crate and on those of other crates.
pub type HandlerResult = std::result::Result<(), BoxError>;

/// The result of a listener or a callback: nothing, or a [`HandlerResult`], so that `?` works in it.
///
/// A callback that returns an error or panics is treated like such a handler: the failure is logged and counted
/// ([`Stats::handler_failures`](crate::connection::Stats::handler_failures)), and the call is handled as set by
/// [`Builder::on_handler_failure`](crate::Builder::on_handler_failure). An error that only reports the end of the call
/// or the client is a normal way out.
///
/// ```no_run
/// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
/// call.play_tts("Goodbye.")?.on_completed(|played| {
///     played.clone()?;
///     Ok(())
/// });
/// # Ok(()) }
/// ```
pub trait CallbackResult: IntoResult {}

impl<T: IntoResult> CallbackResult for T {}

mod sealed {
    use super::HandlerResult;

    /// A return type of handlers and callbacks.
    pub trait IntoResult {
        fn into_result(self) -> HandlerResult;
    }

    impl IntoResult for () {
        fn into_result(self) -> HandlerResult {
            Ok(())
        }
    }

    /// This is the only implementation for a `Result`, so that the error type of a closure that ends in `Ok(())` is
    /// known.
    impl IntoResult for HandlerResult {
        fn into_result(self) -> HandlerResult {
            self
        }
    }

    /// The return type of a function. It gives the name of `!`, the type of a closure that only panics.
    pub trait Returns {
        type Type;
    }

    impl<R> Returns for fn() -> R {
        type Type = R;
    }

    impl IntoResult for <fn() -> ! as Returns>::Type {
        fn into_result(self) -> HandlerResult {
            Ok(())
        }
    }
}

use self::sealed::IntoResult;

/// The result of the crate's methods.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The error of all methods of the crate. Small, and cheap to clone.
///
/// `Display` says what was attempted, what went wrong and what to do next. `Debug` prints the same, because `fn main()
/// -> Result<()>` uses it; `{:#?}` prints the fields. A program branches on [`kind`](Self::kind).
///
/// ```no_run
/// use std::time::Duration;
/// use signalwire_relay::{Call, Client, EndReason, ErrorKind, Result, phone};
///
/// fn reach(client: &Client, number: &str) -> Result<Option<Call>> {
///     match client.dial(phone(number).from("+15551111111").timeout(Duration::from_secs(30))) {
///         Ok(call) => Ok(Some(call)),
///         Err(error) => match error.kind() {
///             // Busy, no answer, declined.
///             ErrorKind::DialFailed => {
///                 println!("{error}: {:?}", error.end_reason() == Some(EndReason::Busy));
///                 Ok(None)
///             }
///             // Certainly not dialled: another attempt is safe.
///             _ if error.is_retryable() => reach(client, number),
///             // `OutcomeUnknown` as well: the telephone may ring.
///             _ => Err(error),
///         },
///     }
/// }
/// ```
///
/// Nothing was sent for an error of the kind [`Config`](ErrorKind::Config):
///
/// ```
/// use signalwire_relay::{Client, ErrorKind};
///
/// let refused = Client::builder().host("not a host").project("p").token("t").connect().unwrap_err();
/// assert_eq!(refused.kind(), ErrorKind::Config);
/// assert!(!refused.may_have_been_sent());
/// ```
#[doc(alias = "RelayError")]
#[derive(Clone)]
pub struct Error(Arc<Inner>);

/// The fields of an error, behind one pointer.
struct Inner {
    kind: ErrorKind,
    phase: Option<Phase>,
    code: Option<i64>,
    text: Box<str>,
    method: Option<Box<str>>,
    call_id: Option<Box<str>>,
    server_message: Option<Box<str>>,
    details: Option<Value>,
    /// The end reason in the service's words.
    end_reason: Option<Box<str>>,
    /// The legs of a failed dial or connect.
    legs: Box<[crate::Leg]>,
    timeout: bool,
    retry_after: Option<Duration>,
    source: Option<BoxError>,
}

/// The kind of an error, which says what a program can do next. New kinds may be added, so a `match` needs a `_` arm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A setting of the program or its environment is missing or invalid. Nothing was sent.
    Config,
    /// The service could not be reached. [`Error::phase`] says in which phase the attempt failed.
    Connect,
    /// The service rejected the credentials, repeatedly.
    AuthRejected,
    /// The service rejected a request. [`Error::code`] and [`Error::server_message`] say why.
    Rejected,
    /// The service does not know the call, or no longer does.
    CallGone,
    /// The call has ended.
    CallEnded,
    /// A wait has reached its timeout. The operation continues, and may be waited for again.
    Timeout,
    /// The request was sent, and its outcome is unknown: the request may have taken effect. The crate never sends it
    /// again.
    ///
    /// Without a [`server_message`](Error::server_message), no response came at all. With one, the service rejected a
    /// request with an effect outside of the call (a dial, a connect, a transfer or referral, a message, a payment, a
    /// conference or a queue), and the code says that the service was in trouble, such as -32000, -32603, 408 or 500,
    /// not that nothing was done.
    OutcomeUnknown,
    /// There was no connection within the request timeout. The request was not sent and will not be.
    Offline,
    /// The client reconnected, but the service did not resume the session: calls and messages of that session can no
    /// longer be followed.
    SessionLost,
    /// A dial was not answered. [`Error::end_reason`] says why, and [`Error::legs`] what became of each destination.
    DialFailed,
    /// A call could not be connected, or could not join a room. [`Error::end_reason`] says why, if the service reported
    /// it, and [`Error::legs`] what became of each destination.
    ConnectFailed,
    /// The client is shutting down and starts nothing new.
    Draining,
    /// The client was closed.
    Closed,
    /// The service sent something that cannot be understood.
    Protocol,
}

/// Phase in which an attempt to connect failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Lookup of the host's name.
    Lookup,
    /// Opening of the TCP connection.
    Tcp,
    /// Handshake with the proxy.
    Proxy,
    /// The TLS handshake, with the check of the certificate.
    Tls,
    /// The upgrade to a WebSocket.
    Upgrade,
    /// Authentication: `signalwire.connect`.
    Auth,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lookup => "name lookup",
            Self::Tcp => "TCP connect",
            Self::Proxy => "proxy handshake",
            Self::Tls => "TLS handshake",
            Self::Upgrade => "WebSocket upgrade",
            Self::Auth => "authentication",
        })
    }
}

/// # Kind
impl Error {
    /// The kind of the error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// `true` if the call has ended or is gone. This is the normal way out of a handler.
    ///
    /// ```no_run
    /// # use signalwire_relay::tts;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// match call.play(tts("Welcome!"))?.wait(None) {
    ///     Err(error) if error.is_call_gone() => println!("the caller has hung up"),
    ///     other => drop(other?),
    /// }
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn is_call_gone(&self) -> bool {
        matches!(self.0.kind, ErrorKind::CallGone | ErrorKind::CallEnded)
    }

    /// `true` if a timeout of this client has passed, and nothing failed.
    ///
    /// A response with a timeout of the service itself (-32000, 408, 504) is no timeout in this sense;
    /// [`code`](Self::code) returns its code.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        self.0.timeout
    }

    /// `true` if the service certainly did nothing, and the same request may succeed later: no connection, or a
    /// rejection with -32004, -32005, 429 or 503 of kind [`ErrorKind::Rejected`]. A 503 in response to a request with
    /// an effect outside of the call proves nothing, and is [`ErrorKind::OutcomeUnknown`].
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self.0.kind {
            ErrorKind::Offline | ErrorKind::Connect => true,
            ErrorKind::Rejected => matches!(self.0.code, Some(-32004 | -32005 | 429 | 503)),
            _ => false,
        }
    }

    /// `true` if the service may have acted on the request although no response says so. The same as
    /// [`ErrorKind::OutcomeUnknown`].
    #[must_use]
    pub fn may_have_been_sent(&self) -> bool {
        self.0.kind == ErrorKind::OutcomeUnknown
    }
}

/// # What was attempted
///
/// ```no_run
/// # use signalwire_relay::Client;
/// # fn main() {
/// if let Err(error) = Client::from_env() {
///     eprintln!("{error}");
///     eprintln!("{:?}: phase {:?}, method {:?}, call {:?}", error.kind(), error.phase(), error.method(), error.call_id());
/// }
/// # }
/// ```
impl Error {
    /// The RELAY method that was attempted, for example `calling.play`.
    #[must_use]
    pub fn method(&self) -> Option<&str> {
        self.0.method.as_deref()
    }

    /// The ID of the call that the failed method was about.
    #[must_use]
    pub fn call_id(&self) -> Option<&str> {
        self.0.call_id.as_deref()
    }

    /// The phase in which an attempt to connect failed, for [`ErrorKind::Connect`].
    #[must_use]
    pub fn phase(&self) -> Option<Phase> {
        self.0.phase
    }
}

/// # The service's response
///
/// ```no_run
/// # use signalwire_relay::{Client, ErrorKind, phone};
/// # fn dial(client: &Client) {
/// if let Err(error) = client.dial(phone("+15552222222").from("+15551111111")) {
///     println!("{:?}: {:?}", error.code(), error.server_message());
///     if let Some(delay) = error.retry_after() {
///         println!("the service requested a delay of {delay:?}");
///     }
/// }
/// # }
/// ```
impl Error {
    /// The service's error code, for example 404 or -32602. `None` for an error that was found on this side of the
    /// connection, and for a rejection whose code is missing or is not a number.
    #[must_use]
    pub fn code(&self) -> Option<i64> {
        self.0.code
    }

    /// The service's own error message.
    #[must_use]
    #[doc(alias = "message")]
    pub fn server_message(&self) -> Option<&str> {
        self.0.server_message.as_deref()
    }

    /// The details of a rejection: a JSON object with every member of the service's response besides its code and
    /// message, such as `data` of a JSON-RPC error or `errors`. `None` when there are no others, and when they take
    /// more than 64 KiB of JSON, or 256 KiB when parsed.
    ///
    /// ```
    /// # fn show(error: &signalwire_relay::Error) {
    /// if let Some(errors) = error.details().and_then(|details| details["errors"].as_array()) {
    ///     for error in errors {
    ///         println!("{}", error["message"]);
    ///     }
    /// }
    /// # }
    /// ```
    #[must_use]
    #[doc(alias = "data")]
    pub fn details(&self) -> Option<&Value> {
        self.0.details.as_ref()
    }

    /// The delay that the service requested before the next attempt: the `Retry-After` header of an HTTP response, or
    /// the `retry_after` of a rejected request, which is in seconds. Reconnecting waits at least as long, up to 1 hour.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }
}

impl Error {
    /// Reason why a dial or a connect failed, in the service's words.
    pub(crate) fn end_reason_text(&self) -> Option<&str> {
        self.0.end_reason.as_deref()
    }

    /// The legs of a failed dial or connect.
    pub(crate) fn legs_told(&self) -> &[crate::Leg] {
        &self.0.legs
    }

    /// Adds the other members of the service's error. Called only on a new error.
    pub(crate) fn with_details(mut self, details: Option<Value>) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            inner.details = details;
        }
        self
    }

    /// Returns `true` if the error only reports that the call or client has ended: no error is logged.
    pub(crate) fn is_normal_way_out(&self) -> bool {
        matches!(self.0.kind, ErrorKind::CallGone | ErrorKind::CallEnded | ErrorKind::SessionLost | ErrorKind::Closed)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

/// Formats the same sentence as `Display`, because `fn main() -> Result<()>` and `unwrap` print it. The alternate form,
/// `{:#?}`, has the fields.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { kind, phase, code, text, source, .. } = &*self.0;
        if !f.alternate() {
            return fmt::Display::fmt(self, f);
        }
        let mut out = f.debug_struct("Error");
        out.field("kind", kind);
        if let Some(phase) = phase {
            out.field("phase", phase);
        }
        if let Some(code) = code {
            out.field("code", code);
        }
        out.field("text", text);
        // The text mostly contains the text of the source already.
        if let Some(source) = source.as_ref().filter(|source| !text.contains(&source.to_string())) {
            out.field("source", source);
        }
        out.finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn std::error::Error + 'static))
    }
}

/// An error that is being built; `done` completes it.
struct Draft(Inner);

fn draft(kind: ErrorKind, text: impl Into<Box<str>>) -> Draft {
    Draft(Inner {
        kind,
        phase: None,
        code: None,
        text: text.into(),
        method: None,
        call_id: None,
        server_message: None,
        details: None,
        end_reason: None,
        legs: Box::default(),
        timeout: false,
        retry_after: None,
        source: None,
    })
}

impl Draft {
    fn method(mut self, method: &str) -> Self {
        self.0.method = Some(method.into());
        self
    }

    fn call(mut self, call_id: Option<&str>) -> Self {
        self.0.call_id = call_id.map(Into::into);
        self
    }

    fn server(mut self, code: Option<i64>, message: &str) -> Self {
        self.0.code = code;
        self.0.server_message = Some(message.into());
        self
    }

    /// Adds the close frame of a WebSocket: its code and reason are the server's words.
    fn close(self, close: Option<(u16, &str)>) -> Self {
        match close {
            Some((code, reason)) => self.server(Some(code.into()), reason),
            None => self,
        }
    }

    fn timeout(mut self, is: bool) -> Self {
        self.0.timeout = is;
        self
    }

    fn retry_after(mut self, span: Option<Duration>) -> Self {
        self.0.retry_after = span;
        self
    }

    /// Completes the error. Its text is one line, whatever the parts are.
    fn done(mut self) -> Error {
        let line = one_line(&self.0.text);
        if line != *self.0.text {
            self.0.text = line.into();
        }
        Error(Arc::new(self.0))
    }
}

/// Returns ` (404)`, or an empty text if the service sent no code.
fn coded(code: Option<i64>) -> String {
    code.map(|code| format!(" ({code})")).unwrap_or_default()
}

/// `calling.play on call 3f2a` or `messaging.send`.
fn attempt(method: &str, call_id: Option<&str>) -> String {
    match call_id {
        Some(id) => format!("{method} on call {id}"),
        None => method.to_owned(),
    }
}

// Errors before anything is sent.

/// A setting of the program or its environment is invalid. `text` says what, and how to correct it.
pub(crate) fn config(text: impl Into<Box<str>>) -> Error {
    draft(ErrorKind::Config, text).done()
}

/// An argument of a request is invalid. `why` says how to correct it.
pub(crate) fn refused(method: &str, why: &str) -> Error {
    draft(ErrorKind::Config, format!("{method}: not sent: {why}")).method(method).done()
}

// Errors of connecting.

/// An attempt to reach `host` failed in `phase`.
pub(crate) fn connect(host: &str, phase: Phase, why: &str, source: Option<BoxError>) -> Error {
    let mut draft = draft(ErrorKind::Connect, format!("connecting to {host}: {phase} failed: {why}"));
    draft.0.phase = Some(phase);
    draft.0.source = source;
    draft.done()
}

/// The connect timeout has passed in `phase`.
pub(crate) fn connect_timeout(host: &str, phase: Phase) -> Error {
    let mut draft = draft(ErrorKind::Connect, format!("connecting to {host}: timed out during {phase}"));
    draft.0.phase = Some(phase);
    draft.timeout(true).done()
}

/// The server's HTTP response was not the upgrade to a WebSocket.
pub(crate) fn connect_status(host: &str, status: u16, why: &str, retry_after: Option<Duration>) -> Error {
    let text = format!("connecting to {host}: {} failed: {why}", Phase::Upgrade);
    let mut draft = draft(ErrorKind::Connect, text).server(Some(status.into()), why).retry_after(retry_after);
    draft.0.phase = Some(Phase::Upgrade);
    draft.done()
}

/// The service closed the connection instead of responding to `signalwire.connect`.
pub(crate) fn connect_closed(host: &str, close: Option<(u16, &str)>) -> Error {
    let text = format!("connecting to {host}: {} failed: {}", Phase::Auth, closed_by_service(close));
    let mut draft = draft(ErrorKind::Connect, text).close(close);
    draft.0.phase = Some(Phase::Auth);
    draft.done()
}

/// The frames before the response to `signalwire.connect` exceeded the limit.
pub(crate) fn backlog_full(host: &str, limit: usize) -> Error {
    let why = format!(
        "the service sent more than {limit} bytes of events before its response, so the session is given up; \
         Tuning::resume_backlog raises that limit"
    );
    connect(host, Phase::Auth, &why, None)
}

/// A frame was too large repeatedly.
pub(crate) fn too_large_again(host: &str, limit: usize) -> Error {
    link_lost(
        host,
        &format!(
            "a frame was larger than {limit} bytes twice in a row, so the session is given up; \
             Tuning::max_frame raises that limit"
        ),
    )
}

/// An established connection was lost.
pub(crate) fn link_lost(host: &str, why: &str) -> Error {
    draft(ErrorKind::Connect, format!("the connection to {host} was lost: {why}")).done()
}

/// The service closed an established connection.
pub(crate) fn link_closed(host: &str, close: Option<(u16, &str)>) -> Error {
    let text = format!("the connection to {host} was lost: {}", closed_by_service(close));
    draft(ErrorKind::Connect, text).close(close).done()
}

fn closed_by_service(close: Option<(u16, &str)>) -> String {
    match close {
        Some((code, "")) => format!("the service closed it ({code})"),
        Some((code, reason)) => format!("the service closed it ({code}): {reason}"),
        None => "the service closed it".to_owned(),
    }
}

/// The service rejected `signalwire.connect` for a passing reason, such as being over capacity.
pub(crate) fn connect_refused(host: &str, code: Option<i64>, message: &str, retry_after: Option<Duration>) -> Error {
    let text = format!("connecting to {host}: rejected for now{}: {message}", coded(code));
    let mut draft =
        draft(ErrorKind::Connect, text).method("signalwire.connect").server(code, message).retry_after(retry_after);
    draft.0.phase = Some(Phase::Auth);
    draft.done()
}

/// The program provided no JWT.
pub(crate) fn no_jwt(host: &str, why: &str) -> Error {
    let mut draft = draft(ErrorKind::Connect, format!("connecting to {host}: no JWT: {why}"));
    draft.0.phase = Some(Phase::Auth);
    draft.done()
}

/// The service rejected the credentials.
pub(crate) fn auth_rejected(host: &str, code: Option<i64>, message: &str) -> Error {
    let code_text = coded(code);
    let text = format!("{host} rejected the credentials{code_text}: {message}; check project and token, or the JWT");
    draft(ErrorKind::AuthRejected, text).method("signalwire.connect").server(code, message).done()
}

// Errors of requests.

/// The service rejected a request.
pub(crate) fn rejected(method: &str, call_id: Option<&str>, code: Option<i64>, message: &str) -> Error {
    let what = attempt(method, call_id);
    draft(ErrorKind::Rejected, format!("{what}: rejected{}: {message}", coded(code)))
        .method(method)
        .call(call_id)
        .server(code, message)
        .done()
}

/// The service does not know the call.
pub(crate) fn call_gone(method: &str, call_id: &str, code: Option<i64>, message: &str) -> Error {
    draft(ErrorKind::CallGone, format!("{method} on call {call_id}: the call is gone{}: {message}", coded(code)))
        .method(method)
        .call(Some(call_id))
        .server(code, message)
        .done()
}

/// The call ended before or during the attempt.
pub(crate) fn call_ended(what: &str, call_id: &str) -> Error {
    draft(ErrorKind::CallEnded, format!("{what} on call {call_id}: the call has ended")).call(Some(call_id)).done()
}

/// A wait timed out, and the operation continues.
pub(crate) fn timeout(what: &str) -> Error {
    let text = format!("{what}: timed out; the operation continues, and may be waited for again");
    draft(ErrorKind::Timeout, text).timeout(true).done()
}

/// No event arrived in time for a listener that began at a certain time.
pub(crate) fn no_event(name: &str, call_id: &str) -> Error {
    let text = format!("waiting for {name} on call {call_id}: timed out; an event from before the wait is not seen");
    draft(ErrorKind::Timeout, text).call(Some(call_id)).timeout(true).done()
}

/// Events of an operation may have been missed while the connection was down.
pub(crate) fn missed(method: &str, call_id: &str, timed_out: bool) -> Error {
    let text = format!(
        "{method} on call {call_id}: the connection was interrupted, and the end of the operation may have been missed: it may have \
         succeeded, failed, or be in progress"
    );
    draft(ErrorKind::OutcomeUnknown, text).method(method).call(Some(call_id)).timeout(timed_out).done()
}

/// A request was handed to the connection and no response arrived. `timed_out` is `true` after a deadline, `false`
/// after a loss.
pub(crate) fn outcome_unknown(method: &str, call_id: Option<&str>, timed_out: bool) -> Error {
    let what = attempt(method, call_id);
    let why = if timed_out { "no response within the timeout" } else { "the connection was lost before the response" };
    draft(
        ErrorKind::OutcomeUnknown,
        format!("{what}: {why}: the request may or may not have taken effect, and is not repeated"),
    )
    .method(method)
    .call(call_id)
    .timeout(timed_out)
    .done()
}

/// The service was in trouble during a request with an effect outside of its call.
pub(crate) fn failed_midway(method: &str, call_id: Option<&str>, code: Option<i64>, message: &str) -> Error {
    let (what, code_text) = (attempt(method, call_id), coded(code));
    let why = format!("the service failed{code_text}: {message}");
    let text = format!("{what}: {why}: the request may or may not have taken effect, and is not repeated");
    draft(ErrorKind::OutcomeUnknown, text).method(method).call(call_id).server(code, message).done()
}

/// A message had no final state for so long that it is no longer tracked.
pub(crate) fn verdict_missing(what: &str) -> Error {
    let text = format!("{what}: no final state within the limit: the message may or may not have been delivered");
    draft(ErrorKind::OutcomeUnknown, text).method("messaging.send").done()
}

/// There was no connection within the request timeout, or none that accepted more data.
pub(crate) fn offline(method: &str, call_id: Option<&str>) -> Error {
    let what = attempt(method, call_id);
    draft(ErrorKind::Offline, format!("{what}: not sent: no connection within the request timeout"))
        .method(method)
        .call(call_id)
        .done()
}

/// Too many requests wait for the connection already.
pub(crate) fn queue_full(method: &str, call_id: Option<&str>, limit: usize) -> Error {
    let what = attempt(method, call_id);
    let text = format!("{what}: not sent: {limit} requests are already waiting for the connection");
    draft(ErrorKind::Offline, text).method(method).call(call_id).done()
}

/// The session was lost.
pub(crate) fn session_lost(what: &str) -> Error {
    let text = format!(
        "{what}: the connection was lost and the session was not resumed, so the outcome can no longer be known"
    );
    draft(ErrorKind::SessionLost, text).done()
}

/// The client is closed.
pub(crate) fn closed(what: &str) -> Error {
    draft(ErrorKind::Closed, format!("{what}: the client is closed")).done()
}

/// The client belongs to the process that this one was forked from.
pub(crate) fn forked(what: &str) -> Error {
    let text = format!(
        "{what}: not sent: the client belongs to the process that this one was forked from: connect a new one here"
    );
    draft(ErrorKind::Closed, text).done()
}

/// The client is shutting down.
pub(crate) fn draining(what: &str) -> Error {
    draft(ErrorKind::Draining, format!("{what}: the client is shutting down and starts nothing new")).done()
}

/// Formats a count, for example `2 handlers or callbacks`. Each word of `what` before ` or ` and the last one have
/// their plural with an s.
pub(crate) fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {}s", what.replace(" or ", "s or ")) }
}

/// Returns the log message about calls that a shutdown hangs up.
pub(crate) fn hanging_up(limit: Duration, count: usize) -> String {
    let calls = if count == 1 { "call" } else { "calls" };
    format!("shutdown: the limit of {limit:?} has passed, hanging up {count} {calls}")
}

/// Cause of a failed dial or connect: the reason as data, and the result of each destination.
#[derive(Default)]
pub(crate) struct Cause {
    pub(crate) reason: Option<crate::EndReason>,
    pub(crate) legs: Vec<crate::Leg>,
}

impl Draft {
    fn cause(mut self, cause: Cause) -> Self {
        self.0.end_reason = cause.reason.map(|reason| reason.as_str().into());
        self.0.legs = cause.legs.into();
        self
    }
}

/// A dial ended without a call. `what` is an explanation, if there is more than the reason.
pub(crate) fn dial_failed(to: &str, what: Option<&str>, cause: Cause) -> Error {
    let reason = cause.reason.as_ref().map(crate::EndReason::words);
    let why = match (what, reason) {
        (Some(what), Some(reason)) => format!("{what}: {reason}"),
        (None, Some(reason)) => reason.to_owned(),
        (what, None) => what.unwrap_or("it was not answered, and the service did not report why").to_owned(),
    };
    draft(ErrorKind::DialFailed, format!("dial {to}: {why}")).method("calling.dial").cause(cause).done()
}

/// A dial was not answered within its own limit.
pub(crate) fn dial_timeout(to: &str, cause: Cause) -> Error {
    let text = format!("dial {to}: no answer within the limit of the dial; ringing legs are hung up");
    draft(ErrorKind::DialFailed, text).method("calling.dial").timeout(true).cause(cause).done()
}

/// A bridge could not be established.
pub(crate) fn connect_failed(call_id: &str, to: &str, cause: Cause) -> Error {
    let why = cause.reason.as_ref().map_or("the service did not report why", crate::EndReason::words);
    let text = format!("connect call {call_id} to {to}: {why}");
    draft(ErrorKind::ConnectFailed, text).method("calling.connect").call(Some(call_id)).cause(cause).done()
}

/// A room could not be joined.
pub(crate) fn not_joined(call_id: &str, room: &str, why: &str) -> Error {
    let text = format!("join room {room} with call {call_id}: {why}");
    draft(ErrorKind::ConnectFailed, text).method("calling.join_room").call(Some(call_id)).done()
}

/// The service sent a malformed message.
pub(crate) fn protocol(text: impl Into<Box<str>>) -> Error {
    draft(ErrorKind::Protocol, text).done()
}

/// A response or an outcome exceeds the limit of kept bytes.
pub(crate) fn not_kept(what: &str, bytes: usize, limit: usize) -> Error {
    let text = format!(
        "{what}: ended, and its outcome of {bytes} bytes is not kept: handles hold {limit} bytes of large outcomes at most \
         (Tuning::outcome_bytes)"
    );
    draft(ErrorKind::Protocol, text).done()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_pointer_wide() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }

    #[test]
    fn display_says_what_was_attempted() {
        let error = rejected("calling.play", Some("3f2a"), Some(400), "unknown voice");
        assert_eq!(error.to_string(), "calling.play on call 3f2a: rejected (400): unknown voice");
        assert_eq!((error.code(), error.method(), error.call_id()), (Some(400), Some("calling.play"), Some("3f2a")));
        assert_eq!(error.server_message(), Some("unknown voice"));
        let error = rejected("calling.play", None, None, "out of order");
        assert_eq!((error.to_string().as_str(), error.code()), ("calling.play: rejected: out of order", None));
    }

    #[test]
    fn debug_is_the_same_sentence_and_its_alternate_form_has_the_fields() {
        let error = rejected("calling.play", Some("3f2a"), Some(400), "unknown voice");
        assert_eq!(format!("{error:?}"), "calling.play on call 3f2a: rejected (400): unknown voice");
        let source: BoxError = "broken pipe".into();
        let error = connect("relay.example", Phase::Tcp, "see below", Some(source));
        assert_eq!(format!("{error:?}"), error.to_string());
        let fields = format!("{error:#?}");
        for part in ["Error {", "kind: Connect", "phase: Tcp", "text: \"connecting to relay.example", "\"broken pipe\""]
        {
            assert!(fields.contains(part), "{part} in {fields}");
        }
        // `main` prints this when it returns the error, after `Error: `.
        let returned: Result<()> = Err(error.clone());
        assert_eq!(format!("{returned:?}"), format!("Err({error})"));
    }

    #[test]
    fn one_call_is_no_calls() {
        let limit = Duration::from_secs(30);
        assert_eq!(hanging_up(limit, 1), "shutdown: the limit of 30s has passed, hanging up 1 call");
        assert_eq!(hanging_up(limit, 2), "shutdown: the limit of 30s has passed, hanging up 2 calls");
    }

    #[test]
    fn only_what_the_service_provably_did_not_do_is_retryable() {
        assert!(offline("calling.dial", None).is_retryable());
        assert!(rejected("calling.dial", None, Some(503), "busy").is_retryable());
        assert!(!rejected("calling.dial", None, Some(400), "bad").is_retryable());
        assert!(!outcome_unknown("calling.dial", None, true).is_retryable());
        let midway = failed_midway("calling.dial", None, Some(503), "try later");
        assert!(!midway.is_retryable() && midway.may_have_been_sent() && !midway.is_timeout());
        assert_eq!((midway.code(), midway.server_message()), (Some(503), Some("try later")));
        assert_eq!(
            midway.to_string(),
            "calling.dial: the service failed (503): try later: the request may or may not have taken effect, and is not repeated"
        );
    }
}
