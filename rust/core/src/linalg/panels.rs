//! Directions, stored in panels of `LANES` for the kernel.

use faer::{Mat, MatRef};

use super::block::store;
use super::kernel::{GROUP, LANES, dots, dots_of_two, square_times};

/// A growing list of directions of `dim` elements each.
#[derive(Clone, Debug)]
pub(crate) struct Panels {
    dim: usize,
    len: usize,
    data: Vec<f64>,
    /// Offset of each panel in `data`, then the end of the last one.
    starts: Vec<usize>,
    /// The first element that is stored of the directions of each panel; the same for both panels of a pair.
    firsts: Vec<usize>,
}

/// `LANES` directions, without the zeros that all of them begin and end with.
#[derive(Clone, Copy)]
pub(crate) struct Panel<'a> {
    /// The first element that is stored.
    first: usize,
    elements: &'a [f64],
}

impl<'a> Panel<'a> {
    /// Dot products of a group of rows, `stride` elements apart, with the directions.
    #[inline]
    pub(crate) fn dots(self, rows: &[f64], stride: usize) -> [[f64; LANES]; GROUP] {
        dots(&rows[self.first..], stride, self.elements)
    }

    /// [`Panel::dots`] for the two panels of a pair.
    #[inline]
    pub(crate) fn dots_of_pair([left, right]: [Self; 2], rows: &[f64], stride: usize) -> [[[f64; LANES]; GROUP]; 2] {
        debug_assert_eq!(left.first, right.first, "the panels of a pair begin with the same element");
        dots_of_two(&rows[left.first..], stride, [left.elements, right.elements])
    }

    /// The element after the last one that is stored.
    pub(crate) fn end(self) -> usize {
        self.first + self.elements.len() / LANES
    }

    /// Element `k` of each direction.
    pub(crate) fn lanes(self, k: usize) -> [f64; LANES] {
        let stored = k.checked_sub(self.first).and_then(|k| self.elements.as_chunks().0.get(k));
        stored.copied().unwrap_or_default()
    }

    /// The elements that are stored, those of all directions side by side, each with its number.
    fn iter(self) -> impl Iterator<Item = (usize, &'a [f64; LANES])> {
        (self.first..).zip(self.elements.as_chunks().0)
    }
}

impl Panels {
    pub(crate) fn new(dim: usize) -> Self {
        Self { dim, len: 0, data: Vec::new(), starts: vec![0], firsts: Vec::new() }
    }

    /// The columns of an upper triangular matrix, without the zeros below the diagonal.
    pub(crate) fn upper(matrix: MatRef<'_, f64>) -> Self {
        let dim = matrix.nrows();
        let reach = |panel: usize| ((panel + 1) * LANES).min(dim);
        Self::columns(matrix, reach)
    }

    /// The columns of a matrix.
    pub(crate) fn dense(matrix: MatRef<'_, f64>) -> Self {
        Self::columns(matrix, |_| matrix.nrows())
    }

    /// Directions that give every row the same sum of squared products as the columns of the matrix do. The matrix must
    /// not be wider than high. The directions are triangular; their zeros are not stored.
    pub(crate) fn rotated(matrix: MatRef<'_, f64>) -> Self {
        // With matrix^T = Q R of the columns in reverse order, |matrix^T x| = |R x|.
        let dim = matrix.nrows();
        let qr = matrix.transpose().reverse_cols().qr();
        let triangle = qr.thin_R();
        let rotated = Mat::from_fn(dim, matrix.ncols(), |i, j| match dim - 1 - i {
            k if k >= j => triangle[(j, k)],
            _ => 0.0,
        });
        Self::columns(rotated.as_ref(), |panel| dim - panel * LANES)
    }

    fn columns(matrix: MatRef<'_, f64>, reach: impl Fn(usize) -> usize) -> Self {
        let (dim, len) = (matrix.nrows(), matrix.ncols());
        let mut panels = Self::new(dim);
        panels.len = len;
        for pair in (0..len).step_by(2 * LANES) {
            let columns = pair..len.min(pair + 2 * LANES);
            let is_zero = |k: usize| columns.clone().all(|column| matrix[(k, column)] == 0.0);
            let first = (0..reach(pair / LANES)).take_while(|&k| is_zero(k)).count();
            for start in columns.clone().step_by(LANES) {
                let lanes = start..columns.end.min(start + LANES);
                for k in first..reach(start / LANES) {
                    let element = |lane: usize| if start + lane < lanes.end { matrix[(k, start + lane)] } else { 0.0 };
                    panels.data.extend((0..LANES).map(element));
                }
                panels.firsts.push(first);
                panels.starts.push(panels.data.len());
            }
        }
        panels
    }

    /// Number of directions.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn dim(&self) -> usize {
        self.dim
    }

    /// Number of panels; the last one may be partly filled.
    pub(crate) fn count(&self) -> usize {
        self.starts.len() - 1
    }

    pub(crate) fn panel(&self, panel: usize) -> Panel<'_> {
        Panel { first: self.firsts[panel], elements: &self.data[self.starts[panel]..self.starts[panel + 1]] }
    }

    /// Call `work` with the number of a panel and the products of a group of rows with its directions, for all panels.
    #[inline]
    pub(crate) fn for_each_dots(
        &self,
        rows: &[f64],
        stride: usize,
        mut work: impl FnMut(usize, [[f64; LANES]; GROUP]),
    ) {
        let whole = self.count() / 2 * 2;
        for p in (0..whole).step_by(2) {
            let [left, right] = Panel::dots_of_pair([self.panel(p), self.panel(p + 1)], rows, stride);
            work(p, left);
            work(p + 1, right);
        }
        for p in whole..self.count() {
            work(p, self.panel(p).dots(rows, stride));
        }
    }

    /// Products of a group of rows with all directions, row after row.
    pub(crate) fn project_group(&self, rows: &[f64], out: &mut [f64]) {
        self.for_each_dots(rows, self.dim, |p, dots| {
            out.chunks_exact_mut(self.len).zip(&dots).for_each(|(out, dots)| store(dots, &mut out[p * LANES..]));
        });
    }

    /// One direction, up to the last element that its panel stores.
    pub(crate) fn direction(&self, index: usize) -> Vec<f64> {
        let panel = self.panel(index / LANES);
        (0..panel.end()).map(|k| panel.lanes(k)[index % LANES]).collect()
    }

    /// Append a direction.
    pub(crate) fn push(&mut self, direction: &[f64]) {
        let lane = self.len % LANES;
        if lane == 0 {
            self.data.resize(self.data.len() + self.dim * LANES, 0.0);
            self.starts.push(self.data.len());
            self.firsts.push(0);
        }
        let start = self.starts[self.count() - 1];
        for (k, &w) in direction.iter().enumerate() {
            self.data[start + k * LANES + lane] = w;
        }
        self.len += 1;
    }

    /// Remove the first `panels` panels, which must be full and stored at full length.
    pub(crate) fn drop_first(&mut self, panels: usize) {
        let elements = panels * self.dim * LANES;
        self.data.drain(..elements);
        self.starts.truncate(self.starts.len() - panels);
        self.firsts.drain(..panels);
        self.len -= panels * LANES;
    }

    /// Dot products of one vector with every direction.
    pub(crate) fn project(&self, x: &[f64]) -> Vec<f64> {
        let mut group = vec![0.0; GROUP * self.dim];
        group[..self.dim].copy_from_slice(x);
        let mut out: Vec<f64> = (0..self.count()).flat_map(|p| self.panel(p).dots(&group, self.dim)[0]).collect();
        out.truncate(self.len);
        out
    }

    /// The sum of the directions, each times its dot product with a vector; and the sum of the squared products.
    pub(crate) fn square_times(&self, x: &[f64]) -> (Vec<f64>, f64) {
        let mut out = vec![0.0; self.dim];
        let square = |Panel { first, elements }| square_times(&x[first..], elements, &mut out[first..]);
        let square = (0..self.count()).map(|p| self.panel(p)).map(square).sum();
        (out, square)
    }

    /// The linear combination of the directions with the given coefficients.
    pub(crate) fn combine(&self, coefficients: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; self.dim];
        for (p, c) in coefficients.chunks(LANES).enumerate() {
            let mut lanes = [0.0; LANES];
            lanes[..c.len()].copy_from_slice(c);
            for (k, w) in self.panel(p).iter() {
                out[k] += w.iter().zip(&lanes).map(|(w, c)| w * c).sum::<f64>();
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blocks on the diagonal, as of a prior or of features of several elements: zeros before and after a direction are
    /// not stored, and change no product.
    #[test]
    fn zeros_before_and_after_a_direction_are_left_out() {
        for (dim, block) in [(5, 1), (40, 1), (61, 20), (64, 64)] {
            let value = |i: usize, j: usize| 1.0 + ((i * dim + j) as f64 * 0.7).sin();
            let matrix =
                Mat::from_fn(dim, dim, |i, j| if i / block == j / block && i <= j { value(i, j) } else { 0.0 });
            let panels = Panels::upper(matrix.as_ref());
            let x: Vec<f64> = (0..dim).map(|k| (k as f64 * 1.3).cos()).collect();
            let product = |j: usize| (0..dim).map(|i| x[i] * matrix[(i, j)]).sum::<f64>();
            let products: Vec<f64> = (0..dim).map(product).collect();
            let mut rows = vec![0.0; GROUP * dim];
            rows[dim..2 * dim].copy_from_slice(&x);
            let mut all = vec![0.0; GROUP * dim];
            panels.project_group(&rows, &mut all);
            let (image, square) = panels.square_times(&x);
            let combined = panels.combine(&products);
            for (j, &expected) in products.iter().enumerate() {
                assert!((panels.project(&x)[j] - expected).abs() < 1e-12);
                assert!((all[dim + j] - expected).abs() < 1e-12);
                let direction = panels.direction(j);
                assert!((0..dim).all(|i| direction.get(i).copied().unwrap_or(0.0) == matrix[(i, j)]));
                let sum = (0..dim).map(|k| matrix[(j, k)] * products[k]).sum::<f64>();
                assert!((image[j] - sum).abs() < 1e-11 && (combined[j] - sum).abs() < 1e-11);
            }
            assert!((square - products.iter().map(|p| p * p).sum::<f64>()).abs() < 1e-11 * square);
            let stored: usize = (0..panels.count()).map(|p| panels.panel(p).elements.len()).sum();
            assert!(stored <= dim.next_multiple_of(LANES) * (block + 2 * LANES), "{dim} {block} {stored}");
        }
    }
}
