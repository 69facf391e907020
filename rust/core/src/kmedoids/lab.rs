//! LAB (Schubert and Rousseeuw 2021): BUILD with each medoid chosen from, and judged by, a few random rows.

use rayon::prelude::*;

use super::space::Space;
use crate::data::splitmix::SplitMix;

/// The state of the draws.
pub(super) struct Lab {
    random: SplitMix,
    /// Rows that may still become medoids.
    open: Vec<u32>,
    sample: usize,
}

impl Lab {
    /// Draw from the rows that are open.
    pub(super) fn new(open: impl Iterator<Item = u32>, pool: usize, seed: u64) -> Self {
        let sample = 10 + (pool as f64).sqrt().ceil() as usize;
        Self { random: SplitMix::new(seed), open: open.collect(), sample }
    }

    /// The next medoid; `charges` holds the distance of every row to the nearest medoid so far.
    pub(super) fn draw(&mut self, space: &Space, charges: &[f32]) -> Option<u32> {
        self.random.shuffle_front(&mut self.open, self.sample);
        let drawn = &self.open[..self.sample.min(self.open.len())];
        let gains: Vec<f64> = drawn.par_iter().map(|&row| gain(space, charges, drawn, row)).collect();
        let best = (0..drawn.len()).max_by(|&i, &j| gains[i].total_cmp(&gains[j]).then(drawn[j].cmp(&drawn[i])))?;
        Some(self.open.swap_remove(best))
    }
}

/// The sum over the rows `drawn` of the amount by which a medoid at `row` lowers their charge.
fn gain(space: &Space, charges: &[f32], drawn: &[u32], row: u32) -> f64 {
    let shortfall =
        |other: u32| f64::from(charges[other as usize] - space.points.distance(row as usize, other as usize));
    drawn.iter().map(|&other| shortfall(other).max(0.0)).sum()
}
