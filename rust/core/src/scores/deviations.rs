//! Standard deviations of target rows, and the decrease of their mean if a candidate is observed.
//!
//! With `Sigma = S S^T`, a target row `t` of deviation `sd_t = |S^T t|` and `T = 1/beta + x^T Sigma x`, observing `x`
//! lowers the deviation of `t` by `sd_t h(r_t)`, where `h(r) = 1 - sqrt(1 - r)` and `r_t = (x . Sigma t / sd_t)^2 / T`.

use faer::MatRef;
use rayon::prelude::*;

use crate::bayes::running_posterior::{RunningPosterior, dot};
use crate::data::rows::{Rows, View};
use crate::linalg::{Block, GROUP, LANES, Panels, triangle_of};

/// The target rows, with their standard deviations under a posterior.
pub(crate) struct Deviations {
    dim: usize,
    /// `1 / beta`.
    noise: f64,
    /// The target rows `t`, one after the other.
    target: Vec<f64>,
    /// `S^T t` of each.
    whitened: Vec<f64>,
    /// `Sigma t` of each.
    images: Vec<f64>,
    deviations: Vec<f64>,
    /// `Sigma t / sd_t` of each; zero where `sd_t` is.
    directions: Panels,
    /// `sd_t` over the number of target rows, padded with zeros to a full panel.
    weights: Vec<f64>,
}

impl Deviations {
    pub(crate) fn new(posterior: &RunningPosterior, target: &dyn Rows) -> Self {
        let mut rows = vec![0.0; target.len() * target.dim()];
        rows.chunks_exact_mut(target.dim()).enumerate().for_each(|(i, out)| target.read(i, out));
        Self::of(posterior, rows, target.dim())
    }

    /// The same target under another posterior.
    pub(crate) fn seen_by(&self, posterior: &RunningPosterior) -> Self {
        Self::of(posterior, self.target.clone(), self.dim)
    }

    fn of(posterior: &RunningPosterior, target: Vec<f64>, dim: usize) -> Self {
        let mut out = Self {
            dim,
            noise: 1.0 / posterior.noise_precision(),
            target,
            whitened: Vec::new(),
            images: Vec::new(),
            deviations: Vec::new(),
            directions: Panels::new(dim),
            weights: Vec::new(),
        };
        out.start(posterior);
        out
    }

    /// Largest number of bytes for `len` target rows, with those of [`super::leading::Leading`].
    pub(crate) fn bytes(len: usize, dim: usize) -> usize {
        size_of::<f64>() * len * (6 * dim + 8 * LANES)
    }

    /// Compute everything from the factor of the posterior.
    pub(crate) fn start(&mut self, posterior: &RunningPosterior) {
        self.whitened = posterior.whiten_rows(&View::adjacent(&self.target, self.dim));
        let images: Vec<Vec<f64>> =
            self.whitened.par_chunks_exact(self.dim).map(|p| posterior.unwhiten(p.to_vec())).collect();
        self.images = images.concat();
        self.scale();
    }

    /// Update for the last observed row, whose direction is `w`: subtract `w (w . t)` from `Sigma t`.
    pub(crate) fn follow(&mut self, posterior: &RunningPosterior, w: &[f64]) {
        if !posterior.follow_last_map(&mut self.whitened) {
            self.whitened = posterior.whiten_rows(&View::adjacent(&self.target, self.dim));
        }
        self.images.par_chunks_exact_mut(self.dim).zip(self.target.par_chunks_exact(self.dim)).for_each(|(y, t)| {
            let along = dot(t, w);
            y.iter_mut().zip(w).for_each(|(y, w)| *y -= along * w);
        });
        self.scale();
    }

    fn scale(&mut self) {
        self.deviations = self.whitened.par_chunks_exact(self.dim).map(|p| dot(p, p).sqrt()).collect();
        self.directions = Panels::new(self.dim);
        for (y, &deviation) in self.images.chunks_exact(self.dim).zip(&self.deviations) {
            let factor = if deviation > 0.0 { 1.0 / deviation } else { 0.0 };
            self.directions.push(&y.iter().map(|y| y * factor).collect::<Vec<f64>>());
        }
        let count = self.deviations.len() as f64;
        self.weights = self.deviations.iter().map(|deviation| deviation / count).collect();
        self.weights.resize(self.deviations.len().next_multiple_of(LANES), 0.0);
    }

    /// `sd_t` of each target row.
    pub(crate) fn deviations(&self) -> &[f64] {
        &self.deviations
    }

    /// At most `dim` directions whose squared products with any row `x` sum to `x^T Sigma M Sigma x`, with `M` the mean
    /// of `t t^T / sd_t` over the target rows.
    pub(crate) fn square(&self) -> Panels {
        let count = self.deviations.len() as f64;
        let mut rows = self.images.clone();
        for (y, &deviation) in rows.chunks_exact_mut(self.dim).zip(&self.deviations) {
            let factor = if deviation > 0.0 { 1.0 / (deviation * count).sqrt() } else { 0.0 };
            y.iter_mut().for_each(|y| *y *= factor);
        }
        let triangle = triangle_of(&rows, self.dim);
        let few = triangle.len() / self.dim;
        Panels::rotated(MatRef::from_column_major_slice(&triangle, self.dim, few))
    }

    /// `M w`, with `M` the mean of `t t^T / deviation` over the target rows, for given deviations.
    pub(crate) fn square_times(&self, deviations: &[f64], w: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; self.dim];
        for (t, &deviation) in self.target.chunks_exact(self.dim).zip(deviations).filter(|&(_, &sd)| sd > 0.0) {
            let along = dot(t, w) / (deviation * deviations.len() as f64);
            out.iter_mut().zip(t).for_each(|(out, t)| *out += along * t);
        }
        out
    }

    /// Bring some of the `earlier` deviations in `M` up to date: those that fell most, at most `count`. The squared
    /// products of a row `x` with the directions that are returned sum to what this adds to `x^T Sigma M Sigma x`.
    pub(crate) fn catch_up(&self, earlier: &mut [f64], count: usize) -> Vec<Vec<f64>> {
        let mut fallen: Vec<usize> =
            (0..earlier.len()).filter(|&t| self.deviations[t] > 0.0 && self.deviations[t] < earlier[t]).collect();
        let ratio = |t: usize| earlier[t] / self.deviations[t];
        fallen.sort_unstable_by(|&a, &b| ratio(b).total_cmp(&ratio(a)).then(a.cmp(&b)));
        fallen.truncate(count);
        let directions = fallen.into_iter().map(|t| {
            let before = std::mem::replace(&mut earlier[t], self.deviations[t]);
            let factor = ((1.0 / self.deviations[t] - 1.0 / before) / self.deviations.len() as f64).sqrt();
            self.images[t * self.dim..(t + 1) * self.dim].iter().map(|y| y * factor).collect()
        });
        directions.collect()
    }

    /// A factor and a sum such that a score is at most the factor times its bound from an `M` of `earlier` deviations,
    /// plus the sum. Deviations fell by at most the factor since, except those of some target rows, whose weights make
    /// up the sum. Of all such pairs it is the one with the smallest `factor * size + sum`.
    pub(crate) fn drift(&self, earlier: &[f64], size: f64) -> (f64, f64) {
        let count = self.deviations.len() as f64;
        let ratio = |(&before, &now): (&f64, &f64)| if before > 0.0 { before / now } else { 0.0 };
        let ratios: Vec<f64> = earlier.iter().zip(&self.deviations).map(ratio).collect();
        let mut order: Vec<usize> = (0..ratios.len()).collect();
        order.sort_unstable_by(|&a, &b| ratios[b].total_cmp(&ratios[a]));
        let (mut best, mut sum) = ((f64::INFINITY, 0.0), 0.0);
        for t in order {
            let (factor, total): (f64, f64) = best;
            if !factor.is_finite() || ratios[t] * size + sum < factor * size + total {
                best = (ratios[t], sum);
            }
            sum += self.deviations[t] / count;
        }
        best
    }

    pub(crate) fn noise(&self) -> f64 {
        self.noise
    }

    /// `sd_t` over the number of target rows, padded with zeros to a full panel.
    pub(crate) fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// `S^T t` and `sd_t` of each target row `t`.
    pub(crate) fn whitened(&self) -> impl Iterator<Item = (&[f64], f64)> {
        self.whitened.chunks_exact(self.dim).zip(self.deviations.iter().copied())
    }

    /// The decrease of the mean deviation if a candidate is observed, for each of some candidates with `x^T Sigma x`
    /// from `variance`. Equal candidates have equal bits, whatever the other candidates.
    pub(crate) fn scores(
        &self,
        pool: &dyn Rows,
        candidates: &[usize],
        variance: impl Fn(usize) -> f64 + Sync,
    ) -> Vec<f64> {
        let chunks = candidates.par_chunks(Block::capacity(self.dim)).map_init(
            || Block::new(self.dim),
            |block, candidates| {
                block.load(pool, candidates.iter().copied());
                let factor = |&candidate: &usize| 1.0 / (self.noise + variance(candidate).max(0.0));
                let factors: Vec<f64> = candidates.iter().map(factor).collect();
                let mut scores = vec![0.0; candidates.len()];
                block.for_each_dots(&self.directions, candidates.len(), |p, group, dots| {
                    let weights = &self.weights[p * LANES..(p + 1) * LANES];
                    let own = scores[group * GROUP..].iter_mut().zip(&factors[group * GROUP..]);
                    for ((score, factor), dots) in own.zip(dots) {
                        *score += dots.iter().zip(weights).map(|(u, w)| w * fall(u * u * factor)).sum::<f64>();
                    }
                });
                scores
            },
        );
        chunks.collect::<Vec<Vec<f64>>>().concat()
    }
}

/// `1 - sqrt(1 - r)`, in a form that is accurate for small `r`.
#[inline]
fn fall(r: f64) -> f64 {
    let r = r.min(1.0);
    r / (1.0 + (1.0 - r).sqrt())
}
