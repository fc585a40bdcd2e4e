//! The first answer on a connection, which says what session it is.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| signalwire_relay::fuzz::welcome(text));
