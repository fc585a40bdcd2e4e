//! What the examples share: the service when there are credentials, else a simulator with somebody on it.
//!
//! Without credentials (`SIGNALWIRE_PROJECT_ID`, `SIGNALWIRE_API_TOKEN`, `SIGNALWIRE_JWT_TOKEN`) in the environment each example starts a simulator, lets
//! the people of its script call or be called, prints what they hear and do, and ends by itself. With them it uses the
//! service, and runs on.

use std::env;

use signalwire_relay::simulator::Simulator;
use signalwire_relay::{Builder, Client, Result};

/// Simulated seconds pass this much faster.
const SPEED: f64 = 20.0;

/// Installs a logger, and starts a simulator unless the environment has credentials.
pub fn simulator() -> Result<Option<Simulator>> {
    let filter = env::var("RUST_LOG").unwrap_or_else(|_| "warn".into());
    // The simulator serves with tungstenite, which prints whole frames at trace.
    env_logger::Builder::new().parse_filters(&filter).filter_module("tungstenite", log::LevelFilter::Info).init();
    let given = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    if ["SIGNALWIRE_PROJECT_ID", "SIGNALWIRE_API_TOKEN", "SIGNALWIRE_JWT_TOKEN"].into_iter().any(given) {
        return Ok(None);
    }
    println!("no credentials in the environment: a simulator takes the service's place");
    let simulator = Simulator::builder().speed(SPEED).start()?;
    simulator.on_transcript(|line| println!("  {line}"));
    Ok(Some(simulator))
}

/// `Client::builder()`, led to the simulator if there is one.
pub fn client(simulator: Option<&Simulator>) -> Builder {
    match simulator {
        Some(simulator) => Client::builder().simulator(simulator),
        None => Client::builder(),
    }
}
