//! The Gram matrix `X^T X` of many rows: one pass over them, at the speed of a matrix product.
//!
//! The kernel gets the columns of `X` both as rows and as directions, for one slab of rows of `X` after the other. Only
//! tiles on and above the diagonal are computed. A tile belongs to one thread, which sums its slabs in the order of the
//! rows, so the number of threads changes no bit of the result.

use std::ops::Range;

use faer::Mat;
use rayon::prelude::*;

use super::kernel::{GROUP, LANES, Number, SINGLE_LANES};
use crate::data::rows::{Rows, View};
use crate::error::{Error, Result};

/// Bytes of a column in a slab: the panels of a stripe stay in the first two levels of the cache.
const COLUMN_BYTES: usize = 1024;
/// Panels in a stripe of columns; the number of their columns is a multiple of the kernel's group.
const PANELS: usize = 6;
/// Rows that are copied together when a slab is filled, so that whole cache lines are written.
const COPIED: usize = 16;
/// A sum of squares below this may have lost digits to denormal numbers.
const SMALLEST: f64 = 1e-280;

/// Products of a group of columns with those of each panel of a stripe.
type Tiles<const L: usize> = [[[f64; L]; GROUP]; PANELS];

/// `X^T X` in float64; the rows of `X` are those of all matrices.
///
/// # Errors
/// [`Error::Dimension`] if the matrices are not equally wide, [`Error::NotFinite`] with the matrix and the first of its
/// rows that has a NaN or an infinity, [`Error::Shape`] if squares exceed the range of float64 or vanish in it.
pub(crate) fn gram(matrices: &[(&'static str, &dyn Rows)]) -> Result<Mat<f64>> {
    let dim = matrices.first().map_or(0, |(_, rows)| rows.dim());
    if let Some((what, rows)) = matrices.iter().find(|(_, rows)| rows.dim() != dim) {
        return Err(Error::Dimension { what, expected: dim, given: rows.dim() });
    }
    let mut stripes = stripes::<LANES>(dim);
    matrices
        .iter()
        .for_each(|(_, rows)| add(&mut stripes, rows.len(), dim, |index, out: &mut [f64]| rows.read(index, out)));
    let gram = assemble(&stripes, dim);
    let trace: f64 = (0..dim).map(|i| gram[(i, i)]).sum();
    if !(SMALLEST..).contains(&trace) || !trace.is_finite() {
        check_range(matrices, trace)?;
    }
    Ok(gram)
}

/// A growing sum of `x x^T` over rows `x` in float64.
pub(crate) struct GramSum {
    dim: usize,
    stripes: Vec<Vec<Tiles<LANES>>>,
}

impl GramSum {
    pub(crate) fn new(dim: usize) -> Self {
        Self { dim, stripes: stripes::<LANES>(dim) }
    }

    /// Add rows, given one after the other.
    pub(crate) fn add(&mut self, rows: &[f64]) {
        let (dim, len) = (self.dim, rows.len() / self.dim);
        add(&mut self.stripes, len, dim, |index, out: &mut [f64]| {
            out.copy_from_slice(&rows[index * dim..(index + 1) * dim]);
        });
    }

    pub(crate) fn sum(&self) -> Mat<f64> {
        assemble(&self.stripes, self.dim)
    }
}

/// Refuse features that are not finite, and features whose squares overflow or vanish in float64.
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

/// `X^T X` of float32 rows, with the products of a slab in float32 and sums of slabs in float64: twice as fast, with an
/// error near 1e-8 relative to the mean of the diagonal.
///
/// Features that are not finite, or whose squares overflow float32, give a result that is not finite.
///
/// The division of a matrix into parts changes no bit of the result.
pub(crate) fn single_gram(matrices: &[Vec<View<'_, f32>>]) -> Mat<f64> {
    let dim = matrices.iter().flatten().next().map_or(0, Rows::dim);
    let mut stripes = stripes::<SINGLE_LANES>(dim);
    for parts in matrices {
        let mut ends: Vec<usize> = parts.iter().map(Rows::len).collect();
        (1..ends.len()).for_each(|part| ends[part] += ends[part - 1]);
        let read = |index: usize, out: &mut [f32]| {
            let part = ends.partition_point(|&end| end <= index);
            out.copy_from_slice(parts[part].row(index + parts[part].len() - ends[part]));
        };
        add(&mut stripes, ends.last().copied().unwrap_or(0), dim, read);
    }
    assemble(&stripes, dim)
}

/// Number of rows in a slab.
const fn depth<T>() -> usize {
    COLUMN_BYTES / size_of::<T>()
}

fn stripes<const L: usize>(dim: usize) -> Vec<Vec<Tiles<L>>> {
    let groups = L * PANELS / GROUP;
    (0..dim.div_ceil(L * PANELS)).map(|stripe| vec![[[[0.0; L]; GROUP]; PANELS]; (stripe + 1) * groups]).collect()
}

/// Some rows of `X` in two layouts: column after column, and in panels of columns.
struct Slab<T> {
    columns: Vec<T>,
    panels: Vec<T>,
}

fn add<T: Number<L>, const L: usize>(
    stripes: &mut [Vec<Tiles<L>>],
    len: usize,
    dim: usize,
    read: impl Fn(usize, &mut [T]) + Sync,
) {
    let depth = depth::<T>();
    let size = stripes.len() * L * PANELS * depth;
    if size == 0 || len == 0 {
        return;
    }
    // The number of slabs between two barriers affects the time only.
    let count = rayon::current_num_threads().min(len.div_ceil(depth));
    let slab = || Slab { columns: vec![T::default(); size], panels: vec![T::default(); size] };
    let mut slabs: Vec<Slab<T>> = (0..count).map(|_| slab()).collect();
    for first in (0..len).step_by(count * depth) {
        let used = count.min((len - first).div_ceil(depth));
        slabs[..used].par_iter_mut().enumerate().for_each(|(s, slab)| {
            let start = first + s * depth;
            slab.fill(start..len.min(start + depth), dim, &read);
        });
        // The last stripe has the most tiles.
        stripes.par_iter_mut().enumerate().rev().with_max_len(1).for_each(|(stripe, tiles)| {
            slabs[..used].iter().for_each(|slab| slab.add_products(dim, stripe, tiles));
        });
    }
}

impl<T> Slab<T> {
    /// Read rows, with zeros after the last one.
    fn fill<const L: usize>(&mut self, rows: Range<usize>, dim: usize, read: impl Fn(usize, &mut [T]))
    where
        T: Number<L>,
    {
        let depth = depth::<T>();
        let width = self.columns.len() / depth;
        let mut copied = vec![T::default(); COPIED * width];
        for start in (0..depth).step_by(COPIED) {
            for (index, row) in (rows.start + start..).zip(copied.chunks_exact_mut(width)) {
                match index < rows.end {
                    true => read(index, &mut row[..dim]),
                    false => row.fill(T::default()),
                }
            }
            let places = start * L..(start + COPIED) * L;
            let panels = self.panels.chunks_exact_mut(depth * L);
            for (p, (panel, columns)) in panels.zip(self.columns.chunks_exact_mut(depth * L)).enumerate() {
                let mut block = [[T::default(); L]; COPIED];
                for (place, row) in block.iter_mut().zip(copied.chunks_exact(width)) {
                    place.copy_from_slice(&row[p * L..(p + 1) * L]);
                }
                panel[places.clone()].copy_from_slice(block.as_flattened());
                for (l, column) in columns.chunks_exact_mut(depth).enumerate() {
                    let part: [T; COPIED] = std::array::from_fn(|r| block[r][l]);
                    column[start..start + COPIED].copy_from_slice(&part);
                }
            }
        }
    }

    fn add_products<const L: usize>(&self, dim: usize, stripe: usize, tiles: &mut [Tiles<L>])
    where
        T: Number<L>,
    {
        let depth = depth::<T>();
        // The last stripe may end in panels of zeros.
        let panels = stripe * PANELS..dim.div_ceil(L).min((stripe + 1) * PANELS);
        for (group, tiles) in tiles.iter_mut().enumerate() {
            let columns = &self.columns[group * GROUP * depth..(group + 1) * GROUP * depth];
            // Tiles below the diagonal are left out.
            let first = panels.clone().find(|panel| group * GROUP < (panel + 1) * L).unwrap_or(panels.end);
            let panel = |panel: usize| &self.panels[panel * L * depth..(panel + 1) * L * depth];
            let tiles = &mut tiles[first - panels.start..panels.end - panels.start];
            let (pairs, rest) = tiles.as_chunks_mut();
            for (pair, [left, right]) in pairs.iter_mut().enumerate() {
                let at = first + 2 * pair;
                let [a, b] = T::dots_of_two(columns, depth, [panel(at), panel(at + 1)]);
                add_tile(left, &a);
                add_tile(right, &b);
            }
            rest.iter_mut().for_each(|tile| add_tile(tile, &T::dots(columns, depth, panel(panels.end - 1))));
        }
    }
}

fn add_tile<T: Number<L>, const L: usize>(tile: &mut [[f64; L]; GROUP], sums: &[[T; L]; GROUP]) {
    for (total, &sum) in tile.as_flattened_mut().iter_mut().zip(sums.as_flattened()) {
        *total += sum.into();
    }
}

fn assemble<const L: usize>(stripes: &[Vec<Tiles<L>>], dim: usize) -> Mat<f64> {
    let width = L * PANELS;
    let upper = |i: usize, j: usize| stripes[j / width][i / GROUP][j % width / L][i % GROUP][j % L];
    Mat::from_fn(dim, dim, |i, j| upper(i.min(j), i.max(j)))
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn float32_rows_are_summed_in_float64() {
        for (dim, len) in [(1, 3), (50, 1000), (33, 20_000)] {
            let data: Vec<f32> = values(len * dim, 0.1).iter().map(|&x| x as f32).collect();
            let view = View::new(&data, len, dim).unwrap();
            let exact = gram(&[("rows", &view)]).unwrap();
            let pools = [1, 3].map(|n| rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap());
            let (first, rest) = data.split_at(len / 3 * dim);
            let parts = [first, rest].map(|part| View::new(part, part.len() / dim, dim).unwrap());
            let [one, three] = pools.map(|pool| pool.install(|| single_gram(&[vec![view]])));
            let parted = single_gram(&[parts.to_vec()]);
            for i in 0..dim {
                for j in 0..dim {
                    assert!((one[(i, j)] - exact[(i, j)]).abs() < 1e-6 * (exact[(i, i)] * exact[(j, j)]).sqrt());
                    assert_eq!(one[(i, j)], three[(i, j)]);
                    assert_eq!(one[(i, j)], parted[(i, j)]);
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
