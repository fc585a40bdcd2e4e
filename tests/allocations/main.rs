//! How often something allocates. In a binary of its own, because it has another allocator and counts what all of its
//! threads do.

mod parameters;

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static COUNTED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// How often `make` allocates: the least of some times, in which no other thread of the harness does anything.
fn allocations<T>(make: impl Fn() -> T) -> usize {
    let count = || {
        let region = Region::new(COUNTED);
        let made = make();
        let change = region.change();
        drop(made);
        change.allocations + change.reallocations
    };
    (0..10).map(|_| count()).min().unwrap()
}
