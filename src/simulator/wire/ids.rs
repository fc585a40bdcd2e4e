//! IDs that look like the service's, the same in every run with the same seed.

use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Uuid;

/// The source of IDs and of numbers that distinguish things.
pub(crate) struct Ids {
    /// The part of all IDs that distinguishes one run from another.
    run: Uuid,
    last: AtomicU64,
}

impl Ids {
    pub(crate) fn new(seed: Option<u64>) -> Self {
        Self { run: seed.map_or_else(Uuid::new_v4, seeded), last: AtomicU64::new(0) }
    }

    /// Creates a new ID. Its first group is `mark`, which stands for its purpose.
    pub(crate) fn fresh(&self, mark: u32) -> String {
        self.shaped(mark, self.number())
    }

    fn shaped(&self, mark: u32, number: u64) -> String {
        let (_, a, b, _) = self.run.as_fields();
        format!("{mark:08x}-{a:04x}-{b:04x}-8000-{number:012x}")
    }

    /// A number that is unique in this run.
    pub(crate) fn number(&self) -> u64 {
        self.last.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The signature in the names of sessions and nodes.
    pub(crate) fn signature(&self) -> String {
        format!("{:06x}", self.run.as_fields().0 & 0x00ff_ffff)
    }

    /// The node on which all calls are.
    pub(crate) fn node(&self) -> String {
        format!("n-{}:sim-1", self.signature())
    }

    /// `true` if an ID with this mark has been given out.
    pub(crate) fn is_ours(&self, mark: u32, id: &str) -> bool {
        let number = id.rsplit('-').next().and_then(|number| u64::from_str_radix(number, 16).ok());
        number.is_some_and(|number| number <= self.last.load(Ordering::Relaxed) && self.shaped(mark, number) == id)
    }

    /// The seed of the random choices of the fault with this number.
    pub(crate) fn seed_of_fault(&self, fault: u64) -> u64 {
        let (high, low) = self.run.as_u64_pair();
        high ^ low.rotate_left(32) ^ fault.wrapping_mul(0xa24b_aed4_963e_e407)
    }
}

/// The run of a seed.
fn seeded(seed: u64) -> Uuid {
    // Neighbouring seeds must not give similar IDs (the finisher of MurmurHash3).
    let mix = |mut bits: u64| {
        bits = (bits ^ (bits >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        bits = (bits ^ (bits >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        bits ^ (bits >> 33)
    };
    Uuid::from_u64_pair(mix(seed.wrapping_add(1)), mix(!seed))
}

#[cfg(test)]
mod tests {
    use super::Ids;

    #[test]
    fn an_id_is_known_by_its_mark_and_its_run() {
        let (ids, others) = (Ids::new(Some(7)), Ids::new(Some(8)));
        let id = ids.fresh(0xca11);
        assert!(id.starts_with("0000ca11-") && ids.is_ours(0xca11, &id));
        assert!(!ids.is_ours(0x5e55, &id) && !others.is_ours(0xca11, &id) && !ids.is_ours(0xca11, "x"));
        assert_eq!(Ids::new(Some(7)).fresh(0xca11), id);
    }
}
