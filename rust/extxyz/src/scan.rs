//! What is described of many frames, in flat arrays, without the rest of their content.
//!
//! A frame is *ordinary* if species, positions, cell and periodicity follow from it in the same way for every reader,
//! whatever else it holds. Frames of one layout have the same keys and columns, and values of the same types and
//! lengths: they are alike to a reader, so one that was built shows that the others can be built later. Nothing of the
//! other content is kept: a frame that somebody asks for is parsed from its text.

use rayon::prelude::*;

use crate::columns::{Described, Entries, flag, small_integer, words};
use crate::comment::{Kind, kind_of, pairs, tokens, truth};
use crate::elements::atomic_number;
use crate::frame::{DEFAULT_PROPERTIES, number_of_atoms, usual_lines};
use crate::number::{float, is_float};

/// The geometry of frames, one after the other. Those that are not ordinary have no atoms.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scan {
    /// For each frame the first one of its layout; `None` for a frame that is not ordinary.
    pub layouts: Vec<Option<usize>>,
    /// Whether a frame with a lattice does not say which directions are periodic; all are then.
    pub leaves_pbc_open: Vec<bool>,
    /// Atomic numbers.
    pub numbers: Vec<i64>,
    /// Positions in Å, atom after atom.
    pub positions: Vec<f64>,
    /// Cell vectors in Å, nine numbers for each frame; zero without a lattice.
    pub cells: Vec<f64>,
    /// Directions that are periodic, three for each frame.
    pub pbc: Vec<bool>,
    /// Where the atoms of each frame begin, and the end of the last.
    pub offsets: Vec<usize>,
}

/// Frames that one thread scans together.
const TOGETHER: usize = 128;

/// How many of the last layouts a frame is compared with; frames that follow each other mostly have the same.
const LAYOUTS: usize = 16;

/// Columns that some readers take for species or positions beside the usual ones.
const RIVALS: [&str; 4] = ["Z", "numbers", "positions", "symbols"];

impl Scan {
    /// Scan the frames between neighbouring `places` of a text.
    pub fn of(text: &[u8], places: &[usize]) -> Self {
        let pairs: Vec<&[usize]> = places.windows(2).collect();
        let parts: Vec<Part> = pairs.par_chunks(TOGETHER).map(|pairs| Part::of(text, pairs)).collect();
        let mut out = Self { offsets: vec![0], ..Self::default() };
        // The first frame of each of the last layouts.
        let mut firsts: Vec<(usize, Layout)> = Vec::new();
        for part in parts {
            let first_frame = out.layouts.len();
            let known: Vec<usize> = part
                .layouts
                .into_iter()
                .map(|(slot, layout)| {
                    let same =
                        firsts.iter().rev().take(LAYOUTS).find(|(_, known)| *known == layout).map(|&(first, _)| first);
                    same.unwrap_or_else(|| {
                        firsts.push((first_frame + slot, layout));
                        first_frame + slot
                    })
                })
                .collect();
            out.layouts.extend(part.frames.iter().map(|frame| frame.map(|place| known[place])));
            out.leaves_pbc_open.extend(part.leaves_pbc_open);
            let atoms = out.numbers.len();
            out.offsets.extend(part.ends.iter().map(|end| atoms + end));
            out.numbers.extend(part.numbers);
            out.positions.extend(part.positions);
            out.cells.extend(part.cells);
            out.pbc.extend(part.pbc);
        }
        out
    }
}

/// Keys with the types and lengths of their values, and the columns, as bytes.
type Layout = Vec<u8>;

/// Some frames of a scan.
#[derive(Default)]
struct Part {
    /// Each layout with the first frame that has it.
    layouts: Vec<(usize, Layout)>,
    /// Place in `layouts` of the layout of each frame.
    frames: Vec<Option<usize>>,
    leaves_pbc_open: Vec<bool>,
    numbers: Vec<i64>,
    positions: Vec<f64>,
    cells: Vec<f64>,
    pbc: Vec<bool>,
    ends: Vec<usize>,
}

/// What the second line of an ordinary frame says.
struct Comment<'a> {
    cell: Option<[f64; 9]>,
    pbc: Option<[bool; 3]>,
    properties: &'a [u8],
}

/// A column of an ordinary frame.
#[derive(Clone, Copy)]
struct Column {
    width: usize,
    entries: Entries,
    is_position: bool,
}

/// Space that is used again for every frame.
#[derive(Default)]
struct Space<'a> {
    layout: Layout,
    keys: Vec<&'a [u8]>,
    /// The last columns that were understood.
    properties: &'a [u8],
    columns: Vec<Column>,
}

impl Part {
    fn of(text: &[u8], places: &[&[usize]]) -> Self {
        let mut out = Self::default();
        let mut space = Space::default();
        for (slot, pair) in places.iter().enumerate() {
            let atoms = out.numbers.len();
            let comment = text.get(pair[0]..pair[1]).and_then(|frame| out.atoms(frame, &mut space));
            let Some(comment) = comment else {
                out.numbers.truncate(atoms);
                out.positions.truncate(3 * atoms);
                out.add(None, Comment { cell: None, pbc: None, properties: &[] });
                continue;
            };
            let known = out.layouts.iter().rposition(|(_, layout)| *layout == space.layout);
            if known.is_none() {
                out.layouts.push((slot, space.layout.clone()));
            }
            out.add(known.or(Some(out.layouts.len() - 1)), comment);
        }
        out
    }

    fn add(&mut self, layout: Option<usize>, comment: Comment<'_>) {
        self.frames.push(layout);
        self.leaves_pbc_open.push(comment.cell.is_some() && comment.pbc.is_none());
        self.cells.extend(comment.cell.unwrap_or_default());
        self.pbc.extend(comment.pbc.unwrap_or([comment.cell.is_some(); 3]));
        self.ends.push(self.numbers.len());
    }

    /// Read the atoms of a frame, and return what its second line says; `None` if the frame is not ordinary.
    fn atoms<'a>(&mut self, text: &'a [u8], space: &mut Space<'a>) -> Option<Comment<'a>> {
        let mut lines = usual_lines(text)?;
        let atoms = number_of_atoms(lines.next()?).filter(|&atoms| atoms > 0)?;
        let comment = space.comment(lines.next()?)?;
        space.understand(comment.properties)?;
        for _ in 0..atoms {
            let mut words = words(lines.next()?);
            for column in &space.columns {
                for _ in 0..column.width {
                    self.entry(column, words.next()?)?;
                }
            }
        }
        lines.next().is_none().then_some(comment)
    }

    fn entry(&mut self, column: &Column, word: &[u8]) -> Option<()> {
        match column.entries {
            Entries::Reals if column.is_position => self.positions.push(float(word)?),
            Entries::Elements => self.numbers.push(atomic_number(word).filter(|&number| number > 0)?),
            Entries::Reals => return is_float(word).then_some(()),
            Entries::Integers => return small_integer(word).map(|_| ()),
            Entries::Bools => return flag(word).map(|_| ()),
            Entries::Words => return None,
        }
        Some(())
    }
}

impl<'a> Space<'a> {
    /// Read the second line, and take note of its layout.
    fn comment(&mut self, line: &'a [u8]) -> Option<Comment<'a>> {
        self.layout.clear();
        self.keys.clear();
        let mut out = Comment { cell: None, pbc: None, properties: DEFAULT_PROPERTIES.as_bytes() };
        for pair in pairs(line) {
            let (key, value) = pair?;
            let (kind, count) = kind_of(value)?;
            if self.keys.contains(&key) || (kind == Kind::Text && has_fortran_number(value)) {
                return None;
            }
            self.keys.push(key);
            match key {
                b"Properties" => {
                    out.properties = (kind == Kind::Text).then_some(value)?;
                    continue;
                }
                b"Lattice" => out.cell = Some(cell(kind, value)?),
                b"pbc" => out.pbc = Some(periodicity(kind, value)?),
                _ => {}
            }
            self.layout.extend_from_slice(key);
            self.layout.push(b'=');
            self.layout.push(kind as u8);
            self.layout.extend_from_slice(&count.to_le_bytes());
        }
        self.layout.push(0);
        self.layout.extend_from_slice(out.properties);
        (!self.keys.is_empty()).then_some(out)
    }

    /// Understand what the columns are.
    fn understand(&mut self, properties: &'a [u8]) -> Option<()> {
        if properties == self.properties {
            return Some(());
        }
        self.properties = &[];
        let described = Described::all(std::str::from_utf8(properties).ok()?)?;
        let is_odd = |column: &Described<'_>| column.entries == Entries::Words || RIVALS.contains(&column.name);
        let has_species = described.iter().any(|column| column.entries == Entries::Elements);
        let is_position =
            |column: &Described<'_>| column.name == "pos" && column.width == 3 && column.entries == Entries::Reals;
        if described.iter().any(is_odd) || !has_species || !described.iter().any(is_position) {
            return None;
        }
        let columns = described.iter().map(|column| Column {
            width: column.width,
            entries: column.entries,
            is_position: is_position(column),
        });
        self.columns.clear();
        self.columns.extend(columns);
        self.properties = properties;
        Some(())
    }
}

/// The cell vectors of a lattice.
fn cell(kind: Kind, value: &[u8]) -> Option<[f64; 9]> {
    if !matches!(kind, Kind::Floats | Kind::Integers) {
        return None;
    }
    let mut out = [0.0; 9];
    let mut entries = tokens(value);
    for entry in &mut out {
        *entry = float(entries.next()?)?;
    }
    entries.next().is_none().then_some(out)
}

/// The directions of one truth value or of three.
fn periodicity(kind: Kind, value: &[u8]) -> Option<[bool; 3]> {
    if kind != Kind::Bools {
        return None;
    }
    let mut values = tokens(value).map(truth);
    let first = values.next()??;
    let Some(second) = values.next() else { return Some([first; 3]) };
    let third = values.next()?;
    values.next().is_none().then_some([first, second?, third?])
}

/// Whether a text may hold a number with the exponent of Fortran, such as `1.5D+03`.
fn has_fortran_number(text: &[u8]) -> bool {
    let is_start = |byte: u8| byte.is_ascii_digit() || byte == b'.';
    let is_end = |byte: u8| byte.is_ascii_digit() || byte == b'+' || byte == b'-';
    text.windows(3).any(|three| is_start(three[0]) && b"dD".contains(&three[1]) && is_end(three[2]))
}
