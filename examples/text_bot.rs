//! Answers text messages: sends opening hours, thanks for pictures, and obeys STOP and START.

use std::collections::HashSet;
use std::sync::Mutex;
use std::time::Duration;

use signalwire_relay::simulator::{self, Simulator, WaitTimeout};
use signalwire_relay::{Client, HandlerResult, Message, Result};

fn main() -> Result<()> {
    env_logger::init();
    simulator::rehearse(people); // Without an account the program runs on a simulator. Not needed in yours.
    let client = Client::builder().contexts(["default"]).connect()?;
    let bot = Bot::default();
    client.on_message(move |message| bot.answer(&message));
    client.run()
}

/// Numbers that do not want messages. A real program keeps them in its database.
#[derive(Default)]
pub struct Bot {
    stopped: Mutex<HashSet<String>>,
}

impl Bot {
    pub fn answer(&self, message: &Message) -> HandlerResult {
        let from = message.from_number();
        let Some(text) = self.reply(&from, &message.body(), message.media().len()) else { return Ok(()) };
        let sent = message.reply(text)?;
        let last = sent.wait(Duration::from_secs(120))?;
        println!("{} to {}: {} {}", last.message_id, last.to_number, last.state, last.reason.unwrap_or_default());
        Ok(())
    }

    /// The reply to a text message, unless the sender wants none.
    fn reply(&self, from: &str, body: &str, pictures: usize) -> Option<&'static str> {
        let mut stopped = self.stopped.lock().unwrap();
        match body.trim().to_lowercase().as_str() {
            "stop" | "stopall" | "unsubscribe" | "cancel" | "end" | "quit" => {
                // The carrier confirms the STOP itself, and rejects further messages.
                stopped.insert(from.to_owned());
                None
            }
            "start" | "unstop" => {
                stopped.remove(from);
                Some("Welcome back. Text HOURS for our opening hours.")
            }
            _ if stopped.contains(from) => None,
            _ if pictures > 0 => Some("Thank you for the picture."),
            "hours" => Some("We are open from nine to five."),
            _ => Some("Text HOURS for our opening hours, or STOP to get no more messages."),
        }
    }
}

fn people(sim: &Simulator) -> Result<(), WaitTimeout> {
    let (ann, ours, limit) = ("+15551230001", "+15550000000", Duration::from_secs(60));
    for body in ["Hello?", "hours"] {
        sim.texts(ann, ours, body);
        sim.wait_for_request("messaging.send", limit)?;
    }
    sim.texts_with_media("default", ann, ours, "Look!", ["https://example.com/cake.jpg"]);
    sim.wait_for_request("messaging.send", limit)?;
    for body in ["STOP", "hours", "start"] {
        sim.texts(ann, ours, body);
    }
    sim.wait_for_request("messaging.send", limit).map(drop)
}
