//! The simulator of this process, and the people who were added to it.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use signalwire_relay::simulator::{PersonOnCall, Simulator};

use super::flags::Flags;
use super::input::Stop;
use super::people::Caller;
use super::script::Script;
use crate::say::complain;

/// Number of people who are kept after their calls have ended.
const PEOPLE_KEPT: usize = 1_000;

/// The program's number in the examples of the help.
pub const OURS: &str = "+15559990000";

/// The simulator of the command, with the settings of the command line.
pub struct Stage {
    pub simulator: Arc<Simulator>,
    /// Path at which a client finds the certificate of the authority.
    pub ca_file: Option<PathBuf>,
    /// Whether any credentials are accepted.
    pub any_credentials: bool,
    pub stop: Arc<Stop>,
    pub quits: bool,
    people: VecDeque<Rc<PersonOnCall>>,
}

impl Stage {
    /// Starts the simulator according to the flags.
    pub fn open(flags: &Flags, script: &Script, stop: Arc<Stop>) -> Result<Self, String> {
        let given = script.credentials.as_ref();
        let project = flags.project.clone().or_else(|| given?.project.clone());
        let token = flags.token.clone().or_else(|| given?.token.clone());
        let any_credentials = project.is_none() && token.is_none();
        // Violations are reported at the end, and are a failure with `--strict`.
        let mut builder = Simulator::builder().allow_violations();
        builder = builder.listen(flags.listen).tls(flags.tls).speed(flags.speed);
        if let Some(seed) = flags.seed {
            builder = builder.seed(seed);
        }
        if let Some(project) = project {
            builder = builder.project(project);
        }
        if let Some(token) = token {
            builder = builder.token(token);
        }
        if flags.allow_unknown_fields {
            builder = builder.allow_unknown_fields();
        }
        // Steps that may fail because of a typing mistake come first.
        let journal = match &flags.journal {
            Some(path) => Some(File::create(path).map_err(|error| format!("--journal {}: {error}", path.display()))?),
            None => None,
        };
        let simulator = builder.start().map_err(|error| error.to_string())?;
        let mut ca_file = simulator.ca_file().map(PathBuf::from);
        if let (Some(from), Some(to)) = (&ca_file, &flags.ca_out) {
            let copied = std::fs::read(from).and_then(|pem| std::fs::write(to, pem));
            copied.map_err(|error| format!("--ca-out {}: {error}", to.display()))?;
            ca_file = Some(std::path::absolute(to).unwrap_or_else(|_| to.clone()));
        }
        if let Some(file) = journal {
            write_journal(&simulator, file);
        }
        Ok(Self {
            simulator: Arc::new(simulator),
            ca_file,
            any_credentials,
            stop,
            quits: false,
            people: VecDeque::new(),
        })
    }

    /// Creates another stage of the same simulator, for commands from another source.
    pub fn beside(simulator: Arc<Simulator>, stop: Arc<Stop>) -> Self {
        Self { simulator, ca_file: None, any_credentials: false, stop, quits: false, people: VecDeque::new() }
    }

    pub fn environment(&self) -> Vec<(&'static str, String)> {
        environment(&self.simulator, self.ca_file.as_deref())
    }

    /// Returns the environment as a shell command.
    pub fn export(&self) -> String {
        let all = self.environment().into_iter().map(|(name, value)| format!(" {name}={}", quoted(&value)));
        format!("export{}", all.collect::<String>())
    }

    /// Warns on stderr if any program may connect.
    pub fn warn_of_strangers(&self) {
        let address = self.simulator.address();
        if self.any_credentials && !address.ip().is_loopback() {
            complain(&format!(
                "relay sim: warning: listening on {address}, beyond this machine, with any credentials accepted: \
                 every program that reaches that address can connect. Give --project and --token, or --listen 127.0.0.1:{}",
                address.port()
            ));
        }
    }

    /// Applies a script and makes its callers call. Returns the IDs of their calls, which wait while there is no
    /// client.
    pub fn play(&mut self, script: &Script) -> Result<Vec<String>, String> {
        for (n, fault) in script.faults.iter().enumerate() {
            fault.inject(&self.simulator).map_err(|error| format!("faults[{n}]: {error}"))?;
        }
        script.callees.iter().for_each(|callee| callee.set(&self.simulator));
        script.messages.iter().for_each(|message| message.set(&self.simulator));
        let call_ids = script.callers.iter().map(|caller| self.call(caller)).collect();
        for text in &script.texts {
            text.send(&self.simulator);
        }
        Ok(call_ids)
    }

    /// Makes a person call. Returns the ID of the call.
    pub fn call(&mut self, caller: &Caller) -> String {
        let person = Rc::new(caller.dials(&self.simulator));
        let call_id = person.call_id().to_owned();
        self.keep(person);
        call_id
    }

    /// The people on the line with this call ID or number. They stay known when their calls have ended.
    pub fn on_line(&mut self, who: &str) -> Vec<Rc<PersonOnCall>> {
        let mut calls = self.simulator.calls();
        calls.retain(|call| call.call_id == who || call.person == who);
        let people: Vec<_> = calls.iter().filter_map(|call| self.on(&call.call_id)).collect();
        people.iter().for_each(|person| self.keep(Rc::clone(person)));
        people
    }

    /// All known people with this call ID or number, the latest last.
    pub fn known(&mut self, who: &str) -> Vec<Rc<PersonOnCall>> {
        self.on_line(who);
        let theirs = self.people.iter().filter(|person| person.call_id() == who || person.number() == who);
        theirs.map(Rc::clone).collect()
    }

    fn on(&self, call_id: &str) -> Option<Rc<PersonOnCall>> {
        let known = self.people.iter().find(|person| person.call_id() == call_id);
        known.map(Rc::clone).or_else(|| self.simulator.person_on(call_id).map(Rc::new))
    }

    fn keep(&mut self, person: Rc<PersonOnCall>) {
        if self.people.iter().any(|known| known.call_id() == person.call_id()) {
            return;
        }
        if self.people.len() == PEOPLE_KEPT {
            self.people.pop_front();
        }
        self.people.push_back(person);
    }
}

/// The environment variables that lead a program of this crate, and the other commands, to a simulator.
pub fn environment(simulator: &Simulator, ca_file: Option<&Path>) -> Vec<(&'static str, String)> {
    let trust = match ca_file {
        Some(ca) => ("SIGNALWIRE_RELAY_CA_FILE", ca.display().to_string()),
        None => ("SIGNALWIRE_RELAY_SCHEME", "ws".to_owned()),
    };
    vec![
        ("SIGNALWIRE_RELAY_HOST", simulator.host()),
        trust,
        ("SIGNALWIRE_PROJECT_ID", simulator.project().to_owned()),
        ("SIGNALWIRE_API_TOKEN", simulator.token().to_owned()),
        ("SIGNALWIRE_FROM_NUMBER", OURS.to_owned()),
    ]
}

/// Quotes a word for a shell.
fn quoted(value: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "+-_.,:/@%".contains(c);
    if !value.is_empty() && value.chars().all(is_plain) {
        value.to_owned()
    } else {
        format!("'{}'", value.replace('\'', r"'\''"))
    }
}

/// Writes every frame as one line of JSON, at once.
fn write_journal(simulator: &Simulator, mut file: File) {
    let mut failed = false;
    simulator.on_frame(move |frame| {
        if failed {
            return;
        }
        if let Err(error) = file.write_all(format!("{}\n", frame.to_json()).as_bytes()) {
            complain(&format!("relay sim: the journal ends here: {error}"));
            failed = true;
        }
    });
}
