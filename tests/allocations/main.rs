//! Allocation counts. A binary of its own, because its allocator counts the allocations of all threads.

mod parameters;

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static COUNTED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Number of allocations of `make`: the least of several runs, in one of which no other thread of the harness
/// allocates.
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
