//! The innermost loop: dot products of a few rows with a few directions.
//!
//! Every product is summed in the order of the features, whichever rows and directions share the call. So equal rows
//! get equal bits at any position and for any number of threads.

use mlipselect_simd::{Level, for_this_processor, level};

/// Number of rows in one call.
pub(crate) const GROUP: usize = 6;
/// Number of directions in one call. Six rows by eight directions fill the 16 vector registers of AVX2.
pub(crate) const LANES: usize = 8;

/// Number of directions in one call for float32, of which a register holds twice as many.
pub(crate) const SINGLE_LANES: usize = 16;

/// A number that the kernel multiplies, `L` directions at a time.
pub(crate) trait Number<const L: usize>: Copy + Default + Into<f64> + Send + Sync {
    /// Dot products of `GROUP` rows, `stride` elements apart, with the directions of a panel.
    ///
    /// `panel` holds element 0 of each direction, then element 1 of each, and so on. If it is shorter than the rows,
    /// the remaining elements of the rows are ignored.
    fn dots(rows: &[Self], stride: usize, panel: &[Self]) -> [[Self; L]; GROUP];

    /// The same for two panels: with the registers of AVX-512 this takes less time than one after the other.
    fn dots_of_two(rows: &[Self], stride: usize, panels: [&[Self]; 2]) -> [[[Self; L]; GROUP]; 2];
}

macro_rules! number {
    ($type:ty, $lanes:expr, $body:ident, $two:ident, $body_of_two:ident) => {
        impl Number<$lanes> for $type {
            #[inline]
            fn dots_of_two(rows: &[$type], stride: usize, panels: [&[$type]; 2]) -> [[[$type; $lanes]; GROUP]; 2] {
                match level() {
                    Level::Avx512 => $two(rows, stride, panels),
                    _ => panels.map(|panel| Self::dots(rows, stride, panel)),
                }
            }

            for_this_processor! {
                #[inline]
                fn dots(rows: &[$type], stride: usize, panel: &[$type]) -> [[$type; $lanes]; GROUP] = $body::<FUSED>, wide
            }
        }

        for_this_processor! {
            #[inline]
            fn $two(rows: &[$type], stride: usize, panels: [&[$type]; 2]) -> [[[$type; $lanes]; GROUP]; 2]
                = $body_of_two::<FUSED>, wide
        }

        #[inline(always)]
        fn $body<const FUSED: bool>(rows: &[$type], stride: usize, panel: &[$type]) -> [[$type; $lanes]; GROUP] {
            let reach = panel.len() / $lanes;
            let rows: [&[$type]; GROUP] = std::array::from_fn(|r| &rows[r * stride..r * stride + reach]);
            let mut sums = [[0.0; $lanes]; GROUP];
            for (k, w) in panel.chunks_exact($lanes).enumerate() {
                for r in 0..GROUP {
                    // SAFETY: `panel` has `reach` chunks, and each row `reach` elements. A check here halves the speed.
                    let x = unsafe { *rows[r].get_unchecked(k) };
                    for l in 0..$lanes {
                        sums[r][l] = if FUSED { x.mul_add(w[l], sums[r][l]) } else { sums[r][l] + x * w[l] };
                    }
                }
            }
            sums
        }

        #[inline(always)]
        fn $body_of_two<const FUSED: bool>(
            rows: &[$type],
            stride: usize,
            panels: [&[$type]; 2],
        ) -> [[[$type; $lanes]; GROUP]; 2] {
            let [left, right] = panels.map(|panel| panel.len() / $lanes);
            let (both, reach) = (left.min(right), left.max(right));
            let rows: [&[$type]; GROUP] = std::array::from_fn(|r| &rows[r * stride..r * stride + reach]);
            let (mut a, mut b) = ([[0.0; $lanes]; GROUP], [[0.0; $lanes]; GROUP]);
            let pairs = panels[0].chunks_exact($lanes).zip(panels[1].chunks_exact($lanes));
            for (k, (v, w)) in pairs.enumerate() {
                for r in 0..GROUP {
                    // SAFETY: both panels have more than `k` chunks, and each row has as many elements.
                    let x = unsafe { *rows[r].get_unchecked(k) };
                    for l in 0..$lanes {
                        a[r][l] = if FUSED { x.mul_add(v[l], a[r][l]) } else { a[r][l] + x * v[l] };
                    }
                    for l in 0..$lanes {
                        b[r][l] = if FUSED { x.mul_add(w[l], b[r][l]) } else { b[r][l] + x * w[l] };
                    }
                }
            }
            // The elements that only one of the panels has.
            let mut sums = [a, b];
            for (panel, sums) in panels.into_iter().zip(&mut sums) {
                for (k, w) in panel.chunks_exact($lanes).enumerate().skip(both) {
                    for r in 0..GROUP {
                        for l in 0..$lanes {
                            let x = rows[r][k];
                            sums[r][l] = if FUSED { x.mul_add(w[l], sums[r][l]) } else { sums[r][l] + x * w[l] };
                        }
                    }
                }
            }
            sums
        }
    };
}

number!(f64, LANES, dots_f64, two_f64, dots_of_two_f64);
number!(f32, SINGLE_LANES, dots_f32, two_f32, dots_of_two_f32);

/// The dot products of [`Number`] in float64.
#[inline]
pub(crate) fn dots(rows: &[f64], stride: usize, panel: &[f64]) -> [[f64; LANES]; GROUP] {
    Number::dots(rows, stride, panel)
}

/// [`Number::dots_of_two`] in float64.
#[inline]
pub(crate) fn dots_of_two(rows: &[f64], stride: usize, panels: [&[f64]; 2]) -> [[[f64; LANES]; GROUP]; 2] {
    Number::dots_of_two(rows, stride, panels)
}

for_this_processor! {
    /// Adds the directions of a panel to `out`, each times its dot product with `x`; returns the sum of the squared
    /// products. The panel is read from memory once.
    #[inline]
    pub(crate) fn square_times(x: &[f64], panel: &[f64], out: &mut [f64]) -> f64 = square_times_body::<FUSED>, wide
}

#[inline(always)]
fn square_times_body<const FUSED: bool>(x: &[f64], panel: &[f64], out: &mut [f64]) -> f64 {
    /// Sums that are added to in turns, so that one does not wait for the other.
    const TURNS: usize = 4;
    let multiply_add = |a: f64, b: f64, c: f64| if FUSED { a.mul_add(b, c) } else { c + a * b };
    let (whole, rest) = panel.as_chunks::<LANES>().0.as_chunks::<TURNS>();
    let (x, after) = x[..panel.len() / LANES].as_chunks::<TURNS>();
    let mut turns = [[0.0; LANES]; TURNS];
    for (x, w) in x.iter().zip(whole) {
        for turn in 0..TURNS {
            for l in 0..LANES {
                turns[turn][l] = multiply_add(x[turn], w[turn][l], turns[turn][l]);
            }
        }
    }
    for (&x, w) in after.iter().zip(rest) {
        for l in 0..LANES {
            turns[0][l] = multiply_add(x, w[l], turns[0][l]);
        }
    }
    let dots: [f64; LANES] = std::array::from_fn(|l| (turns[0][l] + turns[1][l]) + (turns[2][l] + turns[3][l]));
    for (out, w) in out.iter_mut().zip(panel.as_chunks::<LANES>().0) {
        let mut terms: [f64; LANES] = std::array::from_fn(|l| w[l] * dots[l]);
        let mut half = LANES / 2;
        while half > 0 {
            for l in 0..half {
                terms[l] += terms[l + half];
            }
            half /= 2;
        }
        *out += terms[0];
    }
    dots.iter().map(|dot| dot * dot).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: Number<L> + PartialEq + std::fmt::Debug, const L: usize>(number: impl Fn(f64) -> T, tolerance: f64) {
        let (dim, reach) = (13, 11);
        let rows: Vec<T> = (0..GROUP * dim).map(|i| number((i as f64 * 0.7).sin())).collect();
        let panel: Vec<T> = (0..reach * L).map(|i| number((i as f64 * 1.3).cos())).collect();
        let sums = T::dots(&rows, dim, &panel);
        for r in 0..GROUP {
            for l in 0..L {
                let plain: f64 = (0..reach).map(|k| rows[r * dim + k].into() * panel[k * L + l].into()).sum();
                assert!((sums[r][l].into() - plain).abs() < tolerance);
            }
        }
        let mut alone = vec![T::default(); GROUP * dim];
        alone[3 * dim..4 * dim].copy_from_slice(&rows[..dim]);
        assert_eq!(T::dots(&alone, dim, &panel)[3], sums[0]);
        for (left, right) in [(reach, reach), (reach, 4), (0, reach)] {
            let panels = [&panel[..left * L], &panel[..right * L]];
            assert_eq!(T::dots_of_two(&rows, dim, panels), panels.map(|panel| T::dots(&rows, dim, panel)));
        }
    }

    #[test]
    fn equals_the_plain_sum_and_ignores_the_company() {
        check(|x| x, 1e-13);
        check(|x| x as f32, 1e-5);
    }
    #[test]
    fn a_panel_times_its_dot_products() {
        for reach in [1, 4, 11, 16] {
            let x: Vec<f64> = (0..17).map(|i| (i as f64 * 0.7).sin()).collect();
            let panel: Vec<f64> = (0..reach * LANES).map(|i| (i as f64 * 1.3).cos()).collect();
            let mut out = vec![0.5; 17];
            let found = square_times(&x, &panel, &mut out);
            let dot = |l: usize| (0..reach).map(|k| x[k] * panel[k * LANES + l]).sum::<f64>();
            assert!((found - (0..LANES).map(|l| dot(l).powi(2)).sum::<f64>()).abs() < 1e-12);
            for (k, value) in out.iter().enumerate() {
                let added = match k < reach {
                    true => (0..LANES).map(|l| panel[k * LANES + l] * dot(l)).sum(),
                    false => 0.0,
                };
                assert!((value - 0.5 - added).abs() < 1e-12);
            }
        }
    }
}
