//! The posterior during a selection: a factor, and the rows observed since it was made.
//!
//! With `Sigma = S S^T` and `z = S^T x`, observing `x` gives `Sigma - w w^T` with `w = S z / sqrt(1/beta + z.z)`, and
//! `S (I - gamma z z^T)` is a square root of that (Potter's form; Bierman 1977, section V.3). The directions `w` update
//! the variances of many candidates at once; the maps `z` evaluate one candidate without subtracting variances.

use std::sync::Arc;

use mlipselect_simd::for_this_processor;
use rayon::prelude::*;

use crate::bayes::posterior::Posterior;
use crate::data::rows::Rows;
use crate::linalg::{LANES, Panels, project, upper_times};

/// Number of observations after which the factor is recomputed; small in tests, so that they cover this.
const PENDING: usize = if cfg!(test) { 16 } else { 256 };

/// The map `q -> q - gamma (z.q) z` of an observation with the whitened row `z`.
#[derive(Clone)]
struct Map {
    z: Vec<f64>,
    gamma: f64,
}

impl Map {
    fn apply(&self, q: &mut [f64]) {
        add_multiple(-self.gamma * dot(&self.z, q), &self.z, q);
    }
}

/// What the observation of a row adds to a posterior.
#[derive(Clone)]
pub(crate) struct Observation {
    row: Vec<f64>,
    /// The direction `w`, and `S^-1 w`.
    direction: Vec<f64>,
    in_base: Vec<f64>,
    map: Map,
    information: f64,
    /// The posterior after the observation, if its factor was recomputed.
    refactored: Option<Arc<Posterior>>,
}

impl Observation {
    /// The direction `w`: `Sigma_before = Sigma + w w^T`.
    pub(crate) fn direction(&self) -> &[f64] {
        &self.direction
    }
}

/// A posterior that is updated row by row, with the directions of the updates.
///
/// Directions are numbered from 0 in the order of the observations.
pub(crate) struct RunningPosterior {
    base: Arc<Posterior>,
    /// Number of directions that `base` contains.
    base_count: usize,
    /// Rows that `base` does not contain, row after row, and their maps.
    pending: Vec<f64>,
    maps: Vec<Map>,
    directions: Panels,
    /// `S^-1 w` of the last direction `w`, unless the factor was recomputed since.
    last: Option<Vec<f64>>,
    /// Number of the first direction that is kept.
    first: usize,
    /// `sum ln(1 + beta x^T Sigma x) / 2` over the observations.
    information: f64,
}

impl RunningPosterior {
    pub(crate) fn new(base: Posterior) -> Self {
        let directions = Panels::new(base.dim());
        let base = Arc::new(base);
        Self {
            base,
            base_count: 0,
            pending: Vec::new(),
            maps: Vec::new(),
            directions,
            last: None,
            first: 0,
            information: 0.0,
        }
    }

    /// The same posterior, to be continued on its own. It does not keep earlier directions.
    pub(crate) fn fork(&self) -> Self {
        Self {
            base: self.base.clone(),
            base_count: self.base_count,
            pending: self.pending.clone(),
            maps: self.maps.clone(),
            directions: Panels::new(self.dim()),
            last: None,
            first: self.count(),
            information: self.information,
        }
    }

    /// Information of all observations since the start, in nat.
    pub(crate) fn information(&self) -> f64 {
        self.information
    }

    pub(crate) fn noise_precision(&self) -> f64 {
        self.base.noise_precision()
    }

    pub(crate) fn dim(&self) -> usize {
        self.base.dim()
    }

    /// The directions that are kept; number `first` is the first of them and starts a panel.
    pub(crate) fn directions(&self) -> (&Panels, usize) {
        (&self.directions, self.first)
    }

    /// All directions since the start, one after the other, unless some are no longer kept.
    pub(crate) fn all_directions(&self) -> Option<Vec<f64>> {
        let all = (0..self.directions.len()).flat_map(|index| self.directions.direction(index));
        (self.first == 0).then(|| all.collect())
    }

    /// The direction after the first `count`, if it is the only one.
    pub(crate) fn only_direction_since(&self, count: usize) -> Option<Vec<f64>> {
        let one = self.count() == count + 1 && self.directions.len() > 0;
        one.then(|| self.directions.direction(self.directions.len() - 1))
    }

    /// Number of directions so far.
    pub(crate) fn count(&self) -> usize {
        self.first + self.directions.len()
    }

    /// The factor `S` of the covariance before direction `base_count`.
    pub(crate) fn base(&self) -> (&Panels, usize) {
        (self.base.inverse(), self.base_count)
    }

    /// The posterior that the factor of [`RunningPosterior::base`] belongs to.
    pub(crate) fn base_posterior(&self) -> &Arc<Posterior> {
        &self.base
    }

    /// The posterior of everything observed, factored anew.
    pub(crate) fn posterior(&self) -> Posterior {
        let mut posterior = Posterior::clone(&self.base);
        if !self.pending.is_empty() {
            posterior.absorb(self.pending.clone());
        }
        posterior
    }

    /// `q` with `q.q = x^T Sigma x`.
    pub(crate) fn whiten(&self, x: &[f64]) -> Vec<f64> {
        let mut q = self.base.inverse().project(x);
        self.apply_maps(&mut q);
        q
    }

    /// Apply the pending maps to `S^T x`, with `S` of [`RunningPosterior::base`].
    pub(crate) fn apply_maps(&self, q: &mut [f64]) {
        self.maps.iter().for_each(|map| map.apply(q));
    }

    /// [`RunningPosterior::apply_maps`] to some vectors, one after the other.
    pub(crate) fn apply_maps_to(&self, vectors: &mut [f64]) {
        let dim = self.dim();
        self.maps.iter().for_each(|map| vectors.chunks_exact_mut(dim).for_each(|q| map.apply(q)));
    }

    /// Apply the pending maps to some vectors, one after the other, with the last map first.
    pub(crate) fn apply_maps_back(&self, vectors: &mut [f64]) {
        let dim = self.dim();
        self.maps.iter().rev().for_each(|map| vectors.chunks_exact_mut(dim).for_each(|z| map.apply(z)));
    }

    /// [`RunningPosterior::whiten`] of rows, one after the other.
    pub(crate) fn whiten_rows(&self, rows: &dyn Rows) -> Vec<f64> {
        let mut out = vec![0.0; rows.len() * self.dim()];
        project(rows, self.base.inverse(), &mut out);
        out.par_chunks_exact_mut(self.dim()).for_each(|q| self.apply_maps(q));
        out
    }

    /// Apply the last map to rows that [`RunningPosterior::whiten`] gave before the last observation. Returns false if
    /// the factor was recomputed since, and the rows must be whitened again.
    pub(crate) fn follow_last_map(&self, whitened: &mut [f64]) -> bool {
        if let Some(map) = self.maps.last() {
            whitened.par_chunks_exact_mut(self.dim()).for_each(|q| map.apply(q));
        }
        !self.maps.is_empty()
    }

    /// `Sigma x`.
    pub(crate) fn covariance_times(&self, x: &[f64]) -> Vec<f64> {
        self.unwhiten(self.whiten(x))
    }

    /// `S z`, with the square root `S` that [`RunningPosterior::whiten`] uses.
    pub(crate) fn unwhiten(&self, mut z: Vec<f64>) -> Vec<f64> {
        self.apply_maps_back(&mut z);
        self.base.inverse().combine(&z)
    }

    /// `S^-1 w` of the last direction `w`, with the factor `S` of [`RunningPosterior::base`].
    pub(crate) fn last_in_base(&self) -> Vec<f64> {
        let from_factor = || upper_times(self.base.factor(), &self.directions.direction(self.directions.len() - 1));
        self.last.clone().unwrap_or_else(from_factor)
    }

    /// Observe rows, given row after row.
    pub(crate) fn observe(&mut self, rows: &[f64]) {
        let dim = self.dim();
        // For many rows a new factor is cheaper; every candidate is then evaluated from scratch.
        if rows.len() / dim > (dim / 8).max(1) {
            let before = self.log_det();
            self.pending.extend_from_slice(rows);
            self.refactor();
            self.first = (self.count() + 1).next_multiple_of(LANES);
            self.directions = Panels::new(dim);
            self.base_count = self.first;
            self.information += 0.5 * (before - self.base.log_det());
        } else {
            rows.chunks_exact(dim).for_each(|row| {
                self.observe_row(row);
            });
        }
    }

    /// Observe one row, and return what another copy of this posterior needs to follow.
    pub(crate) fn observe_row(&mut self, row: &[f64]) -> Observation {
        let z = self.whiten(row);
        let noise = 1.0 / self.noise_precision();
        let variance = dot(&z, &z);
        let total = noise + variance;
        let mut in_base = z.clone();
        self.apply_maps_back(&mut in_base);
        let mut direction = self.base.inverse().combine(&in_base);
        [&mut in_base, &mut direction].into_iter().flatten().for_each(|w| *w /= total.sqrt());
        let observation = Observation {
            row: row.to_vec(),
            direction,
            in_base,
            map: Map { z, gamma: 1.0 / (total + (total * noise).sqrt()) },
            information: 0.5 * (variance / noise).ln_1p(),
            refactored: None,
        };
        self.follow(observation.clone());
        Observation { refactored: self.maps.is_empty().then(|| self.base.clone()), ..observation }
    }

    /// Observe what another copy of this posterior has observed.
    pub(crate) fn follow(&mut self, observation: Observation) {
        let Observation { row, direction, in_base, map, information, refactored } = observation;
        self.directions.push(&direction);
        self.last = Some(in_base);
        self.maps.push(map);
        self.pending.extend_from_slice(&row);
        self.information += information;
        if self.maps.len() >= PENDING {
            match refactored {
                Some(base) => self.replace_base(base),
                None => self.refactor(),
            }
            self.forget();
        }
    }

    fn refactor(&mut self) {
        let present = Arc::new(self.posterior());
        self.replace_base(present);
    }

    /// Replace the factor by that of the present posterior.
    fn replace_base(&mut self, present: Arc<Posterior>) {
        self.base = present;
        self.pending.clear();
        self.maps.clear();
        self.last = None;
        self.base_count = self.count();
    }

    /// Drop old directions: to apply more than about `dim / 2` of them costs more than a new start from the factor.
    fn forget(&mut self) {
        let keep = self.dim() + 2 * PENDING;
        if self.directions.len() > 2 * keep {
            let panels = (self.directions.len() - keep) / LANES;
            self.directions.drop_first(panels);
            self.first += panels * LANES;
        }
    }

    fn log_det(&self) -> f64 {
        let gained: f64 = self.maps.iter().map(|m| (dot(&m.z, &m.z) * self.noise_precision()).ln_1p()).sum();
        self.base.log_det() - gained
    }
}

for_this_processor! {
    /// Scalar product, in sixteen independent sums that a processor can add in parallel.
    pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 = dot_body::<FUSED>, wide
}

#[inline(always)]
fn dot_body<const FUSED: bool>(a: &[f64], b: &[f64]) -> f64 {
    let (a, rest_a) = a.as_chunks::<16>();
    let (b, rest_b) = b.as_chunks::<16>();
    let rest: f64 = rest_a.iter().zip(rest_b).map(|(a, b)| a * b).sum();
    let mut sums = [0.0; 16];
    for (a, b) in a.iter().zip(b) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum = if FUSED { a.mul_add(*b, *sum) } else { *sum + a * b };
        }
    }
    sums.iter().sum::<f64>() + rest
}

for_this_processor! {
    /// Add a multiple of `x` to `out`.
    fn add_multiple(factor: f64, x: &[f64], out: &mut [f64]) = add_multiple_body::<FUSED>, wide
}

#[inline(always)]
fn add_multiple_body<const FUSED: bool>(factor: f64, x: &[f64], out: &mut [f64]) {
    for (out, x) in out.iter_mut().zip(x) {
        *out = if FUSED { x.mul_add(factor, *out) } else { *out + factor * x };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::data::rows::View;

    proptest! {
        #[test]
        fn equals_the_refactored_posterior(
            dim in 1_usize..20, batches in prop::collection::vec(1_usize..9, 1..60), seed in 0_u32..1000,
        ) {
            let start = Posterior::isotropic(dim, 1e-4, 1.0).unwrap();
            let mut running = RunningPosterior::new(start.clone());
            let mut all = Vec::new();
            for (b, rows) in batches.into_iter().enumerate() {
                let batch: Vec<f64> =
                    (0..rows * dim).map(|i| (f64::from(seed) + b as f64 * 3.1 + i as f64 * 1.7).sin()).collect();
                running.observe(&batch);
                all.extend(batch);
            }
            let mut whole = start;
            whole.update(&View::new(&all, all.len() / dim, dim).unwrap()).unwrap();
            let x: Vec<f64> = (0..dim).map(|i| (i as f64 * 0.9).cos()).collect();
            let expected = whole.variance(&View::new(&x, 1, dim).unwrap()).unwrap()[0];
            let q = running.whiten(&x);
            prop_assert!((dot(&q, &q) - expected).abs() <= 1e-8 * expected);
            prop_assert!((dot(&x, &running.covariance_times(&x)) - expected).abs() <= 1e-8 * expected);
            prop_assert!((running.information() - whole.information()).abs() <= 1e-8 * whole.information());
            let refactored = running.posterior().log_det();
            prop_assert!((refactored - whole.log_det()).abs() <= 1e-8 * (1.0 + whole.log_det().abs()));
        }
    }
}
