//! The lines of the atoms: columns of numbers, truth values and words.
//!
//! A construction is *rare* if readers of the format differ in its meaning; a function returns `None` for it.

use crate::comment::is_blank;
use crate::elements::atomic_number;
use crate::number::{float, integer};

/// A property of the atoms.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Name of the property.
    pub name: String,
    /// Number of entries per atom.
    pub width: usize,
    /// The entries, atom after atom.
    pub data: Data,
}

/// The entries of a property.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// Numbers.
    Reals(Vec<f64>),
    /// Integers.
    Integers(Vec<i32>),
    /// Truth values.
    Bools(Vec<bool>),
    /// Words.
    Words(Vec<String>),
    /// Atomic numbers of chemical symbols; 0 for X.
    Elements(Vec<i64>),
}

/// What entries of a property are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Entries {
    Reals,
    Integers,
    Bools,
    Words,
    Elements,
}

/// A property as `Properties` describes it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Described<'a> {
    pub(crate) name: &'a str,
    pub(crate) width: usize,
    pub(crate) entries: Entries,
}

impl<'a> Described<'a> {
    /// The properties that `name:type:width` triples describe; `None` if a triple is rare.
    pub(crate) fn all(properties: &'a str) -> Option<Vec<Self>> {
        let fields: Vec<&str> = properties.split(':').collect();
        let mut out: Vec<Self> = Vec::with_capacity(4);
        for field in fields.chunks(3) {
            let &[name, kind, width] = field else { return None };
            let width: usize = width.parse().ok().filter(|width| (1..=1000).contains(width))?;
            // ASE appends a number to the name for each column, which may give the name of another property.
            let is_rare = name.is_empty() || name.ends_with(|last: char| last.is_ascii_digit());
            if is_rare || out.iter().any(|column| column.name == name) {
                return None;
            }
            let entries = match kind {
                "R" => Entries::Reals,
                "I" => Entries::Integers,
                "L" => Entries::Bools,
                "S" if name == "species" && width == 1 => Entries::Elements,
                "S" => Entries::Words,
                _ => return None,
            };
            out.push(Self { name, width, entries });
        }
        Some(out)
    }
}

impl Column {
    /// Empty columns as `name:type:width` triples describe them; `None` if a triple is rare.
    pub(crate) fn described(properties: &str, atoms: usize) -> Option<Vec<Self>> {
        let mut out = Vec::new();
        for Described { name, width, entries } in Described::all(properties)? {
            let capacity = atoms.checked_mul(width)?.min(1 << 20);
            let data = match entries {
                Entries::Reals => Data::Reals(Vec::with_capacity(capacity)),
                Entries::Integers => Data::Integers(Vec::with_capacity(capacity)),
                Entries::Bools => Data::Bools(Vec::with_capacity(capacity)),
                Entries::Elements => Data::Elements(Vec::with_capacity(capacity)),
                Entries::Words => Data::Words(Vec::with_capacity(capacity)),
            };
            out.push(Self { name: name.to_owned(), width, data });
        }
        Some(out)
    }

    /// Read the entries of one atom.
    pub(crate) fn read<'a>(&mut self, words: &mut impl Iterator<Item = &'a [u8]>) -> Option<()> {
        for _ in 0..self.width {
            let word = words.next()?;
            match &mut self.data {
                Data::Reals(reals) => reals.push(float(word)?),
                Data::Integers(integers) => integers.push(small_integer(word)?),
                Data::Bools(bools) => bools.push(flag(word)?),
                Data::Elements(elements) => elements.push(atomic_number(word)?),
                Data::Words(strings) => strings.push(std::str::from_utf8(word).ok()?.to_owned()),
            }
        }
        Some(())
    }
}

/// An integer of 32 bits.
pub(crate) fn small_integer(word: &[u8]) -> Option<i32> {
    i32::try_from(integer(word)?).ok()
}

/// A truth value as columns have them.
pub(crate) fn flag(word: &[u8]) -> Option<bool> {
    match word {
        b"T" | b"True" => Some(true),
        b"F" | b"False" => Some(false),
        _ => None,
    }
}

/// The words of a line.
pub(crate) fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|&byte| is_blank(byte)).filter(|word| !word.is_empty())
}
