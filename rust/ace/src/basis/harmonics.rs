//! Complex orthonormal spherical harmonics Y_lm with the Condon–Shortley sign, by a recursion without poles.
//!
//! Only m ≥ 0 is stored, as real numbers: Y_l0, Re Y_l1, Im Y_l1, Re Y_l2, … at indices `l²`, `l² + 1`, ….
//! The others are Y_{l,-m} = (-1)^m Y*_lm.

use crate::arithmetic::Number;

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

/// The factors in the derivatives of r^l Y_lm, which are harmonics of degree l - 1: of order m along z, of orders m + 1
/// and m - 1 along x and y.
#[derive(Debug, Clone, Copy)]
struct Ladder {
    along: f64,
    /// Half the factor of order m + 1; for m = 0 the whole factor.
    up: f64,
    /// Half the factor of order m - 1.
    down: f64,
}

/// Evaluates every harmonic up to a largest l.
#[derive(Debug, Clone)]
pub(crate) struct Harmonics {
    lmax: usize,
    /// -√((2l+1) / 2l), the factor from Y_{l-1,l-1} to Y_ll, for l = 1, 2, …
    diagonal: Vec<f64>,
    /// For l = 1, 2, … and m = 0 … l-1.
    steps: Vec<Step>,
    /// For l = 1, 2, … and m = 0 … l.
    ladders: Vec<Ladder>,
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
                    // Zero for m = l - 1, where Y_{l-2,m} does not exist.
                    fall: rise * ((below * below - m * m) / (4.0 * below * below - 1.0)).abs().sqrt(),
                }
            })
            .collect();
        let ladders = (1..=lmax)
            .flat_map(|l| (0..=l).map(move |m| (l as f64, m as f64)))
            .map(|(l, m)| {
                let common = (2.0 * l + 1.0) / (2.0 * l - 1.0);
                let half = if m == 0.0 { 1.0 } else { 0.5 };
                Ladder {
                    along: (common * (l * l - m * m)).sqrt(),
                    up: half * (common * (l - m) * (l - m - 1.0)).max(0.0).sqrt(),
                    down: -half * (common * (l + m) * (l + m - 1.0)).sqrt(),
                }
            })
            .collect();
        Self { lmax, diagonal, steps, ladders }
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
            // For l = 1 there are no harmonics of degree l - 2, and none are read.
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

impl Harmonics {
    /// The gradients of the solid harmonics r^l Y_lm at a unit vector, from the harmonics there.
    ///
    /// Their tangential parts are the gradients of the harmonics.
    #[inline(always)]
    pub(crate) fn gradients<T: Number>(&self, harmonics: &[T], out: &mut [[T; 3]]) {
        out[0] = [T::splat(0.0); 3];
        let mut ladders = self.ladders.iter();
        for l in 1..=self.lmax {
            let below = &harmonics[(l - 1) * (l - 1)..l * l];
            let row = &mut out[l * l..];
            for m in 0..=l {
                let &Ladder { along, up, down } = ladders.next().expect("one ladder per l and m ≤ l");
                let zero = T::splat(0.0);
                let [rise_re, rise_im] =
                    if m + 1 < l { [below[2 * m + 1].scaled(up), below[2 * m + 2].scaled(up)] } else { [zero; 2] };
                if m == 0 {
                    row[0] = [rise_re, rise_im, below[0].scaled(along)];
                    continue;
                }
                let fall_re = below[parts(m - 1).start].scaled(down);
                let fall_im = if m > 1 { below[2 * m - 2].scaled(down) } else { zero };
                let [z_re, z_im] = if m < l { [2 * m - 1, 2 * m].map(|k| below[k].scaled(along)) } else { [zero; 2] };
                row[2 * m - 1] = [rise_re + fall_re, rise_im - fall_im, z_re];
                row[2 * m] = [rise_im + fall_im, fall_re - rise_re, z_im];
            }
        }
    }
}

/// The range of the real numbers of one m among those of its l.
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

    /// Along the sphere, against differences; along the radius a solid harmonic grows like r^l.
    #[test]
    fn gradients_are_slopes() {
        let lmax = 6;
        let along = |u: [f64; 3], direction: [f64; 3], h: f64| -> Vec<f64> {
            let moved = [0, 1, 2].map(|k| u[k] + h * direction[k]);
            let r = moved.iter().map(|x| x * x).sum::<f64>().sqrt();
            harmonics(lmax, moved.map(|x| x / r))
        };
        for u in [[0.0, 0.0, 1.0], [0.6, 0.0, -0.8], [0.48, -0.6, 0.64]] {
            let values = harmonics(lmax, u);
            let mut gradients = vec![[0.0; 3]; values.len()];
            Harmonics::new(lmax).gradients(&values, &mut gradients);
            for (index, gradient) in gradients.into_iter().enumerate() {
                let dot = |v: [f64; 3]| (0..3).map(|k| gradient[k] * v[k]).sum::<f64>();
                let l = index.isqrt() as f64;
                assert!((dot(u) - l * values[index]).abs() < 1e-13);
                for direction in [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]] {
                    let radial: f64 = (0..3).map(|k| u[k] * direction[k]).sum();
                    let tangent = [0, 1, 2].map(|k| direction[k] - radial * u[k]);
                    let h = 1e-5;
                    let slope = (along(u, tangent, h)[index] - along(u, tangent, -h)[index]) / (2.0 * h);
                    assert!((dot(tangent) - slope).abs() < 1e-8);
                }
            }
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
