//! Records a message of each caller and prints its URL, also if the caller hangs up in the middle of it.

use std::time::Duration;

use signalwire_relay::choices::RecordFormat;
use signalwire_relay::simulator::{self, Simulator, WaitTimeout};
use signalwire_relay::states::RecordState;
use signalwire_relay::{Call, Client, Event, HandlerResult, Record, Result, tts};

fn main() -> Result<()> {
    env_logger::init();
    simulator::rehearse(people); // Without an account the program runs on a simulator. Not needed in yours.
    let client = Client::builder().contexts(["default"]).connect()?;
    client.on_call(take_message);
    // This listener receives events that arrive after the end of their call, also those that are too late for the wait. A
    // program that stores messages under their control ID stores each of them once.
    client.on_event(|event| {
        if let Event::Record(late) = event {
            if late.state == RecordState::Finished {
                println!("after the end of the call: message {} is at {}", late.control_id, late.url);
            }
        }
    });
    client.run()
}

pub fn take_message(call: Call) -> HandlerResult {
    call.answer()?;
    call.play(tts("Leave a message after the beep, then press pound."))?.wait(None)?;
    // If the caller hangs up in the middle of the message, it is recorded all the same. The wait continues for up to 15 s
    // after the end of the call (`Tuning::final_event_grace`), and ends as soon as the last event arrives.
    let recording = call
        .record(Record::new().beep(true).format(RecordFormat::Mp3).terminators("#"))?
        .wait(Duration::from_secs(120))?;
    println!("{:.1} s of message at {}", recording.duration, recording.url);
    call.hangup()?;
    Ok(())
}

fn people(sim: &Simulator) -> Result<String, WaitTimeout> {
    let caller = sim.caller("+15551230003").calls("+15550000000");
    let caller = caller.after_the_beep().says("Hello, this is Ann. Please call me ba").hangs_up().dials();
    caller.wait_ended(Duration::from_secs(60))
}
