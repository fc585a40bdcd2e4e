//! Takes a message and prints where it was stored.

mod inbound;

use std::time::Duration;

use signalwire_relay::{Record, RecordFormat, Result, tts};

fn main() -> Result<()> {
    let stage = inbound::stage()?;
    let client = stage.client().contexts(["default"]).connect()?;
    client.on_call(|call| {
        call.answer()?;
        call.play(tts("Leave a message after the beep, then press pound."))?.wait(None)?;
        let recording = call
            .record(Record::new().beep(true).format(RecordFormat::Mp3).terminators("#"))?
            .wait(Duration::from_secs(120))?;
        println!("{:.1} s of message at {}", recording.duration, recording.url);
        // Who has hung up in the middle of the message has left one all the same.
        Ok(call.hangup()?)
    });
    stage.run(&client, |sim| {
        let caller = sim.caller("+15551230003").calls("+15550000000");
        caller.after_the_beep().says("Hello, this is Ann. Please call me ba").hangs_up().dials()
    })
}
