//! The temporary file of rounded rows: all integers, then all roundings.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::ops::Range;
use std::sync::Arc;
use std::thread::JoinHandle;

use memmap2::Mmap;

use crate::data::pages;
use crate::data::temporary_file::temporary_file;
use crate::error::{Error, Result};

/// Bytes of the scale and the error of a row.
const ROUNDING: usize = size_of::<[f32; 2]>();

/// A nameless file, which is deleted when it is closed. Rows are written while the next ones are computed.
pub(super) struct RoundedFile {
    file: Arc<File>,
    /// Number of integers of a row.
    width: usize,
    /// Offset of the roundings, in bytes.
    roundings: usize,
    writing: Option<JoinHandle<io::Result<()>>>,
    /// The mapping, made when rows are first read.
    map: Option<Mmap>,
}

impl RoundedFile {
    /// Make a file for `len` rows, in the folder of the system for temporary files.
    ///
    /// # Errors
    /// [`Error::File`] if there is not enough room.
    pub(super) fn new(len: usize, width: usize) -> Result<Self> {
        let roundings = size_of::<i16>() * width * len;
        let size = roundings + ROUNDING * len;
        let file = temporary_file(size, "rounded rows")?;
        Ok(Self { file: Arc::new(file), width, roundings, writing: None, map: None })
    }

    /// Begin to write rows, once the previous ones are written.
    ///
    /// # Errors
    /// [`Error::File`] if the previous rows could not be written.
    pub(super) fn write(&mut self, first: usize, integers: Vec<i16>, roundings: Vec<[f32; 2]>) -> Result<()> {
        self.wait()?;
        let file = self.file.clone();
        let (at, roundings_at) = (size_of::<i16>() * self.width * first, self.roundings + ROUNDING * first);
        self.writing = Some(std::thread::spawn(move || {
            write_at(&file, at, bytes(&integers))?;
            write_at(&file, roundings_at, bytes(&roundings))
        }));
        Ok(())
    }

    /// Call `work` with the integers and the roundings of some rows.
    ///
    /// # Errors
    /// [`Error::File`] if the file cannot be written or read.
    pub(super) fn read<T>(&mut self, rows: &Range<usize>, work: impl FnOnce(&[i16], &[[f32; 2]]) -> T) -> Result<T> {
        self.wait()?;
        if self.map.is_none() {
            // SAFETY: no other process knows the file, and nothing is written while rows of it are borrowed.
            self.map = Some(unsafe { Mmap::map(&*self.file) }.map_err(broken)?);
        }
        let map = self.map.as_deref().unwrap_or_default();
        let row = size_of::<i16>() * self.width;
        let integers = elements::<i16>(&map[row * rows.start..row * rows.end]);
        let roundings =
            elements::<[f32; 2]>(&map[self.roundings + ROUNDING * rows.start..self.roundings + ROUNDING * rows.end]);
        pages::expect(integers);
        let done = work(integers, roundings);
        // SAFETY: the integers lie in the file.
        unsafe { pages::release(integers) };
        Ok(done)
    }

    /// Wait until everything is written.
    fn wait(&mut self) -> Result<()> {
        match self.writing.take().map(JoinHandle::join) {
            None | Some(Ok(Ok(()))) => Ok(()),
            Some(Ok(Err(error))) => Err(broken(error)),
            Some(Err(_)) => Err(broken(io::Error::other("the thread that wrote it ended early"))),
        }
    }
}

fn broken(error: io::Error) -> Error {
    Error::File { path: std::env::temp_dir(), problem: format!("the temporary file of rounded rows: {error}") }
}

fn write_at(mut file: &File, at: usize, bytes: &[u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(at as u64))?;
    file.write_all(bytes)
}

/// Types without padding for which every bit pattern is a value.
trait Plain {}
impl Plain for i16 {}
impl Plain for [f32; 2] {}

fn bytes<T: Plain>(elements: &[T]) -> &[u8] {
    // SAFETY: the elements have no padding.
    unsafe { std::slice::from_raw_parts(elements.as_ptr().cast(), size_of_val(elements)) }
}

/// The inverse of [`bytes`], for aligned bytes, as those of whole rows in the file are.
fn elements<T: Plain>(bytes: &[u8]) -> &[T] {
    // SAFETY: every bit pattern is a value.
    let (_, elements, _) = unsafe { bytes.align_to() };
    elements
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_as_they_were_written() {
        let (len, width) = (100, 32);
        let mut file = RoundedFile::new(len, width).unwrap();
        let integers =
            |first: usize, count: usize| (first * width..(first + count) * width).map(|k| k as i16).collect();
        let roundings = |first: usize, count: usize| (first..first + count).map(|k| [k as f32, -1.0]).collect();
        for (first, count) in [(0, 40), (40, 50), (90, 10), (3, 7)] {
            file.write(first, integers(first, count), roundings(first, count)).unwrap();
        }
        for range in [0..100, 3..4, 99..100, 5..5] {
            let (expected, roundings): (Vec<i16>, Vec<[f32; 2]>) =
                (integers(range.start, range.len()), roundings(range.start, range.len()));
            assert!(file.read(&range, |a, b| a == expected && b == roundings).unwrap());
        }
        file.write(0, vec![7; width], vec![[2.0, 3.0]]).unwrap();
        assert!(file.read(&(0..1), |a, b| a == [7; 32] && b == [[2.0, 3.0]]).unwrap());
    }
}
