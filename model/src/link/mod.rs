//! The writer from its very source, and what it names beside the scheduler: a socket, and a write half whose encoder
//! puts lines of text on a wire.

#[path = "../../../src/transport/writer/mod.rs"]
pub(crate) mod writer;

pub(crate) mod wire {
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub(crate) enum LinkEnd {
        Closed,
        Stalled,
    }
}

pub(crate) mod connect {
    use std::sync::Arc;

    use super::Wire;

    #[derive(Clone)]
    pub(crate) struct Socket(pub(crate) Arc<Wire>);

    impl Socket {
        pub(crate) fn shutdown(&self) {
            self.0.shut_down();
        }
    }
}

pub(crate) mod half {
    use std::collections::VecDeque;
    use std::sync::Arc;
    use std::time::Duration;

    use super::Wire;
    use super::wire::LinkEnd;

    pub(crate) const WRITE_SLICE: Duration = Duration::from_millis(250);

    /// Two acknowledgements of the scenarios.
    pub(crate) const PIECE: usize = 4;

    /// So often in a row the wire may take nothing.
    const STALLS: usize = 3;

    pub(crate) struct Encodes;

    impl Encodes {
        pub(crate) fn here() -> bool {
            true
        }
    }

    #[derive(Debug)]
    pub(crate) enum Out {
        Text(String),
        Pong(Box<[u8]>),
        Close(u16),
        /// A line each.
        Frames(Vec<u8>),
    }

    pub(crate) struct WriteHalf {
        wire: Arc<Wire>,
        batch: Vec<Out>,
        lines: VecDeque<String>,
        stalls: usize,
        spare: Vec<u8>,
    }

    impl WriteHalf {
        pub(crate) fn new(wire: &Arc<Wire>) -> Self {
            let (batch, lines, spare) = (Vec::new(), VecDeque::new(), Vec::new());
            Self { wire: Arc::clone(wire), batch, lines, stalls: 0, spare }
        }

        pub(crate) fn set_timeout(&self, _timeout: Duration) -> bool {
            true
        }

        pub(crate) fn add(&mut self, out: Out) {
            self.batch.push(out);
        }

        pub(crate) fn swap_spare(&mut self, buffer: &mut Vec<u8>) {
            assert!(self.spare.is_empty());
            std::mem::swap(buffer, &mut self.spare);
        }

        pub(crate) fn is_partial(&self) -> bool {
            !self.lines.is_empty()
        }

        pub(crate) fn is_pending(&self) -> bool {
            self.is_partial()
        }

        pub(crate) fn farewell(&self) {}

        pub(crate) fn write(&mut self, _hand_over: Duration, _stall: Duration) -> Result<bool, LinkEnd> {
            assert!(self.batch.is_empty() || self.lines.is_empty(), "a rest goes first");
            for out in self.batch.drain(..) {
                match out {
                    Out::Text(text) => self.lines.push_back(text),
                    Out::Frames(mut frames) => {
                        let text = std::str::from_utf8(&frames).expect("lines of text");
                        self.lines.extend(text.lines().map(str::to_owned));
                        frames.clear();
                        self.spare = frames;
                    }
                    Out::Pong(_) | Out::Close(_) => unreachable!("no scenario has one"),
                }
            }
            let before = self.lines.len();
            self.wire.take(&mut self.lines)?;
            self.stalls = if self.lines.len() < before { 0 } else { self.stalls + 1 };
            if !self.lines.is_empty() && self.stalls >= STALLS {
                return Err(LinkEnd::Stalled);
            }
            Ok(self.lines.is_empty())
        }
    }
}

use std::collections::VecDeque;

use shuttle::rand::{Rng, thread_rng};
use shuttle::thread;

use self::wire::LinkEnd;
use crate::locks::{Condvar, Mutex};

/// What a peer receives.
pub(crate) struct Wire {
    inner: Mutex<Inner>,
    bell: Condvar,
    /// The peer takes nothing.
    stuck: bool,
}

#[derive(Default)]
struct Inner {
    lines: Vec<String>,
    is_written: bool,
    is_shut: bool,
}

impl Wire {
    pub(crate) fn new(stuck: bool) -> Self {
        Self { inner: Mutex::default(), bell: Condvar::new(), stuck }
    }

    /// Takes as many lines as the scheduler likes, and never from two threads at once.
    fn take(&self, lines: &mut VecDeque<String>) -> Result<(), LinkEnd> {
        let is_written = std::mem::replace(&mut self.inner.lock().is_written, true);
        assert!(!is_written, "two threads have the write half");
        thread::yield_now();
        let mut inner = self.inner.lock();
        inner.is_written = false;
        if inner.is_shut {
            return Err(LinkEnd::Closed);
        }
        let all = lines.len();
        let count = match self.stuck {
            true => 0,
            false if thread_rng().gen_bool(0.7) => all,
            false => thread_rng().gen_range(all.min(1)..=all),
        };
        inner.lines.extend(lines.drain(..count));
        drop(inner);
        self.bell.notify_all();
        Ok(())
    }

    fn shut_down(&self) {
        self.inner.lock().is_shut = true;
        self.bell.notify_all();
    }

    /// Waits until so many lines have come, or the end; what has come.
    pub(crate) fn wait(&self, count: usize) -> Vec<String> {
        let mut inner = self.inner.lock();
        while inner.lines.len() < count && !inner.is_shut {
            self.bell.wait_known(&mut inner, |_| ());
        }
        inner.lines.clone()
    }
}
