//! A million events, a hundred thousand calls, ten thousand clients: nothing is left of them.
//!
//! `MALLOC_ARENA_MAX=1 cargo bench --bench soak` runs the full counts, which takes minutes; `-- --quick` runs small
//! ones. One arena is set because glibc keeps an arena for each of the simulators' short-lived threads, which would
//! hide a leak.

#[path = "soak/rounds.rs"]
mod rounds;

use rounds::Counts;

fn main() {
    let quick = std::env::args().any(|arg| arg == "--quick" || arg == "--test");
    let counts = if quick { Counts::small() } else { Counts::full() };
    println!(
        "{:<28} {:>9} {:>8} {:>11} {:>11} {:>8} {:>8} {:>5}",
        "", "count", "seconds", "MiB before", "MiB after", "threads", "handles", "left"
    );
    let mut sound = true;
    for report in rounds::all(&counts) {
        println!("{report}");
        sound &= report.is_clean() && (quick || report.is_flat());
    }
    if !sound {
        eprintln!("something grows");
        std::process::exit(1);
    }
}
