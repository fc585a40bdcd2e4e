//! Connections that are cut at a frame: the part of the frame that arrives, and the events that are sent again.

use std::time::Duration;

use serde_json::Value;

use crate::simulator::faults::cut::CutPoint;
use crate::simulator::line::out::Out;
use crate::simulator::record::journal::{Direction, FrameKind};
use crate::simulator::world::state::World;

impl World {
    /// Returns whether a frame of the client arrives, and whether the connection is cut after it.
    pub(crate) fn takes_frame(&mut self, conn: u64, text: &str) -> (bool, bool) {
        let cut = self.due_cut(Direction::FromClient);
        match cut {
            None => (true, false),
            Some(CutPoint::Before) => {
                // The frame was on the wire, so the journal records it, but it is not processed.
                if let Ok(frame) = serde_json::from_str::<Value>(text) {
                    let method = frame["method"].as_str().unwrap_or_default().to_owned();
                    let kind = if method.is_empty() { FrameKind::Ack } else { FrameKind::Request };
                    self.note(Direction::FromClient, kind, conn, &method, frame);
                }
                self.end_here(conn);
                (false, false)
            }
            Some(CutPoint::After) => {
                // The frames that the request causes are lost.
                self.faults.cutting.doom(conn);
                (true, true)
            }
        }
    }

    /// Counts a frame that is about to be sent, and cuts the connection if its turn has come.
    pub(crate) fn sends_frame(&mut self, conn: u64, kind: FrameKind, method: &str, frame: &Value) -> (bool, bool) {
        let doomed = self.faults.cutting.is_doomed(conn);
        let cut = if doomed { Some(CutPoint::Before) } else { self.due_cut(Direction::ToClient) };
        if cut != Some(CutPoint::Before) {
            return (true, cut.is_some());
        }
        let session = self.connections.get(conn).and_then(|connection| connection.session.clone());
        if !doomed {
            self.end_here(conn);
        }
        if let Some(session) = session.and_then(|name| self.sessions.get_mut(&name)) {
            if kind == FrameKind::Event && self.settings.replays_missed_events {
                let id = frame["id"].as_str().unwrap_or_default().to_owned();
                if session.missed.iter().all(|(_, missed, _)| *missed != id) {
                    session.missed.push((method.to_owned(), id, frame.clone()));
                }
            }
        }
        (false, false)
    }

    fn due_cut(&mut self, direction: Direction) -> Option<CutPoint> {
        let (cut, forget) = self.faults.cutting.due(direction)?;
        if forget {
            // The sessions are forgotten in a job of its own, because the sender of this frame may still read them.
            self.after_real(Duration::ZERO, Self::forget_sessions);
        }
        Some(cut)
    }

    /// Ends a connection after the bytes that were sent already, without a Close. Events without an acknowledgement
    /// are sent again after a resume if missed events are replayed.
    pub(crate) fn end_here(&mut self, conn: u64) {
        self.faults.cutting.forget(conn);
        let Some(mut connection) = self.connections.close(conn) else { return };
        let _ = connection.out.send(Out::End);
        let session = connection.session.as_ref().and_then(|name| self.sessions.get_mut(name));
        if let Some(session) = session.filter(|_| self.settings.replays_missed_events) {
            let (sent, mut unacked) = (self.record.journal(), std::mem::take(&mut connection.unacked));
            let events = sent.entries().iter().filter(|entry| entry.kind() == FrameKind::Event);
            let again = events.filter_map(|entry| {
                // The journal has the event once for each time that it was sent.
                let id = entry.id().as_str().filter(|id| unacked.remove(*id).is_some())?;
                let frame = serde_json::from_str(&entry.text()).ok()?;
                Some((entry.method().to_owned(), id.to_owned(), frame))
            });
            let later = std::mem::take(&mut session.missed);
            session.missed = again.collect();
            for event in later {
                if session.missed.iter().all(|(_, missed, _)| *missed != event.1) {
                    session.missed.push(event);
                }
            }
        }
        self.detach_connection(conn, &connection);
    }
}
