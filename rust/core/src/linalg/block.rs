//! Blocks of rows, copied together for the kernel, and products of many rows with many directions.

use std::cell::RefCell;

use rayon::prelude::*;

use super::kernel::{GROUP, LANES};
use super::panels::{Panel, Panels};
use crate::data::rows::Rows;

/// Bytes of a block of rows: it stays in the second level cache while the directions stream past.
const BLOCK_BYTES: usize = 256 << 10;

thread_local! {
    /// Memory that a block of this thread leaves to the next one: fresh pages cost more than the work on a small block.
    static SPARE: RefCell<Vec<f64>> = const { RefCell::new(Vec::new()) };
}

/// Some groups of rows, in float64.
pub(crate) struct Block {
    dim: usize,
    data: Vec<f64>,
}

impl Drop for Block {
    fn drop(&mut self) {
        SPARE.set(std::mem::take(&mut self.data));
    }
}

impl Block {
    /// Number of rows in a full block, a multiple of the kernel's group.
    pub(crate) fn capacity(dim: usize) -> usize {
        GROUP * (BLOCK_BYTES / (GROUP * dim * size_of::<f64>())).clamp(1, 16)
    }

    pub(crate) fn new(dim: usize) -> Self {
        Self { dim, data: SPARE.take() }
    }

    /// Read rows into the block, and pad the last group with zeros.
    pub(crate) fn load(&mut self, rows: &dyn Rows, indices: impl ExactSizeIterator<Item = usize>) {
        let len = indices.len();
        self.data.resize(len.next_multiple_of(GROUP) * self.dim, 0.0);
        for (index, out) in indices.zip(self.data.chunks_exact_mut(self.dim)) {
            rows.read(index, out);
        }
        self.data[len * self.dim..].fill(0.0);
    }

    /// The rows of one group.
    #[inline]
    pub(crate) fn group(&self, group: usize) -> &[f64] {
        let size = GROUP * self.dim;
        &self.data[group * size..(group + 1) * size]
    }

    /// Dot products of one group with one panel.
    #[inline]
    pub(crate) fn dots(&self, group: usize, panel: Panel<'_>) -> [[f64; LANES]; GROUP] {
        panel.dots(self.group(group), self.dim)
    }

    /// Call `work` with the number of a panel, that of a group, and their dot products, for all panels and the groups of
    /// the first `len` rows. A group meets the panels in their order.
    #[inline]
    pub(crate) fn for_each_dots(
        &self,
        directions: &Panels,
        len: usize,
        mut work: impl FnMut(usize, usize, &[[f64; LANES]; GROUP]),
    ) {
        let whole = directions.count() / 2 * 2;
        for p in (0..whole).step_by(2) {
            let panels = [directions.panel(p), directions.panel(p + 1)];
            for group in 0..len.div_ceil(GROUP) {
                let [left, right] = Panel::dots_of_pair(panels, self.group(group), self.dim);
                work(p, group, &left);
                work(p + 1, group, &right);
            }
        }
        for p in whole..directions.count() {
            for group in 0..len.div_ceil(GROUP) {
                work(p, group, &self.dots(group, directions.panel(p)));
            }
        }
    }

    /// Number of elements of a row.
    pub(crate) fn dim(&self) -> usize {
        self.dim
    }

    /// Sum over the directions of the squared dot product, for each row of the block.
    pub(crate) fn quadratic_forms(&self, directions: &Panels, out: &mut [f64]) {
        out.fill(0.0);
        self.for_each_dots(directions, out.len(), |_, group, dots| {
            for (out, dots) in out[group * GROUP..].iter_mut().zip(dots) {
                *out += dots.iter().map(|d| d * d).sum::<f64>();
            }
        });
    }
}

/// Sum over the directions of the squared dot product, for every row.
pub(crate) fn quadratic_forms(rows: &dyn Rows, directions: &Panels) -> Vec<f64> {
    let capacity = Block::capacity(rows.dim());
    let mut out = vec![0.0; rows.len()];
    out.par_chunks_mut(capacity).enumerate().for_each_init(
        || Block::new(rows.dim()),
        |block, (chunk, out)| {
            let first = chunk * capacity;
            block.load(rows, first..first + out.len());
            block.quadratic_forms(directions, out);
        },
    );
    out
}

/// Products of every row with every direction, row after row.
pub(crate) fn project(rows: &dyn Rows, directions: &Panels, out: &mut [f64]) {
    let (dim, width) = (rows.dim(), directions.len());
    let capacity = Block::capacity(dim);
    out.par_chunks_mut(capacity * width).enumerate().for_each_init(
        || Block::new(dim),
        |block, (chunk, out)| {
            let first = chunk * capacity;
            block.load(rows, first..first + out.len() / width);
            block.for_each_dots(directions, out.len() / width, |p, group, dots| {
                let rows = out[group * GROUP * width..].chunks_exact_mut(width);
                rows.zip(dots).for_each(|(out, dots)| store(dots, &mut out[p * LANES..]));
            });
        },
    );
}

/// Copy the products of a panel, or as many as there is room for.
#[inline]
pub(crate) fn store(dots: &[f64; LANES], out: &mut [f64]) {
    match out.first_chunk_mut() {
        Some(out) => *out = *dots,
        None => out.copy_from_slice(&dots[..out.len()]),
    }
}
