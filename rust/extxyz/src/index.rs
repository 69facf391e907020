//! The offsets of the frames of a file.

use std::io::{self, Read};

/// Bytes of one read.
const CHUNK: usize = 1 << 20;
/// Largest length of the first line of a frame, in bytes.
const LONGEST: usize = 64;

/// Offsets and numbers of atoms of the frames of a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FrameIndex {
    /// Offset of the beginning of each frame, then of the end of the last one.
    starts: Vec<u64>,
    atoms: Vec<u64>,
}

/// The line that the next byte belongs to.
enum Next {
    /// The number of atoms of a frame, with the part of it read so far.
    Header(Vec<u8>),
    /// A line of a frame: how many remain, and whether this one has begun.
    Body(u64, bool),
    /// A blank line, after which only blank lines may follow.
    Blank,
}

impl FrameIndex {
    /// Find the frames of a file; `None` if it is not a plain sequence of complete frames.
    ///
    /// # Errors
    /// If reading fails.
    pub fn read(mut file: impl Read) -> io::Result<Option<Self>> {
        let mut out = Self { starts: vec![0], atoms: Vec::new() };
        let (mut next, mut buffer, mut offset) = (Next::Header(Vec::new()), vec![0; CHUNK], 0_u64);
        loop {
            let count = match file.read(&mut buffer) {
                Ok(0) => return Ok(out.finish(next, offset)),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            match out.follow(next, &buffer[..count], offset) {
                Some(after) => next = after,
                None => return Ok(None),
            }
            offset += count as u64;
        }
    }

    /// Number of frames.
    pub fn len(&self) -> usize {
        self.atoms.len()
    }

    /// Whether there is no frame.
    pub fn is_empty(&self) -> bool {
        self.atoms.is_empty()
    }

    /// Offset of the beginning of each frame, then of the end of the last one.
    pub fn starts(&self) -> &[u64] {
        &self.starts
    }

    /// Number of atoms of each frame.
    pub fn atoms(&self) -> &[u64] {
        &self.atoms
    }

    /// Process bytes; `None` if they contain a rare construction.
    fn follow(&mut self, mut next: Next, bytes: &[u8], offset: u64) -> Option<Next> {
        // Some readers end a line at a carriage return.
        if memchr::memchr(b'\r', bytes).is_some() {
            return None;
        }
        let mut place = 0;
        while place < bytes.len() {
            match &mut next {
                Next::Blank => return bytes[place..].iter().all(u8::is_ascii_whitespace).then_some(Next::Blank),
                Next::Header(line) => {
                    let end = memchr::memchr(b'\n', &bytes[place..]).map(|length| place + length);
                    line.extend_from_slice(&bytes[place..end.unwrap_or(bytes.len())]);
                    if line.len() > LONGEST {
                        return None;
                    }
                    let Some(end) = end else { return Some(next) };
                    place = end + 1;
                    if line.iter().all(|byte| *byte == b' ' || *byte == b'\t') {
                        next = Next::Blank;
                        continue;
                    }
                    let atoms = self.begin(line)?;
                    next = Next::Body(atoms + 1, false);
                }
                Next::Body(left, begun) => {
                    for newline in memchr::memchr_iter(b'\n', &bytes[place..]) {
                        *left -= 1;
                        if *left == 0 {
                            place += newline + 1;
                            break;
                        }
                    }
                    if *left > 0 {
                        *begun = bytes[bytes.len() - 1] != b'\n';
                        return Some(next);
                    }
                    self.starts.push(offset + place as u64);
                    next = Next::Header(Vec::new());
                }
            }
        }
        Some(next)
    }

    fn begin(&mut self, line: &[u8]) -> Option<u64> {
        let text = std::str::from_utf8(line).ok()?.trim_matches([' ', '\t']);
        let is_plain = text.len() <= 15 && text.bytes().all(|byte| byte.is_ascii_digit());
        let atoms = if is_plain { text.parse().ok()? } else { return None };
        self.atoms.push(atoms);
        Some(atoms)
    }

    /// The complete index; `None` if the file ended within a frame.
    fn finish(mut self, next: Next, end: u64) -> Option<Self> {
        match next {
            Next::Blank => Some(self),
            Next::Header(line) => line.is_empty().then_some(self),
            // The last line may lack a newline.
            Next::Body(left, begun) => {
                self.starts.push(end);
                (left == 1 && begun).then_some(self)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<FrameIndex> {
        FrameIndex::read(text.as_bytes()).unwrap()
    }

    #[test]
    fn frames_are_found() {
        let index = read("1\nx\nSi 0 0 0\n 0 \n\n2\nc\nA\nB\n\n  \n").unwrap();
        assert_eq!(index.atoms(), [1, 0, 2]);
        assert_eq!(index.starts(), [0, 13, 18, 26]);
        assert_eq!(read("").unwrap().len(), 0);
    }

    #[test]
    fn what_is_not_whole_frames_is_left_to_others() {
        for text in
            ["1\n", "2\nx\nSi\n", "x\n", "-1\n\n", "1\nx\nSi\n\n1\n", "1\nx\nSi\nVEC1 1 0 0\n", "1\r\nx\r\nSi\r\n", "1"]
        {
            assert_eq!(read(text), None, "{text:?}");
        }
    }

    /// Hands out one byte at a time.
    struct Slowly<'a>(&'a [u8]);

    impl Read for Slowly<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let Some((first, rest)) = self.0.split_first() else { return Ok(0) };
            (buffer[0], self.0) = (*first, rest);
            Ok(1)
        }
    }

    #[test]
    fn chunks_do_not_matter() {
        let text = b"1\nx\nSi 0 0 0\n2\ncomment\nA\nB";
        assert_eq!(FrameIndex::read(Slowly(text)).unwrap(), FrameIndex::read(&text[..]).unwrap());
    }
}
