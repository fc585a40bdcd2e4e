//! The payload of every type of event that the crate knows, with all that can be asked of it.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| signalwire_relay::fuzz::event(text));
