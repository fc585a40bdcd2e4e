//! The parameters of requests.

use std::time::Duration;

use signalwire_relay::params::Hangup;
use signalwire_relay::{Collect, Play, Record, audio, silence, tts};

use crate::{allocations, alone};

#[test]
fn parameters_allocate_for_their_strings_and_one_list_each() {
    let _alone = alone();
    let long = "a text that is longer than all that is short enough to be kept elsewhere";
    // The text and its list, the playlist, its JSON, and the list of the request.
    assert_eq!(allocations(|| Play::from(tts(long))), 5);
    assert_eq!(allocations(|| Play::from(tts(long)).volume(-3.0).loops(2)), 5);
    // Without a text there is nothing but the lists.
    assert_eq!(allocations(|| Play::from(silence(Duration::from_secs(1)))), 4);
    let two = allocations(|| Play::from(tts(long).then(audio(long))));
    assert!(two <= 10, "{two}");
    assert_eq!(allocations(Hangup::new), 0);
    assert_eq!(allocations(|| Hangup::new().reason("busy")), 2);
    // Groups are maps: a node, and a key for each member.
    let (record, collect) = (allocations(|| Record::new().beep(true)), allocations(|| Collect::digits(4)));
    assert!(record <= 6 && collect <= 6, "{record}, {collect}");
}
