//! Log lines about a call or a message. All of them name the call or message in the same way, as text and, with the
//! feature `kv`, as key-values.

use log::Level;

use super::Session;
use crate::secret::short_numbers;

/// Target of these lines in the log.
pub(crate) const TARGET: &str = "signalwire_relay::call";

/// Keys and values, in the order in which the text has them. Empty values are left out.
pub(crate) type Pairs<'a> = [(&'static str, &'a str)];

/// Values with their secrets and phone numbers masked.
struct Shown(Vec<(&'static str, String)>);

impl Shown {
    /// Returns the line, for example `event calling.call.play: call 3f2a, control ID 9b1c, state playing: text`. Other
    /// names are in the key-values only.
    fn line(&self, text: &str) -> String {
        let head = self.0.iter().find_map(|(name, value)| match *name {
            "event" => Some(format!("event {value}")),
            "method" => Some(value.clone()),
            _ => None,
        });
        let about = self.0.iter().filter_map(|(name, value)| match *name {
            "call_id" => Some(format!("call {value}")),
            "control_id" => Some(format!("control ID {value}")),
            "message_id" => Some(format!("message {value}")),
            "tag" => Some(format!("dial {value}")),
            "state" => Some(format!("state {value}")),
            _ => None,
        });
        let about = about.collect::<Vec<_>>().join(", ");
        let parts = [head.unwrap_or_default(), about, text.to_owned()];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ")
    }
}

#[cfg(feature = "kv")]
impl log::kv::Source for Shown {
    fn visit<'kvs>(&'kvs self, visitor: &mut dyn log::kv::VisitSource<'kvs>) -> Result<(), log::kv::Error> {
        for (name, value) in &self.0 {
            visitor.visit_pair(log::kv::Key::from_str(name), log::kv::Value::from(value.as_str()))?;
        }
        Ok(())
    }
}

/// Returns the last four characters of a project's ID. Four characters tell projects apart, and the whole ID is a part
/// of the credentials.
fn last_of(project: &str) -> String {
    let last: Vec<char> = project.chars().rev().take(4).collect();
    last.into_iter().rev().collect()
}

impl Session {
    /// Describes the connection: host, project, contexts and session.
    pub(super) fn introduce(&self, resumed: bool) -> String {
        const SHOWN: usize = 5;
        let project = self.credentials.project().filter(|project| project.chars().count() > 8);
        let project = project.map(|project| format!("project ...{}", self.clean(&last_of(project))));
        let contexts = self.contexts();
        let mut named: Vec<String> = contexts.iter().take(SHOWN).map(|context| self.clean(context)).collect();
        if contexts.len() > SHOWN {
            named.push(format!("and {} more", contexts.len() - SHOWN));
        }
        let contexts = match contexts.len() {
            0 => "no context".to_owned(),
            1 => format!("context {}", named.join(", ")),
            _ => format!("contexts {}", named.join(", ")),
        };
        let session = if resumed { "session resumed" } else { "new session" };
        format!(
            "{} ({}, {contexts}, {session})",
            self.host(),
            project.unwrap_or_else(|| "project not shown".to_owned())
        )
    }

    /// Prepares a text for the log: removes secrets as [`clean`](Self::clean) does, and masks phone numbers unless the
    /// program turned that off.
    pub(crate) fn for_log(&self, text: &str) -> String {
        let text = self.clean(text);
        if self.settings.log_numbers { text } else { short_numbers(&text) }
    }

    /// Logs a line about the call or message that `pairs` identify.
    pub(crate) fn line(&self, level: Level, pairs: &Pairs<'_>, text: impl FnOnce() -> String) {
        if !log::log_enabled!(target: TARGET, level) {
            return;
        }
        let named = pairs.iter().filter(|(_, value)| !value.is_empty());
        let shown = Shown(named.map(|(name, value)| (*name, self.for_log(value))).collect());
        let line = shown.line(&self.for_log(&text()));
        let mut record = log::Record::builder();
        record.level(level).target(TARGET).module_path_static(Some(module_path!()));
        #[cfg(feature = "kv")]
        record.key_values(&shown);
        log::logger().log(&record.args(format_args!("{line}")).build());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_number_the_last_four_digits_are_shown() {
        for (text, shown) in [
            ("dial +15552222222: busy", "dial +...2222: busy"),
            ("sip:+15551234567@h and +4930", "sip:+...4567@h and +4930"),
            ("+12345", "+...2345"),
            ("1234567890 +", "1234567890 +"),
            ("+\u{e9}+15550001111+", "+\u{e9}+...1111+"),
        ] {
            assert_eq!(short_numbers(text), shown);
        }
    }

    #[test]
    fn a_line_names_what_it_is_about() {
        let of = |pairs: &[(&'static str, &str)], text: &str| {
            Shown(pairs.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()).line(text)
        };
        let about = [("event", "calling.call.play"), ("call_id", "c"), ("control_id", "k"), ("state", "playing")];
        assert_eq!(of(&about, ""), "event calling.call.play: call c, control ID k, state playing");
        assert_eq!(of(&[("method", "calling.play"), ("call_id", "c")], "done"), "calling.play: call c: done");
        assert_eq!(of(&[("call_id", "c"), ("reason", "busy")], "ended"), "call c: ended");
        assert_eq!(of(&[("method", "signalwire.receive")], "done"), "signalwire.receive: done");
    }
}
