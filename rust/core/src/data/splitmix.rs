//! A small generator of random numbers: SplitMix64 (Steele, Lea and Flood 2014), the same on every machine.

/// Increment of the state: 2^64 over the golden ratio, an odd number.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// Output number `index`, counted from 0, of the generator with the given seed.
pub(crate) fn nth(seed: u64, index: u64) -> u64 {
    let z = seed.wrapping_add(index.wrapping_add(1).wrapping_mul(STEP));
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The state of the generator.
pub(crate) struct SplitMix {
    state: u64,
}

impl SplitMix {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    pub(crate) fn next(&mut self) -> u64 {
        let output = nth(self.state, 0);
        self.state = self.state.wrapping_add(STEP);
        output
    }

    /// A number from 0 up to, but not including, 1.
    pub(crate) fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// An index below `count`; the bias of the multiplication is below 2^-40 for any pool that fits into memory.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        ((u128::from(self.next()) * count as u128) >> 64) as usize
    }

    /// Move `count` randomly chosen elements to the front.
    pub(crate) fn shuffle_front(&mut self, items: &mut [u32], count: usize) {
        for i in 0..count.min(items.len()) {
            items.swap(i, i + self.below(items.len() - i));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_published_sequence() {
        let mut random = SplitMix::new(1234567);
        assert_eq!([random.next(), random.next()], [6457827717110365317, 3203168211198807973]);
        assert_eq!([nth(1234567, 0), nth(1234567, 1)], [6457827717110365317, 3203168211198807973]);
    }

    #[test]
    fn draws_are_in_range_and_shuffles_keep_the_items() {
        let mut random = SplitMix::new(0);
        assert!((0..1000).all(|_| random.below(7) < 7 && (0.0..1.0).contains(&random.uniform())));
        let mut items: Vec<u32> = (0..20).collect();
        random.shuffle_front(&mut items, 30);
        assert_ne!(items, (0..20).collect::<Vec<u32>>());
        items.sort_unstable();
        assert_eq!(items, (0..20).collect::<Vec<u32>>());
    }
}
