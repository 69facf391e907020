//! The Gram matrix `X^T X` of many rows: one pass over them, at the speed of a matrix product.
//!
//! To the kernel the columns of `X` are both the rows and the directions, a slab of rows of `X` at a time. Only tiles on
//! and above the diagonal are computed. A tile belongs to one thread and adds up its slabs in the order of the rows, so
//! the number of threads changes no bit of the result.

use faer::Mat;
use rayon::prelude::*;

use super::kernel::{GROUP, LANES, dots};
use crate::error::{Error, Result};
use crate::rows::Rows;

/// Rows of a slab: one group of columns and the panels of one stripe fit into the first level cache.
const DEPTH: usize = 128;
/// Columns of a stripe, a multiple of the kernel's group and of its panel.
const STRIPE: usize = 24;
const GROUPS: usize = STRIPE / GROUP;
const PANELS: usize = STRIPE / LANES;
/// Rows that are copied together when a slab is filled, so that whole cache lines are written.
const COPIED: usize = 8;

/// A sum of squares below this has lost digits to the smallest numbers there are.
const SMALLEST: f64 = 1e-280;

/// Products of a group of columns with those of each panel of a stripe.
type Tiles = [[[f64; LANES]; GROUP]; PANELS];

/// `X^T X` in float64, where the rows of `X` are those of all matrices.
///
/// # Errors
/// [`Error::Dimension`] if the matrices are not equally wide, [`Error::NotFinite`] with the matrix and the first of its
/// rows that has a NaN or an infinity, [`Error::Shape`] if squares exceed the range of float64 or vanish in it.
pub(crate) fn gram(matrices: &[(&'static str, &dyn Rows)]) -> Result<Mat<f64>> {
    let dim = matrices.first().map_or(0, |(_, rows)| rows.dim());
    if let Some((what, rows)) = matrices.iter().find(|(_, rows)| rows.dim() != dim) {
        return Err(Error::Dimension { what, expected: dim, given: rows.dim() });
    }
    let mut stripes: Vec<Vec<Tiles>> =
        (0..dim.div_ceil(STRIPE)).map(|stripe| vec![Tiles::default(); (stripe + 1) * GROUPS]).collect();
    matrices.iter().for_each(|(_, rows)| add(&mut stripes, *rows));
    let gram = assemble(&stripes, dim);
    let trace: f64 = (0..dim).map(|i| gram[(i, i)]).sum();
    if !(SMALLEST..).contains(&trace) || !trace.is_finite() {
        check_range(matrices, trace)?;
    }
    Ok(gram)
}

/// Refuse features that are not finite, and such whose squares are not, or not above zero although they are.
fn check_range(matrices: &[(&'static str, &dyn Rows)], trace: f64) -> Result<()> {
    let mut zero = true;
    for &(what, rows) in matrices {
        let mut row = vec![0.0; rows.dim()];
        for index in 0..rows.len() {
            rows.read(index, &mut row);
            if row.iter().any(|x| !x.is_finite()) {
                return Err(Error::NotFinite { what, row: index });
            }
            zero &= row.iter().all(|&x| x == 0.0);
        }
    }
    match trace.is_finite() {
        true if zero => Ok(()),
        true => Err(Error::Shape("the squares of the features vanish in float64: scale the features up".into())),
        false => Err(Error::Shape("the squares of the features exceed float64: scale the features down".into())),
    }
}

/// Some rows of `X`, once column after column and once in panels of columns.
struct Slab {
    columns: Vec<f64>,
    panels: Vec<f64>,
}

fn add(stripes: &mut [Vec<Tiles>], rows: &dyn Rows) {
    let size = stripes.len() * STRIPE * DEPTH;
    if size == 0 || rows.is_empty() {
        return;
    }
    // How many slabs there are between two waits of the threads for each other changes nothing but the time.
    let count = rayon::current_num_threads().min(rows.len().div_ceil(DEPTH));
    let mut slabs: Vec<Slab> = (0..count).map(|_| Slab { columns: vec![0.0; size], panels: vec![0.0; size] }).collect();
    for first in (0..rows.len()).step_by(count * DEPTH) {
        let used = count.min((rows.len() - first).div_ceil(DEPTH));
        slabs[..used].par_iter_mut().enumerate().for_each(|(s, slab)| slab.fill(rows, first + s * DEPTH));
        // The last stripe is the longest.
        stripes.par_iter_mut().enumerate().rev().with_max_len(1).for_each(|(stripe, tiles)| {
            slabs[..used].iter().for_each(|slab| slab.add_products(stripe, tiles));
        });
    }
}

impl Slab {
    /// Read the rows from `first` on, with zeros after the last one.
    fn fill(&mut self, rows: &dyn Rows, first: usize) {
        let width = self.columns.len() / DEPTH;
        let mut copied = vec![0.0; COPIED * width];
        for start in (0..DEPTH).step_by(COPIED) {
            for (index, row) in (first + start..).zip(copied.chunks_exact_mut(width)) {
                match index < rows.len() {
                    true => rows.read(index, &mut row[..rows.dim()]),
                    false => row.fill(0.0),
                }
            }
            let places = start * LANES..(start + COPIED) * LANES;
            let panels = self.panels.chunks_exact_mut(DEPTH * LANES);
            for (p, (panel, columns)) in panels.zip(self.columns.chunks_exact_mut(DEPTH * LANES)).enumerate() {
                let mut block = [[0.0; LANES]; COPIED];
                for (place, row) in block.iter_mut().zip(copied.chunks_exact(width)) {
                    place.copy_from_slice(&row[p * LANES..(p + 1) * LANES]);
                }
                panel[places.clone()].copy_from_slice(block.as_flattened());
                for (l, column) in columns.chunks_exact_mut(DEPTH).enumerate() {
                    let part: [f64; COPIED] = std::array::from_fn(|r| block[r][l]);
                    column[start..start + COPIED].copy_from_slice(&part);
                }
            }
        }
    }

    fn add_products(&self, stripe: usize, tiles: &mut [Tiles]) {
        for (group, tiles) in tiles.iter_mut().enumerate() {
            let columns = &self.columns[group * GROUP * DEPTH..(group + 1) * GROUP * DEPTH];
            for (panel, tile) in (stripe * PANELS..).zip(tiles) {
                if group * GROUP < (panel + 1) * LANES {
                    let sums = dots(columns, DEPTH, &self.panels[panel * LANES * DEPTH..(panel + 1) * LANES * DEPTH]);
                    for (total, sum) in tile.as_flattened_mut().iter_mut().zip(sums.as_flattened()) {
                        *total += sum;
                    }
                }
            }
        }
    }
}

fn assemble(stripes: &[Vec<Tiles>], dim: usize) -> Mat<f64> {
    let upper = |i: usize, j: usize| {
        let (stripe, panel) = (j / STRIPE, j % STRIPE / LANES);
        stripes[stripe][i / GROUP][panel][i % GROUP][j % LANES]
    };
    Mat::from_fn(dim, dim, |i, j| upper(i.min(j), i.max(j)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::View;

    fn values(count: usize, seed: f64) -> Vec<f64> {
        (0..count).map(|k| ((seed + k as f64 * 12.9898).sin() * 43758.5453).fract()).collect()
    }

    #[test]
    fn equals_the_plain_sums_and_ignores_the_threads() {
        for (dim, len, more) in [(1, 1, 3), (4, 700, 0), (13, 255, 2), (30, 5, 260), (50, 1000, 1)] {
            let (a, b) = (values(len * dim, 0.3), values(more * dim, 0.7));
            let b: Vec<f32> = b.iter().map(|&x| x as f32).collect();
            let (first, second) = (View::new(&a, len, dim).unwrap(), View::new(&b, more, dim).unwrap());
            let matrices: [(&str, &dyn Rows); 2] = [("a", &first), ("b", &second)];
            let all: Vec<f64> = a.iter().copied().chain(b.iter().map(|&x| f64::from(x))).collect();
            let pools = [1, 3].map(|n| rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap());
            let [one, three] = pools.map(|pool| pool.install(|| gram(&matrices).unwrap()));
            for i in 0..dim {
                for j in 0..dim {
                    let plain: f64 = all.chunks(dim).map(|row| row[i] * row[j]).sum();
                    assert!((one[(i, j)] - plain).abs() < 1e-12 * (len + more) as f64, "{dim} {i} {j}");
                    assert_eq!(one[(i, j)], three[(i, j)]);
                    assert_eq!(one[(i, j)], one[(j, i)]);
                }
            }
        }
    }

    #[test]
    fn refuses_what_is_not_finite_and_other_widths() {
        let (good, bad, wide) = ([1.0; 4], [0.0, 1.0, 2.0, f64::NAN], [1.0; 3]);
        let (good, bad) = (View::new(&good, 2, 2).unwrap(), View::new(&bad, 2, 2).unwrap());
        let wide = View::new(&wide, 1, 3).unwrap();
        let error = gram(&[("good", &good), ("bad", &bad)]).unwrap_err();
        assert!(matches!(error, Error::NotFinite { what: "bad", row: 1 }), "{error}");
        for (size, message) in [(1e200, "exceed"), (1e-200, "vanish")] {
            let rows = [size; 4];
            let error = gram(&[("rows", &View::new(&rows, 2, 2).unwrap())]).unwrap_err();
            assert!(matches!(&error, Error::Shape(problem) if problem.contains(message)), "{error}");
        }
        let error = gram(&[("good", &good), ("wide", &wide)]).unwrap_err();
        assert!(matches!(error, Error::Dimension { what: "wide", expected: 2, given: 3 }), "{error}");
    }
}
