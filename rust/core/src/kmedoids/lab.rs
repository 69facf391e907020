//! LAB (Schubert and Rousseeuw 2021): BUILD with each medoid chosen from, and judged by, a few random rows.

use super::space::Space;
use crate::splitmix::SplitMix;

/// Choose `count` medoids; `charges` holds the distance of every row to the core, infinite without one.
pub(super) fn lab(space: &Space, charges: &[f32], count: usize, seed: u64) -> Vec<u32> {
    let mut random = SplitMix::new(seed);
    let sample = 10 + (space.pool() as f64).sqrt().ceil() as usize;
    let mut charges: Vec<f32> = charges.iter().map(|&c| c.min(space.points.diameter())).collect();
    let mut open: Vec<u32> = (0..space.pool() as u32).collect();
    let mut medoids = Vec::with_capacity(count);
    while medoids.len() < count {
        random.shuffle_front(&mut open, sample);
        let drawn = &open[..sample.min(open.len())];
        let Some(best) = best(space, &charges, drawn) else {
            break;
        };
        medoids.push(open.swap_remove(best));
        space.lower(&mut charges, &medoids[medoids.len() - 1..]);
    }
    medoids
}

/// Position of the row that lowers the charges of `drawn` most.
fn best(space: &Space, charges: &[f32], drawn: &[u32]) -> Option<usize> {
    let mut gains: Vec<f64> = drawn.iter().map(|&row| f64::from(charges[row as usize])).collect();
    for (i, &a) in drawn.iter().enumerate() {
        for (j, &b) in drawn[..i].iter().enumerate() {
            let distance = space.points.distance(a as usize, b as usize);
            gains[j] += f64::from(charges[a as usize] - distance).max(0.0);
            gains[i] += f64::from(charges[b as usize] - distance).max(0.0);
        }
    }
    (0..drawn.len()).max_by(|&i, &j| gains[i].total_cmp(&gains[j]).then(drawn[j].cmp(&drawn[i])))
}
