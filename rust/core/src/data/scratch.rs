//! Arrays in memory or in a mapped temporary file.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut, Range};

use memmap2::MmapMut;

use crate::data::pages;
use crate::data::temporary_file::temporary_file;
use crate::error::{Error, Result};

/// The storage of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Memory,
    /// A temporary file, in the folder of the system for temporary files.
    File,
}

/// A type of numbers in which zero has only zero bits and every bit pattern is a number or NaN.
///
/// # Safety
/// Both properties must hold.
pub(crate) unsafe trait Plain: Copy + Default + Send + Sync {}

// SAFETY: every bit pattern is an integer.
unsafe impl Plain for i16 {}
// SAFETY: bit patterns that are not numbers are NaN.
unsafe impl Plain for f32 {}

/// An array in memory or in a temporary file.
#[derive(Debug)]
pub(crate) enum Buffer<'a, T: Plain> {
    Memory(Cow<'a, [T]>),
    File(Mapped<T>),
}

impl<T: Plain> Buffer<'_, T> {
    /// `len` zeros.
    ///
    /// # Errors
    /// [`Error::File`] if there is no room for a temporary file.
    pub(crate) fn zeros(len: usize, place: Place) -> Result<Self> {
        Ok(match place {
            Place::Memory => Self::Memory(Cow::Owned(vec![T::default(); len])),
            Place::File => Self::File(Mapped::zeros(len)?),
        })
    }

    /// The array as a vector that can grow; an array in a file is read into memory first.
    pub(crate) fn to_vec_mut(&mut self) -> &mut Vec<T> {
        if let Self::File(mapped) = self {
            *self = Self::Memory(Cow::Owned(mapped.to_vec()));
        }
        match self {
            Self::Memory(data) => data.to_mut(),
            Self::File(_) => unreachable!("it is in memory by now"),
        }
    }

    /// Drop elements of a file from memory; they are read from the file when they are needed again.
    pub(crate) fn release(&self, elements: Range<usize>) {
        if let Self::File(mapped) = self {
            mapped.release(elements);
        }
    }
}

impl<T: Plain> Deref for Buffer<'_, T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        match self {
            Self::Memory(data) => data,
            Self::File(mapped) => mapped,
        }
    }
}

impl<T: Plain> DerefMut for Buffer<'_, T> {
    fn deref_mut(&mut self) -> &mut [T] {
        match self {
            Self::Memory(data) => data.to_mut(),
            Self::File(mapped) => mapped,
        }
    }
}

/// An array in a nameless file, which is deleted with the array.
#[derive(Debug)]
pub(crate) struct Mapped<T> {
    map: MmapMut,
    len: usize,
    element: PhantomData<T>,
}

impl<T: Plain> Mapped<T> {
    fn zeros(len: usize) -> Result<Self> {
        let size = len * size_of::<T>();
        let file = temporary_file(size, "rounded rows")?;
        // SAFETY: no other process knows the file.
        let map = unsafe { MmapMut::map_mut(&file) };
        let map = map.map_err(|error| Error::File { path: std::env::temp_dir(), problem: error.to_string() })?;
        Ok(Self { map, len, element: PhantomData })
    }

    fn release(&self, elements: Range<usize>) {
        // SAFETY: the elements lie in the file, and the mapping is shared.
        unsafe { pages::release(&self[elements]) };
    }
}

impl<T: Plain> Deref for Mapped<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: the mapping begins at a page, holds `len` elements, and lives as long as the slice.
        unsafe { std::slice::from_raw_parts(self.map.as_ptr().cast(), self.len) }
    }
}

impl<T: Plain> DerefMut for Mapped<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `deref`; the mapping is borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.map.as_mut_ptr().cast(), self.len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_holds_what_memory_holds() {
        for place in [Place::Memory, Place::File] {
            let mut buffer = Buffer::<i16>::zeros(10_000, place).unwrap();
            assert!(buffer.iter().all(|&x| x == 0));
            buffer.iter_mut().enumerate().for_each(|(i, x)| *x = i as i16);
            buffer.release(0..10_000);
            assert!(buffer.iter().enumerate().all(|(i, &x)| x == i as i16));
            buffer.to_vec_mut().push(7);
            assert_eq!(buffer[9_999..], [9_999, 7]);
        }
    }
}
