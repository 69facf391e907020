//! What is described of a frame: species, positions, cell and periodicity, without the rest of its content.
//!
//! A frame is *ordinary* if these follow from it in the same way for every reader, whatever else it holds. All frames
//! of one layout (see [`Frame::has_layout_of`]) are alike to a reader, so one that was built shows that the others can
//! be built later.

use crate::columns::{Column, Data};
use crate::comment::Value;
use crate::frame::Frame;

/// The geometry of an ordinary frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Geometry<'a> {
    /// Atomic numbers.
    pub numbers: &'a [i64],
    /// Positions in Å, atom after atom.
    pub positions: &'a [f64],
    /// Cell vectors in Å, one after the other; `None` without a lattice.
    pub cell: Option<[f64; 9]>,
    /// Directions that are periodic; `None` if the frame does not say so.
    pub pbc: Option<[bool; 3]>,
}

/// Columns that some readers take for species or positions beside the usual ones.
const RIVALS: [&str; 4] = ["Z", "numbers", "positions", "symbols"];

impl Frame {
    /// The geometry; `None` if the frame is not ordinary.
    pub fn geometry(&self) -> Option<Geometry<'_>> {
        let is_odd = |column: &Column| matches!(column.data, Data::Words(_)) || RIVALS.contains(&&*column.name);
        let holds_text = |value: &Value| matches!(value, Value::Text(text) if has_fortran_number(text));
        if self.columns.iter().any(is_odd) || self.info.iter().any(|(_, value)| holds_text(value)) {
            return None;
        }
        let Data::Elements(numbers) = &self.column("species")?.data else { return None };
        let positions = self.column("pos").filter(|column| column.width == 3)?;
        let Data::Reals(positions) = &positions.data else { return None };
        if numbers.is_empty() || numbers.contains(&0) {
            return None;
        }
        let cell = match self.value("Lattice") {
            None => None,
            Some(Value::Floats(entries)) => Some(entries.as_slice().try_into().ok()?),
            Some(Value::Integers(entries)) => {
                let entries: [i64; 9] = entries.as_slice().try_into().ok()?;
                Some(entries.map(|entry| entry as f64))
            }
            Some(_) => return None,
        };
        let pbc = match self.value("pbc") {
            None => None,
            Some(Value::Bools(values)) => match **values {
                [all] => Some([all; 3]),
                [a, b, c] => Some([a, b, c]),
                _ => return None,
            },
            Some(_) => return None,
        };
        Some(Geometry { numbers, positions, cell, pbc })
    }

    /// Whether keys, columns, and the types and lengths of all values are those of another frame.
    pub fn has_layout_of(&self, other: &Self) -> bool {
        let same_value = |(a, b): (&(String, Value), &(String, Value))| a.0 == b.0 && a.1.layout() == b.1.layout();
        let same_column = |(a, b): (&Column, &Column)| {
            a.name == b.name && a.width == b.width && std::mem::discriminant(&a.data) == std::mem::discriminant(&b.data)
        };
        self.info.len() == other.info.len()
            && self.columns.len() == other.columns.len()
            && self.info.iter().zip(&other.info).all(same_value)
            && self.columns.iter().zip(&other.columns).all(same_column)
    }

    fn value(&self, key: &str) -> Option<&Value> {
        self.info.iter().find(|(known, _)| known == key).map(|(_, value)| value)
    }

    fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }
}

impl Value {
    /// The kind of the value and its number of entries; a text is one entry.
    fn layout(&self) -> (std::mem::Discriminant<Self>, usize) {
        let length = match self {
            Self::Integers(entries) => entries.len(),
            Self::Floats(entries) => entries.len(),
            Self::Bools(entries) => entries.len(),
            Self::Text(_) => 1,
        };
        (std::mem::discriminant(self), length)
    }
}

/// Whether a text may hold a number with the exponent of Fortran, such as `1.5D+03`.
fn has_fortran_number(text: &str) -> bool {
    let is_start = |byte: u8| byte.is_ascii_digit() || byte == b'.';
    let is_end = |byte: u8| byte.is_ascii_digit() || byte == b'+' || byte == b'-';
    text.as_bytes().windows(3).any(|three| is_start(three[0]) && b"dD".contains(&three[1]) && is_end(three[2]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(comment: &str) -> Frame {
        Frame::parse(format!("1\n{comment}\nSi 0 0.5 1\n").as_bytes()).unwrap()
    }

    #[test]
    fn ordinary_frames_have_a_geometry() {
        let frame = parsed("Lattice=\"4 0 0 1 5 0 0 0 6\" pbc=\"T F T\" a=x");
        let expected = Geometry {
            numbers: &[14],
            positions: &[0.0, 0.5, 1.0],
            cell: Some([4.0, 0.0, 0.0, 1.0, 5.0, 0.0, 0.0, 0.0, 6.0]),
            pbc: Some([true, false, true]),
        };
        assert_eq!(frame.geometry(), Some(expected));
        let frame = parsed("pbc=T");
        let geometry = frame.geometry().unwrap();
        assert_eq!((geometry.cell, geometry.pbc), (None, Some([true; 3])));
        assert_eq!(parsed("a=1").geometry().unwrap().pbc, None);
    }

    #[test]
    fn what_is_not_ordinary_has_none() {
        for comment in [
            "Lattice=\"1 2 3\"",
            "Lattice=cubic",
            "pbc=\"1 1 1\"",
            "pbc=\"T F\"",
            "a=\"at 1.5D+03\"",
            "Properties=species:S:1:pos:R:2",
            "Properties=species:S:1:shift:R:3",
        ] {
            assert_eq!(parsed(comment).geometry(), None, "{comment}");
        }
        let whole = |text: &str| Frame::parse(text.as_bytes()).unwrap();
        assert_eq!(whole("1\nProperties=species:S:1:pos:R:3:Z:I:1\nSi 0 0 0 14\n").geometry(), None);
        assert_eq!(whole("1\nProperties=species:S:1:pos:R:3:site:S:1\nSi 0 0 0 a\n").geometry(), None);
        assert_eq!(whole("1\na=1\nX 0 0 0\n").geometry(), None);
    }

    #[test]
    fn layouts_are_keys_and_types() {
        let frame = parsed("a=1 b=\"1.5 2\" c=x");
        for (comment, is_same) in [
            ("a=2 b=\"0.5 1\" c=\"two words\"", true),
            ("a=2 b=\"0.5 1 2\" c=y", false),
            ("a=2.5 b=\"0.5 1\" c=y", false),
            ("a=2 b=\"0.5 1\"", false),
            ("a=2 d=\"0.5 1\" c=y", false),
        ] {
            assert_eq!(parsed(comment).has_layout_of(&frame), is_same, "{comment}");
        }
    }
}
