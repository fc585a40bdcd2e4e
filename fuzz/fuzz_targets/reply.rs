//! The body of an answer: a result, or an error of any shape.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| signalwire_relay::fuzz::reply(text));
