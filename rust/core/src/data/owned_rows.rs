//! Rows that own their memory, such as copies of rows on disk that form a window.

use rayon::prelude::*;

use crate::data::rows::{Rows, View};
use crate::error::{Error, Result};

/// Number of rows that one thread copies at a time.
const CHUNK: usize = 64;

/// Rows in the element type of their source, float32 or float64.
#[derive(Clone, Debug, PartialEq)]
pub struct OwnedRows {
    elements: Elements,
    dim: usize,
}

/// The elements, row after row.
#[derive(Clone, Debug, PartialEq)]
pub enum Elements {
    /// Rows whose elements float32 holds.
    F32(Vec<f32>),
    /// All other rows.
    F64(Vec<f64>),
}

impl OwnedRows {
    /// Rows of `dim` features from their elements, row after row.
    ///
    /// # Errors
    /// [`Error::Shape`] if `dim` is 0 or the last row is incomplete.
    pub fn new(elements: Elements, dim: usize) -> Result<Self> {
        let count = match &elements {
            Elements::F32(elements) => elements.len(),
            Elements::F64(elements) => elements.len(),
        };
        match dim > 0 && count.is_multiple_of(dim) {
            true => Ok(Self { elements, dim }),
            false => Err(Error::Shape(format!("{count} elements do not make whole rows of {dim} features"))),
        }
    }

    /// No rows yet, with the width and the element type of a matrix.
    pub fn none_of(rows: &dyn Rows) -> Self {
        let elements = match rows.is_single() {
            true => Elements::F32(Vec::new()),
            false => Elements::F64(Vec::new()),
        };
        Self { elements, dim: rows.dim() }
    }

    /// No rows yet, in float64.
    pub(crate) fn none_wide(dim: usize) -> Self {
        Self { elements: Elements::F64(Vec::new()), dim }
    }

    /// Copies of some rows of a matrix.
    pub fn copied(rows: &dyn Rows, indices: &[usize]) -> Self {
        let mut out = Self::none_of(rows);
        out.append(rows, indices);
        out
    }

    /// Append copies of rows of a matrix of the same width. If these rows are float32, the matrix must be, too.
    pub(crate) fn append(&mut self, rows: &dyn Rows, indices: &[usize]) {
        let dim = self.dim;
        match &mut self.elements {
            Elements::F32(elements) => append(elements, dim, rows, indices, |x| x as f32),
            Elements::F64(elements) => append(elements, dim, rows, indices, |x| x),
        }
    }

    /// Append a row. If these rows are float32, its elements must be float32 numbers.
    pub(crate) fn push(&mut self, row: &[f64]) {
        match &mut self.elements {
            Elements::F32(elements) => elements.extend(row.iter().map(|&x| x as f32)),
            Elements::F64(elements) => elements.extend_from_slice(row),
        }
    }

    /// The elements, row after row.
    pub fn into_elements(self) -> Elements {
        self.elements
    }
}

fn append<T: Copy + Default + Send>(
    elements: &mut Vec<T>,
    dim: usize,
    rows: &dyn Rows,
    indices: &[usize],
    narrowed: impl Fn(f64) -> T + Sync,
) {
    let first = elements.len();
    elements.resize(first + indices.len() * dim, T::default());
    elements[first..].par_chunks_mut(CHUNK * dim).zip(indices.par_chunks(CHUNK)).for_each_init(
        || vec![0.0; dim],
        |row, (out, indices)| {
            for (out, &index) in out.chunks_exact_mut(dim).zip(indices) {
                rows.read(index, row);
                out.iter_mut().zip(row.iter()).for_each(|(out, &x)| *out = narrowed(x));
            }
        },
    );
}

impl Rows for OwnedRows {
    fn len(&self) -> usize {
        match &self.elements {
            Elements::F32(elements) => elements.len() / self.dim,
            Elements::F64(elements) => elements.len() / self.dim,
        }
    }

    fn dim(&self) -> usize {
        self.dim
    }

    #[inline]
    fn read(&self, index: usize, out: &mut [f64]) {
        match &self.elements {
            Elements::F32(elements) => View::adjacent(elements, self.dim).read(index, out),
            Elements::F64(elements) => View::adjacent(elements, self.dim).read(index, out),
        }
    }

    fn singles(&self) -> Option<Vec<View<'_, f32>>> {
        match &self.elements {
            Elements::F32(elements) => Some(vec![View::adjacent(elements, self.dim)]),
            Elements::F64(_) => None,
        }
    }
}
