//! The journal in a form that is the same, byte for byte, for every run with the same events.
//!
//! Events of two calls at one moment have no order, and an acknowledgement has no fixed place among the requests of
//! its program. Therefore frames are sorted by their owner, an acknowledgement becomes part of its event, and IDs,
//! which are arbitrary, are numbered in the order of appearance.

use std::collections::HashMap;
use std::fmt::Write;

use serde_json::{Value, json};

use crate::simulator::record::journal::{Direction, FrameKind, FrameRecord, Journal};

/// The frames of one call, dial, message, or of the connection itself.
struct Group<'a> {
    entries: Vec<&'a FrameRecord>,
}

impl Journal {
    /// The journal as JSON, a line per frame, in which the order of calls that do not touch each other, ids and
    /// acknowledgements play no role. In virtual time, the same seed and script give the same bytes.
    ///
    /// Each line has `at` (seconds), `of` (what it belongs to), `kind`, `method` and `frame`; an event has also
    /// `acknowledged` (seconds), when it was. Frames are sorted by time, and within one moment by what they belong to;
    /// ids are numbered in the order of their appearance.
    #[must_use]
    pub fn canonical(&self) -> String {
        let acks = self.acks();
        let groups = self.groups();
        // The groups are sorted by their contents, with the IDs of each group numbered separately.
        let mut told: Vec<(String, &Group<'_>)> = groups
            .iter()
            .map(|group| {
                let mut names = Names::default();
                let lines = group.entries.iter().map(|entry| names.replace(&line(entry, "", &acks)));
                (lines.collect::<Vec<_>>().join("\n"), group)
            })
            .collect();
        told.sort_by(|a, b| (a.1.entries[0].at(), &a.0).cmp(&(b.1.entries[0].at(), &b.0)));
        let mut lines: Vec<(&FrameRecord, usize)> = Vec::new();
        for (rank, (_, group)) in told.iter().enumerate() {
            lines.extend(group.entries.iter().map(|entry| (*entry, rank)));
        }
        // The sort is stable: the frames of a group keep their order.
        lines.sort_by_key(|(entry, rank)| (entry.at(), *rank));
        let mut names = Names::default();
        let mut text = String::new();
        for (entry, rank) in lines {
            let of = format!("{rank}");
            let _infallible = writeln!(text, "{}", names.replace(&line(entry, &of, &acks)));
        }
        text
    }

    /// The time of each acknowledged frame's acknowledgement.
    fn acks(&self) -> HashMap<(u64, String), f64> {
        let acks = self.entries().iter().filter(|entry| entry.kind() == FrameKind::Ack);
        acks.map(|ack| ((ack.connection(), ack.id().to_string()), ack.at().as_secs_f64())).collect()
    }

    fn groups(&self) -> Vec<Group<'_>> {
        let mut groups: Vec<Group<'_>> = Vec::new();
        let mut known: HashMap<String, usize> = HashMap::new();
        for entry in self.entries() {
            if entry.kind() == FrameKind::Ack {
                continue;
            }
            let keys = keys(entry);
            let group = keys.iter().find_map(|key| known.get(key)).copied().unwrap_or(groups.len());
            if group == groups.len() {
                groups.push(Group { entries: Vec::new() });
            }
            groups[group].entries.push(entry);
            for key in keys {
                known.entry(key).or_insert(group);
            }
        }
        groups
    }
}

/// The texts that identify the owner of a frame, the most specific first.
fn keys(entry: &FrameRecord) -> Vec<String> {
    let mut keys = Vec::new();
    // A response belongs to its request, whatever IDs it contains.
    if matches!(entry.kind(), FrameKind::Request | FrameKind::Reply | FrameKind::ErrorReply) {
        keys.push(format!("{} {}", entry.connection(), entry.id()));
    }
    let params = entry.params();
    for key in ["tag", "call_id", "message_id"] {
        let value = params.get(key).or_else(|| params.get("call")?.get(key)).and_then(Value::as_str);
        keys.extend(value.filter(|value| !value.is_empty()).map(|value| format!("{key} {value}")));
    }
    let belongs_to_the_link = match entry.kind() {
        FrameKind::Request | FrameKind::ServiceRequest => entry.method().starts_with("signalwire."),
        FrameKind::Reply | FrameKind::ErrorReply => false,
        _ => keys.is_empty(),
    };
    if belongs_to_the_link {
        keys.push(format!("link {}", entry.connection()));
    }
    keys
}

fn line(entry: &FrameRecord, of: &str, acks: &HashMap<(u64, String), f64>) -> String {
    let kind = match (entry.kind(), entry.direction()) {
        (FrameKind::Request, _) => "request",
        (FrameKind::Reply, _) => "reply",
        (FrameKind::ErrorReply, _) => "error",
        (FrameKind::Event, _) => "event",
        (FrameKind::ServiceRequest, _) => "service request",
        (FrameKind::Ack, _) => "acknowledgement",
        (FrameKind::Raw, Direction::FromClient) => "raw, sent",
        (FrameKind::Raw, Direction::ToClient) => "raw, received",
    };
    let mut line = json!({
        "at": entry.at().as_secs_f64(),
        "of": of,
        "kind": kind,
        "method": entry.method(),
        "frame": serde_json::from_str::<Value>(&entry.text()).unwrap_or_else(|_| entry.text().into()),
    });
    if let Some(at) = acks.get(&(entry.connection(), entry.id().to_string())) {
        if matches!(entry.kind(), FrameKind::Event | FrameKind::ServiceRequest) {
            line["acknowledged"] = (*at).into();
        }
    }
    line.to_string()
}

/// IDs, and the names that replace them.
#[derive(Default)]
struct Names(HashMap<String, usize>);

impl Names {
    fn replace(&mut self, text: &str) -> String {
        let mut replaced = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.char_indices().find_map(|(at, _)| is_id(&rest.as_bytes()[at..]).then_some(at)) {
            let (before, from) = rest.split_at(at);
            let (id, after) = from.split_at(ID);
            let next = self.0.len() + 1;
            let number = *self.0.entry(id.to_ascii_lowercase()).or_insert(next);
            replaced.push_str(before);
            let _infallible = write!(replaced, "<id {number}>");
            rest = after;
        }
        replaced.push_str(rest);
        replaced
    }
}

/// Length of a UUID in text.
const ID: usize = 36;

/// `true` if the text begins with a UUID.
fn is_id(bytes: &[u8]) -> bool {
    bytes.len() >= ID
        && bytes[..ID].iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_numbered_as_they_appear() {
        let (a, b) = ("00005e55-0000-4000-8000-00000000000a", "00005e55-0000-4000-8000-00000000000b");
        let text = Names::default().replace(&format!("ü {b}, {a} and x_{b}_y"));
        assert_eq!(text, "ü <id 1>, <id 2> and x_<id 1>_y");
    }
}
