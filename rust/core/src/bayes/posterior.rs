//! The posterior covariance of Bayesian linear regression, which needs no labels.
//!
//! It is kept as the triangular factor `R` of its precision, `Sigma^-1 = R^T R = Sigma_0^-1 + beta Psi^T Psi`.
//! Orthogonal transformations add observations (a square-root information filter; Bierman, Factorization Methods for
//! Discrete Sequential Estimation, 1977). No covariance is subtracted from another, so no variance comes out negative.

use std::sync::OnceLock;

use faer::Mat;

use crate::bayes::prior::Prior;
use crate::data::rows::Rows;
use crate::error::{Error, Result};
use crate::linalg::{Panels, append_rows, invert, quadratic_forms};

/// Bytes of rows that are read at a time in an update.
const UPDATE_BYTES: usize = 64 << 20;

/// Gaussian posterior of the weights of a linear model, given the rows observed so far.
#[derive(Clone, Debug)]
pub struct Posterior {
    prior: Prior,
    noise_precision: f64,
    factor: Mat<f64>,
    prior_log_det: f64,
    inverse: OnceLock<Panels>,
}

impl Posterior {
    /// The prior itself: no observation yet.
    ///
    /// `noise_precision` is `beta`, the inverse of the noise variance of the observation that a row stands for.
    ///
    /// # Errors
    /// [`Error::SingularPrior`] if the prior is singular, [`Error::Dimension`] if a diagonal prior has another length,
    /// [`Error::Shape`] if a full one has another size, [`Error::Parameter`] if `noise_precision` is not positive or
    /// there is no feature.
    pub fn new(dim: usize, prior: Prior, noise_precision: f64) -> Result<Self> {
        if dim == 0 {
            return Err(Error::Parameter { name: "the number of features", expected: "at least 1", given: "0".into() });
        }
        check_noise(noise_precision)?;
        let factor = prior.factor(dim)?;
        let prior_log_det = log_det_covariance(&factor);
        Ok(Self { prior, noise_precision, factor, prior_log_det, inverse: OnceLock::new() })
    }

    /// A prior with the same precision for each weight.
    ///
    /// # Errors
    /// As [`Posterior::new`].
    pub fn isotropic(dim: usize, prior_precision: f64, noise_precision: f64) -> Result<Self> {
        Self::new(dim, Prior::Isotropic(prior_precision), noise_precision)
    }

    /// A posterior from the parts that a file holds.
    pub(crate) fn from_parts(prior: Prior, noise_precision: f64, factor: Mat<f64>) -> Result<Self> {
        check_noise(noise_precision)?;
        let dim = factor.nrows();
        let prior_log_det = log_det_covariance(&prior.factor(dim)?);
        if (0..dim).any(|j| !(0..=j).all(|i| factor[(i, j)].is_finite()) || factor[(j, j)] <= 0.0) {
            return Err(Error::Shape(
                "the precision factor is not an upper triangle of finite numbers with a positive diagonal".into(),
            ));
        }
        Ok(Self { prior, noise_precision, factor, prior_log_det, inverse: OnceLock::new() })
    }

    /// Number of weights.
    pub fn dim(&self) -> usize {
        self.factor.nrows()
    }

    /// `beta`: the inverse of the noise variance.
    pub fn noise_precision(&self) -> f64 {
        self.noise_precision
    }

    /// The prior, before any observation.
    pub fn prior(&self) -> &Prior {
        &self.prior
    }

    /// The upper triangular factor `R` of the posterior precision `R^T R`.
    pub(crate) fn factor(&self) -> &Mat<f64> {
        &self.factor
    }

    /// Observe the rows `X`: `Sigma^-1 <- Sigma^-1 + beta X^T X`.
    ///
    /// # Errors
    /// [`Error::Dimension`] or [`Error::NotFinite`]; the posterior is then unchanged.
    pub fn update(&mut self, rows: &dyn Rows) -> Result<()> {
        self.check_dim("the matrix of observed rows", rows)?;
        let dim = self.dim();
        let scale = self.noise_precision.sqrt();
        let step = (UPDATE_BYTES / (dim * size_of::<f64>())).max(dim);
        let mut factor = self.factor.clone();
        let mut block = Vec::new();
        for first in (0..rows.len()).step_by(step) {
            let count = step.min(rows.len() - first);
            block.resize(count * dim, 0.0);
            for (k, out) in block.chunks_exact_mut(dim).enumerate() {
                rows.read(first + k, out);
                out.iter_mut().for_each(|x| *x *= scale);
                if !out.iter().all(|x| x.is_finite()) {
                    return Err(Error::NotFinite { what: "the observed rows", row: first + k });
                }
            }
            append_rows(&mut factor, &mut block);
        }
        self.replace_factor(factor);
        Ok(())
    }

    /// Observe rows, given row after row, without checks.
    pub(crate) fn absorb(&mut self, mut rows: Vec<f64>) {
        let scale = self.noise_precision.sqrt();
        rows.iter_mut().for_each(|x| *x *= scale);
        let mut factor = self.factor.clone();
        append_rows(&mut factor, &mut rows);
        self.replace_factor(factor);
    }

    fn replace_factor(&mut self, factor: Mat<f64>) {
        self.factor = factor;
        self.inverse = OnceLock::new();
    }

    /// Predictive variance `x^T Sigma x` of each row, without the noise.
    ///
    /// # Errors
    /// [`Error::Dimension`], [`Error::NotFinite`] or [`Error::TooLarge`].
    pub fn variance(&self, rows: &dyn Rows) -> Result<Vec<f64>> {
        self.check_dim("the matrix of rows", rows)?;
        let variance = quadratic_forms(rows, self.inverse());
        match variance.iter().position(|v| !v.is_finite()) {
            Some(row) => Err(Error::of_row("the matrix of rows", row, rows)),
            None => Ok(variance),
        }
    }

    /// Standard deviation `s = sqrt(x^T Sigma x)` of one row, and its derivative by the row, `Sigma x / s`.
    ///
    /// The derivative is zero where the standard deviation is zero. The covariance itself is not formed: with an
    /// ill-conditioned precision its entries would cancel in the product.
    ///
    /// # Errors
    /// [`Error::Dimension`], [`Error::NotFinite`] or [`Error::TooLarge`].
    pub fn deviation(&self, row: &[f64]) -> Result<(f64, Vec<f64>)> {
        let what = "the row";
        if row.len() != self.dim() {
            return Err(Error::Dimension { what, expected: self.dim(), given: row.len() });
        }
        let (mut image, square) = self.inverse().square_times(row);
        let deviation = square.sqrt();
        if !deviation.is_finite() {
            return Err(Error::of_features(what, 0, row));
        }
        let factor = if deviation > 0.0 { 1.0 / deviation } else { 0.0 };
        image.iter_mut().for_each(|x| *x *= factor);
        Ok((deviation, image))
    }

    /// `ln det Sigma`.
    pub fn log_det(&self) -> f64 {
        log_det_covariance(&self.factor)
    }

    /// `(ln det Sigma_0 - ln det Sigma) / 2`: the information of all observations so far about the weights, in nat.
    pub fn information(&self) -> f64 {
        0.5 * (self.prior_log_det - self.log_det())
    }

    /// `d_eff = tr(Sigma beta Psi^T Psi)`: the number of directions that observations determine, not the prior.
    pub fn effective_dimension(&self) -> f64 {
        (self.dim() as f64 - self.prior.trace_with(&invert(&self.factor))).max(0.0)
    }

    /// The covariance `Sigma`, row after row.
    pub fn covariance(&self) -> Vec<f64> {
        let inverse = invert(&self.factor);
        let covariance = &inverse * inverse.transpose();
        let dim = self.dim();
        (0..dim * dim).map(|k| covariance[(k / dim, k % dim)]).collect()
    }

    /// The columns of `S = R^-1`. The squares of their products with `x` sum to `x^T Sigma x`.
    pub(crate) fn inverse(&self) -> &Panels {
        self.inverse.get_or_init(|| Panels::upper(invert(&self.factor).as_ref()))
    }

    fn check_dim(&self, what: &'static str, rows: &dyn Rows) -> Result<()> {
        match rows.dim() == self.dim() {
            true => Ok(()),
            false => Err(Error::Dimension { what, expected: self.dim(), given: rows.dim() }),
        }
    }
}

fn check_noise(noise_precision: f64) -> Result<()> {
    match noise_precision > 0.0 && noise_precision.is_finite() {
        true => Ok(()),
        false => Err(Error::Parameter {
            name: "the noise precision",
            expected: "a number above 0",
            given: noise_precision.to_string(),
        }),
    }
}

fn log_det_covariance(factor: &Mat<f64>) -> f64 {
    -2.0 * (0..factor.nrows()).map(|i| factor[(i, i)].ln()).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::data::rows::View;

    fn close(a: f64, b: f64, scale: f64) -> bool {
        (a - b).abs() <= 1e-9 * scale.abs().max(1e-300)
    }

    proptest! {
        #[test]
        fn updating_in_parts_is_updating_at_once(
            dim in 1_usize..8, first in 0_usize..30, second in 1_usize..30, seed in 0_u32..1000,
        ) {
            let data: Vec<f64> = (0..(first + second) * dim).map(|i| (f64::from(seed) + i as f64 * 1.7).sin()).collect();
            let (a, b) = data.split_at(first * dim);
            let prior = Posterior::isotropic(dim, 1e-3, 2.0).unwrap();
            let (mut parts, mut whole) = (prior.clone(), prior);
            parts.update(&View::new(a, first, dim).unwrap()).unwrap();
            let before = parts.variance(&View::new(b, second, dim).unwrap()).unwrap();
            parts.update(&View::new(b, second, dim).unwrap()).unwrap();
            whole.update(&View::new(&data, first + second, dim).unwrap()).unwrap();
            prop_assert!(close(parts.log_det(), whole.log_det(), whole.log_det().abs() + 1.0));
            prop_assert!(close(parts.effective_dimension(), whole.effective_dimension(), dim as f64));
            let after = whole.variance(&View::new(b, second, dim).unwrap()).unwrap();
            for (before, after) in before.iter().zip(&after) {
                prop_assert!(*after >= 0.0 && *after <= before * (1.0 + 1e-12));
                prop_assert!(*after <= 1.0 / 2.0 * (1.0 + 1e-12), "an observed row is known to within the noise");
            }
        }
    }

    #[test]
    fn one_weight_is_known_on_paper() {
        let mut posterior = Posterior::isotropic(1, 2.0, 3.0).unwrap();
        posterior.update(&View::new(&[1.0_f32, 2.0], 2, 1).unwrap()).unwrap();
        assert!(close(posterior.covariance()[0], 1.0 / 17.0, 1.0));
        assert!(close(posterior.information(), 0.5 * (17.0_f64 / 2.0).ln(), 1.0));
        assert!(close(posterior.effective_dimension(), 15.0 / 17.0, 1.0));
    }

    #[test]
    fn the_deviation_of_a_row_is_that_of_the_covariance() {
        let dim = 11;
        let data: Vec<f64> = (0..7 * dim).map(|i| (0.3 + i as f64 * 1.7).sin()).collect();
        let mut posterior = Posterior::isotropic(dim, 1e-2, 2.0).unwrap();
        posterior.update(&View::new(&data, 7, dim).unwrap()).unwrap();
        let row: Vec<f64> = (0..dim).map(|i| (i as f64 * 0.9).cos()).collect();
        let (deviation, derivative) = posterior.deviation(&row).unwrap();
        let variance = posterior.variance(&View::new(&row, 1, dim).unwrap()).unwrap()[0];
        assert!(close(deviation * deviation, variance, variance));
        let covariance = posterior.covariance();
        for (i, found) in derivative.iter().enumerate() {
            let expected: f64 = (0..dim).map(|j| covariance[i * dim + j] * row[j]).sum::<f64>() / deviation;
            assert!(close(*found, expected, derivative.iter().fold(0.0, |a, b| b.abs().max(a))));
        }
        assert_eq!(posterior.deviation(&[0.0; 11]).unwrap(), (0.0, vec![0.0; dim]));
        assert!(matches!(posterior.deviation(&[1.0]), Err(Error::Dimension { expected: 11, given: 1, .. })));
        assert!(matches!(posterior.deviation(&[f64::NAN; 11]), Err(Error::NotFinite { .. })));
    }

    #[test]
    fn refuses_what_it_cannot_work_with() {
        assert!(matches!(Posterior::isotropic(2, 0.0, 1.0), Err(Error::SingularPrior(_))));
        assert!(matches!(Posterior::new(2, Prior::Full(vec![1.0, 1.0, 1.0, 1.0]), 1.0), Err(Error::SingularPrior(_))));
        assert!(matches!(Posterior::isotropic(2, 1.0, f64::NAN), Err(Error::Parameter { .. })));
        let mut posterior = Posterior::isotropic(2, 1.0, 1.0).unwrap();
        let bad = [1.0, 2.0, f64::NAN, 1.0];
        assert!(matches!(posterior.update(&View::new(&bad, 2, 2).unwrap()), Err(Error::NotFinite { row: 1, .. })));
        assert_eq!(posterior.information(), 0.0);
        assert!(matches!(
            posterior.variance(&View::new(&bad[..3], 1, 3).unwrap()),
            Err(Error::Dimension { expected: 2, given: 3, .. })
        ));
    }
}
