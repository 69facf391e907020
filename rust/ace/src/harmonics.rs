//! Complex orthonormal spherical harmonics Y_lm with the Condon–Shortley sign, by a recursion without poles.
//!
//! Only m ≥ 0 is stored, as real numbers: Y_l0, Re Y_l1, Im Y_l1, Re Y_l2, … at `l²`, `l² + 1`, …
//! The rest is Y_{l,-m} = (-1)^m Y*_lm.

use crate::number::Number;

/// Number of real numbers that hold all harmonics up to `lmax`.
pub(crate) const fn n_harmonics(lmax: usize) -> usize {
    (lmax + 1) * (lmax + 1)
}

/// The coefficients of Y_lm = rise z Y_{l-1,m} - fall Y_{l-2,m}.
#[derive(Debug, Clone, Copy)]
struct Step {
    rise: f64,
    fall: f64,
}

/// Evaluates every harmonic up to a largest l.
#[derive(Debug, Clone)]
pub(crate) struct Harmonics {
    lmax: usize,
    /// -√((2l+1) / 2l), the factor from Y_{l-1,l-1} to Y_ll, for l = 1, 2, …
    diagonal: Vec<f64>,
    /// For l = 1, 2, … and m = 0 … l-1.
    steps: Vec<Step>,
}

impl Harmonics {
    pub(crate) fn new(lmax: usize) -> Self {
        let diagonal = (1..=lmax).map(|l| -((2 * l + 1) as f64 / (2 * l) as f64).sqrt()).collect();
        let steps = (1..=lmax)
            .flat_map(|l| (0..l).map(move |m| (l as f64, m as f64)))
            .map(|(l, m)| {
                let below = l - 1.0;
                let rise = ((4.0 * l * l - 1.0) / (l * l - m * m)).sqrt();
                Step {
                    rise,
                    // Zero for m = l - 1, where there is nothing two below.
                    fall: rise * ((below * below - m * m) / (4.0 * below * below - 1.0)).abs().sqrt(),
                }
            })
            .collect();
        Self { lmax, diagonal, steps }
    }

    /// The harmonics in the direction of the unit vector `u`; `out` holds [`n_harmonics`] numbers.
    #[inline(always)]
    pub(crate) fn evaluate<T: Number>(&self, u: [T; 3], out: &mut [T]) {
        let [x, y, z] = u;
        out[0] = T::splat(0.5 / std::f64::consts::PI.sqrt());
        let mut steps = self.steps.iter();
        for l in 1..=self.lmax {
            let (done, row) = out.split_at_mut(l * l);
            let below = &done[(l - 1) * (l - 1)..];
            // One row further down there is nothing for l = 1, and nothing is read from it.
            let two_below = &done[(l.max(2) - 2) * (l.max(2) - 2)..];
            for m in 0..l {
                let &Step { rise, fall } = steps.next().expect("one step per l and m < l");
                let (rise_z, fall) = (T::splat(rise) * z, T::splat(fall));
                for part in parts(m) {
                    let risen = rise_z * below[part];
                    row[part] = if m + 2 <= l { risen - fall * two_below[part] } else { risen };
                }
            }
            let factor = T::splat(self.diagonal[l - 1]);
            let (x, y) = (factor * x, factor * y);
            if l == 1 {
                (row[1], row[2]) = (x * below[0], y * below[0]);
            } else {
                let (re, im) = (below[2 * l - 3], below[2 * l - 2]);
                row[2 * l - 1] = x * re - y * im;
                row[2 * l] = x * im + y * re;
            }
        }
    }
}

/// Where the real numbers of one m are within their l.
#[inline(always)]
pub(crate) fn parts(m: usize) -> std::ops::Range<usize> {
    if m == 0 { 0..1 } else { 2 * m - 1..2 * m + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::PI;

    fn harmonics(lmax: usize, u: [f64; 3]) -> Vec<f64> {
        let mut out = vec![0.0; n_harmonics(lmax)];
        Harmonics::new(lmax).evaluate(u, &mut out);
        out
    }

    #[test]
    fn the_first_harmonics_are_the_textbook_ones() {
        let u @ [x, y, z] = [2.0 / 7.0, -3.0 / 7.0, 6.0 / 7.0];
        let v = harmonics(2, u);
        let expected = [
            (1.0 / (4.0 * PI)).sqrt(),
            (3.0 / (4.0 * PI)).sqrt() * z,
            -(3.0 / (8.0 * PI)).sqrt() * x,
            -(3.0 / (8.0 * PI)).sqrt() * y,
            (5.0 / (16.0 * PI)).sqrt() * (3.0 * z * z - 1.0),
            -(15.0 / (8.0 * PI)).sqrt() * x * z,
            -(15.0 / (8.0 * PI)).sqrt() * y * z,
            (15.0 / (32.0 * PI)).sqrt() * (x * x - y * y),
            (15.0 / (32.0 * PI)).sqrt() * 2.0 * x * y,
        ];
        for (v, e) in v.iter().zip(expected) {
            assert!((v - e).abs() < 1e-15, "{v} is not {e}");
        }
    }

    /// Σ_m Y_lm(u) Y*_lm(v) = (2l+1)/(4π) P_l(u·v), at the poles as elsewhere.
    #[test]
    fn the_addition_theorem_holds() {
        let lmax = 12;
        let directions = [[0.0, 0.0, 1.0], [0.0, 0.0, -1.0], [0.6, 0.0, 0.8], [0.48, -0.6, 0.64]];
        for u in directions {
            for v in directions {
                let (a, b) = (harmonics(lmax, u), harmonics(lmax, v));
                let cosine: f64 = (0..3).map(|k| u[k] * v[k]).sum();
                let (mut previous, mut legendre) = (0.0, 1.0);
                for l in 0..=lmax {
                    let sum = a[l * l] * b[l * l] + 2.0 * (1..=2 * l).map(|q| a[l * l + q] * b[l * l + q]).sum::<f64>();
                    let expected = (2 * l + 1) as f64 / (4.0 * PI) * legendre;
                    assert!((sum - expected).abs() < 1e-13);
                    let n = l as f64;
                    let next = ((2.0 * n + 1.0) * cosine * legendre - n * previous) / (n + 1.0);
                    previous = std::mem::replace(&mut legendre, next);
                }
            }
        }
    }
}
