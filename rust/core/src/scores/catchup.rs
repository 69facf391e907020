//! Exact updates of variances, from the rows of the candidates.

use crate::bayes::running_posterior::{RunningPosterior, dot};
use crate::linalg::{Block, GROUP, LANES};

/// A variance below this fraction of its value when last computed from the factor is recomputed, since the subtractions
/// have cost it two digits.
const CANCELLED: f64 = 0.01;
/// Rounding errors of the subtractions, relative to the variance before them.
const ROUNDING: f64 = 1e-14;

/// The variance of a candidate, with the number of directions accounted for.
#[derive(Clone, Copy)]
pub(crate) struct Known {
    /// `x^T Sigma x` after the first `applied` directions.
    pub(crate) variance: f64,
    /// The variance when it was last computed from the factor.
    reference: f64,
    /// Number of directions accounted for.
    pub(crate) applied: u32,
}

impl Known {
    /// A variance computed from the factor, after `applied` directions.
    pub(crate) fn at(variance: f64, applied: usize) -> Self {
        Self { variance, reference: variance, applied: applied as u32 }
    }

    fn is_cancelled(&self) -> bool {
        self.variance < CANCELLED * self.reference
    }
}

/// Updates of variances, until each is exact or below a threshold.
pub(crate) struct Catchup<'a> {
    pub(crate) posterior: &'a RunningPosterior,
    pub(crate) threshold: f64,
}

impl Catchup<'_> {
    /// Update the variances of the candidates in a block.
    pub(crate) fn run(&self, block: &Block, known: &mut [Known]) {
        for (group, known) in known.chunks_mut(GROUP).enumerate() {
            if known.iter().any(|known| self.is_far_behind(known)) {
                self.start_afresh(block, group, known);
            }
            self.subtract(block, group, known);
            for known in known.iter_mut().filter(|known| known.is_cancelled()) {
                known.variance = known.variance.max(0.0) + ROUNDING * known.reference;
            }
            if known.iter().any(|known| known.is_cancelled() && known.variance >= self.threshold) {
                self.recompute(block, group, known);
            }
        }
    }

    /// Recompute the cancelled variances of a group that are not below the threshold.
    fn recompute(&self, block: &Block, group: usize, known: &mut [Known]) {
        let mut whitened = vec![0.0; GROUP * block.dim()];
        self.posterior.base().0.project_group(block.group(group), &mut whitened);
        for (known, q) in known.iter_mut().zip(whitened.chunks_exact_mut(block.dim())) {
            if known.is_cancelled() && known.variance >= self.threshold {
                self.posterior.apply_maps(q);
                *known = Known::at(dot(q, q), self.posterior.count());
            }
        }
    }

    /// Whether a new start from the factor is cheaper than the missing directions, or these are no longer kept.
    fn is_far_behind(&self, known: &Known) -> bool {
        let (factor, base_count) = self.posterior.base();
        let (_, first) = self.posterior.directions();
        let since_base = self.posterior.count() - base_count;
        let missed = self.posterior.count() - known.applied as usize;
        (known.applied as usize) < first || missed > factor.dim() / 2 + since_base
    }

    fn start_afresh(&self, block: &Block, group: usize, known: &mut [Known]) {
        let (factor, base_count) = self.posterior.base();
        let mut variances = [0.0; GROUP];
        for p in 0..factor.count() {
            for (v, dots) in variances.iter_mut().zip(block.dots(group, factor.panel(p))) {
                *v += dots.iter().map(|d| d * d).sum::<f64>();
            }
        }
        for (known, variance) in known.iter_mut().zip(variances) {
            *known = Known::at(variance, base_count);
        }
    }

    /// Subtract the squared products with the missing directions, while a variance is not below the threshold.
    fn subtract(&self, block: &Block, group: usize, known: &mut [Known]) {
        let (directions, first) = self.posterior.directions();
        let count = self.posterior.count();
        let from = known.iter().map(|known| known.applied as usize).min().unwrap_or(count);
        for p in (from - first) / LANES..directions.count() {
            let start = first + p * LANES;
            let end = count.min(start + LANES);
            // A panel that is not full yet is applied only to candidates that may still win.
            let full = end == start + LANES;
            let wanted = |known: &Known| known.variance >= self.threshold && (known.applied as usize) < end;
            if known.iter().all(|known| known.variance < self.threshold) {
                break;
            }
            if !known.iter().any(wanted) {
                continue;
            }
            for (known, dots) in known.iter_mut().zip(block.dots(group, directions.panel(p))) {
                let applied = known.applied as usize;
                if (start..end).contains(&applied) && (full || wanted(known)) {
                    for dot in &dots[applied - start..end - start] {
                        known.variance -= dot * dot;
                    }
                    known.applied = end as u32;
                }
            }
        }
    }
}
