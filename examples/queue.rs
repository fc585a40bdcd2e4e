//! A queue with hold music: callers wait in line, and an agent is called for each of them.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use signalwire_relay::actions::StayEnd;
use signalwire_relay::devices::queue;
use signalwire_relay::events::EventName;
use signalwire_relay::params::QueueEnter;
use signalwire_relay::simulator::{self, Simulator, WaitTimeout};
use signalwire_relay::states::ConnectState;
use signalwire_relay::{Call, Client, Event, HandlerResult, Result, phone, tts};

const AGENT: &str = "+15553330001";
const OURS: &str = "+15550000000";
const MUSIC: &str = "https://example.com/hold.mp3";

fn main() -> Result<()> {
    env_logger::init();
    simulator::rehearse(people); // Without an account the program runs on a simulator. Not needed in yours.
    let client = Client::builder().contexts(["default"]).connect()?;
    let (waiting, line) = channel();
    client.on_call(move |call| wait_in_line(&call, &waiting));
    let of_desk = client.downgrade();
    thread::spawn(move || {
        if let Some(client) = of_desk.upgrade() {
            desk(&client, &line);
        }
    });
    client.run()
}

/// Handles one caller: enters the queue, notifies the desk, and waits until an agent takes the call.
pub fn wait_in_line(call: &Call, waiting: &Sender<String>) -> HandlerResult {
    call.answer()?;
    call.play(tts("All agents are busy. Please hold the line."))?.wait(None)?;
    // Created before the stay begins, so that it receives the bridge that ends the stay, and the end of the bridge.
    let mut bridge = call.waiter(EventName::Connect);
    let stay = call.queue_enter(QueueEnter::new("support").wait_url(MUSIC).wait_time(Duration::from_secs(120)))?;
    waiting.send(call.node_id())?;
    match stay.wait(None)?.end {
        StayEnd::Connected => {
            bridge.wait_until(is_over, None)?;
            call.play(tts("Thank you for calling."))?.wait(None)?;
            call.hangup()?;
        }
        StayEnd::TimedOut => {
            call.play(tts("Nobody is free. Please call again later."))?.wait(None)?;
            call.hangup()?;
        }
        end => println!("{} left the queue: {end:?}", call.from_number()),
    }
    Ok(())
}

fn is_over(event: &Event) -> bool {
    matches!(event, Event::Connect(event) if event.state == ConnectState::Disconnected)
}

/// The desk: for each waiting caller, the agent is called and bridged with the first caller in line.
pub fn desk(client: &Client, line: &Receiver<String>) {
    for node_id in line {
        if let Err(error) = serve(client, &node_id) {
            println!("the caller goes on waiting: {error}");
        }
    }
}

/// Calls the agent and bridges that call with the first caller in line, until one of the two hangs up.
pub fn serve(client: &Client, node_id: &str) -> Result<()> {
    let agent = client.dial(phone(AGENT).from(OURS).timeout(Duration::from_secs(30)))?;
    let talked = talk(&agent, node_id);
    // The caller may have hung up in the meantime. Then the agent's call ends as well, instead of staying silent.
    agent.hangup()?;
    talked
}

fn talk(agent: &Call, node_id: &str) -> Result<()> {
    let bridge = agent.connect(queue(node_id, "support"))?;
    bridge.wait(Duration::from_secs(30))?;
    bridge.wait_disconnected(None).map(drop)
}

fn people(sim: &Simulator) -> Result<String, WaitTimeout> {
    let agent = sim.callee(AGENT).answers_after(Duration::from_secs(8)).when_put_through();
    let _agent = agent.says("Support, how can I help?");
    let caller = sim.caller("+15551230003").calls(OURS);
    let caller = caller.after_hearing("how can I help").says("You have. Goodbye!").hangs_up().dials();
    caller.wait_ended(Duration::from_secs(60))
}
