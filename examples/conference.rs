//! A conference: every caller joins it, and hears an announcement at its end.

use std::time::Duration;

use signalwire_relay::actions::StayEnd;
use signalwire_relay::choices::ConferenceBeep;
use signalwire_relay::params::JoinConference;
use signalwire_relay::simulator::{self, Simulator, WaitTimeout};
use signalwire_relay::states::ConferenceStatus;
use signalwire_relay::{Call, Client, HandlerResult, Result, tts};

fn main() -> Result<()> {
    env_logger::init();
    simulator::rehearse(people); // Without an account the program runs on a simulator. Not needed in yours.
    let client = Client::builder().contexts(["default"]).connect()?;
    client.on_call(take_part);
    client.run()
}

pub fn take_part(call: Call) -> HandlerResult {
    call.answer()?;
    call.play(tts("Welcome to the stand-up."))?.wait(None)?;
    let stay = call.join_conference(JoinConference::new("stand-up").beep(ConferenceBeep::OnEnter))?;
    stay.wait_joined(Duration::from_secs(10))?;
    println!("{} takes part in {:?}", call.from_number(), stay.conference_id());
    for event in stay.events() {
        if event.status == ConferenceStatus::ParticipantMute {
            println!("{} is muted", call.from_number());
        }
    }
    let ended = stay.wait(None)?;
    println!("{}: {:?}", call.from_number(), ended.end);
    if ended.end != StayEnd::CallEnded {
        call.play(tts("The stand-up is over. Goodbye."))?.wait(None)?;
        call.hangup()?;
    }
    Ok(())
}

fn people(sim: &Simulator) -> Result<String, WaitTimeout> {
    let ann = sim.caller("+15551230004").calls("+15550000000");
    let ann = ann.when_put_through().says("Good morning, Bob.").after_hearing("Good morning, Ann").hangs_up();
    let _ann = ann.dials();
    let bob = sim.caller("+15551230005").calls("+15550000000").waits(Duration::from_secs(5));
    let bob = bob.after_hearing("Good morning, Bob").says("Good morning, Ann.").waits(Duration::from_secs(5));
    bob.hangs_up().dials().wait_ended(Duration::from_secs(60))
}
