//! For the examples that are called: somebody who calls, when there is no service.

#[path = "../stage/mod.rs"]
mod stage;

use std::time::Duration;

use signalwire_relay::simulator::{PersonOnCall, Simulator};
use signalwire_relay::{Builder, Client, Result};

/// Far longer than any of the scripts takes.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Stage(Option<Simulator>);

/// The service if the environment has credentials, else a simulator.
pub fn stage() -> Result<Stage> {
    stage::simulator().map(Stage)
}

impl Stage {
    /// `Client::builder()`, led to the simulator if there is one.
    pub fn client(&self) -> Builder {
        stage::client(self.0.as_ref())
    }

    /// Runs until the client is closed; with a simulator, until the person that `script` lets call is off the phone.
    pub fn run(&self, client: &Client, script: impl FnOnce(&Simulator) -> PersonOnCall) -> Result<()> {
        let Some(simulator) = &self.0 else { return client.run() };
        match script(simulator).wait_ended(PATIENCE) {
            Ok(reason) => println!("the call is over ({reason})"),
            Err(missed) => println!("{missed}"),
        }
        client.shutdown(Duration::from_secs(5));
        Ok(())
    }
}
