//! For the examples that call or text somebody: who that is, when there is no service.

#[path = "../stage/mod.rs"]
mod stage;

use std::env;

use signalwire_relay::simulator::Simulator;
use signalwire_relay::{Builder, Result};

pub struct Stage(Option<Simulator>);

/// The service if the environment has credentials, else a simulator that `script` prepares.
pub fn stage(script: impl FnOnce(&Simulator)) -> Result<Stage> {
    let simulator = stage::simulator()?;
    simulator.as_ref().map(script);
    Ok(Stage(simulator))
}

impl Stage {
    /// `Client::builder()`, led to the simulator if there is one.
    pub fn client(&self) -> Builder {
        stage::client(self.0.as_ref())
    }

    /// Who is called and who calls: the arguments of the program, which a simulator does not need.
    pub fn to_and_from(&self) -> (String, String) {
        let mut arguments = env::args().skip(1);
        match (arguments.next(), arguments.next()) {
            (Some(to), Some(from)) => (to, from),
            _ if self.0.is_some() => ("+15552222222".into(), "+15551111111".into()),
            _ => {
                eprintln!(
                    "give two numbers: whom to reach, and one of your own; for example +15552222222 +15551111111"
                );
                std::process::exit(2);
            }
        }
    }
}
