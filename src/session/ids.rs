//! IDs of requests, operations and dials.

use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Uuid;

/// Makes UUIDs of the random kind from one random base and a counter, because asking the system for randomness takes
/// longer than the rest of a request.
pub(super) struct Ids {
    base: [u8; 16],
    made: AtomicU64,
}

impl Ids {
    pub(super) fn new() -> Self {
        Self { base: Uuid::new_v4().into_bytes(), made: AtomicU64::new(0) }
    }

    pub(super) fn next(&self) -> Uuid {
        let mut bytes = self.base;
        let count = self.made.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        for (byte, count) in bytes[10..].iter_mut().zip(&count[2..]) {
            *byte ^= count;
        }
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }
}
