//! How much a variance fell at least, from rounded candidates and directions.
//!
//! With the first factor, `Sigma_0 = S S^T`, a candidate is `y = S^T x` and a direction `w = S zeta`, so `x.w = y.zeta`
//! and the variance fell by `sum (y.zeta)^2`. Both are rounded, `y = y' + delta` and `zeta = zeta' + eta`. Since what is
//! left of the covariance is positive semidefinite, `sum zeta zeta^T <= I`, and by the triangle inequality
//!
//! `sqrt(sum (y.zeta)^2) >= sqrt(sum (y'.zeta')^2) - |delta| - |y'| sqrt(sum |eta|^2)`.

use faer::Mat;
use rayon::prelude::*;

use crate::linalg::{ROWS, Sketch};
use crate::posterior::Posterior;
use crate::rows::Pool;

/// Rows that one thread takes at a time.
const CHUNK: usize = 48;
/// Directions that stay in the first level cache while the rows pass by.
const TILE: usize = 16;
/// Rounding errors of float64 in the directions, which are far below those of the integers.
const FLOAT_ERROR: f64 = 1e-7;

/// The rounded pool and directions, and how far each candidate was followed.
pub(crate) struct Estimate {
    candidates: Sketch,
    /// `|y|` of each candidate.
    lengths: Vec<f32>,
    directions: Sketch,
    /// `sum |eta|^2` over the directions before each.
    errors: Vec<f64>,
    /// Upper triangular `R` with `zeta = R w`.
    factor: Mat<f64>,
    progress: Vec<Progress>,
}

/// The directions `start..end` were accounted for, and gave `sum`.
#[derive(Clone, Copy, Default)]
struct Progress {
    start: u32,
    end: u32,
    sum: f64,
}

impl Estimate {
    /// Round the pool; the variances of the candidates come along.
    pub(crate) fn new(pool: &Pool<'_>, posterior: &Posterior) -> (Self, Vec<f64>) {
        let (candidates, variances) = Sketch::of_products(pool.structures(), posterior.inverse());
        let out = Self {
            candidates,
            // Rounded up, as a bound has to be.
            lengths: variances.iter().map(|v| (v.sqrt() * (1.0 + 1e-6)) as f32).collect(),
            directions: Sketch::new(pool.dim()),
            errors: vec![0.0],
            factor: posterior.factor().clone(),
            progress: vec![Progress::default(); pool.len()],
        };
        (out, variances)
    }

    /// Directions accounted for.
    pub(crate) fn count(&self) -> usize {
        self.directions.len()
    }

    /// Account for a new direction `w`.
    pub(crate) fn observed(&mut self, w: &[f64]) {
        let mut zeta = vec![0.0; w.len()];
        for (column, &w) in w.iter().enumerate() {
            let entries = &self.factor.col_as_slice(column)[..=column];
            zeta.iter_mut().zip(entries).for_each(|(zeta, r)| *zeta += r * w);
        }
        self.directions.push(&zeta);
        let error = self.directions.error(self.directions.len() - 1) + FLOAT_ERROR;
        self.errors.push(self.errors[self.errors.len() - 1] + error * error);
    }

    /// The variance of a candidate was computed from its row and the directions before `applied`.
    pub(crate) fn restart(&mut self, candidate: usize, applied: u32) {
        self.progress[candidate] = Progress { start: applied, end: applied, sum: 0.0 };
    }

    /// Lower the bounds of candidates by what they fell at least since their variance was computed. Reorders them.
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

    /// Squared products of the candidates, in groups, with all directions that they were not followed along.
    fn sums(&self, candidates: &[usize]) -> Vec<[f64; ROWS]> {
        candidates.iter().for_each(|&candidate| self.candidates.prefetch(candidate));
        // The last candidate stands in for those that are not there.
        let rows = |group: &[usize]| std::array::from_fn(|r| group[r.min(group.len() - 1)]);
        let groups: Vec<[usize; ROWS]> = candidates.chunks(ROWS).map(rows).collect();
        let mut sums: Vec<_> = groups.iter().map(|rows| rows.map(|row| self.progress[row].sum)).collect();
        let ends = candidates.iter().map(|&candidate| self.progress[candidate].end as usize);
        let first = ends.min().unwrap_or(0);
        for start in (first..self.directions.len()).step_by(TILE) {
            let range = start..self.directions.len().min(start + TILE);
            for (rows, sums) in groups.iter().zip(&mut sums) {
                let firsts = rows.map(|row| self.progress[row].end as usize);
                self.candidates.add_squares(*rows, &self.directions, range.clone(), firsts, sums);
            }
        }
        sums
    }

    /// Square root of what the variance of a candidate fell at least.
    fn fall(&self, candidate: usize) -> f64 {
        let Progress { start, end, sum } = self.progress[candidate];
        let rounding = (self.errors[end as usize] - self.errors[start as usize]).max(0.0).sqrt();
        let length = f64::from(self.lengths[candidate]) + self.candidates.error(candidate);
        let missing = self.candidates.error(candidate) + length * rounding;
        (sum.sqrt() * (1.0 - FLOAT_ERROR) - missing).max(0.0)
    }
}
