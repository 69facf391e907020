//! Temporary files without a name, for which disk space is reserved.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::{Error, Result};

/// Make a file of `size` bytes for `what`, in the folder of the system for temporary files. It is deleted when its last
/// handle is closed.
///
/// # Errors
/// [`Error::File`] if there is not enough room.
pub(crate) fn temporary_file(size: usize, what: &str) -> Result<File> {
    let folder = std::env::temp_dir();
    let file = nameless(&folder).and_then(|file| reserve(&file, size).map(|()| file));
    file.map_err(|error| Error::File {
        path: folder,
        problem: format!("no room for {size} bytes of {what}: {error}; set TMPDIR to a folder on a larger disk"),
    })
}

/// A new file whose name is removed at once or, on Windows, when its last handle is closed.
fn nameless(folder: &Path) -> io::Result<File> {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    #[cfg(windows)]
    std::os::windows::fs::OpenOptionsExt::custom_flags(&mut options, 0x0400_0000); // FILE_FLAG_DELETE_ON_CLOSE
    loop {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("mlipselect-{}-{count}", std::process::id()));
        match options.open(&path) {
            Ok(file) => {
                #[cfg(unix)]
                std::fs::remove_file(&path)?;
                return Ok(file);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

/// Give a file its final size. On Linux, missing disk space is then an error now rather than halfway.
fn reserve(file: &File, size: usize) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use std::os::fd::AsRawFd;
        let size = libc::off_t::try_from(size).map_err(io::Error::other)?;
        // SAFETY: the file is open.
        match unsafe { libc::posix_fallocate(file.as_raw_fd(), 0, size) } {
            0 => Ok(()),
            code => Err(io::Error::from_raw_os_error(code)),
        }
    }
    #[cfg(not(target_os = "linux"))]
    file.set_len(size as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_large_a_file_is_refused() {
        let refused = temporary_file(1 << 54, "rows").err().unwrap().to_string();
        assert!(refused.contains("no room for 18014398509481984 bytes of rows"), "{refused}");
        assert!(refused.contains("set TMPDIR"), "{refused}");
        assert_eq!(temporary_file(4096, "rows").unwrap().metadata().unwrap().len(), 4096);
    }
}
