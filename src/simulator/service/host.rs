//! The service behind the lines.

use std::sync::Arc;

use crate::clock::Clock;
use crate::simulator::line::handshake::Trouble;
use crate::simulator::line::host::{Host, Line};
use crate::simulator::line::link::Lines;
use crate::simulator::world::connections::Conn;
use crate::simulator::world::shared::Shared;
use crate::simulator::world::state::World;

impl Host for Shared {
    fn clock(&self) -> &Clock {
        &self.clock
    }

    fn lines(&self) -> &Arc<Lines> {
        &self.lines_to_clients
    }

    fn keeps_time(&self) {
        self.keep_time();
    }

    fn admits(&self) -> Option<Vec<Trouble>> {
        self.with(|world| {
            let injected = &mut world.faults.injected;
            if injected.refuses_connections() { None } else { Some(injected.handshakes()) }
        })
    }

    fn connected(&self, line: Line) -> u64 {
        self.with(|world| world.connected(Conn::new(line)))
    }

    fn text(&self, conn: u64, text: &str) {
        self.with(|world| world.receive_text(conn, text));
    }

    fn binary(&self, conn: u64) {
        self.with(|world| world.on_binary(conn));
    }

    fn ended(&self, conn: u64) -> bool {
        self.with(|world| {
            world.receive_end(conn);
            world.faults.is_frozen()
        })
    }

    fn stopping(&self) {
        self.with(|world| world.stopping = true);
    }

    fn cut_all(&self) {
        self.with(World::cut_all);
    }
}
