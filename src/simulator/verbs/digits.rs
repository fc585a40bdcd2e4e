//! Sending digits.

use serde_json::json;

use crate::simulator::record::interaction::InteractionKind;
use crate::simulator::verbs::activity::{Activity, Begun, Ends, Steps, Verb, View};
use crate::simulator::wire::frame::text;
use crate::simulator::wire::reply::{Params, Refusal, refuse, started};

pub(crate) const SEND_DIGITS: Verb = Verb::new("calling.send_digits", "+ control_id:s! digits:s!", begin);

const EVENT: &str = "calling.call.send_digits";

/// The digits that are being sent.
struct Sending(String);

fn begin(params: &Params, call: &View<'_>, out: &mut Steps) -> Result<Begun, Refusal> {
    let digits = text(params, "digits").unwrap_or_default();
    if digits.is_empty() || !digits.chars().all(|key| "0123456789*#ABCDabcdwW".contains(key)) {
        return refuse(400, "digits may hold 0-9 * # A-D w W");
    }
    let lasts = |key: char| match key {
        'w' => 0.5,
        'W' => 1.0,
        _ => 0.25,
    };
    out.alarm("sent", digits.chars().map(lasts).sum());
    let tones = digits.chars().filter(|key| !"wW".contains(*key)).collect();
    Ok(Begun::Runs(Box::new(Sending(tones)), started("Sending digits", call.call_id, params)))
}

impl Activity for Sending {
    fn family(&self) -> &'static str {
        "send_digits"
    }

    fn alarm(&mut self, _: &'static str, _: u64, _: &View<'_>, out: &mut Steps) {
        out.hears_digits(self.0.clone());
        out.did(InteractionKind::SentDigits, &self.0);
        out.end(EVENT, json!({"state": "finished"}));
    }

    fn ends(&mut self, _: Ends, _: &View<'_>, out: &mut Steps) {
        out.end(EVENT, json!({"state": "error"}));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::verbs::tests::Rig;

    #[test]
    fn pauses_take_their_time_and_are_not_heard() {
        let mut rig = Rig::begin(&SEND_DIGITS, json!({"digits": "1wW2"})).expect("it runs");
        rig.pass(1.9);
        assert!(!rig.is_over());
        rig.pass(0.2);
        assert_eq!(rig.interactions(), [(InteractionKind::SentDigits, "12".to_owned())]);
        assert_eq!(rig.told(), [(EVENT, json!({"state": "finished"}))]);
    }
}
