//! Arrays that lie in memory or, where that is too little, in a temporary file that is mapped into it.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut, Range};

use memmap2::MmapMut;

use crate::data::pages;
use crate::data::temporary_file::temporary_file;
use crate::error::{Error, Result};

/// Where an array is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Memory,
    /// A temporary file, in the folder that the system has for these.
    File,
}

/// A number of which all bits are zero at zero, and every pattern of bits is one.
///
/// # Safety
/// Both must be so.
pub(crate) unsafe trait Plain: Copy + Default + Send + Sync {}

// SAFETY: integers have no other patterns.
unsafe impl Plain for i16 {}
// SAFETY: the patterns that are no numbers are NaN.
unsafe impl Plain for f32 {}

/// An array in memory or in a temporary file.
#[derive(Debug)]
pub(crate) enum Buffer<'a, T: Plain> {
    Memory(Cow<'a, [T]>),
    File(Mapped<T>),
}

impl<T: Plain> Buffer<'_, T> {
    /// So many zeros.
    ///
    /// # Errors
    /// [`Error::File`] if there is no room for a temporary file.
    pub(crate) fn zeros(len: usize, place: Place) -> Result<Self> {
        Ok(match place {
            Place::Memory => Self::Memory(Cow::Owned(vec![T::default(); len])),
            Place::File => Self::File(Mapped::zeros(len)?),
        })
    }

    /// An array in memory that can grow; one in a file is read into memory.
    pub(crate) fn to_vec_mut(&mut self) -> &mut Vec<T> {
        if let Self::File(mapped) = self {
            *self = Self::Memory(Cow::Owned(mapped.to_vec()));
        }
        match self {
            Self::Memory(data) => data.to_mut(),
            Self::File(_) => unreachable!("it is in memory by now"),
        }
    }

    /// Give back the memory that some elements of a file take; they are read from it again when they are needed.
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

/// An array in a file that nobody else knows of, and that is gone with it.
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
        // SAFETY: the mapping begins with a page, is as long as so many elements, and lives as long as the slice.
        unsafe { std::slice::from_raw_parts(self.map.as_ptr().cast(), self.len) }
    }
}

impl<T: Plain> DerefMut for Mapped<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as for reading; nobody else has the mapping.
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
