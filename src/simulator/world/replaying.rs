//! A recording in place of the service: its frames, and the requests that clients send to it.

use serde_json::{Value, json};

use crate::simulator::line::out::Out;
use crate::simulator::record::journal::{Direction, Frame, FrameKind};
use crate::simulator::replay::engine::{Act, Engine};
use crate::simulator::world::state::World;

impl World {
    /// Starts the replay of a recording.
    pub(crate) fn replay(&mut self, engine: Engine) {
        self.replay = Some(Box::new(engine));
    }

    /// Takes a frame of a client, if a recording is played.
    pub(crate) fn takes_for_replay(&mut self, conn: u64, text: &str) -> bool {
        if self.replay.is_none() {
            return false;
        }
        let Ok(frame) = serde_json::from_str::<Value>(text) else {
            self.violation(format!("connection {conn} sent a malformed frame"));
            return true;
        };
        let Some(method) = frame.get("method").and_then(Value::as_str).map(str::to_owned) else {
            self.note(Direction::FromClient, FrameKind::Ack, conn, "", frame);
            return true;
        };
        self.note(Direction::FromClient, FrameKind::Request, conn, &method, frame.clone());
        if method == "signalwire.ping" {
            let reply = json!({"jsonrpc": "2.0", "id": frame.get("id"), "result": {}});
            self.play(Act::Reply { conn, is_error: false, method, frame: reply });
            return true;
        }
        let now = self.time.simulated();
        let refusal = self.replay.as_mut().and_then(|replay| replay.asked(conn, now, &frame));
        if let Some(refusal) = refusal {
            self.play(refusal);
        }
        self.replay_on();
        true
    }

    /// Plays the due steps, and schedules the next ones.
    fn replay_on(&mut self) {
        loop {
            let now = self.time.simulated();
            let acts = self.replay.as_mut().map(|replay| replay.play(now)).unwrap_or_default();
            if acts.is_empty() {
                break;
            }
            acts.into_iter().for_each(|act| self.play(act));
        }
        let now = self.time.simulated();
        if let Some(due) = self.replay.as_ref().and_then(|replay| replay.next()) {
            // A timer that fires too early has no effect.
            let wait = self.time.at_least(due.saturating_sub(now));
            self.after_real(wait, Self::replay_on);
        }
    }

    fn play(&mut self, act: Act) {
        match act {
            Act::Reply { conn, is_error, method, frame } => {
                let kind = if is_error { FrameKind::ErrorReply } else { FrameKind::Reply };
                self.send_again(conn, kind, &method, frame);
            }
            Act::Event { conn, method, frame } => self.send_again(conn, FrameKind::Event, &method, frame),
            Act::Request { conn, method, frame } => self.send_again(conn, FrameKind::ServiceRequest, &method, frame),
            Act::Raw { conn, text } => {
                let at = self.time.elapsed();
                self.pass_on(conn, Out::Text(text.clone()));
                self.record.frame(at, Direction::ToClient, FrameKind::Raw, conn, "", Frame::Text(text));
            }
            Act::Cut { conn } => self.end_here(conn),
        }
    }

    fn send_again(&mut self, conn: u64, kind: FrameKind, method: &str, frame: Value) {
        let Some(connection) = self.connections.get(conn) else { return };
        let text = frame.to_string();
        connection.unread.fetch_add(text.len(), std::sync::atomic::Ordering::Relaxed);
        self.pass_on(conn, Out::Text(text));
        self.note(Direction::ToClient, kind, conn, method, frame);
    }
}
