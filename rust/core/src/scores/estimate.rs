//! Upper bounds of variances, from rounded candidates and directions.

use rayon::prelude::*;

use super::rounded_directions::RoundedDirections;
use crate::bayes::posterior::Posterior;
use crate::data::rows::Pool;
use crate::linalg::{ROWS, Sketch};

/// Number of rows that one thread takes at a time.
const CHUNK: usize = 48;

/// The rounded pool and directions, and the directions accounted for in each bound.
pub(crate) struct Estimate {
    candidates: Sketch<'static>,
    /// `|y|` of each candidate.
    lengths: Vec<f32>,
    /// The directions after the first `before`, which the posterior of the coordinates contains.
    directions: RoundedDirections,
    pub(super) before: usize,
    progress: Vec<Progress>,
}

/// Of the rounded directions, `start..end` are accounted for; the squared products with them sum to `sum`.
#[derive(Clone, Copy, Default)]
struct Progress {
    start: u32,
    end: u32,
    sum: f64,
}

impl Estimate {
    /// Round the pool in the coordinates of a posterior after some directions; also returns the variances of the candidates.
    pub(crate) fn new(pool: &Pool<'_>, posterior: &Posterior, before: usize) -> (Self, Vec<f64>) {
        let (candidates, variances) = Sketch::of_products(pool.structures(), posterior.inverse());
        let out = Self {
            candidates,
            // Rounded up, since each must be an upper bound.
            lengths: variances.iter().map(|v| (v.sqrt() * (1.0 + 1e-6)) as f32).collect(),
            directions: RoundedDirections::new(posterior),
            before,
            progress: vec![Progress::default(); pool.len()],
        };
        (out, variances)
    }

    /// Number of directions so far.
    pub(crate) fn count(&self) -> usize {
        self.before + self.directions.len()
    }

    /// Append a direction `w`.
    pub(crate) fn observed(&mut self, w: &[f64]) {
        self.directions.push(w);
    }

    /// Begin again for a candidate whose variance after `applied` directions was computed exactly.
    pub(crate) fn restart(&mut self, candidate: usize, applied: u32) {
        let own = applied - self.before as u32;
        self.progress[candidate] = Progress { start: own, end: own, sum: 0.0 };
    }

    /// Lower the bounds of candidates, from all directions since their last exact variance. Reorders them.
    pub(crate) fn lower(&mut self, candidates: &mut [usize], variance: impl Fn(usize) -> f64, bounds: &mut [f64]) {
        candidates.sort_unstable_by_key(|&i| (self.progress[i].end, i));
        let sums: Vec<Vec<[f64; ROWS]>> = candidates.par_chunks(CHUNK).map(|chunk| self.sums(chunk)).collect();
        let groups = candidates.chunks(CHUNK).flat_map(|chunk| chunk.chunks(ROWS));
        for (group, sums) in groups.zip(sums.into_iter().flatten()) {
            for (&candidate, sum) in group.iter().zip(sums) {
                let progress = &mut self.progress[candidate];
                progress.sum = sum;
                progress.end = self.directions.len() as u32;
                let fall = self.fall(candidate);
                bounds[candidate] = bounds[candidate].min(variance(candidate) - fall * fall);
            }
        }
    }

    /// Sums of squared products, for candidates in groups, with all directions since the last exact variance.
    fn sums(&self, candidates: &[usize]) -> Vec<[f64; ROWS]> {
        candidates.iter().for_each(|&candidate| self.candidates.prefetch(candidate));
        let groups = in_groups(candidates);
        let mut sums: Vec<_> = groups.iter().map(|rows| rows.map(|row| self.progress[row].sum)).collect();
        let first = |row: usize| self.progress[row].end as usize;
        self.directions.add_squares(&self.candidates, &groups, first, &mut sums);
        sums
    }

    /// Lower bound of the square root of the decrease of the variance of a candidate.
    fn fall(&self, candidate: usize) -> f64 {
        let Progress { start, end, sum } = self.progress[candidate];
        let (length, error) = (f64::from(self.lengths[candidate]), self.candidates.error(candidate));
        self.directions.fall(start as usize..end as usize, sum, length, error)
    }
}

/// Rows in groups for the kernel; the last row is repeated as padding.
pub(crate) fn in_groups(rows: &[usize]) -> Vec<[usize; ROWS]> {
    rows.chunks(ROWS).map(|group| std::array::from_fn(|r| group[r.min(group.len() - 1)])).collect()
}
