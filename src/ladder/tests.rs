//! Ladders of small traces.

use serde_json::{Value, json};

use super::{Column, Ladder, RowKind};

fn frame(at: f64, direction: &str, kind: &str, method: &str, frame: &Value) -> Value {
    json!({"at": at, "connection": 1, "direction": direction, "kind": kind, "method": method, "frame": frame})
}

fn request(at: f64, id: &str, method: &str, params: &Value) -> Value {
    frame(at, "from_client", "request", method, &json!({"id": id, "method": method, "params": params}))
}

fn reply(at: f64, id: &str, method: &str, result: &Value) -> Value {
    frame(at, "to_client", "reply", method, &json!({"id": id, "result": result}))
}

fn event(at: f64, kind: &str, params: &Value) -> Value {
    let envelope = json!({"id": "e", "method": "signalwire.event", "params": {"event_type": kind, "params": params}});
    frame(at, "to_client", "event", kind, &envelope)
}

fn offer(at: f64, call: &str, from: &str) -> Value {
    let device = json!({"type": "phone", "params": {"from_number": from, "to_number": "+15550000000"}});
    event(
        at,
        "calling.call.receive",
        &json!({"call_id": call, "context": "default", "direction": "inbound", "device": device}),
    )
}

fn state(at: f64, call: &str, state: &str, reason: Option<&str>) -> Value {
    event(
        at,
        "calling.call.state",
        &json!({"call_id": call, "call_state": state, "end_reason": reason, "direction": "inbound"}),
    )
}

fn ladder(lines: &[Value]) -> Ladder {
    let mut ladder = Ladder::new();
    for line in lines {
        ladder.push(line).expect("a value");
    }
    ladder
}

fn greeting() -> Vec<Value> {
    vec![
        offer(1.0, "c1", "+15551230001"),
        request(1.1, "1", "calling.answer", &json!({"call_id": "c1", "node_id": "n"})),
        reply(1.102, "1", "calling.answer", &json!({"code": "200", "message": "Answering call"})),
        state(1.2, "c1", "answered", None),
        request(
            1.3,
            "2",
            "calling.play",
            &json!({"call_id": "c1", "play": [{"type": "tts", "params": {"text": "Welcome"}}]}),
        ),
        reply(1.304, "2", "calling.play", &json!({"code": "200"})),
        state(4.5, "c1", "ended", Some("hangup")),
    ]
}

#[test]
fn a_call_is_drawn_with_what_the_phone_hears_and_does() {
    let text = ladder(&greeting()).to_text(90, false);
    let expected = "\
call c1 · +15551230001 → +15550000000 · ended: hangup
        program                               service     +15551230001
    1.000  │                                     │◀─ calls +15550000000 ─────────────┤
    1.000  │◀─ call.receive in default ──────────┤                                   │
    1.100  ├── calling.answer ──────────────────▶│                                   │
    1.102  │◀─ answer 200 · 2 ms ────────────────┤                                   │
    1.200  │                                     ├── is answered ───────────────────▶│
    1.200  │◀─ call.state answered ──────────────┤                                   │
    1.300  ├── calling.play “Welcome” ──────────▶│                                   │
    1.304  │◀─ play 200 · 4 ms ──────────────────┤                                   │
    1.304  │                                     ├── “Welcome” ─────────────────────▶│
    4.500  │                                     │◀─ hangs up ───────────────────────┤
    4.500  │◀─ call.state ended (hangup) ────────┤                                   │
";
    let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    for (line, wanted) in text.lines().zip(expected.lines()) {
        // The test compares the contents of the columns, not their distances.
        let plain = |line: &str| squeezed(&line.replace(['─', '│'], " "));
        assert_eq!(plain(line), plain(wanted), "\n{text}");
    }
    assert_eq!(text.lines().count(), expected.lines().count(), "\n{text}");
}

#[test]
fn each_line_fits_into_the_width() {
    for width in [0, 60, 80, 200] {
        let text = ladder(&greeting()).to_text(width, false);
        let longest = text.lines().map(|line| line.chars().count()).max();
        assert!(longest <= Some(width.max(60)), "{width}: {longest:?}\n{text}");
    }
    assert!(ladder(&greeting()).to_text(100, true).contains("\u{1b}[36m"), "requests have a colour");
}

#[test]
fn a_bridged_call_shares_the_ladder_of_its_caller() {
    let peer = json!({"call_id": "p1", "call_state": "created", "direction": "outbound", "parent": {"call_id": "c1"},
        "device": {"type": "phone", "params": {"from_number": "+15551230001", "to_number": "+15553330001"}}});
    let connected = json!({"call_id": "c1", "connect_state": "connected", "peer": {"call_id": "p1"}});
    let back = json!({"call_id": "p1", "connect_state": "connected", "peer": {"call_id": "c1"}});
    let all = ladder(&[
        offer(1.0, "c1", "+15551230001"),
        offer(1.0, "c2", "+15551230002"),
        event(2.0, "calling.call.state", &peer),
        event(3.0, "calling.call.connect", &connected),
        event(3.0, "calling.call.connect", &back),
    ]);
    assert_eq!(all.calls(), ["c1", "c2", "p1"]);
    let one = all.call("p1");
    let calls: Vec<_> = one.rows().iter().filter_map(|row| row.call_id()).collect();
    assert!(calls.contains(&"c1") && calls.contains(&"p1") && !calls.contains(&"c2"), "{calls:?}");
    let bridged: Vec<_> = one.rows().iter().filter(|row| row.text() == "bridged").collect();
    assert_eq!(bridged.len(), 1, "both calls have the event, and the bridge is drawn once");
    assert_eq!(*bridged[0].to(), Column::Leg("+15553330001".into()));
    assert!(all.call("nobody").rows().is_empty());
}

#[test]
fn calls_that_turn_out_to_be_connected_become_one_ladder() {
    let connected = json!({"call_id": "c1", "connect_state": "connected", "peer": {"call_id": "c2"}});
    let all = ladder(&[
        offer(1.0, "c1", "+15551230001"),
        offer(1.5, "c2", "+15551230002"),
        event(3.0, "calling.call.connect", &connected),
        state(9.0, "c2", "ended", Some("hangup")),
    ]);
    assert_eq!(all.call("c2").rows().len(), all.rows().len());
    assert_eq!(all.to_text(100, false).matches("call c1").count(), 1);
}

#[test]
fn a_lost_connection_is_drawn_in_the_calls_that_it_interrupts() {
    let mut again = request(5.0, "9", "signalwire.connect", &json!({"protocol": "p", "contexts": ["default"]}));
    again["connection"] = json!(2);
    let mut resumed = reply(5.1, "9", "signalwire.connect", &json!({"session_restored": true}));
    resumed["connection"] = json!(2);
    let all = ladder(&[
        request(0.0, "0", "signalwire.connect", &json!({"contexts": ["default"]})),
        reply(0.1, "0", "signalwire.connect", &json!({})),
        offer(1.0, "c1", "+15551230001"),
        request(1.1, "1", "calling.answer", &json!({"call_id": "c1"})),
        again,
        resumed,
    ]);
    let one = all.call("c1");
    let kinds: Vec<_> = one.rows().iter().map(super::Row::kind).collect();
    assert_eq!(kinds, [RowKind::Event, RowKind::Event, RowKind::Request, RowKind::Gap, RowKind::Lost]);
    assert_eq!(one.rows()[4].text(), "calling.answer: no response");
    assert!(one.to_text(100, false).contains("connection lost"), "{}", one.to_text(100, false));
    assert!(all.rows().iter().any(|row| row.text() == "connect ok session resumed"), "{:?}", all.rows());
}

#[test]
fn a_rejection_is_marked_and_has_its_reason() {
    let error = json!({"id": "1", "error": {"code": -32601, "message": "no such method"}});
    let all = ladder(&[
        request(
            1.0,
            "1",
            "calling.dial",
            &json!({"tag": "t", "devices": [[{"type": "phone", "params": {"to_number": "+15552220001"}}]]}),
        ),
        frame(1.1, "to_client", "error_reply", "calling.dial", &error),
    ]);
    assert_eq!(all.rows()[0].text(), "calling.dial to +15552220001");
    assert_eq!(all.rows()[1].kind(), RowKind::Refusal);
    assert_eq!(all.rows()[1].text(), "dial error -32601 no such method");
}

#[test]
fn a_text_message_has_its_own_ladder() {
    let all = ladder(&[
        request(
            1.0,
            "1",
            "messaging.send",
            &json!({"from_number": "+1", "to_number": "+2", "body": "Hi", "media": ["https://a/b.png"]}),
        ),
        reply(1.1, "1", "messaging.send", &json!({"code": "200", "message_id": "m1"})),
        event(1.2, "messaging.state", &json!({"message_id": "m1", "message_state": "delivered"})),
        event(
            1.3,
            "messaging.receive",
            &json!({"message_id": "m2", "from_number": "+3", "to_number": "+4", "body": "Yes"}),
        ),
    ]);
    let text = all.to_text(100, false);
    for part in [
        "text message +1 → +2",
        "text “Hi” with media: 1",
        "messaging.state delivered",
        "text message +3 → +4",
        "text “Yes”",
    ] {
        assert!(text.contains(part), "{part} is missing:\n{text}");
    }
}

#[test]
fn what_no_frame_shows_is_a_note() {
    let all = ladder(&[
        json!({"trace": 1, "by": "signalwire-relay 0.1.0", "wall": 1.0, "at": 0.0}),
        json!({"at": 0.2, "kind": "phase", "phase": "tls", "took": 0.02}),
        offer(1.0, "c1", "+1"),
        json!({"at": 1.5, "kind": "handler", "call_id": "c1", "state": "panicked", "took": 0.25}),
        json!({"at": 2.0, "kind": "dropped", "what": "lines", "count": 7}),
        json!({"at": 2.0, "kind": "of a newer version", "anything": [1]}),
    ]);
    let rows: Vec<_> = all.rows().iter().map(super::Row::label).collect();
    assert_eq!(rows[0], "tls · 20 ms");
    assert_eq!(rows[3], "handler panicked · 250 ms");
    assert_eq!(rows[4], "dropped: 7 lines");
    assert_eq!(rows.len(), 5);
}

#[test]
fn what_cannot_be_read_is_named_by_line_and_the_rest_is_drawn() {
    let lines: Vec<String> = greeting().iter().map(Value::to_string).collect();
    let file = format!(
        "{}\n\n{{\"trace\": 2}}\nnot json\n[1, 2]\n{{\"kind\": \"request\", \"at\": -1}}\n{}\n{}",
        lines[0],
        lines[1],
        &lines[2][..40]
    );
    let all = Ladder::read(file.as_bytes()).expect("a value");
    assert_eq!(all.rows().len(), 3, "{:?}", all.rows());
    let problems = all.problems();
    assert_eq!(problems.len(), 5, "{problems:#?}");
    assert_eq!(problems[0], "line 3: a trace of version 2, and version 1 is the newest that is understood");
    assert!(problems[1].starts_with("line 4: not JSON"), "{problems:#?}");
    assert_eq!(problems[2], "line 5: not a line of a trace or a journal");
    assert_eq!(problems[3], "line 6: \"at\" is not a time in seconds");
    assert_eq!(problems[4], "line 8: the line is cut off");
    assert!(all.to_html().contains("line 8: the line is cut off"));
}

#[test]
fn a_text_from_a_phone_cannot_leave_its_place_in_a_page() {
    let evil = "</script><script>alert(1)</script>&\"<text>";
    let all =
        ladder(&[event(1.0, "messaging.receive", &json!({"message_id": "m", "from_number": evil, "body": evil}))]);
    assert_eq!(all.to_html().matches("</script>").count(), 2, "the page's own two scripts end, and no other");
    assert!(!all.to_html().contains("<script>alert"));
    assert!(!all.to_svg().contains("<script>"));
    assert!(all.to_svg().contains("&lt;/script&gt;"));
    assert!(!all.to_text(100, false).contains('\u{1b}'));
    let escape = ladder(&[event(1.0, "messaging.receive", &json!({"message_id": "m", "body": "\u{1b}[2J"}))]);
    assert!(!escape.to_text(100, false).contains('\u{1b}'), "a text message cannot command a terminal");
}

/// Values of every type in the place of every member.
#[test]
fn no_line_makes_it_panic() {
    let odd =
        [json!(null), json!(-1), json!(1e300), json!(""), json!([[]]), json!({}), json!({"params": 3}), json!(true)];
    let mut all = Ladder::new();
    for line in greeting() {
        for value in &odd {
            for path in [
                "/at",
                "/frame",
                "/method",
                "/frame/params",
                "/frame/params/params",
                "/frame/id",
                "/frame/params/params/device",
                "/frame/params/params/call_id",
                "/frame/params/play",
                "/frame/params/call_id",
                "/frame/result",
                "/connection",
            ] {
                let mut changed = line.clone();
                if let Some(place) = changed.pointer_mut(path) {
                    *place = value.clone();
                }
                // Some values are refused with an error.
                let _ = all.push(&changed);
            }
        }
    }
    assert!(!all.rows().is_empty());
    assert!(!all.to_text(80, true).is_empty() && !all.to_svg().is_empty() && !all.to_html().is_empty());
}

#[test]
fn thousands_of_calls_are_drawn_a_section_for_each() {
    let mut all = Ladder::new();
    for call in 0..1_500_u32 {
        let id = format!("c{call}");
        for line in [offer(1.0, &id, "+15551230001"), state(2.0, &id, "answered", None), state(3.0, &id, "ended", None)]
        {
            all.push(&line).expect("a value");
        }
    }
    assert_eq!(all.rows().len(), 9_000);
    assert_eq!(all.to_text(80, false).matches("\ncall c").count(), 1_499);
    assert!(all.to_html().len() > 9_000);
}

#[test]
fn two_ladders_stand_side_by_side_with_their_like_and_mark_the_rest() {
    let recorded = ladder(&greeting());
    let mut changed = greeting();
    for line in &mut changed {
        line["at"] = json!(line["at"].as_f64().expect("a value") * 2.0);
    }
    let text = recorded.beside(&ladder(&changed), ("recorded", "now"), 100);
    assert!(!text.contains(" < ") && !text.contains(" > "), "times make no difference:\n{text}");
    changed.remove(4);
    changed.remove(4);
    changed.insert(4, request(3.0, "7", "calling.record", &json!({"call_id": "c1"})));
    let text = recorded.beside(&ladder(&changed), ("recorded", "now"), 100);
    let marked = |mark: &str| -> Vec<String> {
        text.lines()
            .filter(|line| line.contains(mark))
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect()
    };
    let (gone, new) = (marked(" <"), marked(" > "));
    assert_eq!(gone.len(), 3, "{text}");
    assert!(gone[0].contains("calling.play “Welcome”") && gone[2].contains("→ +15551230001: “Welcome”"), "{text}");
    assert_eq!(new, ["> 3.000 → calling.record"], "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
}

#[test]
fn a_leg_that_only_its_dial_reports_is_named_by_the_number_that_is_called() {
    let device = json!({"type": "phone", "params": {"from_number": "+1", "to_number": "+2"}});
    let leg = json!({"tag": "t", "dial_state": "answered", "call": {"call_id": "c1", "device": device}});
    let all = ladder(&[event(1.0, "calling.call.dial", &leg), state(2.0, "c1", "ended", Some("hangup"))]);
    assert_eq!(*all.rows()[1].from(), Column::Leg("+2".into()));
}
