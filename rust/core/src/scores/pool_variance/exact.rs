//! Exact scores of a few candidates, from their rows and the factor of the posterior.

use std::sync::Arc;

use rayon::prelude::*;

use super::target::Target;
use crate::bayes::posterior::Posterior;
use crate::bayes::running_posterior::{RunningPosterior, dot};
use crate::data::rows::Rows;
use crate::linalg::{GROUP, Panels, invert};

/// `x^T Sigma x` and `x^T Sigma M Sigma x` of a candidate.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Parts {
    pub(super) variance: f64,
    pub(super) numerator: f64,
}

impl Parts {
    pub(super) fn score(self, noise: f64) -> f64 {
        // Both are sums of squares, negative only by rounding.
        self.numerator.max(0.0) / (noise + self.variance.max(0.0))
    }
}

/// The target, and rounded rows, in the coordinates of the factor of a running posterior, until that is recomputed.
pub(super) struct Seen {
    base: Arc<Posterior>,
    /// Directions whose squared products with `z` sum to `z^T S^T M S z`.
    pub(super) target: Panels,
    /// The matrix that takes `S^-1 w` to the coordinates of rounded rows, unless they are the same.
    to_rounded: Option<Panels>,
}

impl Seen {
    /// `rounded` is the posterior in whose coordinates rows are rounded.
    pub(super) fn new(target: &Target, rounded: &Posterior, posterior: &RunningPosterior) -> Self {
        let base = posterior.base_posterior().clone();
        let to_rounded = (rounded.factor() != base.factor())
            .then(|| Panels::upper((rounded.factor() * invert(base.factor())).as_ref()));
        Self { target: target.seen_from_base(posterior), base, to_rounded }
    }

    /// Whether the factor is that of a posterior.
    pub(super) fn is_of(&self, posterior: &RunningPosterior) -> bool {
        Arc::ptr_eq(&self.base, posterior.base_posterior())
    }

    /// `R w` in the coordinates of rounded rows, given `S^-1 w`.
    pub(super) fn rounded_from_base(&self, v: Vec<f64>) -> Vec<f64> {
        match &self.to_rounded {
            Some(matrix) => matrix.combine(&v),
            None => v,
        }
    }

    /// Compute candidates. Equal rows have equal bits, whatever the other candidates.
    pub(super) fn parts(&self, posterior: &RunningPosterior, rows: &dyn Rows, candidates: &[usize]) -> Vec<Parts> {
        let dim = rows.dim();
        let computed: Vec<[Parts; GROUP]> = candidates
            .par_chunks(GROUP)
            .map_init(
                || (vec![0.0; GROUP * dim], vec![0.0; GROUP * dim]),
                |(data, whitened), group| {
                    data.fill(0.0);
                    group.iter().zip(data.chunks_exact_mut(dim)).for_each(|(&i, row)| rows.read(i, row));
                    posterior.base().0.project_group(data, whitened);
                    posterior.apply_maps_to(whitened);
                    let mut parts = [Parts::default(); GROUP];
                    for (parts, q) in parts.iter_mut().zip(whitened.chunks_exact(dim)) {
                        parts.variance = dot(q, q);
                    }
                    posterior.apply_maps_back(whitened);
                    self.target.for_each_dots(whitened, dim, |_, dots| {
                        for (parts, dots) in parts.iter_mut().zip(dots) {
                            parts.numerator += dots.iter().map(|d| d * d).sum::<f64>();
                        }
                    });
                    parts
                },
            )
            .collect();
        computed.into_iter().flatten().take(candidates.len()).collect()
    }
}
