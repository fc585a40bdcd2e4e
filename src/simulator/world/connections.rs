//! Connections that have finished their handshakes.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Instant;

use crate::clock::Sender;
use crate::simulator::line::handshake::Trouble;
use crate::simulator::line::host::Line;
use crate::simulator::line::link::Link;
use crate::simulator::line::out::Out;
use crate::simulator::world::calls::SessionId;
use crate::simulator::world::ended::Unacked;

/// Number of request IDs that are kept for each connection, to find repeated ones.
pub(crate) const IDS_KEPT: usize = 65_536;

/// A connection that has finished its handshakes.
pub(crate) struct Conn {
    pub(crate) out: Sender<Out>,
    pub(crate) unread: Arc<AtomicUsize>,
    pub(crate) socket: Arc<Link>,
    /// `true` if the client lives in another time, whose deadlines are unknown here.
    pub(crate) foreign: bool,
    pub(crate) session: Option<SessionId>,
    /// The response to the connect was sent, which may be lost on the way.
    pub(crate) welcomed: bool,
    pub(crate) event_acks: bool,
    pub(crate) major: i64,
    pub(crate) unacked: HashMap<String, Unacked>,
    pub(crate) ping: Option<String>,
    /// The fault of the connection's authentication.
    pub(crate) trouble: Option<Trouble>,
    /// Times at which the last bytes on the way to the client, and from it, arrive.
    pub(crate) arrival: [Option<Instant>; 2],
    ids: HashSet<String>,
    id_order: VecDeque<String>,
}

impl Conn {
    pub(crate) fn new(line: Line) -> Self {
        let Line { out, unread, link, trouble } = line;
        Self {
            out,
            unread,
            foreign: link.is_foreign(),
            socket: link,
            session: None,
            welcomed: false,
            event_acks: false,
            major: 0,
            unacked: HashMap::new(),
            ping: None,
            trouble,
            arrival: [None, None],
            ids: HashSet::new(),
            id_order: VecDeque::new(),
        }
    }

    /// Returns `false` if the ID was used before.
    pub(crate) fn note_id(&mut self, id: &str) -> bool {
        if !self.ids.insert(id.to_owned()) {
            return false;
        }
        self.id_order.push_back(id.to_owned());
        if self.id_order.len() > IDS_KEPT {
            if let Some(old) = self.id_order.pop_front() {
                self.ids.remove(&old);
            }
        }
        true
    }
}

/// The open connections, by their number.
#[derive(Default)]
pub(crate) struct Connections {
    all: BTreeMap<u64, Conn>,
    ever: u64,
}

impl Connections {
    /// Adds a connection, and returns its number, counted from 1.
    pub(crate) fn open(&mut self, connection: Conn) -> u64 {
        self.ever += 1;
        self.all.insert(self.ever, connection);
        self.ever
    }

    pub(crate) fn close(&mut self, conn: u64) -> Option<Conn> {
        self.all.remove(&conn)
    }

    pub(crate) fn is_open(&self, conn: u64) -> bool {
        self.all.contains_key(&conn)
    }

    pub(crate) fn get(&self, conn: u64) -> Option<&Conn> {
        self.all.get(&conn)
    }

    pub(crate) fn get_mut(&mut self, conn: u64) -> Option<&mut Conn> {
        self.all.get_mut(&conn)
    }

    pub(crate) fn numbers(&self) -> Vec<u64> {
        self.all.keys().copied().collect()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &Conn)> {
        self.all.iter().map(|(conn, connection)| (*conn, connection))
    }

    /// Number of connections that were ever made.
    pub(crate) fn ever(&self) -> u64 {
        self.ever
    }

    /// Forgets the events that wait for an acknowledgement, except those that are kept.
    pub(crate) fn retain_unacked(&mut self, keep: impl Fn(&Unacked) -> bool) {
        self.all.values_mut().for_each(|connection| connection.unacked.retain(|_, event| keep(event)));
    }
}
