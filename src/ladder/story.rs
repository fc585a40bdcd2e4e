//! The rows of a ladder, from the lines of a trace or a journal.

use std::collections::{BTreeSet, HashMap};
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::row::{Column, Row, RowKind};
use super::words;

/// The state of the story after the lines so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Story {
    pub(super) rows: Vec<Row>,
    pub(super) sections: Vec<Section>,
    calls: HashMap<Arc<str>, Leg>,
    order: Vec<Arc<str>>,
    /// Sections by the tags of dials.
    tags: HashMap<String, usize>,
    /// Sections and numbers by the IDs of text messages.
    messages: HashMap<String, (usize, Column)>,
    open: HashMap<Key, Open>,
    /// The latest connection of each client.
    connections: HashMap<u64, u64>,
}

/// Calls that belong together, or one text message.
#[derive(Clone, Debug, Default)]
pub(super) struct Section {
    /// The title, such as `+15551230000 → +15559990000`.
    pub(super) title: String,
    /// The end reason of the first call.
    pub(super) end: Option<String>,
    first: Option<Arc<str>>,
    columns: Vec<Arc<str>>,
    /// `true` if a call of the section has not ended.
    live: usize,
}

/// The column of a call's leg, and its progress.
#[derive(Clone, Debug)]
struct Leg {
    column: Column,
    section: usize,
    /// `true` if the program has requested the end of the call.
    ending: bool,
    ended: bool,
}

/// A request: client, connection, whether the service sent it, ID.
type Key = (u64, u64, bool, String);

/// A request whose response has not been drawn yet.
#[derive(Clone, Debug)]
struct Open {
    method: String,
    at: Duration,
    call: Option<Arc<str>>,
    section: Option<usize>,
    /// The text or media that the call hears once the request is accepted.
    spoken: Option<String>,
    /// The destination of a text message.
    message: Option<(Column, String)>,
}

/// A line with what all lines have.
struct Line<'a> {
    at: Duration,
    client: u64,
    connection: u64,
    kind: &'a str,
    method: &'a str,
    to_client: bool,
    frame: Option<&'a Value>,
    all: &'a Value,
}

impl Story {
    pub(super) fn push(&mut self, line: &Value) -> Result<(), String> {
        let kind = line.get("kind").and_then(Value::as_str).ok_or("not a line of a trace or a journal")?;
        let at = line.get("at").and_then(Value::as_f64).and_then(|at| Duration::try_from_secs_f64(at).ok());
        let line = Line {
            at: at.ok_or("\"at\" is not a time in seconds")?,
            client: line.get("client").and_then(Value::as_u64).unwrap_or(0),
            connection: line.get("connection").and_then(Value::as_u64).unwrap_or(0),
            kind,
            method: line.get("method").and_then(Value::as_str).unwrap_or(""),
            to_client: line.get("direction").and_then(Value::as_str) == Some("to_client"),
            frame: line.get("frame"),
            all: line,
        };
        match kind {
            "request" => self.request(&line),
            "reply" | "error_reply" => self.response(&line),
            "event" => self.event(&line),
            "service_request" => self.service_request(&line),
            "raw" => self.raw(&line),
            "phase" | "state" | "handler" | "wait" | "dropped" => self.unseen(&line),
            // Acknowledgements, and unknown kinds of a newer version.
            _ => {}
        }
        Ok(())
    }

    // Frames.

    fn request(&mut self, line: &Line<'_>) {
        let params = line.params();
        if line.method == "signalwire.connect" {
            self.connects(line);
        }
        // Pings are frequent and carry no information.
        let drawn = line.method != "signalwire.ping";
        let call = self.named(params);
        if let Some(call) = call.as_ref().filter(|call| !self.calls.contains_key(*call)) {
            // The trace begins in the middle of the call.
            let section = self.new_section(String::new());
            self.add_leg(call, section, &format!("call {}", end_of(call)));
        }
        let mut section = call.as_ref().and_then(|call| self.section_of(call));
        let mut message = None;
        match line.method {
            "calling.dial" => {
                let title = words::request("dial", params);
                section = Some(self.of_tag(params, &title));
            }
            "messaging.send" => {
                let number = text(params, "to_number").unwrap_or("?");
                let from = text(params, "from_number").unwrap_or("?");
                section = Some(self.new_section(format!("text message {from} → {number}")));
                message = Some((Column::Leg(number.into()), words::text_message(params)));
            }
            "calling.end" => {
                if let Some(leg) = call.as_ref().and_then(|call| self.calls.get_mut(call)) {
                    leg.ending = true;
                }
            }
            _ => {}
        }
        let spoken = words::spoken(params).filter(|_| line.method != "calling.connect");
        let mut digits = None;
        if line.method == "calling.send_digits" {
            digits = text(params, "digits").map(|digits| format!("sends {digits}"));
        }
        if let Some(id) = line.id() {
            let open = Open {
                method: line.method.to_owned(),
                at: line.at,
                call: call.clone(),
                section,
                spoken: spoken.or(digits),
                message,
            };
            self.open.insert((line.client, line.connection, false, id), open);
        }
        if drawn {
            let text = words::request(line.method, params);
            self.add(line, call, section, (Column::Program, Column::Service), RowKind::Request, text);
        }
    }

    fn response(&mut self, line: &Line<'_>) {
        let frame = line.frame.unwrap_or(&Value::Null);
        let Some(open) = line.id().and_then(|id| self.open.remove(&(line.client, line.connection, false, id))) else {
            let text = format!("{} response to no request", line.method).trim().to_owned();
            self.add(line, None, None, (Column::Service, Column::Program), RowKind::Response, text);
            return;
        };
        let (text, good) = words::response(frame);
        if open.method == "signalwire.ping" && good {
            return;
        }
        if let (Some(section), Some((column, _)), Some(id)) =
            (open.section, &open.message, frame["result"].get("message_id").and_then(Value::as_str))
        {
            self.messages.insert(id.to_owned(), (section, column.clone()));
        }
        let kind = if good { RowKind::Response } else { RowKind::Refusal };
        let text = format!("{} {text}", short_method(&open.method));
        self.add(line, open.call.clone(), open.section, (Column::Service, Column::Program), kind, text);
        if let Some(row) = self.rows.last_mut() {
            row.took = line.at.checked_sub(open.at);
        }
        if !good {
            return;
        }
        if let Some((column, body)) = open.message {
            self.add(line, None, open.section, (Column::Service, column), RowKind::Speech, body);
            self.without_frame();
        }
        if let (Some(spoken), Some(column)) = (open.spoken, open.call.as_ref().and_then(|call| self.column(call))) {
            let kind = if open.method == "calling.send_digits" { RowKind::Digits } else { RowKind::Speech };
            self.add(line, open.call, open.section, (Column::Service, column), kind, spoken);
            self.without_frame();
        }
    }

    fn event(&mut self, line: &Line<'_>) {
        if line.method == "signalwire.authorization.state" {
            return;
        }
        let params = line.event_params();
        if line.method.starts_with("messaging.") {
            self.message_event(line, params);
            return;
        }
        let call = self.of_event(line, params);
        let section = call.as_ref().and_then(|call| self.section_of(call)).or_else(|| {
            let tag = text(params, "tag")?;
            self.tags.get(tag).copied()
        });
        let column = call.as_ref().and_then(|call| self.column(call));
        if let Some(column) = &column {
            self.before_event(line, params, call.as_ref(), section, column);
        }
        let words = words::event(line.method, params);
        self.add(line, call.clone(), section, (Column::Service, Column::Program), RowKind::Event, words);
        if line.method == "calling.call.connect" && text(params, "connect_state") == Some("connected") {
            self.bridged(line, params, call.as_ref(), section);
        }
        if let Some(call) = call {
            if line.method == "calling.call.state" && text(params, "call_state") == Some("ended") {
                self.ends(&call, text(params, "end_reason"));
            }
        }
    }

    /// Draws the action between the service and the phone that causes the event.
    fn before_event(
        &mut self,
        line: &Line<'_>,
        params: &Value,
        call: Option<&Arc<str>>,
        section: Option<usize>,
        column: &Column,
    ) {
        let there = (Column::Service, column.clone());
        let back = (column.clone(), Column::Service);
        let outbound = text(params, "direction") == Some("outbound");
        let ending = call.and_then(|call| self.calls.get(call)).is_some_and(|leg| leg.ending);
        let found = match (line.method, text(params, "call_state")) {
            ("calling.call.receive", _) => {
                let to = words::near_end(params, outbound).map(|to| format!("calls {to}"));
                Some((back, RowKind::Event, to.unwrap_or_else(|| "calls".to_owned())))
            }
            ("calling.call.state", Some("created")) if outbound => {
                Some((there, RowKind::Event, "is called".to_owned()))
            }
            ("calling.call.state", Some("ringing")) if outbound => Some((back, RowKind::Event, "rings".to_owned())),
            ("calling.call.state", Some("answered")) if outbound => Some((back, RowKind::Event, "answers".to_owned())),
            ("calling.call.state", Some("answered")) => Some((there, RowKind::Event, "is answered".to_owned())),
            ("calling.call.state", Some("ended")) => match text(params, "end_reason") {
                Some(_) if ending => Some((there, RowKind::Event, "is hung up".to_owned())),
                Some("hangup") | None => Some((back, RowKind::Event, "hangs up".to_owned())),
                Some(reason) => Some((back, RowKind::Event, reason.to_owned())),
            },
            (method, _) => words::input(method, params)
                .map(|(digits, words)| (back, if digits { RowKind::Digits } else { RowKind::Speech }, words)),
        };
        if let Some((between, kind, text)) = found {
            self.add(line, call.cloned(), section, between, kind, text);
            self.without_frame();
        }
    }

    fn bridged(&mut self, line: &Line<'_>, params: &Value, call: Option<&Arc<str>>, section: Option<usize>) {
        let peer = params.get("peer").and_then(|peer| text(peer, "call_id"));
        let (Some(call), Some(peer)) = (call, peer) else { return };
        let (Some(from), Some(to)) = (self.column(call), self.column(peer)) else { return };
        // Both calls receive the event, and the picture draws it once.
        let again = self.rows.iter().rev().take(8).any(|row| row.text == "bridged" && row.from == to && row.to == from);
        if !again {
            self.add(line, Some(Arc::clone(call)), section, (from, to), RowKind::Note, "bridged".to_owned());
            self.without_frame();
        }
    }

    fn message_event(&mut self, line: &Line<'_>, params: &Value) {
        let id = text(params, "message_id").unwrap_or("");
        let inbound = line.method == "messaging.receive";
        let (section, column) = match self.messages.get(id) {
            Some(known) => known.clone(),
            None => {
                let from = text(params, "from_number").unwrap_or("?");
                let to = text(params, "to_number").unwrap_or("?");
                let section = self.new_section(format!("text message {from} → {to}"));
                let made = (section, Column::Leg(if inbound { from } else { to }.into()));
                self.messages.insert(id.to_owned(), made.clone());
                made
            }
        };
        if inbound {
            let body = words::text_message(params);
            self.add(line, None, Some(section), (column, Column::Service), RowKind::Speech, body);
            self.without_frame();
        }
        let words = words::event(line.method, params);
        self.add(line, None, Some(section), (Column::Service, Column::Program), RowKind::Event, words);
    }

    fn service_request(&mut self, line: &Line<'_>) {
        if line.method == "signalwire.ping" {
            return;
        }
        let words = words::request(line.method, line.params());
        self.add(line, None, None, (Column::Service, Column::Program), RowKind::Request, words);
    }

    fn raw(&mut self, line: &Line<'_>) {
        let between =
            if line.to_client { (Column::Service, Column::Program) } else { (Column::Program, Column::Service) };
        let text = line.frame.and_then(Value::as_str).map(words::shortened).unwrap_or_default();
        self.add(line, None, None, between, RowKind::Note, format!("not a frame: {text}"));
    }

    /// Begins a new connection: requests of the previous one got no response.
    fn connects(&mut self, line: &Line<'_>) {
        let Some(before) = self.connections.insert(line.client, line.connection) else { return };
        if before == line.connection {
            return;
        }
        self.add(line, None, None, (Column::Program, Column::Service), RowKind::Gap, "connection lost".to_owned());
        self.without_frame();
        let mut lost: Vec<(Key, Open)> = Vec::new();
        self.open.retain(|key, open| {
            let is_lost = key.0 == line.client && key.1 != line.connection;
            if is_lost {
                lost.push((key.clone(), open.clone()));
            }
            !is_lost
        });
        lost.sort_by(|a, b| (a.1.at, &a.0.3).cmp(&(b.1.at, &b.0.3)));
        for (_, open) in lost.into_iter().filter(|(_, open)| open.method != "signalwire.ping") {
            let text = format!("{}: no response", open.method);
            self.add(line, open.call, open.section, (Column::Service, Column::Program), RowKind::Lost, text);
            self.without_frame();
        }
    }

    /// Draws a line of the trace that is not a frame.
    fn unseen(&mut self, line: &Line<'_>) {
        let all = line.all;
        let part = |key: &str| text(all, key).map(str::to_owned).or_else(|| Some(all.get(key)?.to_string()));
        let outcome = part("error").or_else(|| part("outcome")).map(|why| format!(" ({})", words::shortened(&why)));
        let outcome = outcome.unwrap_or_default();
        let words = match line.kind {
            "phase" => format!("{}{outcome}", part("phase").unwrap_or_default()),
            "state" => format!("{}{outcome}", part("state").unwrap_or_default()),
            "handler" => format!("handler {}{outcome}", part("state").unwrap_or_default()),
            "wait" => format!("{} {}{outcome}", part("what").unwrap_or_default(), part("state").unwrap_or_default()),
            _ => format!(
                "dropped: {} {}",
                all.get("count").map(Value::to_string).unwrap_or_default(),
                part("what").unwrap_or_default()
            ),
        };
        let kind = if line.kind == "dropped" { RowKind::Lost } else { RowKind::Note };
        let call = text(all, "call_id").map(Arc::from);
        let section = call.as_ref().and_then(|call| self.section_of(call));
        self.add(line, call, section, (Column::Program, Column::Program), kind, words.trim().to_owned());
        let took = all.get("took").and_then(Value::as_f64).and_then(|took| Duration::try_from_secs_f64(took).ok());
        if let Some(row) = self.rows.last_mut() {
            row.took = took;
            row.frame = None;
        }
    }

    // Calls and sections.

    /// The call that parameters name.
    fn named(&self, params: &Value) -> Option<Arc<str>> {
        let id = text(params, "call_id")?;
        Some(self.calls.get_key_value(id).map_or_else(|| id.into(), |(known, _)| Arc::clone(known)))
    }

    /// The call of an event, which is known from now on.
    fn of_event(&mut self, line: &Line<'_>, params: &Value) -> Option<Arc<str>> {
        let about = match params.get("call") {
            Some(call) if params.get("call_id").is_none() => call,
            _ => params,
        };
        let id = text(about, "call_id")?;
        if let Some((known, _)) = self.calls.get_key_value(id) {
            let known = Arc::clone(known);
            self.joined(&known, params);
            return Some(known);
        }
        let id: Arc<str> = id.into();
        let parent = about.get("parent").and_then(|parent| text(parent, "call_id"));
        let section = parent.and_then(|parent| self.section_of(parent)).or_else(|| {
            let tag = text(params, "tag")?;
            self.tags.get(tag).copied()
        });
        let outbound = text(about, "direction") == Some("outbound") || line.method == "calling.call.dial";
        let far = words::far_end(about, outbound);
        let section = section.unwrap_or_else(|| {
            let title = match (&far, words::near_end(about, outbound)) {
                (Some(far), Some(near)) if outbound => format!("{near} → {far}"),
                (Some(far), Some(near)) => format!("{far} → {near}"),
                _ => String::new(),
            };
            self.new_section(title)
        });
        let label = far.unwrap_or_else(|| format!("call {}", end_of(&id)));
        self.add_leg(&id, section, &label);
        self.joined(&id, params);
        Some(id)
    }

    fn add_leg(&mut self, id: &Arc<str>, section: usize, label: &str) {
        let Some(of) = self.sections.get_mut(section) else { return };
        let same =
            of.columns.iter().filter(|column| ***column == *label || column.starts_with(&format!("{label} ("))).count();
        let label: Arc<str> = if same == 0 { label.into() } else { format!("{label} ({})", same + 1).into() };
        of.columns.push(Arc::clone(&label));
        of.first.get_or_insert_with(|| Arc::clone(id));
        of.live += 1;
        let leg = Leg { column: Column::Leg(label), section, ending: false, ended: false };
        self.calls.insert(Arc::clone(id), leg);
        self.order.push(Arc::clone(id));
    }

    /// Puts two connected calls into one section.
    fn joined(&mut self, call: &Arc<str>, params: &Value) {
        let peer = params.get("peer").and_then(|peer| text(peer, "call_id"));
        let (Some(mine), Some(theirs)) = (self.section_of(call), peer.and_then(|peer| self.section_of(peer))) else {
            return;
        };
        if mine == theirs {
            return;
        }
        let (kept, other) = (mine.min(theirs), mine.max(theirs));
        let moved = mem::take(&mut self.sections[other]);
        self.sections[kept].columns.extend(moved.columns);
        self.sections[kept].live += moved.live;
        for leg in self.calls.values_mut().filter(|leg| leg.section == other) {
            leg.section = kept;
        }
        for row in self.rows.iter_mut().filter(|row| row.section == Some(other)) {
            row.section = Some(kept);
        }
        for section in self.tags.values_mut().filter(|section| **section == other) {
            *section = kept;
        }
    }

    fn ends(&mut self, call: &Arc<str>, reason: Option<&str>) {
        let Some(leg) = self.calls.get_mut(call) else { return };
        if mem::replace(&mut leg.ended, true) {
            return;
        }
        let section = &mut self.sections[leg.section];
        section.live -= 1;
        if section.first.as_ref() == Some(call) {
            section.end = Some(reason.unwrap_or("ended").to_owned());
        }
    }

    fn new_section(&mut self, title: String) -> usize {
        self.sections.push(Section { title, ..Section::default() });
        self.sections.len() - 1
    }

    fn of_tag(&mut self, params: &Value, title: &str) -> usize {
        let tag = text(params, "tag").unwrap_or("");
        if let Some(known) = self.tags.get(tag) {
            return *known;
        }
        let section = self.new_section(title.to_owned());
        self.tags.insert(tag.to_owned(), section);
        section
    }

    fn section_of(&self, call: &str) -> Option<usize> {
        self.calls.get(call).map(|leg| leg.section)
    }

    fn column(&self, call: &str) -> Option<Column> {
        self.calls.get(call).map(|leg| leg.column.clone())
    }

    pub(super) fn calls(&self) -> Vec<&str> {
        self.order.iter().map(|id| &**id).collect()
    }

    // Rows.

    fn add(
        &mut self,
        line: &Line<'_>,
        call: Option<Arc<str>>,
        section: Option<usize>,
        (from, to): (Column, Column),
        kind: RowKind,
        text: String,
    ) {
        let frame = line.frame.map(|frame| Arc::new(frame.clone()));
        self.rows.push(Row { at: line.at, call, section, from, to, kind, text, took: None, frame });
    }

    /// Marks the last row as an effect of a frame instead of a frame.
    fn without_frame(&mut self) {
        if let Some(row) = self.rows.last_mut() {
            row.frame = None;
        }
    }

    pub(super) fn of_call(&self, call: &str) -> Self {
        let Some(section) = self.section_of(call) else { return Self::default() };
        let found = self.chapters().into_iter().find(|chapter| chapter.section == Some(section));
        let rows = found.map(|chapter| chapter.rows.into_iter().cloned().collect()).unwrap_or_default();
        Self { rows, ..self.clone_without_rows() }
    }

    pub(super) fn last(&self, count: usize) -> Self {
        let rows = self.rows[self.rows.len().saturating_sub(count)..].to_vec();
        Self { rows, ..self.clone_without_rows() }
    }

    fn clone_without_rows(&self) -> Self {
        Self {
            rows: Vec::new(),
            sections: self.sections.clone(),
            calls: self.calls.clone(),
            order: self.order.clone(),
            tags: self.tags.clone(),
            messages: self.messages.clone(),
            open: self.open.clone(),
            connections: self.connections.clone(),
        }
    }

    /// The chapters in the order in which they are drawn: the connection, then the calls in the order of their first
    /// row. A lost connection is also drawn in the calls that went on meanwhile.
    pub(super) fn chapters(&self) -> Vec<Chapter<'_>> {
        let mut found: HashMap<Option<usize>, Vec<(usize, &Row)>> = HashMap::new();
        let mut order: Vec<Option<usize>> = Vec::new();
        for (place, row) in self.rows.iter().enumerate() {
            let of = found.entry(row.section).or_default();
            if of.is_empty() {
                order.push(row.section);
            }
            of.push((place, row));
        }
        let gaps: Vec<(usize, &Row)> =
            found.get(&None).into_iter().flatten().copied().filter(|(_, row)| row.is_gap()).collect();
        order.sort_by_key(Option::is_some);
        if order.len() > 1 && found.get(&None).is_some_and(|rows| rows.len() == gaps.len()) {
            order.remove(0);
        }
        let chapters = order.into_iter().map(|section| {
            let mut rows = found.remove(&section).unwrap_or_default();
            if let (Some(number), Some((first, _)), Some((last, _))) = (section, rows.first(), rows.last()) {
                let live = self.sections[number].live > 0;
                let (first, last) = (*first, *last);
                rows.extend(gaps.iter().filter(|(place, _)| *place > first && (live || *place < last)));
                rows.sort_by_key(|(place, _)| *place);
            }
            let rows: Vec<&Row> = rows.into_iter().map(|(_, row)| row).collect();
            Chapter { section, title: self.title(section), columns: self.columns(section, &rows), rows }
        });
        chapters.collect()
    }

    fn title(&self, section: Option<usize>) -> String {
        let Some(section) = section.and_then(|number| self.sections.get(number)) else {
            return "connection".to_owned();
        };
        let id = section.first.as_ref().map(|id| format!("call {id}"));
        let title = (!section.title.is_empty()).then(|| section.title.clone());
        let end = section.end.as_ref().map(|end| format!("ended: {end}"));
        [id, title, end].into_iter().flatten().collect::<Vec<_>>().join(" · ")
    }

    fn columns(&self, section: Option<usize>, rows: &[&Row]) -> Vec<Column> {
        let mut columns = vec![Column::Program, Column::Service];
        let known = section.and_then(|number| self.sections.get(number));
        columns.extend(known.into_iter().flat_map(|section| section.columns.iter().cloned()).map(Column::Leg));
        let mut seen: BTreeSet<String> = columns.iter().map(ToString::to_string).collect();
        for column in rows.iter().flat_map(|row| [&row.from, &row.to]) {
            if seen.insert(column.to_string()) {
                columns.push(column.clone());
            }
        }
        // A column without an arrow is left out.
        columns.retain(|column| {
            matches!(column, Column::Program | Column::Service)
                || rows.iter().any(|row| row.from == *column || row.to == *column)
        });
        columns
    }
}

/// Rows that are drawn together, below one head.
pub(super) struct Chapter<'a> {
    section: Option<usize>,
    pub(super) title: String,
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<&'a Row>,
}

impl Chapter<'_> {
    /// The numbers of the columns that a row's arrow goes from and to.
    pub(super) fn ends(&self, row: &Row) -> (usize, usize) {
        let place = |column: &Column| self.columns.iter().position(|each| each == column).unwrap_or(0);
        (place(&row.from), place(&row.to))
    }
}

impl<'a> Line<'a> {
    fn params(&self) -> &'a Value {
        self.frame.and_then(|frame| frame.get("params")).unwrap_or(&Value::Null)
    }

    /// The payload of an event, which stands in a second envelope.
    fn event_params(&self) -> &'a Value {
        let envelope = self.params();
        envelope.get("params").unwrap_or(envelope)
    }

    fn id(&self) -> Option<String> {
        self.frame?.get("id").map(Value::to_string)
    }
}

fn text<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.get(key)?.as_str().filter(|text| !text.is_empty())
}

/// The last part of an ID.
fn end_of(id: &str) -> &str {
    id.rsplit('-').next().unwrap_or(id)
}

/// A method without its family, for its response: `answer`.
fn short_method(method: &str) -> &str {
    method.split_once('.').map_or(method, |(_, short)| short)
}
