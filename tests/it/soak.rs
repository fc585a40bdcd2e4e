//! The soak of `benches/soak.rs`, with small counts; `SOAK=1` for the full ones.

use crate::support::in_child;

#[path = "../../benches/soak/rounds.rs"]
mod rounds;

#[test]
fn nothing_is_left_of_events_calls_and_clients() {
    // A process of its own: the threads of other tests are none of its.
    in_child("soak::nothing_is_left_of_events_calls_and_clients", &[], || {
        let full = std::env::var_os("SOAK").is_some();
        let counts = if full { rounds::Counts::full() } else { rounds::Counts::small() };
        for report in rounds::all(&counts) {
            assert!(report.is_clean() && (!full || report.is_flat()), "{report}");
        }
    });
}
