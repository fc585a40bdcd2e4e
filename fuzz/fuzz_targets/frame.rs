//! Any frame of the service: parsed, acknowledged, its event read by its type.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| signalwire_relay::fuzz::frame(text));
