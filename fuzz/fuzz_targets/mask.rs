//! What of a frame is shown in a trace, and the search for secrets in any text.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| signalwire_relay::fuzz::mask(text));
