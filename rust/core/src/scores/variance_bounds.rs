//! Bounds of the variances of rows outside memory. A block of rows is rounded once, and its rounded rows are read again
//! when its bounds are lowered by later picks.

use std::borrow::Cow;

use rayon::prelude::*;

use crate::bayes::posterior::Posterior;
use crate::data::rows::Rows;
use crate::error::{Error, Result};
use crate::linalg::Sketch;
use crate::scores::{RoundedDirections, TILE, in_groups};

/// Bytes of rows that one thread takes at a time: they stay in the second level cache while the directions stream past.
const CHUNK_BYTES: usize = 128 << 10;

/// The posterior in whose coordinates rows are rounded, and the directions of later picks.
pub(crate) struct VarianceBounds {
    posterior: Posterior,
    directions: RoundedDirections,
}

/// Rounded rows, with their variances.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct RoundedRows<'a> {
    /// The rounded rows, each of [`VarianceBounds::width`] integers.
    pub(crate) integers: Cow<'a, [i16]>,
    /// Scale and error of each row.
    pub(crate) roundings: Cow<'a, [[f32; 2]]>,
    /// `x^T Sigma x` of each row when it was rounded.
    pub(crate) variances: Cow<'a, [f64]>,
}

/// The directions accounted for in the bound of a row.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Progress {
    /// Number of these directions.
    pub(crate) count: usize,
    /// Sum of the squared products with them.
    pub(crate) sum: f64,
}

impl VarianceBounds {
    /// Begin with a posterior and no later directions.
    pub(crate) fn new(posterior: &Posterior) -> Self {
        Self { posterior: posterior.clone(), directions: RoundedDirections::new(posterior) }
    }

    /// Number of integers in a row.
    pub(crate) fn width(&self) -> usize {
        Sketch::padded(self.posterior.dim())
    }

    /// Number of directions so far.
    pub(crate) fn count(&self) -> usize {
        self.directions.len()
    }

    /// Round rows, and compute their variances.
    ///
    /// # Errors
    /// [`Error::Dimension`] if the rows are not as wide as the posterior, [`Error::NotFinite`].
    pub(crate) fn round(&self, rows: &dyn Rows) -> Result<RoundedRows<'static>> {
        if rows.dim() != self.posterior.dim() {
            return Err(Error::Dimension { what: "the rows", expected: self.posterior.dim(), given: rows.dim() });
        }
        let (sketch, variances) = Sketch::of_products(rows, self.posterior.inverse());
        if let Some(row) = variances.iter().position(|v| !v.is_finite()) {
            return Err(Error::of_row("the rows", row, rows));
        }
        let (integers, roundings) = sketch.into_parts();
        Ok(RoundedRows { integers, roundings: roundings.into(), variances: variances.into() })
    }

    /// Append directions `w`, given one after the other, that lower the variance of any row `x` by `sum (w.x)^2`.
    ///
    /// # Errors
    /// [`Error::Shape`] if they do not have the width of the rows.
    pub(crate) fn observe(&mut self, directions: &[f64]) -> Result<()> {
        let dim = self.posterior.dim();
        if !directions.len().is_multiple_of(dim) {
            return Err(Error::Shape(format!("directions of {dim} features have {} elements", directions.len())));
        }
        directions.chunks_exact(dim).for_each(|w| self.directions.push(w));
        Ok(())
    }

    /// Account for further directions in the bounds of some rows, each until its bound is below `threshold` or no
    /// direction is left.
    ///
    /// `which` are the indices of these rows in `rows`; `progress` is the state of each and is updated. Returns a lower
    /// bound of the decrease of each variance since the row was rounded.
    ///
    /// # Errors
    /// [`Error::Shape`] if lengths do not match.
    pub(crate) fn follow(
        &self,
        rows: &RoundedRows<'_>,
        which: &[usize],
        progress: &mut [Progress],
        threshold: f64,
    ) -> Result<Vec<f64>> {
        let len = rows.variances.len();
        let fits = rows.roundings.len() == len && rows.integers.len() == len * self.width();
        if !fits || which.len() != progress.len() || which.iter().any(|&row| row >= len) {
            return Err(Error::Shape("the lengths of rounded rows, variances and progress do not match".into()));
        }
        if progress.iter().any(|progress| progress.count > self.count()) {
            return Err(Error::Shape(format!("progress counts more than the {} directions", self.count())));
        }
        let sketch = Sketch::from_parts(self.width(), &rows.integers, &rows.roundings);
        let mut falls = vec![0.0; which.len()];
        let chunk = (CHUNK_BYTES / (size_of::<i16>() * self.width())).max(1);
        progress.par_chunks_mut(chunk).zip(falls.par_chunks_mut(chunk)).zip(which.par_chunks(chunk)).for_each(
            |((progress, falls), which)| {
                which.iter().for_each(|&row| sketch.prefetch(row));
                // Rounded up, since the length must be an upper bound.
                let length = |k: usize| rows.variances[which[k]].sqrt() * (1.0 + 1e-6);
                let fall = |k: usize, progress: Progress| {
                    let range = 0..progress.count;
                    self.directions.fall(range, progress.sum, length(k), sketch.error(which[k])).powi(2)
                };
                let mut left: Vec<usize> = (0..which.len()).collect();
                let from = progress.iter().map(|progress| progress.count).min().unwrap_or(0) / TILE * TILE;
                for start in (from..self.count()).step_by(TILE) {
                    let range = start..self.count().min(start + TILE);
                    // Rows that lack some of these directions and are not below the threshold yet.
                    let behind: Vec<usize> = left.iter().copied().filter(|&k| progress[k].count < range.end).collect();
                    for group in in_groups(&behind) {
                        let mut sums = group.map(|k| progress[k].sum);
                        let firsts = group.map(|k| progress[k].count);
                        self.directions.add_tile(&sketch, group.map(|k| which[k]), range.clone(), firsts, &mut sums);
                        for (k, sum) in group.into_iter().zip(sums) {
                            progress[k] = Progress { count: range.end, sum };
                        }
                    }
                    left.retain(|&k| {
                        // The decrease is at most the sum, so roots are computed only if the sum may suffice.
                        let enough = rows.variances[which[k]] - threshold;
                        progress[k].count > range.end || progress[k].sum <= enough || fall(k, progress[k]) <= enough
                    });
                }
                for (k, out) in falls.iter_mut().enumerate() {
                    *out = fall(k, progress[k]);
                }
            },
        );
        Ok(falls)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::data::rows::View;

    proptest! {
        #[test]
        fn variances_fall_by_no_less(
            dim in 1_usize..40, len in 1_usize..120, picks in 1_usize..40, seed in 0_u32..1000,
        ) {
            let value = |k: usize| ((f64::from(seed) + k as f64 * 1.7).sin() * 43758.5453).fract();
            let data: Vec<f64> = (0..len * dim).map(value).collect();
            let rows = View::new(&data, len, dim).unwrap();
            let start = Posterior::isotropic(dim, 1e-3, 1.0).unwrap();
            let mut bounds = VarianceBounds::new(&start);
            let block = bounds.round(&rows).unwrap();
            let (mut posterior, mut progress) = (start, vec![Progress::default(); len]);
            let (all, some): (Vec<usize>, Vec<usize>) = ((0..len).collect(), (0..len).step_by(3).collect());
            for k in 0..picks {
                let x = &data[k % len * dim..(k % len + 1) * dim];
                let covariance = posterior.covariance();
                let mut w: Vec<f64> = covariance.chunks(dim).map(|row| row.iter().zip(x).map(|(a, b)| a * b).sum()).collect();
                let total = 1.0 + x.iter().zip(&w).map(|(a, b)| a * b).sum::<f64>();
                w.iter_mut().for_each(|w| *w /= total.sqrt());
                bounds.observe(&w).unwrap();
                posterior.update(&View::new(x, 1, dim).unwrap()).unwrap();
                let now = posterior.variance(&rows).unwrap();
                if k % 3 == 2 || k + 1 == picks {
                    let mut own: Vec<Progress> = some.iter().map(|&row| progress[row]).collect();
                    let limit = now[len / 2];
                    let falls = bounds.follow(&block, &some, &mut own, limit).unwrap();
                    for ((&row, fall), own) in some.iter().zip(falls).zip(own) {
                        let (before, now) = (block.variances[row], now[row]);
                        prop_assert!(fall <= (before - now) * (1.0 + 1e-9) + 1e-9 * before, "{fall} {before} {now}");
                        prop_assert!(before - fall < limit || own.count == bounds.count());
                        progress[row] = own;
                    }
                }
                if k + 1 == picks {
                    let falls = bounds.follow(&block, &all, &mut progress, f64::NEG_INFINITY).unwrap();
                    for ((fall, before), now) in falls.iter().zip(block.variances.iter()).zip(now) {
                        prop_assert!(*fall <= (before - now) * (1.0 + 1e-9) + 1e-9 * before, "{fall} {before} {now}");
                        prop_assert!(*fall >= (before - now) - 0.05 * before, "{fall} {before} {now}");
                    }
                }
            }
        }
    }

    #[test]
    fn rows_that_do_not_fit_are_refused() {
        let bounds = VarianceBounds::new(&Posterior::isotropic(2, 1.0, 1.0).unwrap());
        assert!(bounds.round(&View::new(&[1.0; 3], 1, 3).unwrap()).is_err());
        assert!(bounds.round(&View::new(&[1.0, f64::NAN], 1, 2).unwrap()).is_err());
        let block = bounds.round(&View::new(&[1.0, 2.0], 1, 2).unwrap()).unwrap();
        let mut progress = [Progress::default()];
        assert!(bounds.follow(&block, &[1], &mut progress, 0.0).is_err());
        assert!(bounds.follow(&block, &[0, 0], &mut progress, 0.0).is_err());
        assert!(bounds.follow(&block, &[0], &mut [Progress { count: 1, sum: 0.0 }], 0.0).is_err());
    }
}
