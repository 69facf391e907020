//! One frame: the number of atoms, values of the whole structure, and properties of each atom.

use std::iter;

use memchr::memchr_iter;
use rayon::prelude::*;

use crate::columns::{Column, words};
use crate::comment::{self, Value};
use crate::number::integer;

/// The columns of a frame that does not describe them.
pub(crate) const DEFAULT_PROPERTIES: &str = "species:S:1:pos:R:3";

/// Bytes that are looked at together, without a branch for each.
const CHUNK: usize = 256;

/// The content of a frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// Number of atoms.
    pub atoms: usize,
    /// Keys and values of the second line, without `Properties`.
    pub info: Vec<(String, Value)>,
    /// Properties of the atoms.
    pub columns: Vec<Column>,
}

impl Frame {
    /// Read the frames between neighbouring `places` of a text, many at a time: nothing for those that [`Frame::parse`]
    /// refuses or that are not within the text.
    pub fn parse_all(text: &[u8], places: &[usize]) -> Vec<Option<Self>> {
        places.par_windows(2).map(|pair| Self::parse(text.get(pair[0]..pair[1])?)).collect()
    }

    /// The keys and values of the second line of a frame, without `Properties`; `None` if one of them is rare.
    pub fn parse_info(text: &[u8]) -> Option<Vec<(String, Value)>> {
        let mut info = comment::parse(usual_lines(text)?.nth(1)?)?;
        info.retain(|(key, _)| key != "Properties");
        Some(info)
    }

    /// Parse the text of exactly one frame; `None` if it is incomplete or contains a rare construction.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut lines = usual_lines(text)?;
        let atoms = number_of_atoms(lines.next()?)?;
        let mut info = comment::parse(lines.next()?)?;
        let properties = match info.iter().position(|(key, _)| key == "Properties") {
            Some(place) => match info.remove(place) {
                (_, Value::Text(properties)) => properties,
                _ => return None,
            },
            None => DEFAULT_PROPERTIES.to_owned(),
        };
        let mut columns = Column::described(&properties, atoms)?;
        for _ in 0..atoms {
            let mut words = words(lines.next()?);
            for column in &mut columns {
                column.read(&mut words)?;
            }
        }
        lines.next().is_none().then_some(Self { atoms, info, columns })
    }
}

/// The number of atoms that the first line of a frame gives.
pub(crate) fn number_of_atoms(line: &[u8]) -> Option<usize> {
    let mut words = words(line);
    let atoms = usize::try_from(integer(words.next()?)?).ok()?;
    words.next().is_none().then_some(atoms)
}

/// The lines of a text without its last line break; `None` if some readers take a character of it for a blank or a
/// digit that others do not.
pub(crate) fn usual_lines(text: &[u8]) -> Option<impl Iterator<Item = &[u8]>> {
    let is_rare = |&byte: &u8| !((b' '..0x7f).contains(&byte) | (byte == b'\n') | (byte == b'\t'));
    if text.chunks(CHUNK).any(|chunk| chunk.iter().fold(false, |found, byte| found | is_rare(byte))) {
        return None;
    }
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    let mut start = 0;
    let mut ends = memchr_iter(b'\n', text).chain([text.len()]);
    Some(iter::from_fn(move || {
        let end = ends.next()?;
        let line = &text[start..end];
        start = end + 1;
        Some(line)
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::columns::Data;

    const TEXT: &str =
        "2\nProperties=species:S:1:pos:R:3:tag:I:1:fixed:L:1 a=1\nSi 0 1e-3 -2.5 7 T\nGe 1 2 3 -1 F more\n";

    #[test]
    fn columns_have_types() {
        let frame = Frame::parse(TEXT.as_bytes()).unwrap();
        assert_eq!(frame.info, [("a".into(), Value::Integers(vec![1]))]);
        let data: Vec<_> = frame.columns.into_iter().map(|column| column.data).collect();
        assert_eq!(data[0], Data::Elements(vec![14, 32]));
        assert_eq!(data[1], Data::Reals(vec![0.0, 1e-3, -2.5, 1.0, 2.0, 3.0]));
        assert_eq!(data[2..], [Data::Integers(vec![7, -1]), Data::Bools(vec![true, false])]);
    }

    #[test]
    fn frames_between_places_are_those_of_their_text() {
        let (text, end) = (format!("{TEXT}1\n\nSi 0 0\n{TEXT}").into_bytes(), TEXT.len() + 10);
        let frame = Frame::parse(TEXT.as_bytes());
        let places = [0, TEXT.len(), end, end + TEXT.len(), usize::MAX];
        assert_eq!(Frame::parse_all(&text, &places), [frame.clone(), None, frame, None]);
        assert!(Frame::parse_all(&text, &[]).is_empty());
    }

    #[test]
    fn every_beginning_of_a_frame_is_refused() {
        for end in 0..TEXT.len() - "F more\n".len() {
            assert_eq!(Frame::parse(&TEXT.as_bytes()[..end]), None, "{end}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), place in 0_usize..90, byte: u8) {
            let _ = Frame::parse(&bytes);
            let mut text = TEXT.as_bytes().to_vec();
            text[place % TEXT.len()] = byte;
            let _ = Frame::parse(&text);
            let _ = crate::FrameIndex::read(&bytes[..]);
        }
    }
}
