//! Playing media one after the other, on their own or as the prompt of a collect.

use std::time::Instant;

use serde_json::{Value, json};

use crate::simulator::people::speech::{audible, speaking_seconds};
use crate::simulator::record::interaction::InteractionKind;
use crate::simulator::verbs::activity::{Activity, Begun, Ends, Role, Steps, Verb, View, by_default};
use crate::simulator::wire::frame::list;
use crate::simulator::wire::reply::{Params, Refusal, Reply, refuse, started};

pub(crate) const PLAY: Verb = Verb {
    commands: &[
        ("pause", "+ control_id:s! behavior:s"),
        ("resume", "+ control_id:s!"),
        ("stop", "+ control_id:s!"),
        ("volume", "+ control_id:s! volume:n!"),
    ],
    ..Verb::new(
        "calling.play",
        "+ control_id:s! play:[@Media]! volume:n direction:s loop:i status_url:s language:s voice:s gender:s",
        begin,
    )
};

/// The events of a playback, and of a prompt.
const EVENT: &str = "calling.call.play";

/// The alarm of the item that is being played.
pub(crate) const ITEM: &str = "item";

/// Duration of an audio file, which is not read, and of a ringtone without a length.
const AUDIO_SECONDS: f64 = 3.0;

/// Media that are played in a row.
pub(crate) struct Playback {
    items: Vec<Item>,
    at: usize,
    rounds_left: Option<i64>,
    left: f64,
    since: Instant,
    paused: bool,
}

/// An item of a playlist, with its duration.
struct Item {
    heard: Option<String>,
    seconds: f64,
}

fn item(media: &Value) -> Item {
    let params = &media["params"];
    let given = params["duration"].as_f64().map(|seconds| seconds.clamp(0.01, 86_400.0));
    let seconds = match media["type"].as_str() {
        Some("tts") => speaking_seconds(params["text"].as_str().unwrap_or_default()),
        _ => given.unwrap_or(AUDIO_SECONDS),
    };
    Item { heard: audible(media), seconds }
}

impl Playback {
    pub(crate) fn new(params: &Params, call: &View<'_>) -> Result<Self, Refusal> {
        let media = list(params, "play");
        if media.is_empty() {
            return refuse(400, "play is empty");
        }
        check_volume(params)?;
        let rounds_left = match params.get("loop").and_then(Value::as_i64).unwrap_or(1) {
            0 => None,
            rounds if rounds > 0 => Some(rounds),
            _ => return refuse(400, "loop is negative"),
        };
        let items = media.iter().map(item).collect();
        Ok(Self { items, at: 0, rounds_left, left: 0.0, since: call.now, paused: false })
    }

    /// Begins the next item.
    pub(crate) fn start(&mut self, call: &View<'_>, out: &mut Steps) {
        let Some(item) = self.items.get(self.at) else { return };
        let (heard, lasts) = (item.heard.clone(), item.seconds);
        self.run(lasts, call, out);
        if let Some(heard) = heard {
            out.did(InteractionKind::Said, &heard);
            out.hears(Role::Remote, heard);
        }
    }

    fn run(&mut self, lasts: f64, call: &View<'_>, out: &mut Steps) {
        (self.left, self.since) = (lasts, call.now);
        out.alarm(ITEM, lasts);
    }

    /// Notes that an item has ended; returns its audible text, and `true` if it was the last one.
    pub(crate) fn item_over(&mut self) -> (Option<String>, bool) {
        let heard = self.items.get(self.at).and_then(|item| item.heard.clone());
        self.at += 1;
        let mut over = false;
        if self.at == self.items.len() {
            self.at = 0;
            if let Some(left) = &mut self.rounds_left {
                *left -= 1;
                over = *left == 0;
            }
        }
        (heard, over)
    }

    fn pause(&mut self, pause: bool, call: &View<'_>, out: &mut Steps) -> Result<(), Refusal> {
        if self.paused == pause {
            return refuse(409, if pause { "It is paused" } else { "It is not paused" });
        }
        self.paused = pause;
        if pause {
            self.left = (self.left - call.seconds_since(self.since)).max(0.0);
            out.disarm(ITEM);
            out.emit(EVENT, json!({"state": "paused"}));
        } else {
            out.emit(EVENT, json!({"state": "playing"}));
            self.run(self.left, call, out);
        }
        Ok(())
    }
}

pub(crate) fn check_volume(params: &Params) -> Result<(), Refusal> {
    match params.get("volume").and_then(Value::as_f64) {
        Some(volume) if !(-40.0..=40.0).contains(&volume) => refuse(400, "volume is not between -40 and 40"),
        _ => Ok(()),
    }
}

/// A playback on a call.
struct Play(Playback);

fn begin(params: &Params, call: &View<'_>, out: &mut Steps) -> Result<Begun, Refusal> {
    let mut playback = Playback::new(params, call)?;
    if unplayable(params) {
        out.end(EVENT, json!({"state": "error"}));
    } else {
        out.emit(EVENT, json!({"state": "playing"}));
        playback.start(call, out);
    }
    Ok(Begun::Runs(Box::new(Play(playback)), started("Playing", call.call_id, params)))
}

impl Activity for Play {
    fn family(&self) -> &'static str {
        "play"
    }

    fn command(&mut self, command: &str, params: &Params, call: &View<'_>, out: &mut Steps) -> Reply {
        let words = match command {
            "pause" => {
                self.0.pause(true, call, out)?;
                "Paused play"
            }
            "resume" => {
                self.0.pause(false, call, out)?;
                "Resumed play"
            }
            "volume" => {
                check_volume(params)?;
                "Changed volume"
            }
            _ => return by_default(self, command, params, call, out),
        };
        Ok(started(words, call.call_id, params))
    }

    fn alarm(&mut self, _: &'static str, _: u64, call: &View<'_>, out: &mut Steps) {
        let (heard, over) = self.0.item_over();
        if over {
            out.end(EVENT, json!({"state": "finished"}));
        } else {
            self.0.start(call, out);
        }
        out.heard_out(Role::Remote, heard);
    }

    fn ends(&mut self, _: Ends, _: &View<'_>, out: &mut Steps) {
        out.end(EVENT, json!({"state": "finished"}));
    }
}

/// `true` if an audio file has a URL that cannot be fetched from.
fn unplayable(params: &Params) -> bool {
    list(params, "play").iter().filter(|media| media["type"] == "audio").any(|media| {
        let url = media["params"]["url"].as_str().unwrap_or_default();
        !url.starts_with("http://") && !url.starts_with("https://")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::verbs::tests::Rig;

    #[test]
    fn two_items_are_played_twice_and_a_pause_takes_nothing_from_them() {
        let media = json!([{"type": "tts", "params": {"text": "twelve chars"}}, {"type": "silence", "params": {"duration": 2}}]);
        let mut rig = Rig::begin(&PLAY, json!({"control_id": "p", "play": media, "loop": 2})).expect("it runs");
        assert_eq!(rig.told(), [(EVENT, json!({"state": "playing"}))]);
        rig.pass(0.5);
        assert!(
            rig.command("pause", json!({})).is_ok()
                && rig.command("pause", json!({})).expect_err("a refusal").code == 409
        );
        rig.pass(60.0);
        assert!(rig.command("resume", json!({})).is_ok());
        rig.pass(5.4);
        assert!(!rig.is_over());
        rig.pass(0.2);
        let states = ["playing", "paused", "playing", "finished"].map(|state| (EVENT, json!({"state": state})));
        assert_eq!(rig.told(), states);
        assert_eq!(rig.heard(), ["twelve chars", "twelve chars"]);
    }

    #[test]
    fn a_url_that_cannot_be_fetched_is_an_error_and_what_is_no_playback_is_refused() {
        let media = json!([{"type": "audio", "params": {"url": "nowhere"}}]);
        let rig = Rig::begin(&PLAY, json!({"play": media})).expect("it runs");
        assert!(rig.is_over() && rig.told() == [(EVENT, json!({"state": "error"}))]);
        for bad in [json!({"play": []}), json!({"play": media, "loop": -1}), json!({"play": media, "volume": 41})] {
            assert_eq!(Rig::begin(&PLAY, bad).err().map(|refusal| refusal.code), Some(400));
        }
    }
}
