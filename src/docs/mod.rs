//! The book: chapters of documentation, without code of their own.
//!
//! For the first program:
//!
//! 1. [Getting started](getting_started/index.html): add the crate, answer a call, run without an account.
//! 2. [Calls](calls/index.html): dial, answer, play, record, hang up; what happens when the caller leaves.
//! 3. [Asking for input](input/index.html): digits, speech, menus.
//! 4. [Connecting, queues, conferences](connecting/index.html): bring several parties together.
//! 5. [Messages](messages/index.html): text messages (SMS, MMS), out and in.
//!
//! For a program that others depend on:
//!
//! 6. [Errors and retries](errors/index.html): each error kind, and what may be sent again.
//! 7. [Reconnecting](reconnecting/index.html): what happens while the connection is lost, and after.
//! 8. [Threads and scaling](threads/index.html): which thread runs what, and thousands of calls.
//! 9. [Running in production](production/index.html): signals, restarts, health, metrics, logs, proxies, certificates.
//! 10. [Testing](testing/index.html): tests against the simulator, in virtual time (with the feature `simulator`).
//!
//! For reference:
//!
//! 11. [From the Python SDK](python_sdk/index.html): programs side by side, and every name of that SDK.
//! 12. [Reliability](reliability/index.html): faults, what the client does, and the tests that show it.

#[doc = include_str!("calls.md")]
pub mod calls {}
#[doc = include_str!("connecting.md")]
pub mod connecting {}
#[doc = include_str!("errors.md")]
pub mod errors {}
#[doc = include_str!("getting_started.md")]
pub mod getting_started {}
#[doc = include_str!("input.md")]
pub mod input {}
#[doc = include_str!("messages.md")]
pub mod messages {}
#[doc = include_str!("production.md")]
pub mod production {}
#[doc = include_str!("python_sdk.md")]
pub mod python_sdk {}
#[doc = include_str!("reconnecting.md")]
pub mod reconnecting {}
#[doc = include_str!("reliability.md")]
pub mod reliability {}
#[cfg(feature = "simulator")]
#[doc = include_str!("testing.md")]
pub mod testing {}
#[doc = include_str!("threads.md")]
pub mod threads {}
