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
}

impl Panels {
    pub(crate) fn new(dim: usize) -> Self {
        Self { dim, len: 0, data: Vec::new(), starts: vec![0] }
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
        let mut panels = Self { dim, len, data: Vec::new(), starts: vec![0] };
        for first in (0..len).step_by(LANES) {
            let (start, reach) = (panels.data.len(), reach(first / LANES));
            panels.data.resize(start + reach * LANES, 0.0);
            for (lane, column) in (first..len.min(first + LANES)).enumerate() {
                for k in 0..reach {
                    panels.data[start + k * LANES + lane] = matrix[(k, column)];
                }
            }
            panels.starts.push(panels.data.len());
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

    pub(crate) fn panel(&self, panel: usize) -> &[f64] {
        &self.data[self.starts[panel]..self.starts[panel + 1]]
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
            let [left, right] = dots_of_two(rows, stride, [self.panel(p), self.panel(p + 1)]);
            work(p, left);
            work(p + 1, right);
        }
        for p in whole..self.count() {
            work(p, dots(rows, stride, self.panel(p)));
        }
    }

    /// Products of a group of rows with all directions, row after row.
    pub(crate) fn project_group(&self, rows: &[f64], out: &mut [f64]) {
        self.for_each_dots(rows, self.dim, |p, dots| {
            out.chunks_exact_mut(self.len).zip(&dots).for_each(|(out, dots)| store(dots, &mut out[p * LANES..]));
        });
    }

    /// One direction, as far as its panel is stored.
    pub(crate) fn direction(&self, index: usize) -> Vec<f64> {
        let lane = index % LANES;
        self.panel(index / LANES).chunks_exact(LANES).map(|w| w[lane]).collect()
    }

    /// Append a direction.
    pub(crate) fn push(&mut self, direction: &[f64]) {
        let lane = self.len % LANES;
        if lane == 0 {
            self.data.resize(self.data.len() + self.dim * LANES, 0.0);
            self.starts.push(self.data.len());
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
        self.len -= panels * LANES;
    }

    /// Dot products of one vector with every direction.
    pub(crate) fn project(&self, x: &[f64]) -> Vec<f64> {
        let mut group = vec![0.0; GROUP * self.dim];
        group[..self.dim].copy_from_slice(x);
        let mut out: Vec<f64> = (0..self.count()).flat_map(|p| dots(&group, self.dim, self.panel(p))[0]).collect();
        out.truncate(self.len);
        out
    }

    /// The sum of the directions, each times its dot product with a vector; and the sum of the squared products.
    pub(crate) fn square_times(&self, x: &[f64]) -> (Vec<f64>, f64) {
        let mut out = vec![0.0; self.dim];
        let square = (0..self.count()).map(|p| square_times(x, self.panel(p), &mut out)).sum();
        (out, square)
    }

    /// The linear combination of the directions with the given coefficients.
    pub(crate) fn combine(&self, coefficients: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; self.dim];
        for (p, c) in coefficients.chunks(LANES).enumerate() {
            let mut lanes = [0.0; LANES];
            lanes[..c.len()].copy_from_slice(c);
            for (o, w) in out.iter_mut().zip(self.panel(p).chunks_exact(LANES)) {
                *o += w.iter().zip(&lanes).map(|(w, c)| w * c).sum::<f64>();
            }
        }
        out
    }
}
