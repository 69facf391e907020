//! Advice to the operating system on pages of mapped files. It changes what is in memory, never what is read.

/// Elements will be read soon: begin to fetch their pages.
pub(crate) fn expect<T>(elements: &[T]) {
    // SAFETY: this advice drops nothing.
    #[cfg(unix)]
    unsafe {
        advise(elements, libc::MADV_WILLNEED);
    }
    #[cfg(not(unix))]
    let _ = elements;
}

/// Elements will not be read for a while: take their pages from the process, which would count as its memory.
///
/// # Safety
/// The elements must lie in a file that is mapped into memory, and nobody may have written to the mapping, unless it is
/// shared: pages that do not come from a file would be zero afterwards.
pub(crate) unsafe fn release<T>(elements: &[T]) {
    // SAFETY: the caller promised that the pages come from a file.
    #[cfg(unix)]
    unsafe {
        advise(elements, libc::MADV_DONTNEED);
    }
    #[cfg(not(unix))]
    let _ = elements;
}

/// Advice that is not taken costs time or memory, and is no error.
///
/// # Safety
/// As [`release`], for advice that drops pages.
#[cfg(unix)]
unsafe fn advise<T>(elements: &[T], advice: libc::c_int) {
    if size_of_val(elements) == 0 {
        return;
    }
    // SAFETY: asks for a constant.
    let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096);
    // Mappings begin and end with a page, so all pages that hold a part of the elements are theirs.
    let start = elements.as_ptr() as usize / page * page;
    let end = elements.as_ptr() as usize + size_of_val(elements);
    // SAFETY: the pages are mapped, and the caller knows whether they may be dropped.
    unsafe { libc::madvise(start as *mut libc::c_void, end - start, advice) };
}
