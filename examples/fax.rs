//! Receives a fax from every caller and sends one back: a number for a fax machine.

use std::time::Duration;

use signalwire_relay::params::{ReceiveFax, SendFax};
use signalwire_relay::simulator::{self, Simulator, WaitTimeout};
use signalwire_relay::{Call, Client, HandlerResult, Result, phone};

const RECEIPT: &str = "https://example.com/receipt.pdf";

fn main() -> Result<()> {
    env_logger::init();
    simulator::rehearse(people); // Without an account the program runs on a simulator. Not needed in yours.
    let client = Client::builder().contexts(["default"]).connect()?;
    client.on_call(receive);
    client.run()
}

pub fn receive(call: Call) -> HandlerResult {
    call.answer()?;
    let fax = call.receive_fax(ReceiveFax::new())?.wait(Duration::from_secs(600))?;
    call.hangup()?;
    if !fax.is_success {
        println!("the fax from {} failed: {}", call.from_number(), fax.result_text);
        return Ok(());
    }
    println!("{} pages from {} at {}", fax.pages, call.from_number(), fax.document);
    let back = call.client()?.dial(phone(call.from_number()).from(call.to_number()))?;
    let sent = back.send_fax(SendFax::new(RECEIPT).header_info("Example Ltd."))?.wait(Duration::from_secs(600))?;
    println!("the receipt arrived: {}, with {} pages", sent.is_success, sent.pages);
    back.hangup()?;
    Ok(())
}

fn people(sim: &Simulator) -> Result<(), WaitTimeout> {
    let machine = sim.callee("+15551230006").is_fax();
    sim.caller("+15551230006")
        .calls("+15550000000")
        .is_fax()
        .fax_pages(3)
        .dials()
        .wait_ended(Duration::from_secs(60))?;
    sim.wait_for_request("calling.send_fax", Duration::from_secs(60))?;
    sim.wait_for_event("calling.call.fax", Duration::from_secs(60))?;
    sim.wait_for_request("calling.end", Duration::from_secs(60))?;
    drop(machine);
    Ok(())
}
