//! Sums of squared products in float32, for float32 rows that are read in place.

use rayon::prelude::*;

use super::kernel::{GROUP, LANES, Number, SINGLE_LANES};
use super::panels::{Panel, Panels};
use crate::data::rows::{Rows, View};

/// Groups of rows that stay in the cache together while the directions stream past.
const GROUPS: usize = 16;

/// Sum over the directions of the squared dot product, for every row, in float32. The relative error of a sum is about
/// 1e-6 unless its products cancel.
pub(crate) fn single_quadratic_forms(rows: View<'_, f32>, directions: &Panels) -> Vec<f64> {
    let panels: Vec<Vec<f32>> = (0..directions.count()).step_by(2).map(|pair| joined(directions, pair)).collect();
    let mut out = vec![0.0; rows.len()];
    out.par_chunks_mut(GROUPS * GROUP).enumerate().for_each(|(block, out)| {
        let first = block * GROUPS * GROUP;
        let last = last_group(rows, first, out.len());
        for panel in &panels {
            for (group, out) in out.chunks_mut(GROUP).enumerate() {
                let (data, stride) = match out.len() {
                    GROUP => rows.rows_from(first + group * GROUP),
                    _ => (&last[..], rows.dim()),
                };
                let dots: [[f32; SINGLE_LANES]; GROUP] = Number::dots(data, stride, panel);
                for (out, dots) in out.iter_mut().zip(dots) {
                    *out += f64::from(sum_of_squares(dots));
                }
            }
        }
    });
    out
}

/// The rows of a partly filled group, padded with zeros.
fn last_group(rows: View<'_, f32>, first: usize, count: usize) -> Vec<f32> {
    let rest = count % GROUP;
    let mut group = vec![0.0; if rest > 0 { GROUP * rows.dim() } else { 0 }];
    for (index, out) in (first + count - rest..first + count).zip(group.chunks_exact_mut(rows.dim())) {
        out.copy_from_slice(rows.row(index));
    }
    group
}

/// Two panels side by side.
fn joined(directions: &Panels, pair: usize) -> Vec<f32> {
    let panels: Vec<Panel<'_>> = (pair..directions.count().min(pair + 2)).map(|p| directions.panel(p)).collect();
    let reach = panels.iter().map(|panel| panel.end()).max().unwrap_or(0);
    let mut out = vec![0.0; reach * SINGLE_LANES];
    for (k, out) in out.chunks_exact_mut(SINGLE_LANES).enumerate() {
        for (panel, out) in panels.iter().zip(out.chunks_exact_mut(LANES)) {
            out.iter_mut().zip(panel.lanes(k)).for_each(|(out, w)| *out = w as f32);
        }
    }
    out
}

/// The sum of squares by repeated halving, which vectorises.
fn sum_of_squares(dots: [f32; SINGLE_LANES]) -> f32 {
    let mut sums = dots.map(|d| d * d);
    let mut half = SINGLE_LANES / 2;
    while half > 0 {
        for l in 0..half {
            sums[l] += sums[l + half];
        }
        half /= 2;
    }
    sums[0]
}

#[cfg(test)]
mod tests {
    use faer::Mat;

    use super::*;
    use crate::linalg::quadratic_forms;

    #[test]
    fn agrees_with_float64_and_ignores_the_company() {
        for (len, dim, stride, count) in [(1, 1, 1, 1), (5, 7, 7, 7), (200, 40, 50, 17), (97, 33, 33, 24)] {
            let data: Vec<f32> = (0..len * stride).map(|i| ((i + 1) as f32 * 0.37).sin()).collect();
            let rows = View::strided(&data, len, dim, stride).unwrap();
            let matrix = Mat::from_fn(dim, count, |i, j| ((i * count + j) as f64 * 1.7).cos());
            for panels in [Panels::dense(matrix.as_ref()), Panels::rotated(matrix.as_ref())] {
                let (found, exact) = (single_quadratic_forms(rows, &panels), quadratic_forms(&rows, &panels));
                for (a, b) in found.iter().zip(&exact) {
                    assert!((a - b).abs() < 1e-5 * exact.iter().fold(0.0, |m: f64, &x| m.max(x)), "{a} {b}");
                }
                let alone = View::new(rows.row(len - 1), 1, dim).unwrap();
                assert_eq!(single_quadratic_forms(alone, &panels)[0], found[len - 1]);
            }
        }
    }
}
