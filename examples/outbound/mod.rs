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

    /// A file of numbers and who calls them: the arguments of the program. `None` on a simulator.
    #[allow(dead_code)]
    pub fn list_and_from(&self) -> Option<(String, String)> {
        let mut arguments = env::args().skip(1);
        match (arguments.next(), arguments.next()) {
            (Some(list), Some(from)) => Some((list, from)),
            _ if self.0.is_some() => None,
            _ => {
                eprintln!("give a CSV file and a number of yours; for example numbers.csv +15551111111");
                std::process::exit(2);
            }
        }
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
