//! Products of rounded rows with directions in float32.
//!
//! The integers of a row are widened to float32, which holds them exactly. Directions have length 1, so their products
//! with a row are at most the length of its integers.

use mlipselect_simd::for_this_processor;

use super::kernel::{GROUP, Number, SINGLE_LANES};
use super::panels::Panels;
use super::single::joined;
use super::sketch::Sketch;

/// Number of rows that are widened together: they stay in the second level cache while the directions stream past.
pub(crate) const WIDENED: usize = 16 * GROUP;
/// Number of terms that are summed in one go: a sum of few terms has a small rounding error.
const TERMS: usize = 128;
/// Half of the distance of 1 to the next number of float32.
const UNIT: f64 = 1.0 / (1 << 24) as f64;

/// Bound of the error of a product of a rounded row with a direction, relative to the lengths of both.
pub(crate) fn product_error(dim: usize) -> f64 {
    // Rounding a direction, its terms, their sum, and the sum of the parts, each to first order and a little more.
    1.01 * UNIT * (4 + TERMS.min(dim) + dim.div_ceil(TERMS)) as f64
}

/// Directions in float32, in panels of `SINGLE_LANES`.
pub(crate) struct SingleDirections {
    panels: Vec<Vec<f32>>,
}

impl SingleDirections {
    /// The directions of float64 panels over a number, and that number, which is 1 in place of 0.
    pub(crate) fn scaled(directions: &Panels, unit: f64) -> (Self, f64) {
        let unit = if unit > 0.0 { unit } else { 1.0 };
        let panels = (0..directions.count()).step_by(2).map(|pair| joined(directions, pair, 1.0 / unit));
        (Self { panels: panels.collect() }, unit)
    }

    /// Call `work` with the number of a panel, that of a group, and their products, for all panels and groups of rows.
    #[inline]
    fn for_each_dots(&self, rows: &[f32], stride: usize, mut work: impl FnMut(usize, usize, &Dots)) {
        for (pair, panels) in self.panels.chunks(2).enumerate() {
            for (group, rows) in rows.chunks_exact(GROUP * stride).enumerate() {
                match panels {
                    [left, right] => {
                        let [left, right] = dots_of_two(rows, stride, [left, right]);
                        work(2 * pair, group, &left);
                        work(2 * pair + 1, group, &right);
                    }
                    _ => panels.iter().for_each(|panel| work(2 * pair, group, &dots_of_one(rows, stride, panel))),
                }
            }
        }
    }
}

/// Products of a group of rows with the directions of a panel.
type Dots = [[f32; SINGLE_LANES]; GROUP];

fn dots_of_one(rows: &[f32], stride: usize, panel: &[f32]) -> Dots {
    let mut sums = Dots::default();
    for (part, panel) in panel.chunks(TERMS * SINGLE_LANES).enumerate() {
        add(&mut sums, &Number::dots(&rows[part * TERMS..], stride, panel));
    }
    sums
}

fn dots_of_two(rows: &[f32], stride: usize, panels: [&[f32]; 2]) -> [Dots; 2] {
    let mut sums = [Dots::default(); 2];
    let reach = panels[0].len().max(panels[1].len()) / SINGLE_LANES;
    for start in (0..reach).step_by(TERMS) {
        let part = |panel: usize| {
            let panel: &[f32] = panels[panel];
            let end = panel.len().min((start + TERMS) * SINGLE_LANES);
            &panel[end.min(start * SINGLE_LANES)..end]
        };
        let dots = Number::dots_of_two(&rows[start..], stride, [part(0), part(1)]);
        sums.iter_mut().zip(&dots).for_each(|(sums, dots)| add(sums, dots));
    }
    sums
}

#[inline]
fn add(sums: &mut Dots, dots: &Dots) {
    sums.as_flattened_mut().iter_mut().zip(dots.as_flattened()).for_each(|(sum, dot)| *sum += dot);
}

/// A few rows of a sketch in float32, in units of their scales.
#[derive(Default)]
pub(crate) struct Widened {
    stride: usize,
    rows: Vec<f32>,
}

impl Widened {
    /// Load rows; the last group is padded with zeros.
    pub(crate) fn load(&mut self, sketch: &Sketch<'_>, indices: impl ExactSizeIterator<Item = usize>) {
        let len = indices.len();
        self.stride = sketch.width();
        self.rows.resize(len.next_multiple_of(GROUP) * self.stride, 0.0);
        for (index, out) in indices.zip(self.rows.chunks_exact_mut(self.stride)) {
            sketch.widen(index, out);
        }
        self.rows[len * self.stride..].fill(0.0);
    }

    /// Sum over the directions of the squared product, for every row.
    pub(crate) fn quadratic_forms(&mut self, directions: &SingleDirections, out: &mut [f64]) {
        out.fill(0.0);
        directions.for_each_dots(&self.rows, self.stride, |_, group, dots| {
            for (out, dots) in out[group * GROUP..].iter_mut().zip(dots) {
                *out += dots.iter().map(|&dot| f64::from(dot) * f64::from(dot)).sum::<f64>();
            }
        });
    }
}

for_this_processor! {
    /// Products of the integers of a row with two directions, padded with zeros to the length of the row.
    pub(crate) fn pair_products(row: &[i16], pair: [&[f32]; 2]) -> [f32; 2] = pair_products_body::<FUSED>, wide
}

#[inline(always)]
fn pair_products_body<const FUSED: bool>(row: &[i16], pair: [&[f32]; 2]) -> [f32; 2] {
    const PARTS: usize = 16;
    let mut sums = [[0.0_f32; PARTS]; 2];
    let terms = pair[0].chunks_exact(PARTS).zip(pair[1].chunks_exact(PARTS));
    for (x, (a, b)) in row.chunks_exact(PARTS).zip(terms) {
        for l in 0..PARTS {
            let x = f32::from(x[l]);
            sums[0][l] = if FUSED { x.mul_add(a[l], sums[0][l]) } else { sums[0][l] + x * a[l] };
            sums[1][l] = if FUSED { x.mul_add(b[l], sums[1][l]) } else { sums[1][l] + x * b[l] };
        }
    }
    sums.map(|sums| sums.iter().sum())
}

#[cfg(test)]
mod tests {
    use faer::Mat;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn products_are_within_the_error_that_is_stated(
            dim in 1_usize..300, len in 1_usize..20, count in 1_usize..20, seed in 0_u32..1000,
        ) {
            let value = |k: usize| ((f64::from(seed) + k as f64 * 12.9898).sin() * 43758.5453).fract();
            let mut sketch = Sketch::new(dim);
            (0..len).for_each(|i| sketch.push(&(0..dim).map(|k| value(i * dim + k)).collect::<Vec<f64>>()));
            let matrix = Mat::from_fn(dim, 2 * count, |k, j| value(7777 + j * dim + k));
            let column = |j: usize| -> (Vec<f64>, f64) {
                let own: Vec<f64> = (0..dim).map(|k| matrix[(k, j)]).collect();
                let length = own.iter().map(|w| w * w).sum::<f64>().sqrt();
                (own, length)
            };
            let units: Vec<Vec<f32>> = (0..2 * count)
                .map(|j| {
                    let (own, length) = column(j);
                    let mut unit: Vec<f32> = own.iter().map(|w| (w / length) as f32).collect();
                    unit.resize(sketch.width(), 0.0);
                    unit
                })
                .collect();
            let mut widened = Widened::default();
            widened.load(&sketch, 0..len);
            for i in 0..len {
                let mut row = vec![0.0; sketch.width()];
                sketch.widen(i, &mut row);
                let length = row.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
                for k in 0..count {
                    let alone = pair_products(sketch.vector(i), [&units[2 * k], &units[2 * k + 1]]);
                    for half in 0..2 {
                        let (own, norm) = column(2 * k + half);
                        let exact = row.iter().zip(&own).map(|(&x, w)| f64::from(x) * w).sum::<f64>() / norm;
                        prop_assert!((f64::from(alone[half]) - exact).abs() <= product_error(dim) * length);
                    }
                }
            }
            let total = (0..2 * count).map(|j| column(j).1.powi(2)).sum::<f64>().sqrt();
            let (directions, unit) = SingleDirections::scaled(&Panels::dense(matrix.as_ref()), total);
            let mut sums = vec![0.0; len];
            widened.quadratic_forms(&directions, &mut sums);
            for (i, sum) in sums.iter().enumerate() {
                let mut row = vec![0.0; sketch.width()];
                sketch.widen(i, &mut row);
                let square = |w: &[f64]| row.iter().zip(w).map(|(&x, w)| f64::from(x) * w).sum::<f64>().powi(2);
                let exact = (0..2 * count).map(|j| square(&column(j).0)).sum::<f64>().sqrt();
                let length = row.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
                prop_assert!((sum.sqrt() * unit - exact).abs() <= product_error(dim) * length * total);
            }
        }
    }
}
