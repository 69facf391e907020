//! k-medoids++: each medoid is drawn with a probability proportional to its distance to the nearest one so far, as in
//! k-means++ (Arthur and Vassilvitskii 2007) but not squared, as distances are what the loss sums up.

use super::space::Space;
use crate::splitmix::SplitMix;

/// Choose `count` medoids; `charges` holds the distance of every row to the core, infinite without one.
pub(super) fn plusplus(space: &Space, charges: &[f32], count: usize, seed: u64) -> Vec<u32> {
    let mut random = SplitMix::new(seed);
    // Without a core all rows are charged alike, so that the first draw is uniform.
    let mut charges: Vec<f32> = charges.iter().map(|&c| c.min(space.points.diameter())).collect();
    let mut taken = vec![false; charges.len()];
    let mut medoids = Vec::with_capacity(count);
    while medoids.len() < count {
        let Some(drawn) = draw(&charges, &taken, random.uniform()) else {
            break;
        };
        taken[drawn] = true;
        medoids.push(drawn as u32);
        space.lower(&mut charges, &medoids[medoids.len() - 1..]);
    }
    medoids
}

/// The row at which the sum of the charges passes the share `at` of the whole; the lowest free row if all are zero.
fn draw(charges: &[f32], taken: &[bool], at: f64) -> Option<usize> {
    let total: f64 = charges.iter().map(|&charge| f64::from(charge)).sum();
    let mut sum = 0.0;
    let mut last = None;
    // A medoid is charged nothing, and so never drawn again.
    for (row, &charge) in charges.iter().enumerate().filter(|(_, charge)| **charge > 0.0) {
        sum += f64::from(charge);
        last = Some(row);
        if sum > at * total {
            break;
        }
    }
    last.or_else(|| taken.iter().position(|taken| !taken))
}
