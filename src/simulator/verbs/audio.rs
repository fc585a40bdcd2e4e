//! Settings that are switched on and off for a whole call: noise reduction and echo.
//!
//! Where the documentation of the service is silent: switching on a setting that is on, or off one that is off, is
//! rejected with 409; an echo lasts 60 s by default, and with 0 until the call ends.

use serde_json::{Value, json};

use crate::simulator::verbs::activity::{Activity, Begun, Ends, Last, Steps, Turn, Verb, View};
use crate::simulator::wire::reply::{Params, Refusal, Reply, refuse, reply};

pub(crate) const DENOISE: Verb =
    Verb { last: Last::OnCall("calling.call.denoise", "", &[]), ..Verb::new("calling.denoise", "+", denoise) };

pub(crate) const DENOISE_STOP: Verb = Verb {
    last: Last::OnCall("calling.call.denoise", "", &[]),
    ..Verb::new("calling.denoise.stop", "+", |_, call, _| {
        if call.runs(&["denoise"]) { Ok(Begun::Passes("denoise", "stop")) } else { refuse(409, "Denoiser is not on") }
    })
};

pub(crate) const ECHO: Verb = Verb {
    last: Last::OnCall("calling.call.echo", "state", &["finished"]),
    ..Verb::new("calling.echo", "+ timeout:n status_url:s swml:b", echo)
};

/// Default duration of an echo.
const ECHO_SECONDS: f64 = 60.0;

/// Noise reduction on a call.
struct Denoiser;

fn denoise(_: &Params, call: &View<'_>, out: &mut Steps) -> Result<Begun, Refusal> {
    if call.runs(&["denoise"]) {
        return refuse(409, "Denoiser is on");
    }
    out.announce("calling.call.denoise", json!({"denoised": true}));
    Ok(Begun::Runs(Box::new(Denoiser), reply("Denoiser on")))
}

impl Activity for Denoiser {
    fn family(&self) -> &'static str {
        "denoise"
    }

    fn turn(&self) -> Turn {
        Turn::Attached(6)
    }

    fn command(&mut self, _: &str, _: &Params, _: &View<'_>, out: &mut Steps) -> Reply {
        out.gone();
        out.announce("calling.call.denoise", json!({"denoised": false}));
        Ok(reply("Denoiser off"))
    }

    fn ends(&mut self, _: Ends, _: &View<'_>, out: &mut Steps) {
        out.gone();
    }
}

/// An echo on a call.
struct Echo;

fn echo(params: &Params, call: &View<'_>, out: &mut Steps) -> Result<Begun, Refusal> {
    let lasts = params.get("timeout").and_then(Value::as_f64).unwrap_or(ECHO_SECONDS);
    if lasts < 0.0 {
        return refuse(400, "timeout is negative");
    }
    if call.runs(&["echo"]) {
        return refuse(409, "An echo is running");
    }
    out.announce("calling.call.echo", json!({"state": "echoing"}));
    if lasts > 0.0 {
        out.alarm("over", lasts);
    }
    Ok(Begun::Runs(Box::new(Echo), reply("Echo started")))
}

impl Activity for Echo {
    fn family(&self) -> &'static str {
        "echo"
    }

    fn turn(&self) -> Turn {
        Turn::Attached(0)
    }

    fn alarm(&mut self, _: &'static str, _: u64, call: &View<'_>, out: &mut Steps) {
        self.ends(Ends::Asked, call, out);
    }

    fn ends(&mut self, _: Ends, _: &View<'_>, out: &mut Steps) {
        out.gone();
        out.announce("calling.call.echo", json!({"state": "finished"}));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::verbs::tests::Rig;

    #[test]
    fn an_echo_lasts_a_minute_and_without_a_limit_until_the_call_ends() {
        let mut rig = Rig::begin(&ECHO, json!({})).expect("it runs");
        rig.pass(59.0);
        assert!(!rig.is_over());
        rig.pass(2.0);
        assert!(rig.is_over());
        let mut rig = Rig::begin(&ECHO, json!({"timeout": 0})).expect("it runs");
        rig.pass(1e6);
        assert!(!rig.is_over() && Rig::begin(&ECHO, json!({"timeout": -1})).is_err());
    }
}
