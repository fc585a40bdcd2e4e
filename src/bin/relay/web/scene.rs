//! The events of the simulator as the page shows them: phones, calls, speech and digits, the ladder, the log.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use signalwire_relay::ladder::Ladder;
use signalwire_relay::simulator::interactions::{Interaction, InteractionKind};
use signalwire_relay::simulator::{ActiveFault, CallSnapshot, Fault, FrameKind, FrameRecord, PersonOnCall, Simulator};

use super::feed::{Change, Feed};
use super::orders::{self, Expected, Order, Phone};
use crate::sim::Stage;

/// Interval of the checks for changes that no event announces: connections, and late acknowledgements.
const LOOK_EVERY: Duration = Duration::from_millis(400);

/// Number of events that are handled before the page is updated.
const AT_ONCE: usize = 500;

/// Number of rows at which old rows of the ladder are dropped, and number of rows that stay.
const ROWS: (usize, usize) = (20_000, 2_000);

/// Number of text messages that are recognised when a fault delivers them again.
const TEXTS_KNOWN: usize = 10_000;

/// An event for the thread of the scene.
pub enum Sight {
    Frame(FrameRecord),
    Interaction(Interaction),
    Line(String),
    /// A command of the page, and the channel for its response.
    Order(String, Sender<Value>),
    End,
}

/// Registers `to`, which receives every event of a simulator.
pub fn watch(simulator: &Simulator, to: &Sender<Sight>) {
    let frames = to.clone();
    simulator.on_frame(move |frame| drop(frames.send(Sight::Frame(frame.clone()))));
    let interactions = to.clone();
    simulator.on_interaction(move |interaction| drop(interactions.send(Sight::Interaction(interaction.clone()))));
    let lines = to.clone();
    simulator.on_transcript(move |line| drop(lines.send(Sight::Line(line.to_owned()))));
}

/// The thread that collects everything that the page shows.
pub struct Scene {
    stage: Stage,
    feed: Arc<Feed>,
    change: Change,
    phones: Vec<Phone>,
    calls: Vec<CallSnapshot>,
    /// The people on the calls, for the end reason of their call, and the time since which they talk.
    people: HashMap<String, (PersonOnCall, Option<u64>)>,
    /// The program's last text, until a person has heard it.
    said: Option<String>,
    talked: u64,
    ladder: Ladder,
    rows: usize,
    texts: HashSet<String>,
    /// Texts of the program that wait until the page shows the frames before them: an answer comes after its question.
    texted: VecDeque<Interaction>,
    /// The time of the last frame.
    framed: Duration,
    violations: usize,
    link: Option<usize>,
    /// Faults that the page injected, each with its number.
    injected: Vec<(u64, Fault, ActiveFault)>,
    injections: u64,
    faults: Option<Vec<Value>>,
    expected: Vec<Expected>,
    /// Whether an interaction has happened since the expectations were judged.
    judges: bool,
}

impl Scene {
    pub fn new(stage: Stage, feed: Arc<Feed>) -> Self {
        Self {
            stage,
            feed,
            change: Change::default(),
            phones: Vec::new(),
            calls: Vec::new(),
            people: HashMap::new(),
            said: None,
            talked: 0,
            ladder: Ladder::new(),
            rows: 0,
            texts: HashSet::new(),
            texted: VecDeque::new(),
            framed: Duration::ZERO,
            violations: 0,
            link: None,
            injected: Vec::new(),
            injections: 0,
            faults: None,
            expected: Vec::new(),
            judges: false,
        }
    }

    /// Handles events and updates the page, until the end. `ready` is sent when the page has the whole present state.
    pub fn run(mut self, sights: &Receiver<Sight>, about: Value, ready: &Sender<()>) {
        self.change.set("about", about);
        for list in ["calls", "talk", "log", "rows", "expected"] {
            self.change.set(list, json!([]));
        }
        self.change.set("violations", 0);
        self.phone(Phone::new("+15551230000"));
        self.look();
        self.tell();
        let _waits = ready.send(());
        loop {
            let mut next = match sights.recv_timeout(LOOK_EVERY) {
                Ok(sight) => Some(sight),
                Err(RecvTimeoutError::Timeout) => {
                    self.texts_out(Duration::MAX);
                    None
                }
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let mut answers = Vec::new();
            let mut taken = 0;
            while let Some(sight) = next {
                match sight {
                    Sight::Frame(frame) => self.frame(&frame),
                    Sight::Interaction(interaction) => self.interaction(&interaction),
                    Sight::Line(line) => self.log("line", &line),
                    Sight::Order(line, to) => answers.push((to, self.order(&line))),
                    Sight::End => return,
                }
                taken += 1;
                next = if taken < AT_ONCE { sights.try_recv().ok() } else { None };
            }
            self.judges |= taken > 0;
            self.look();
            self.tell();
            // A page that receives the response finds its effect in the state.
            answers.into_iter().for_each(|(to, answer)| drop(to.send(answer)));
        }
    }

    fn order(&mut self, line: &str) -> Value {
        let done = match orders::parse(line) {
            Ok(Order::Phone(phone)) => {
                phone.set(&self.stage.simulator);
                self.phone(phone);
                Ok(())
            }
            Ok(Order::RemovePhone { number }) => {
                self.phones.retain(|phone| phone.number() != number);
                self.tell_phones();
                Ok(())
            }
            Ok(Order::Expect(expected)) => expected.checked(&self.stage.simulator).map(|expected| {
                self.expected.push(expected);
                self.judges = true;
            }),
            Ok(Order::ForgetExpectations {}) => {
                self.expected.clear();
                self.change.set("expected", json!([]));
                Ok(())
            }
            Ok(Order::Fault(fault)) => self.inject(&fault),
            Ok(Order::Mend { id }) => self.mend(id),
            Ok(Order::MendAll {}) => {
                self.stage.simulator.remove_faults();
                self.log("fault", "all faults are removed");
                Ok(())
            }
            Ok(Order::Command) => return crate::sim::answer_at_once(line, &mut self.stage),
            Err(error) => Err(error),
        };
        match done {
            Ok(()) => json!({"ok": true}),
            Err(error) => json!({"ok": false, "error": error}),
        }
    }

    fn inject(&mut self, json: &Value) -> Result<(), String> {
        let fault = Fault::from_json(json).map_err(|error| error.to_string())?;
        let active = self.stage.simulator.inject(fault.clone());
        self.log("fault", &format!("fault: {}", spoken(&fault)));
        self.injections += 1;
        self.injected.push((self.injections, fault, active));
        Ok(())
    }

    fn mend(&mut self, id: u64) -> Result<(), String> {
        let found = self.injected.iter().find(|(known, ..)| *known == id);
        let (_, fault, active) = found.ok_or("the fault is over")?;
        active.remove();
        let line = format!("the fault is removed: {}", spoken(fault));
        self.log("fault", &line);
        Ok(())
    }

    // Updates of the page.

    /// Sends the changes to the page.
    fn tell(&mut self) {
        self.feed.make(std::mem::take(&mut self.change));
    }

    fn now(&self) -> f64 {
        self.stage.simulator.elapsed().as_micros() as f64 / 1e6
    }

    fn log(&mut self, kind: &str, text: &str) {
        let at = self.now();
        self.change.add("log", json!({"at": at, "kind": kind, "text": text}));
    }

    fn talk(&mut self, number: &str, call_id: Option<&str>, kind: &str, text: &str, from: Option<&str>) {
        self.talked += 1;
        let at = self.now();
        let entry = json!({
            "n": self.talked, "number": number, "call": call_id, "at": at, "kind": kind, "text": text, "from": from,
        });
        self.change.add("talk", entry);
    }

    fn tell_phones(&mut self) {
        let phones: Vec<Value> = self.phones.iter().map(Phone::to_json).collect();
        self.change.set("phones", phones);
    }

    /// Adds a phone to the page, in place of one with the same number.
    fn phone(&mut self, phone: Phone) {
        match self.phones.iter_mut().find(|known| known.number() == phone.number()) {
            Some(known) => *known = phone,
            None => self.phones.push(phone),
        }
        self.tell_phones();
    }

    fn has_phone(&mut self, number: &str) {
        if self.phones.iter().all(|phone| phone.number() != number) {
            self.phone(Phone::new(number));
        }
    }

    // Events.

    fn frame(&mut self, frame: &FrameRecord) {
        // The frames are valid, because the simulator made them.
        let _always_taken = self.ladder.push(&frame.to_json());
        if self.ladder.rows().len() < self.rows {
            self.rows = self.ladder.rows().len();
        }
        for row in &self.ladder.rows()[self.rows..] {
            self.change.add("rows", row.to_json());
        }
        self.rows = self.ladder.rows().len();
        if self.rows > ROWS.0 {
            self.ladder = self.ladder.last(ROWS.1);
            self.rows = self.ladder.rows().len();
        }
        match (frame.kind(), frame.method()) {
            (
                FrameKind::Request,
                "calling.play.stop" | "calling.play.pause" | "calling.play_and_collect.stop" | "calling.end",
            ) => {
                if let Some(call_id) = frame.call_id() {
                    self.change.add("hush", call_id.into());
                }
            }
            (FrameKind::Event, "messaging.receive") => self.text_in(frame.params()),
            (FrameKind::ErrorReply, method) => {
                let params = frame.params();
                let (code, message) = (&params["code"], params["message"].as_str().unwrap_or_default());
                self.log("refusal", &format!("{method} was rejected: {code} {message}"));
            }
            (FrameKind::Reply, method) => {
                let params = frame.params();
                let code = params["code"].as_str().unwrap_or("200");
                if !code.starts_with('2') {
                    let message = params["message"].as_str().unwrap_or_default();
                    self.log("refusal", &format!("{method} was rejected: {code} {message}"));
                }
            }
            _ => {}
        }
        self.framed = frame.at();
        self.texts_out(self.framed);
    }

    /// Handles a text message that has reached the program.
    fn text_in(&mut self, params: &Value) {
        let part = |key: &str| params[key].as_str().unwrap_or_default();
        // A fault may deliver the message again.
        if self.texts.len() < TEXTS_KNOWN && !self.texts.insert(part("message_id").to_owned()) {
            return;
        }
        let (number, body, media) = (part("from_number"), part("body"), &params["media"]);
        self.has_phone(number);
        self.talk(number, None, "texted", &with_media(body, media), Some(number));
    }

    fn interaction(&mut self, interaction: &Interaction) {
        let (number, words, call) = (interaction.with(), interaction.words(), interaction.call_id());
        let said = self.said.take();
        match interaction.kind() {
            InteractionKind::Said => self.said = Some(words.to_owned()),
            InteractionKind::Heard => {
                let by_program = said.as_deref() == Some(words);
                let from = if by_program { None } else { Some(self.other_end(call).unwrap_or_default()) };
                self.talk(number, call, "heard", words, from.as_deref());
            }
            InteractionKind::AskedForDigits => self.talk(number, call, "asked", "digits", None),
            InteractionKind::AskedToSpeak => self.talk(number, call, "asked", "words", None),
            InteractionKind::Pressed => self.talk(number, call, "pressed", words, Some(number)),
            InteractionKind::Spoke => self.talk(number, call, "spoke", words, Some(number)),
            InteractionKind::Answered => self.talk(number, call, "note", "The program has answered", None),
            InteractionKind::Dialled => {
                self.has_phone(number);
                self.talk(number, call, "note", "The program is calling", None);
            }
            InteractionKind::Connected => {
                self.talk(number, call, "note", &format!("Connected with {words}"), None);
                let other = self.calls_now().into_iter().find(|one| one.connected_to.as_deref() == call);
                let other = other.map(|one| one.call_id);
                self.talk(words, other.as_deref(), "note", &format!("Connected with {number}"), None);
            }
            InteractionKind::SentDigits => self.talk(number, call, "digits", words, None),
            InteractionKind::Recorded => {
                let seconds = interaction.lasted().as_secs_f64();
                self.talk(number, call, "note", &format!("Recorded {seconds:.1} s"), None);
            }
            InteractionKind::Charged => self.talk(number, call, "note", &format!("Payment: {words}"), None),
            InteractionKind::Faxed => self.talk(number, call, "note", &format!("Fax: {words}"), None),
            InteractionKind::Passed => self.talk(number, call, "note", "The program has passed the call on", None),
            InteractionKind::Texted => {
                self.texted.push_back(interaction.clone());
                self.texts_out(self.framed);
            }
            _ => {}
        }
    }

    /// Shows the texts that the program sent until then.
    fn texts_out(&mut self, until: Duration) {
        while self.texted.front().is_some_and(|text| text.at() <= until) {
            let Some(text) = self.texted.pop_front() else { return };
            let (number, words) = (text.with(), text.words());
            self.has_phone(number);
            let sent = self.stage.simulator.texts_sent();
            let media = sent.iter().rev().find(|text| text.to == number && text.body == words);
            let media = media.map(|text| json!(text.media)).unwrap_or_default();
            self.talk(number, None, "texted", &with_media(words, &media), None);
        }
    }

    /// The number at the far end of a connected call, or the name of its conference.
    fn other_end(&self, call_id: Option<&str>) -> Option<String> {
        let calls = self.calls_now();
        let own = calls.iter().find(|call| Some(call.call_id.as_str()) == call_id)?;
        let peer = own.connected_to.as_ref();
        let peer = peer.and_then(|peer| calls.iter().find(|call| call.call_id == *peer));
        peer.map(|call| call.person.clone()).or_else(|| own.conference.clone())
    }

    fn calls_now(&self) -> Vec<CallSnapshot> {
        self.stage.simulator.calls()
    }

    // Checks.

    fn look(&mut self) {
        self.look_at_calls();
        let link = self.stage.simulator.connections();
        if self.link != Some(link) {
            self.change.set("connected", link);
            if let Some(before) = self.link.replace(link) {
                let what = if link > before { "a program has connected" } else { "a program is disconnected" };
                self.log("link", &format!("{what}; {link} connected"));
            }
        }
        let violations = self.stage.simulator.violations();
        for violation in violations.iter().skip(self.violations) {
            self.log("violation", violation);
        }
        if violations.len() != self.violations {
            self.change.set("violations", violations.len());
        }
        self.violations = violations.len();
        self.look_at_faults();
        if std::mem::take(&mut self.judges) && !self.expected.is_empty() {
            let mut lines = Vec::new();
            for expected in &mut self.expected {
                lines.extend(expected.judge(&self.stage.simulator));
            }
            let all: Vec<Value> = self.expected.iter().map(Expected::to_json).collect();
            if self.feed.get("expected").as_ref() != Some(&json!(all)) {
                self.change.set("expected", all);
            }
            lines.into_iter().for_each(|(kind, line)| self.log(kind, &line));
        }
    }

    fn look_at_faults(&mut self) {
        self.injected.retain(|(_, _, active)| !active.is_over());
        // The faults of a script and of stdin have no number.
        let mut others = self.stage.simulator.faults();
        let mut all = Vec::new();
        for (id, fault, _) in &self.injected {
            if let Some(at) = others.iter().position(|other| other == fault) {
                others.remove(at);
            }
            all.push(json!({"id": id, "fault": fault.to_json()}));
        }
        all.extend(others.iter().map(|fault| json!({"id": null, "fault": fault.to_json()})));
        if self.faults.as_ref() != Some(&all) {
            self.change.set("faults", all.clone());
            self.faults = Some(all);
        }
    }

    fn look_at_calls(&mut self) {
        let calls = self.calls_now();
        let mut changed = calls != self.calls;
        for call in &calls {
            if !self.people.contains_key(&call.call_id) {
                self.has_phone(&call.person);
                if let Some(person) = self.stage.simulator.person_on(&call.call_id) {
                    self.people.insert(call.call_id.clone(), (person, None));
                }
                if call.inbound {
                    let text = format!("Calling {}", call.program);
                    self.talk(&call.person, Some(&call.call_id), "note", &text, None);
                }
            }
            if let Some((_, since)) = self.people.get_mut(&call.call_id) {
                if call.state == "answered" && since.is_none() {
                    *since = Some(unix_millis());
                    changed = true;
                }
            }
        }
        let ended: Vec<String> =
            self.people.keys().filter(|id| calls.iter().all(|call| call.call_id != **id)).cloned().collect();
        for id in ended {
            let Some((person, _)) = self.people.remove(&id) else { continue };
            let reason = person.end_reason().unwrap_or_else(|| "ended".into());
            let by = if person.was_hung_up_on() { "The program has ended the call" } else { "The call has ended" };
            self.talk(person.number(), Some(&id), "ended", &format!("{by}: {reason}"), None);
            self.change.add("hush", id.into());
        }
        if changed {
            let told: Vec<Value> = calls.iter().map(|call| self.call_json(call)).collect();
            self.change.set("calls", told);
            self.calls = calls;
        }
    }

    fn call_json(&self, call: &CallSnapshot) -> Value {
        let since = self.people.get(&call.call_id).and_then(|(_, since)| *since);
        json!({
            "id": call.call_id, "number": call.person, "program": call.program, "inbound": call.inbound,
            "state": call.state, "since": since, "connected_to": call.connected_to, "conference": call.conference,
            "queue": call.queue, "held": call.held,
        })
    }
}

/// A fault in words: its name, then its keys with their values.
fn spoken(fault: &Fault) -> String {
    let json = fault.to_json();
    let keys = json.as_object().into_iter().flatten().filter(|(key, _)| *key != "fault");
    let keys =
        keys.map(|(key, value)| format!(", {key} {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)));
    format!("{}{}", fault.name(), keys.collect::<String>())
}

fn unix_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The body of a text message, followed by the URLs of its media.
fn with_media(body: &str, media: &Value) -> String {
    let addresses = media.as_array().into_iter().flatten().filter_map(Value::as_str);
    std::iter::once(body).chain(addresses).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use signalwire_relay::{Client, sms};

    use super::*;
    use crate::sim::Stop;

    const LONG: Duration = Duration::from_secs(120);

    #[test]
    fn an_answer_is_shown_after_its_question_whichever_arrives_first() {
        let simulator = Arc::new(Simulator::start().expect("a simulator"));
        let client = Client::builder().simulator(&simulator).contexts(["default"]).connect().expect("a client");
        simulator.texts("+15551230000", "+15559990000", "hello");
        let question = client.next_message(LONG).expect("a text");
        let answer = sms(question.from_number()).from("+15559990000").body("You wrote: hello");
        client.send_message(answer).expect("sent");
        let texts = |frames_first: bool| {
            let feed = Arc::new(Feed::new("run".to_owned()));
            let stage = Stage::beside(Arc::clone(&simulator), Arc::new(Stop::new(None)));
            let mut scene = Scene::new(stage, Arc::clone(&feed));
            let frames = simulator.journal();
            if frames_first {
                frames.entries().iter().for_each(|frame| scene.frame(frame));
            }
            simulator.interactions().iter().for_each(|interaction| scene.interaction(interaction));
            if !frames_first {
                frames.entries().iter().for_each(|frame| scene.frame(frame));
            }
            scene.tell();
            let talk = feed.get("talk").unwrap_or_default();
            let texts = talk.as_array().into_iter().flatten().map(|entry| entry["text"].as_str().map(str::to_owned));
            texts.collect::<Vec<_>>()
        };
        let both = ["hello", "You wrote: hello"].map(|text| Some(text.to_owned()));
        assert_eq!(texts(true), both);
        assert_eq!(texts(false), both);
    }
}
