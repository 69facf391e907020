//! k-medoids++: each medoid is drawn with a probability proportional to its distance to the nearest medoid so far.
//!
//! k-means++ (Arthur and Vassilvitskii 2007) has squared distances; here the loss is a sum of distances.

use crate::data::splitmix::SplitMix;

/// The state of the draws.
pub(super) struct PlusPlus {
    random: SplitMix,
    /// Rows that may still become medoids, in order.
    open: Vec<u32>,
}

impl PlusPlus {
    /// Draw from the rows that are open.
    pub(super) fn new(open: impl Iterator<Item = u32>, seed: u64) -> Self {
        Self { random: SplitMix::new(seed), open: open.collect() }
    }

    /// The next medoid; `charges` holds the distance of every row to the nearest medoid so far.
    pub(super) fn draw(&mut self, charges: &[f32]) -> Option<u32> {
        let at = self.random.uniform();
        let position = position(self.open.iter().map(|&row| charges[row as usize]), at)?;
        Some(self.open.remove(position))
    }
}

/// The position at which the cumulative sum of the charges passes the fraction `at` of the total; 0 if all are zero.
fn position(charges: impl Iterator<Item = f32> + Clone, at: f64) -> Option<usize> {
    let total: f64 = charges.clone().map(f64::from).sum();
    let mut sum = 0.0;
    let mut last = charges.clone().next().map(|_| 0);
    for (position, charge) in charges.enumerate().filter(|(_, charge)| *charge > 0.0) {
        sum += f64::from(charge);
        last = Some(position);
        if sum > at * total {
            break;
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_in_proportion_to_the_charges() {
        let charges = [1.0_f32, 0.0, 2.0, 1.0];
        let at = |share| position(charges.iter().copied(), share);
        assert_eq!([0.0, 0.2, 0.26, 0.74, 0.76, 1.0].map(at), [0, 0, 2, 2, 3, 3].map(Some));
        assert_eq!(position([0.0, 0.0].into_iter(), 0.9), Some(0));
        assert_eq!(position([].into_iter(), 0.9), None);
    }
}
