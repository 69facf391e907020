//! What an observation subtracts from the covariance, in the forms in which the scores of candidates need it.

use faer::Mat;

use super::exact::Parts;
use super::target::Target;
use crate::bayes::running_posterior::{RunningPosterior, dot};
use crate::linalg::{LANES, Sketch};
use crate::scores::products::account_for;

/// The direction `w` of an observation, `Sigma_before = Sigma + w w^T`, and `u = Sigma M w`.
#[derive(Clone, Debug)]
pub(super) struct Direction {
    pub(super) w: Vec<f64>,
    pub(super) u: Vec<f64>,
    /// `w^T M w`.
    pub(super) wmw: f64,
    /// `R w` and `R u` in the coordinates of rounded rows, and their lengths.
    pub(super) whitened: [Vec<f64>; 2],
    pub(super) lengths: [f64; 2],
    /// The same of length 1, in float32.
    pub(super) units: [Vec<f32>; 2],
}

impl Direction {
    /// The direction of the last observation of a posterior. `factor` is the upper triangle `R` of the posterior in whose
    /// coordinates rows are rounded; units are padded with zeros to `width`.
    pub(super) fn new(
        w: Vec<f64>,
        target: &Target,
        posterior: &RunningPosterior,
        factor: &Mat<f64>,
        width: usize,
    ) -> Self {
        let mw = target.times(&w);
        let u = posterior.covariance_times(&mw);
        let wmw = dot(&w, &mw);
        let whitened = [&w, &u].map(|v| times(factor, v));
        let lengths = whitened.each_ref().map(|v| dot(v, v).sqrt());
        let unit = |v: &[f64], length: f64| {
            let factor = if length > 0.0 { 1.0 / length } else { 0.0 };
            let mut unit: Vec<f32> = v.iter().map(|v| (v * factor) as f32).collect();
            unit.resize(width, 0.0);
            unit
        };
        let units = std::array::from_fn(|k| unit(&whitened[k], lengths[k]));
        Self { w, u, wmw, whitened, lengths, units }
    }

    /// Update variance and numerator of a row for the observation.
    pub(super) fn follow(&self, row: &[f64], parts: &mut Parts) {
        let (a, b) = (dot(row, &self.w), dot(row, &self.u));
        account_for(a, b, self.wmw, &mut parts.variance, &mut parts.numerator);
    }
}

/// Directions in the coordinates of rounded rows, rounded as these are: `LANES` times `w`, as many times `u`, and so on.
pub(super) fn rounded(directions: &[&Direction], dim: usize) -> Sketch<'static> {
    let (mut out, zero) = (Sketch::new(dim), vec![0.0; dim]);
    for few in directions.chunks(LANES) {
        for half in 0..2 {
            (0..LANES).for_each(|l| out.push(few.get(l).map_or(&zero, |direction| &direction.whitened[half])));
        }
    }
    out
}

/// The product of an upper triangular matrix and a vector.
fn times(factor: &Mat<f64>, v: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; v.len()];
    for (column, &v) in v.iter().enumerate() {
        let entries = &factor.col_as_slice(column)[..=column];
        out.iter_mut().zip(entries).for_each(|(out, r)| *out += r * v);
    }
    out
}
