//! The screen of `relay sim --watch` on a terminal: calls, what is heard on them, the transcript, and keys to take
//! part.

mod view;

use std::collections::{HashMap, VecDeque};
use std::io::{IsTerminal, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Instant;

use crossterm::event::{Event as Typed, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use crossterm::terminal::{Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen};
use crossterm::{cursor, execute, queue, style, terminal};
use serde_json::{Value, json};
use signalwire_relay::simulator::CallSnapshot;

use self::view::{Row, View};
use super::input::{self, Event};
use super::output::{News, tell_what_happens};
use super::stage::{OURS, Stage};
use super::{LOOK_EVERY, commands};

/// Number of lines of the transcript that are kept.
const LINES_KEPT: usize = 1_000;

/// The keys and their actions, for the last line.
const KEYS: &[(&str, &str)] = &[
    ("c", "call"),
    ("0-9*#", "press"),
    ("s", "say"),
    ("h", "hang up"),
    ("x", "cut the link"),
    ("q", "quit"),
    ("↑↓", "choose"),
    ("t", "text message"),
    ("a", "answer"),
    ("d", "decline"),
    (":", "any command"),
];

/// Returns `true` if stdin and stdout are a terminal.
pub fn is_possible() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

/// Shows the screen until the simulator is to end. Returns the reason of the end.
pub fn show(
    stage: &mut Stage,
    page: Option<&str>,
    sender: &Sender<Event>,
    events: &Receiver<Event>,
) -> Result<&'static str, String> {
    let failed = |error: std::io::Error| format!("the terminal: {error}");
    let terminal = Terminal::open().map_err(failed)?;
    input::read_keys(sender.clone())?;
    let told = sender.clone();
    tell_what_happens(&stage.simulator, move |line| drop(told.send(Event::Told(line.to_owned()))));
    let mut screen = Screen { page: page.map(str::to_owned), ..Screen::new() };
    loop {
        terminal.draw(&screen.view(stage)).map_err(failed)?;
        match events.recv_timeout(stage.stop.left().min(LOOK_EVERY)) {
            Ok(event) => {
                if let Some(why) = screen.take(event, stage) {
                    return Ok(why);
                }
            }
            Err(RecvTimeoutError::Timeout) if stage.stop.is_asked() => return Ok("--max-life has passed"),
            Err(_) => {}
        }
        // Events that arrived together are drawn once.
        while let Ok(event) = events.try_recv() {
            if let Some(why) = screen.take(event, stage) {
                return Ok(why);
            }
        }
    }
}

/// The terminal in raw mode, on its alternate screen. Restored when this is dropped.
struct Terminal;

impl Terminal {
    fn open() -> std::io::Result<Self> {
        terminal::enable_raw_mode()?;
        let opened = Self;
        execute!(std::io::stdout(), EnterAlternateScreen, cursor::Hide)?;
        Ok(opened)
    }

    fn draw(&self, view: &View) -> std::io::Result<()> {
        let (width, height) = terminal::size()?;
        let mut out = std::io::stdout().lock();
        for (at, line) in (0..height).zip(view.lines(width.into(), height.into())) {
            queue!(out, cursor::MoveTo(0, at), style::Print(line), Clear(ClearType::UntilNewLine))?;
        }
        out.flush()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _closed = execute!(std::io::stdout(), cursor::Show, LeaveAlternateScreen);
        let _closed = terminal::disable_raw_mode();
    }
}

/// The kind of input that is typed in the last line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asks {
    Say,
    Text,
    Command,
}

impl Asks {
    fn label(self) -> &'static str {
        match self {
            Self::Say => "say",
            Self::Text => "text message",
            Self::Command => "command",
        }
    }
}

/// The state of the screen between two drawings.
struct Screen {
    started: Instant,
    happened: VecDeque<String>,
    news: News,
    /// The call that keys act on.
    chosen: Option<String>,
    /// Each call's state, and the time since which the call has been in it.
    states: HashMap<String, (&'static str, Instant)>,
    typed: Option<(Asks, String)>,
    callers: u32,
    /// The address of the page of `--web`.
    page: Option<String>,
}

impl Screen {
    fn new() -> Self {
        Self {
            started: Instant::now(),
            happened: VecDeque::new(),
            news: News::default(),
            chosen: None,
            states: HashMap::new(),
            typed: None,
            callers: 0,
            page: None,
        }
    }

    /// Handles an event. Returns the reason if the screen is to end.
    fn take(&mut self, event: Event, stage: &mut Stage) -> Option<&'static str> {
        match event {
            Event::Told(line) => self.tell(&line),
            Event::Signal => return Some("a signal"),
            Event::InputEnded => return Some("the terminal is closed"),
            Event::OutputGone => return Some("the other end of stdout is closed"),
            Event::Terminal(Typed::Key(key)) if key.kind != KeyEventKind::Release => return self.key(key, stage),
            Event::Terminal(_) | Event::Line(_) => {}
        }
        stage.quits.then_some("asked to quit")
    }

    fn tell(&mut self, line: &str) {
        if self.happened.len() == LINES_KEPT {
            self.happened.pop_front();
        }
        let seconds = self.started.elapsed().as_secs_f64();
        self.happened.push_back(format!("{seconds:>8.1}  {line}"));
    }

    fn key(&mut self, key: KeyEvent, stage: &mut Stage) -> Option<&'static str> {
        let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
        if is_control && matches!(key.code, KeyCode::Char('c' | 'd')) {
            return Some("asked to quit");
        }
        if let Some((asks, mut text)) = self.typed.take() {
            match key.code {
                KeyCode::Esc => return None,
                KeyCode::Enter => self.typed(asks, &text, stage),
                KeyCode::Backspace => {
                    text.pop();
                    self.typed = Some((asks, text));
                }
                KeyCode::Char(letter) if !is_control => {
                    text.push(letter);
                    self.typed = Some((asks, text));
                }
                _ => self.typed = Some((asks, text)),
            }
            return stage.quits.then_some("asked to quit");
        }
        match key.code {
            KeyCode::Char('q') => return Some("asked to quit"),
            KeyCode::Char('c') => {
                self.callers += 1;
                let from = format!("+1555123{:04}", self.callers % 10_000);
                self.command(&json!({"call": {"from": from, "to": OURS}}), stage);
            }
            KeyCode::Char(digit @ ('0'..='9' | '*' | '#' | 'A'..='D')) => {
                self.on_chosen(stage, |who| json!({"press": {"who": who, "keys": digit.to_string()}}));
            }
            KeyCode::Char('h') => self.on_chosen(stage, |who| json!({"hang_up": {"who": who}})),
            KeyCode::Char('a') => self.on_chosen(stage, |who| json!({"answer": {"who": who}})),
            KeyCode::Char('d') => self.on_chosen(stage, |who| json!({"decline": {"who": who}})),
            KeyCode::Char('x') => self.command(&json!({"inject": "drop_link"}), stage),
            KeyCode::Char('s') => self.typed = Some((Asks::Say, String::new())),
            KeyCode::Char('t') => self.typed = Some((Asks::Text, String::new())),
            KeyCode::Char(':') => self.typed = Some((Asks::Command, String::new())),
            KeyCode::Up | KeyCode::Char('k') => self.choose(stage, -1),
            KeyCode::Down | KeyCode::Char('j') => self.choose(stage, 1),
            _ => {}
        }
        None
    }

    fn typed(&mut self, asks: Asks, text: &str, stage: &mut Stage) {
        if text.trim().is_empty() {
            return;
        }
        match asks {
            Asks::Say => self.on_chosen(stage, |who| json!({"say": {"who": who, "text": text}})),
            Asks::Text => {
                let text = json!({"text": {"from": "+15551230000", "to": OURS, "body": text}});
                self.command(&text, stage);
            }
            Asks::Command => {
                if let Some(answer) = commands::answer(text, stage) {
                    self.tell(&format!(": {answer}"));
                }
            }
        }
    }

    /// Executes a command as on stdin, and reports its error.
    fn command(&mut self, command: &Value, stage: &mut Stage) {
        let answer = commands::answer(&command.to_string(), stage).unwrap_or_default();
        if let Some(error) = answer["error"].as_str() {
            self.tell(&format!("not done: {error}"));
        }
    }

    fn on_chosen(&mut self, stage: &mut Stage, command: impl FnOnce(&str) -> Value) {
        match self.chosen(&stage.simulator.calls()) {
            Some(call) => self.command(&command(&call), stage),
            None => self.tell("not done: there is no call"),
        }
    }

    /// The call that keys act on: the chosen one, or the latest.
    fn chosen(&self, calls: &[CallSnapshot]) -> Option<String> {
        let chosen = calls.iter().find(|call| Some(&call.call_id) == self.chosen.as_ref()).or(calls.last());
        chosen.map(|call| call.call_id.clone())
    }

    fn choose(&mut self, stage: &Stage, step: isize) {
        let calls = stage.simulator.calls();
        let chosen = self.chosen(&calls);
        let at = calls.iter().position(|call| Some(&call.call_id) == chosen.as_ref()).unwrap_or_default();
        let next = at.saturating_add_signed(step).min(calls.len().saturating_sub(1));
        self.chosen = calls.get(next).map(|call| call.call_id.clone());
    }

    /// The view to draw now.
    fn view(&mut self, stage: &mut Stage) -> View {
        for line in self.news.look(&stage.simulator) {
            self.tell(&line);
        }
        let calls = stage.simulator.calls();
        let chosen = self.chosen(&calls);
        self.states.retain(|id, _| calls.iter().any(|call| call.call_id == *id));
        let rows = calls.iter().map(|call| self.row(call, chosen.as_ref() == Some(&call.call_id), stage)).collect();
        let clients = stage.simulator.connections();
        View {
            url: stage.simulator.url(),
            page: self.page.clone(),
            export: (clients == 0).then(|| stage.export()),
            clients,
            violations: stage.simulator.violations().len(),
            rows,
            happened: self.happened.iter().cloned().collect(),
            typed: self.typed.as_ref().map(|(asks, text)| (asks.label(), text.clone())),
        }
    }

    fn row(&mut self, call: &CallSnapshot, is_chosen: bool, stage: &mut Stage) -> Row {
        let now = Instant::now();
        let (state, since) = self.states.entry(call.call_id.clone()).or_insert((call.state, now));
        if *state != call.state {
            (*state, *since) = (call.state, now);
        }
        let heard = stage.on_line(&call.call_id).first().map(|person| person.heard()).unwrap_or_default();
        let with = call.connected_to.as_ref().and_then(|other| {
            let other = stage.simulator.calls().into_iter().find(|call| call.call_id == *other)?;
            Some(format!("with {}", other.person))
        });
        let places = [
            with,
            call.conference.as_ref().map(|name| format!("in conference {name}")),
            call.queue.as_ref().map(|name| format!("in queue {name}")),
            call.held.then(|| "on hold".to_owned()),
        ];
        Row {
            is_chosen,
            person: call.person.clone(),
            program: call.program.clone(),
            inbound: call.inbound,
            state: call.state,
            seconds: now.saturating_duration_since(*since).as_secs(),
            place: places.into_iter().flatten().collect::<Vec<_>>().join(", "),
            heard: heard.last().cloned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use clap::Parser;
    use signalwire_relay::Client;

    use super::super::flags::Flags;
    use super::super::input::Stop;
    use super::super::script::Script;
    use super::*;

    const LONG: Duration = Duration::from_secs(120);

    #[derive(Parser)]
    struct Sim {
        #[command(flatten)]
        flags: Flags,
    }

    fn stage() -> Stage {
        let flags = Sim::parse_from(["sim", "--speed", "20"]).flags;
        Stage::open(&flags, &Script::default(), Arc::new(Stop::new(None))).expect("a stage")
    }

    fn types(screen: &mut Screen, stage: &mut Stage, keys: &str) -> Option<&'static str> {
        let mut why = None;
        for letter in keys.chars() {
            let code = if letter == '\n' { KeyCode::Enter } else { KeyCode::Char(letter) };
            why = screen.take(Event::Terminal(Typed::Key(KeyEvent::new(code, KeyModifiers::NONE))), stage);
        }
        why
    }

    #[test]
    fn single_keys_call_press_digits_speak_send_messages_and_hang_up() {
        let (mut stage, mut screen) = (stage(), Screen::new());
        let client = Client::builder().simulator(&stage.simulator).contexts(["default"]).connect().expect("a client");
        types(&mut screen, &mut stage, "h");
        assert!(screen.happened.back().is_some_and(|line| line.ends_with("not done: there is no call")));
        types(&mut screen, &mut stage, "c");
        let call = client.next_call(LONG).expect("a call");
        assert_eq!((call.from_number().as_str(), call.to_number().as_str()), ("+15551230001", OURS));
        call.answer().expect("answered");
        let asked = call.collect(signalwire_relay::Collect::digits(2)).expect("it asks");
        types(&mut screen, &mut stage, "42");
        assert_eq!(asked.wait(LONG).expect("digits").digits(), Some("42"));
        let asked = call.collect(signalwire_relay::Collect::speech()).expect("it asks");
        types(&mut screen, &mut stage, "scall me\n");
        assert_eq!(asked.wait(LONG).expect("speech").speech(), Some("call me"));
        types(&mut screen, &mut stage, "tHello\n");
        assert_eq!(client.next_message(LONG).expect("a message").body(), "Hello");
        call.play(signalwire_relay::tts("Welcome")).expect("it plays").wait(LONG).expect("played");
        let lines = screen.view(&mut stage).lines(100, 24).join("\n");
        assert!(lines.contains("+15551230001 → +15559990000") && lines.contains("answered"), "{lines}");
        assert!(lines.contains("hears: Welcome") && lines.contains("1 client"), "{lines}");
        types(&mut screen, &mut stage, "h");
        call.wait_for_ended(LONG).expect("ended");
        assert_eq!(types(&mut screen, &mut stage, ":quit\n"), Some("asked to quit"));
        assert_eq!(types(&mut screen, &mut stage, "q"), Some("asked to quit"));
    }

    #[test]
    fn the_arrows_choose_the_call_that_keys_act_on() {
        let (mut stage, mut screen) = (stage(), Screen::new());
        let client = Client::builder().simulator(&stage.simulator).contexts(["default"]).connect().expect("a client");
        types(&mut screen, &mut stage, "cc");
        let (first, second) = (client.next_call(LONG).expect("a call"), client.next_call(LONG).expect("a call"));
        types(&mut screen, &mut stage, "k");
        types(&mut screen, &mut stage, "h");
        first.wait_for_ended(LONG).expect("ended");
        assert!(second.end().is_none(), "the other call goes on");
        types(&mut screen, &mut stage, "h");
        second.wait_for_ended(LONG).expect("ended");
    }
}
