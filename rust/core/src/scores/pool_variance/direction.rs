//! What an observation subtracts from the covariance, in the forms in which the scores of candidates need it.

use super::exact::{Parts, Seen};
use crate::bayes::running_posterior::{RunningPosterior, dot};
use crate::linalg::{LANES, Sketch};
use crate::scores::products::account_for;

/// What an observation with the direction `w`, `Sigma_before = Sigma + w w^T`, changes, with `u = Sigma M w`.
#[derive(Clone, Debug)]
pub(super) struct Direction {
    /// `w^T M w`.
    pub(super) wmw: f64,
    /// `R w` and `R u` in the coordinates of rounded rows, and their lengths.
    pub(super) whitened: [Vec<f64>; 2],
    pub(super) lengths: [f64; 2],
    /// The same of length 1, in float32.
    pub(super) units: [Vec<f32>; 2],
}

impl Direction {
    /// The last observation of a posterior, seen from its factor. Units are padded with zeros to `width`.
    pub(super) fn new(posterior: &RunningPosterior, seen: &Seen, width: usize) -> Self {
        let own = posterior.last_in_base();
        let (mut image, wmw) = seen.target.square_times(&own);
        posterior.apply_maps(&mut image);
        posterior.apply_maps_back(&mut image);
        let whitened = [own, image].map(|v| seen.rounded_from_base(v));
        let lengths = whitened.each_ref().map(|v| dot(v, v).sqrt());
        let unit = |v: &[f64], length: f64| {
            let factor = if length > 0.0 { 1.0 / length } else { 0.0 };
            let mut unit: Vec<f32> = v.iter().map(|v| (v * factor) as f32).collect();
            unit.resize(width, 0.0);
            unit
        };
        let units = std::array::from_fn(|k| unit(&whitened[k], lengths[k]));
        Self { wmw, whitened, lengths, units }
    }

    /// Update variance and numerator of a row, given in the coordinates of rounded rows, for the observation.
    pub(super) fn follow(&self, whitened: &[f64], parts: &mut Parts) {
        let [a, b] = self.whitened.each_ref().map(|v| dot(whitened, v));
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
