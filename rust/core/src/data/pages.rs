//! Advice to the operating system on pages of mapped files. It changes what is in memory, never what is read.

/// Begin to fetch the pages of elements that will be read soon.
pub(crate) fn expect<T>(elements: &[T]) {
    // SAFETY: this advice drops nothing.
    #[cfg(unix)]
    unsafe {
        advise(elements, libc::MADV_WILLNEED);
    }
    #[cfg(not(unix))]
    let _ = elements;
}

/// Drop the pages of elements that will not be read for a while, so that they do not count as memory of the process.
///
/// # Safety
/// The elements must lie in a mapped file. A private mapping must not have been written to: its modified pages do not
/// come from the file and would be lost.
pub(crate) unsafe fn release<T>(elements: &[T]) {
    // SAFETY: the caller promised that the pages come from a file.
    #[cfg(unix)]
    unsafe {
        advise(elements, libc::MADV_DONTNEED);
    }
    #[cfg(not(unix))]
    let _ = elements;
}

/// Call `madvise`. A failure is ignored, since it only costs time or memory.
///
/// # Safety
/// As [`release`], for advice that drops pages.
#[cfg(unix)]
unsafe fn advise<T>(elements: &[T], advice: libc::c_int) {
    if size_of_val(elements) == 0 {
        return;
    }
    // SAFETY: the call only reads a constant.
    let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096);
    // A mapping consists of whole pages, so every page with an element belongs to the mapping.
    let start = elements.as_ptr() as usize / page * page;
    let end = elements.as_ptr() as usize + size_of_val(elements);
    // SAFETY: the pages are mapped, and the caller knows whether they may be dropped.
    unsafe { libc::madvise(start as *mut libc::c_void, end - start, advice) };
}
