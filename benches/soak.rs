//! A million events, a hundred thousand calls, ten thousand clients: what is left of them is nothing.
//!
//! `MALLOC_ARENA_MAX=1 cargo bench --bench soak` for the full counts, which takes minutes; `-- --quick` for small ones.
//! With one arena, because glibc keeps one for each of the threads that come and go with the simulators, which hides
//! what is held by anybody.

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
