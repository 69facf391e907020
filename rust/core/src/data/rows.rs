//! Matrices that are read row by row, and the pool of candidates.

use std::ops::Range;

use crate::data::groups::Groups;
use crate::data::mean_square::mean_square;
use crate::data::pages;
use crate::error::{Error, Result};

/// Bytes of a block of [`in_blocks`], counted in float64.
pub(crate) const BLOCK_BYTES: usize = 32 << 20;

#[cfg(test)]
thread_local! {
    /// Bytes of a block in a test: so few that a small pool has several blocks.
    pub(crate) static TEST_BLOCK_BYTES: std::cell::Cell<usize> = const { std::cell::Cell::new(16 << 10) };
}

fn block_bytes() -> usize {
    #[cfg(test)]
    return TEST_BLOCK_BYTES.get();
    #[cfg(not(test))]
    BLOCK_BYTES
}

/// A matrix that can be read row by row, of any element type and in any storage.
pub trait Rows: Sync {
    /// Number of rows.
    fn len(&self) -> usize;

    /// Whether there is no row.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of features per row.
    fn dim(&self) -> usize;

    /// Write row `index` as float64 into `out`, which has `dim` elements.
    fn read(&self, index: usize, out: &mut [f64]);

    /// Views of the rows, in consecutive parts, if they are stored as float32.
    fn singles(&self) -> Option<Vec<View<'_, f32>>> {
        None
    }

    /// Whether float32 holds every element.
    fn is_single(&self) -> bool {
        self.singles().is_some()
    }

    /// Announce that rows will be read soon, so that rows on disk can be fetched in advance.
    fn expect(&self, _rows: Range<usize>) {}

    /// Announce that rows will not be read for a while, so that rows on disk can leave memory.
    fn release(&self, _rows: Range<usize>) {}
}

impl<R: Rows + ?Sized> Rows for &R {
    fn len(&self) -> usize {
        (**self).len()
    }

    fn dim(&self) -> usize {
        (**self).dim()
    }

    fn read(&self, index: usize, out: &mut [f64]) {
        (**self).read(index, out);
    }

    fn singles(&self) -> Option<Vec<View<'_, f32>>> {
        (**self).singles()
    }

    fn is_single(&self) -> bool {
        (**self).is_single()
    }

    fn expect(&self, rows: Range<usize>) {
        (**self).expect(rows);
    }

    fn release(&self, rows: Range<usize>) {
        (**self).release(rows);
    }
}

/// Call `work` with one block of rows after the other. Of rows on disk, only that block and the next are in memory.
///
/// The number of rows in every block but the last is a multiple of `unit`.
pub(crate) fn in_blocks(rows: &dyn Rows, unit: usize, mut work: impl FnMut(Range<usize>) -> Result<()>) -> Result<()> {
    let len = rows.len();
    let step = (block_bytes() / (rows.dim().max(1) * size_of::<f64>())).max(1).next_multiple_of(unit);
    for first in (0..len).step_by(step) {
        let range = first..len.min(first + step);
        rows.expect(range.end..len.min(range.end + step));
        let done = work(range.clone());
        rows.release(range);
        done?;
    }
    Ok(())
}

/// A matrix of the given width without rows.
pub(crate) struct NoRows(pub(crate) usize);

impl Rows for NoRows {
    fn len(&self) -> usize {
        0
    }

    fn dim(&self) -> usize {
        self.0
    }

    fn read(&self, _index: usize, _out: &mut [f64]) {}
}

/// An element type of features.
pub trait Element: Copy + Into<f64> + Send + Sync {
    /// The elements as float32, if that is their type.
    fn single(data: &[Self]) -> Option<&[f32]>;
}

impl Element for f32 {
    fn single(data: &[Self]) -> Option<&[f32]> {
        Some(data)
    }
}

impl Element for f64 {
    fn single(_: &[Self]) -> Option<&[f32]> {
        None
    }
}

/// Borrowed rows; there may be gaps between consecutive rows.
#[derive(Clone, Copy, Debug)]
pub struct View<'a, T> {
    data: &'a [T],
    len: usize,
    dim: usize,
    stride: usize,
    in_file: bool,
}

impl<'a, T: Element> View<'a, T> {
    /// `len` adjacent rows of `dim` elements.
    ///
    /// # Errors
    /// [`Error::Shape`] if `data` does not hold exactly `len * dim` elements.
    pub fn new(data: &'a [T], len: usize, dim: usize) -> Result<Self> {
        if len.checked_mul(dim) != Some(data.len()) {
            return Err(Error::Shape(format!(
                "{len} rows of {dim} features need {len} x {dim} elements, given {}",
                data.len()
            )));
        }
        Ok(Self { data, len, dim, stride: dim, in_file: false })
    }

    /// As many adjacent rows of `dim` elements as `data` holds.
    pub(crate) fn adjacent(data: &'a [T], dim: usize) -> Self {
        Self { data, len: data.len() / dim, dim, stride: dim, in_file: false }
    }

    /// `len` rows of `dim` elements that start `stride` elements apart.
    ///
    /// # Errors
    /// [`Error::Shape`] if rows overlap or `data` ends before the last row does.
    pub fn strided(data: &'a [T], len: usize, dim: usize, stride: usize) -> Result<Self> {
        let end = if len == 0 { Some(0) } else { (len - 1).checked_mul(stride).and_then(|s| s.checked_add(dim)) };
        if stride < dim || end.is_none_or(|end| end > data.len()) {
            return Err(Error::Shape(format!(
                "{len} rows of {dim} features, {stride} elements apart, do not fit into {} elements",
                data.len()
            )));
        }
        Ok(Self { data, len, dim, stride, in_file: false })
    }

    /// The same rows, such that [`Rows::release`] takes effect: released rows leave the memory of the process, and are
    /// read from their file when they are needed again.
    ///
    /// # Safety
    /// The rows must lie in a mapped file. A private mapping must not have been written to.
    #[must_use]
    pub unsafe fn in_file(self) -> Self {
        Self { in_file: true, ..self }
    }
}

impl<T> View<'_, T> {
    /// One row.
    pub(crate) fn row(&self, index: usize) -> &[T] {
        &self.data[index * self.stride..index * self.stride + self.dim]
    }

    /// The elements from a row on, and the number of elements between the beginnings of rows.
    pub(crate) fn rows_from(&self, index: usize) -> (&[T], usize) {
        (&self.data[index * self.stride..], self.stride)
    }

    /// The elements from the first to the last of some rows; none if the rows are not in a file.
    fn on_disk(&self, rows: Range<usize>) -> &[T] {
        match rows.is_empty() || !self.in_file {
            true => &[],
            false => &self.data[rows.start * self.stride..(rows.end - 1) * self.stride + self.dim],
        }
    }
}

impl<T: Element> Rows for View<'_, T> {
    fn len(&self) -> usize {
        self.len
    }

    fn dim(&self) -> usize {
        self.dim
    }

    #[inline]
    fn read(&self, index: usize, out: &mut [f64]) {
        for (o, &x) in out.iter_mut().zip(self.row(index)) {
            *o = x.into();
        }
    }

    fn singles(&self) -> Option<Vec<View<'_, f32>>> {
        let View { len, dim, stride, in_file, .. } = *self;
        T::single(self.data).map(|data| vec![View { data, len, dim, stride, in_file }])
    }

    fn expect(&self, rows: Range<usize>) {
        pages::expect(self.on_disk(rows));
    }

    fn release(&self, rows: Range<usize>) {
        // SAFETY: the caller of `in_file` guaranteed the conditions of `release`.
        unsafe { pages::release(self.on_disk(rows)) };
    }
}

/// Several matrices of the same width as one matrix, such as the mapped files of a pool.
#[derive(Clone, Debug)]
pub struct Parts<R> {
    parts: Vec<R>,
    /// The first row of each part, and the number of rows.
    starts: Vec<usize>,
    dim: usize,
}

impl<R: Rows> Parts<R> {
    /// The rows of all parts, in order.
    ///
    /// # Errors
    /// [`Error::Dimension`] if a part is not `dim` wide.
    pub fn new(parts: Vec<R>, dim: usize) -> Result<Self> {
        if let Some(part) = parts.iter().find(|part| part.dim() != dim) {
            return Err(Error::Dimension { what: "a part", expected: dim, given: part.dim() });
        }
        let mut starts = vec![0];
        for part in &parts {
            starts.push(starts[starts.len() - 1] + part.len());
        }
        Ok(Self { parts, starts, dim })
    }

    /// The parts that overlap with a range of rows, each with the rows in question as indices into the part.
    fn with_rows(&self, rows: Range<usize>) -> impl Iterator<Item = (&R, Range<usize>)> {
        self.parts.iter().zip(&self.starts).filter_map(move |(part, &start)| {
            let within = |row: usize| row.clamp(start, start + part.len()) - start;
            let own = within(rows.start)..within(rows.end);
            (!own.is_empty()).then_some((part, own))
        })
    }
}

impl<R: Rows> Rows for Parts<R> {
    fn len(&self) -> usize {
        self.starts[self.parts.len()]
    }

    fn dim(&self) -> usize {
        self.dim
    }

    #[inline]
    fn read(&self, index: usize, out: &mut [f64]) {
        let part = self.starts.partition_point(|&start| start <= index) - 1;
        self.parts[part].read(index - self.starts[part], out);
    }

    fn singles(&self) -> Option<Vec<View<'_, f32>>> {
        let parts: Option<Vec<_>> = self.parts.iter().map(Rows::singles).collect();
        parts.map(|parts| parts.into_iter().flatten().collect())
    }

    fn is_single(&self) -> bool {
        self.parts.iter().all(Rows::is_single)
    }

    fn expect(&self, rows: Range<usize>) {
        self.with_rows(rows).for_each(|(part, own)| part.expect(own));
    }

    fn release(&self, rows: Range<usize>) {
        self.with_rows(rows).for_each(|(part, own)| part.release(own));
    }
}

/// The candidates and the core. Each candidate has a structure row and, if they differ from it, rows that it adds to
/// the posterior. The core is in the training set already.
pub struct Pool<'a> {
    structures: Box<dyn Rows + 'a>,
    observed: Option<(Box<dyn Rows + 'a>, Groups)>,
    core: Box<dyn Rows + 'a>,
}

impl<'a> Pool<'a> {
    /// Candidates that add their structure row when selected.
    pub fn new(structures: impl Rows + 'a) -> Self {
        Self { core: Box::new(NoRows(structures.dim())), structures: Box::new(structures), observed: None }
    }

    /// Candidates that add a group of other rows when selected, such as those of their atoms.
    ///
    /// # Errors
    /// [`Error::Shape`] or [`Error::Dimension`] if the groups do not fit the structures or the rows.
    pub fn with_groups(structures: impl Rows + 'a, observed: impl Rows + 'a, groups: Groups) -> Result<Self> {
        if groups.len() != structures.len() || groups.rows() != observed.len() {
            return Err(Error::Shape(format!(
                "the offsets describe {} groups of {} rows in all, given {} structures and {} rows",
                groups.len(),
                groups.rows(),
                structures.len(),
                observed.len()
            )));
        }
        if observed.dim() != structures.dim() {
            return Err(Error::Dimension {
                what: "the matrix of atoms",
                expected: structures.dim(),
                given: observed.dim(),
            });
        }
        Ok(Self { observed: Some((Box::new(observed), groups)), ..Self::new(structures) })
    }

    /// The same candidates with a core, for methods that measure distances to its rows. For Bayesian selection the core
    /// is part of the posterior, and its rows are not read.
    ///
    /// # Errors
    /// [`Error::Dimension`] if a core with rows has another number of features.
    pub fn with_core(self, core: impl Rows + 'a) -> Result<Self> {
        if core.is_empty() {
            return Ok(self);
        }
        if core.dim() != self.dim() {
            return Err(Error::Dimension { what: "the core", expected: self.dim(), given: core.dim() });
        }
        Ok(Self { core: Box::new(core), ..self })
    }

    /// The structure rows.
    pub fn structures(&self) -> &dyn Rows {
        &*self.structures
    }

    /// The rows of the core: none if there is no core.
    pub fn core(&self) -> &dyn Rows {
        &*self.core
    }

    /// Number of candidates.
    pub fn len(&self) -> usize {
        self.structures.len()
    }

    /// Whether there is no candidate.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Features per row.
    pub fn dim(&self) -> usize {
        self.structures.dim()
    }

    /// Whether candidates add rows other than their structure row.
    pub fn has_groups(&self) -> bool {
        self.observed.is_some()
    }

    /// Write the rows that a candidate adds when selected into `out`, row after row.
    pub fn observed(&self, candidate: usize, out: &mut Vec<f64>) {
        let dim = self.dim();
        match &self.observed {
            None => {
                out.resize(dim, 0.0);
                self.structures.read(candidate, out);
            }
            Some((rows, groups)) => {
                let range = groups.range(candidate);
                out.resize(range.len() * dim, 0.0);
                for (row, out) in range.zip(out.chunks_exact_mut(dim)) {
                    rows.read(row, out);
                }
            }
        }
    }

    /// Refuse an empty pool, and a pool whose number of features is not `dim`.
    pub(crate) fn check(&self, dim: usize) -> Result<()> {
        if self.is_empty() {
            return Err(Error::EmptyPool);
        }
        if self.dim() != dim {
            return Err(Error::Dimension { what: "the pool", expected: dim, given: self.dim() });
        }
        Ok(())
    }

    /// Refuse rows of atoms that are not finite; the error names the candidate.
    pub(crate) fn check_observed(&self) -> Result<()> {
        let Some((rows, groups)) = &self.observed else {
            return Ok(());
        };
        let checked = mean_square(&[("the matrix of atoms", &**rows)]);
        checked.map(drop).map_err(|error| error.in_pool(|row| groups.group_of(row)))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn released_rows_are_read_from_their_file_again() {
        let (len, dim) = (5000, 7);
        let data: Vec<f32> = (0..len * dim).map(|k| k as f32).collect();
        let path = std::env::temp_dir().join(format!("mlipselect-rows-{}", std::process::id()));
        // A header of a few bytes, as array files have, so that rows do not begin at the beginning of a page.
        let bytes = [0; 128].into_iter().chain(data.iter().flat_map(|x| x.to_le_bytes())).collect::<Vec<u8>>();
        fs::write(&path, bytes).unwrap();
        // SAFETY: no other process knows the file.
        let map = unsafe { memmap2::Mmap::map(&fs::File::open(&path).unwrap()).unwrap() };
        fs::remove_file(&path).unwrap();
        // SAFETY: any bits are a float, and pages are aligned.
        let (_, mapped, _) = unsafe { map[128..].align_to::<f32>() };
        let (a, b) = mapped.split_at(2000 * dim);
        let in_file = |data, len| {
            // SAFETY: the file is mapped to be read.
            unsafe { View::new(data, len, dim).unwrap().in_file() }
        };
        let rows = Parts::new(vec![in_file(a, 2000), in_file(b, 3000)], dim).unwrap();
        let mut row = vec![0.0; dim];
        for range in [0..0, 3..4, 1990..2010, 0..len, 4000..len] {
            rows.expect(range.clone());
            rows.release(range.clone());
            for index in range {
                rows.read(index, &mut row);
                assert!(row.iter().zip(&data[index * dim..]).all(|(&a, &b)| a == f64::from(b)));
            }
        }
        assert!(rows.singles().is_some());
    }

    /// Records the calls of `expect` and `release`.
    struct Noted<'a>(View<'a, f64>, Mutex<Vec<(bool, Range<usize>)>>);

    impl Rows for Noted<'_> {
        fn len(&self) -> usize {
            self.0.len()
        }
        fn dim(&self) -> usize {
            self.0.dim()
        }
        fn read(&self, index: usize, out: &mut [f64]) {
            self.0.read(index, out);
        }
        fn expect(&self, rows: Range<usize>) {
            self.1.lock().unwrap().push((true, rows));
        }
        fn release(&self, rows: Range<usize>) {
            self.1.lock().unwrap().push((false, rows));
        }
    }

    #[test]
    fn blocks_are_expected_and_released() {
        let (len, dim) = (10, block_bytes() / 8 / 4);
        let data = vec![0.0; len * dim];
        let rows = Noted(View::new(&data, len, dim).unwrap(), Mutex::default());
        let mut seen = Vec::new();
        in_blocks(&rows, 3, |range| {
            seen.push(range);
            Ok(())
        })
        .unwrap();
        assert_eq!(seen, [0..6, 6..10]);
        assert_eq!(*rows.1.lock().unwrap(), [(true, 6..10), (false, 0..6), (true, 10..10), (false, 6..10)]);
        assert!(in_blocks(&rows, 1, |_| Err(Error::EmptyPool)).is_err());
        assert_eq!(rows.1.lock().unwrap().last(), Some(&(false, 0..4)));
    }
}
