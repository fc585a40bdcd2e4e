//! Allocation counts. A binary of its own, because its allocator counts the allocations of all threads.

mod calls;
mod parameters;

use std::alloc::System;
use std::sync::{Mutex, MutexGuard, PoisonError};

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static COUNTED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Waits until no other test counts. The allocator does not tell threads apart.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

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
