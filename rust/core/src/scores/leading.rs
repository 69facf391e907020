//! Upper bounds of the score `pool_std`, from a few dot products for each candidate.
//!
//! In the notation of [`super::deviations`], with `q = S^T x`, unit vectors `u_t = S^T t / sd_t` and weights `w_t`, the
//! score is `sum w_t h(r_t)`, where `r_t = (q.u_t)^2 / T`. By Cauchy and Schwarz `r_t <= rho = |q|^2 / T < 1`. As the
//! series of `h` has positive coefficients, with `s = sqrt(1 - rho)`
//!
//! - `r / 2 <= h(r) <= r / (1 + s)`, and
//! - `h(r) <= r / 2 + r^2 / 8 + c r^3`, `c = (3 + s) / (8 (1 + s)^3)`.
//!
//! The first gives the bound of a pass over the pool: `sum w_t r_t = q^T W q / T` with `W = sum w_t u_t u_t^T`. With
//! the eigenvectors `v_i` of the largest eigenvalues `l_i` of `W`, and `l` the largest of the others,
//! `q^T W q <= sum (l_i - l) (v_i.q)^2 + l |q|^2`.
//!
//! If no eigenvalues stand out, this is far above `q^T W q`, which [`super::pool_std`] then keeps for every candidate.
//!
//! The second needs fourth and sixth powers. Split `q` into its part `a` along the `v_i` and the rest `b`. In the norms
//! `|z|_p^p = sum w_t |z.u_t|^p`, `|q|_p <= |a|_p + |b|_p` and `|b|_p^p <= l |b|^2 (|b|^2 f)^(p/2 - 1)`, where `f` is
//! the largest squared length of the part of a `u_t` orthogonal to the `v_i`.

use faer::{Mat, Side};

use super::deviations::Deviations;
use crate::bayes::running_posterior::RunningPosterior;
use crate::linalg::{GROUP, LANES, Panels};

/// Number of eigenvectors; with the direction of an update they fill four panels.
const LEADING: usize = 4 * LANES - 1;
/// Relative margin of the bounds for rounding.
const ROUNDING: f64 = 1e-6;
/// Rounding errors of eigenvalues, relative to the largest, and of squared lengths of unit vectors.
const EIGEN_ERROR: f64 = 1e-12;

/// The leading directions of a target.
pub(crate) struct Leading {
    noise: f64,
    /// `S v_i`, whose product with `x` is `v_i.q`.
    directions: Panels,
    /// `l_i - l` of each.
    excess: Vec<f64>,
    /// `l`.
    rest: f64,
    /// `v_i.u_t`: a direction for each `t`, with an element for each `v_i`.
    components: Panels,
    /// `f`.
    outside: f64,
    weights: Vec<f64>,
}

impl Leading {
    pub(crate) fn new(target: &Deviations, posterior: &RunningPosterior) -> Self {
        let (dim, len) = (posterior.dim(), target.whitened().count());
        let mut units = Mat::zeros(len, dim);
        for (t, (whitened, deviation)) in target.whitened().enumerate() {
            if deviation > 0.0 {
                (0..dim).for_each(|k| units[(t, k)] = whitened[k] / deviation);
            }
        }
        let weighted = Mat::from_fn(len, dim, |t, k| target.weights()[t].sqrt() * units[(t, k)]);
        let matrix = weighted.transpose() * &weighted;
        let mut out = Self {
            noise: target.noise(),
            directions: Panels::new(dim),
            excess: Vec::new(),
            rest: (0..dim).map(|k| matrix[(k, k)]).sum(),
            components: Panels::new(0),
            outside: 1.0,
            weights: target.weights().to_vec(),
        };
        // Without eigenvectors, the trace bounds the largest eigenvalue.
        let Ok(eigen) = matrix.self_adjoint_eigen(Side::Lower) else { return out };
        let (values, count) = (eigen.S().column_vector(), LEADING.min(dim));
        let value = |i: usize| if i < dim { values[dim - 1 - i].max(0.0) } else { 0.0 };
        let error = EIGEN_ERROR * value(0);
        out.rest = value(count) + error;
        out.excess = (0..count).map(|i| value(i) - value(count) + error).collect();
        let vectors = eigen.U().reverse_cols();
        for i in 0..count {
            out.directions.push(&posterior.unwhiten((0..dim).map(|k| vectors[(k, i)]).collect()));
        }
        let products = &units * vectors.subcols(0, count);
        out.components = Panels::new(count);
        let mut inside = 1.0_f64;
        for t in 0..len {
            let own: Vec<f64> = (0..count).map(|i| products[(t, i)]).collect();
            inside = inside.min(own.iter().map(|x| x * x).sum());
            out.components.push(&own);
        }
        out.outside = (1.0 - inside).max(0.0) + EIGEN_ERROR;
        out
    }

    /// Number of leading directions.
    pub(crate) fn len(&self) -> usize {
        self.excess.len()
    }

    pub(crate) fn directions(&self) -> &Panels {
        &self.directions
    }

    /// The products of a group of rows with the directions, row after row.
    pub(crate) fn products(&self, rows: &[f64]) -> Vec<f64> {
        let (len, dim) = (self.len(), rows.len() / GROUP);
        let mut out = vec![0.0; GROUP * len];
        for p in 0..self.directions.count() {
            let lanes = LANES.min(len - p * LANES);
            for (out, dots) in out.chunks_exact_mut(len).zip(self.directions.panel(p).dots(rows, dim)) {
                out[p * LANES..p * LANES + lanes].copy_from_slice(&dots[..lanes]);
            }
        }
        out
    }

    /// The bound by the first inequality, from the products of a candidate with the directions.
    pub(crate) fn bound(&self, products: &[f64], candidate: Candidate) -> f64 {
        let sum = self.weighted_sum(products, candidate.variance);
        candidate.bound(self.noise).min(Candidate { sum, beside: 0.0, ..candidate }.bound(self.noise))
    }

    /// The bounds by the second inequality of a group of candidates, from their products with the directions, row after
    /// row.
    pub(crate) fn sharp_bounds(&self, products: &[f64], candidates: [Candidate; GROUP]) -> [f64; GROUP] {
        let len = self.len();
        let mut scaled = products.to_vec();
        for (products, candidate) in scaled.chunks_exact_mut(len.max(1)).zip(candidates) {
            let factor = 1.0 / candidate.variance.plus(self.noise).low.sqrt();
            products.iter_mut().for_each(|x| *x *= factor);
        }
        let (mut fourth, mut sixth) = ([[0.0; LANES]; GROUP], [[0.0; LANES]; GROUP]);
        for (p, weights) in self.weights.chunks_exact(LANES).enumerate().take(self.components.count()) {
            for (r, dots) in self.components.panel(p).dots(&scaled, len).into_iter().enumerate() {
                for l in 0..LANES {
                    let square = dots[l] * dots[l];
                    let term = weights[l] * square * square;
                    fourth[r][l] += term;
                    sixth[r][l] += term * square;
                }
            }
        }
        std::array::from_fn(|r| {
            let Candidate { variance, sum, beside } = candidates[r];
            let total = variance.plus(self.noise);
            let own = &scaled[r * len..(r + 1) * len];
            let inside: f64 = own.iter().map(|x| x * x).sum();
            let outside = (variance.high / total.low - inside).max(0.0) + EIGEN_ERROR;
            let leading = self.weighted_sum(&products[r * len..(r + 1) * len], variance);
            let second = (0.5 * leading / total.low).min(0.5 * sum / total.low + beside);
            let left = self.rest * outside;
            let norm = |sum: &[f64; LANES], left: f64, power: f64| {
                (sum.iter().sum::<f64>().powf(1.0 / power) + left.powf(1.0 / power)).powf(power)
            };
            let fourth = norm(&fourth[r], left * (outside * self.outside), 4.0);
            let sixth = norm(&sixth[r], left * (outside * self.outside).powi(2), 6.0);
            let s = (self.noise / total.high).sqrt();
            let third = (3.0 + s) / (8.0 * (1.0 + s).powi(3));
            (second + 0.125 * fourth + third * sixth) * (1.0 + ROUNDING)
        })
    }

    /// An upper bound of `q^T W q`.
    fn weighted_sum(&self, products: &[f64], variance: Interval) -> f64 {
        let leading: f64 = self.excess.iter().zip(products).map(|(l, x)| l * x * x).sum();
        leading + self.rest * variance.high
    }
}

/// Bounds of the numbers that the score of a candidate depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    /// `x^T Sigma x`.
    pub(crate) variance: Interval,
    /// An upper bound of the part of `q^T W q` from all target rows but some, whose weights sum to `beside`.
    pub(crate) sum: f64,
    pub(crate) beside: f64,
}

impl Candidate {
    /// The bound by the first inequality, from `sum` and `beside`.
    pub(crate) fn bound(self, noise: f64) -> f64 {
        let total = self.variance.plus(noise);
        let factor = 1.0 / (total.low * (1.0 + (noise / total.high).sqrt()));
        (self.sum * factor + self.beside) * (1.0 + ROUNDING)
    }
}

/// Lower and upper bound of a number.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Interval {
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Interval {
    /// The interval of a nonnegative number that has an error.
    pub(crate) fn around(number: f64, error: f64) -> Self {
        Self { low: (number - error).max(0.0), high: number.max(0.0) + error }
    }

    /// The sum with an exact number.
    fn plus(self, number: f64) -> Self {
        Self { low: number + self.low, high: number + self.high }
    }
}
