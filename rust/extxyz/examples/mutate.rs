//! Mutated extended XYZ: read many, or print some for a comparison with another reader.
//!
//!     cargo run --release -p mlipselect-extxyz --example mutate -- read 10000000 [SEED]
//!     cargo run --release -p mlipselect-extxyz --example mutate -- print 100000 [SEED]
//!
//! `read` gives every input to [`Frame::parse`], [`FrameIndex::read`] and [`Scan::of`], which must not panic and must
//! agree on the number of atoms. `print` writes the first COUNT inputs that are plain frames to the standard output, and a byte 0
//! after each.

use std::env;
use std::io::{self, BufWriter, Write};

use mlipselect_extxyz::{Frame, FrameIndex, Scan};
use rayon::prelude::*;

/// Frames of the kinds that people have, from which mutations start.
const SEEDS: &[&str] = &[
    "1\nLattice=\"4 0 0 0 4 0 0 0 4\" Properties=species:S:1:pos:R:3 energy=-1.5 pbc=\"T T T\"\nSi 0 0 0.25\n",
    "2\nProperties=species:S:1:pos:R:3:forces:R:3 energy=-1.5 stress=\"1 0 0 0 1 0 0 0 1\" pbc=\"T F F\"\nSi 0 1e-3 -2.5 0.1 -0.2 .3\nGe 1 2 3 1. 2. -3.\n",
    "2\nLattice=\"1.5 0 0 0 2.5 0 0.1 0 3\" Properties=species:S:1:pos:R:3:tags:I:1:move_mask:L:1 config_type='bulk a' virial=\"1 2 3 2 4 5 3 5 6\"\nH 0 0 0 1 T\nO 1 1 1 -2 F\n",
    "1\nProperties=species:S:1:pos:R:3:magmoms:R:1:initial_charges:R:1 free_energy=-3 REF_energy=-4e0 name=x:y key flag=F list={1, 2, 3}\nFe 0 0 0 2.2 0.5\n",
    "3\nProperties=Z:I:1:pos:R:3:name:S:1 a=\"_JSON [1, [2, 3]]\" b=\"q\\\"uote\" c=[1 x] d=nan e=1_000 UID=7\n14 0 0 0 a\n8 1 0 0 b\n8 0 1 0 c\n",
    "1\nsome comment of no key = at all, with commas\nC 0 0 0\n",
    "0\nProperties=species:S:1:pos:R:3\n",
    "1\nLattice=\"1 0 0 0 1 0 0 0 1\" Properties=pos:R:3:species:S:1:v:R:9 pbc=T x=\"1 2 3 4 5 6 7 8 9\" y=12345678901234567890\n0 0 0 Au 1 2 3 4 5 6 7 8 9\n",
];

/// Pieces in which readers of the format may differ.
const PIECES: &[&str] = &[
    "T",
    "F",
    "true",
    "TRUE",
    "nan",
    "-inf",
    "1e999",
    "-0",
    "007",
    "1d5",
    "1_0",
    "0x1",
    "_JSON ",
    "\"",
    "'",
    "{",
    "}",
    "[",
    "]",
    "\\",
    "=",
    ",",
    ":",
    " ",
    "\t",
    "\n",
    "\r",
    "\u{e9}",
    "\u{a0}",
    "\0",
    "Lattice",
    "Properties",
    "pbc=",
    "energy=",
    "stress=",
    "virial=",
    "free_energy=",
    "UID=",
    "a=\"\" ",
    ":R:3",
    ":I:1",
    ":L:1",
    ":S:1",
    "X",
    "D",
    "si",
    "VEC1",
    "-1",
    "99999999999999999999",
    ".5",
    "5.",
    "e5",
    "charge",
    "numbers",
    "momenta",
    "VEC1 1 0 0\n",
];

/// SplitMix64 (Steele, Lea and Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, count: usize) -> usize {
        (self.next() % count.max(1) as u64) as usize
    }
}

/// Input number `index`: a seed with one to six mutations.
fn input(seed: u64, index: u64) -> Vec<u8> {
    let mut random = Random(seed ^ index.wrapping_mul(0xd134_2543_de82_ef95));
    let mut text = SEEDS[random.below(SEEDS.len())].as_bytes().to_vec();
    for _ in 0..=random.below(6) {
        mutate(&mut text, &mut random);
    }
    text
}

fn mutate(text: &mut Vec<u8>, random: &mut Random) {
    let place = random.below(text.len() + 1);
    let end = (place + 1 + random.below(8)).min(text.len());
    let piece = PIECES[random.below(PIECES.len())].bytes();
    match random.below(8) {
        0 => drop(text.splice(place..place, piece)),
        1 => drop(text.splice(place..end, piece)),
        2 => drop(text.drain(place..end)),
        3 => text.truncate(place),
        4 if place < text.len() => text[place] = (random.next() >> 32) as u8,
        5 if place < text.len() => text[place] = b' ' + random.below(95) as u8,
        6 => {
            let copied = text[place..end].to_vec();
            let target = random.below(text.len() + 1);
            drop(text.splice(target..target, copied));
        }
        _ => {
            let other = SEEDS[random.below(SEEDS.len())].as_bytes();
            let from = random.below(other.len());
            let to = (from + random.below(24)).min(other.len());
            drop(text.splice(place..end, other[from..to].iter().copied()));
        }
    }
}

/// Whether a text is one plain frame.
fn read(text: &[u8]) -> bool {
    let frame = Frame::parse(text);
    let index = FrameIndex::read(text).expect("bytes in memory can be read");
    if let Some(index) = &index {
        assert_eq!(index.starts().len(), index.len() + 1);
        assert!(index.starts().windows(2).all(|pair| pair[0] <= pair[1]));
        assert!(*index.starts().last().unwrap_or(&0) <= text.len() as u64);
        if let (Some(frame), 1) = (&frame, index.len()) {
            assert_eq!(frame.atoms as u64, index.atoms()[0]);
        }
    }
    let scan = Scan::of(text, &[0, text.len()]);
    if scan.layouts[0].is_some() {
        assert_eq!(frame.as_ref().map(|frame| frame.atoms), Some(scan.numbers.len()));
    }
    frame.is_some()
}

fn main() -> io::Result<()> {
    let words: Vec<String> = env::args().collect();
    let number = |place: usize, default: u64| words.get(place).map_or(Some(default), |word| word.parse().ok());
    let (Some(count), Some(seed)) = (number(2, 1_000_000), number(3, 0)) else {
        eprintln!("expected: read|print COUNT [SEED]");
        std::process::exit(2);
    };
    match words.get(1).map(String::as_str) {
        Some("read") => {
            let plain = (0..count).into_par_iter().filter(|&index| read(&input(seed, index))).count();
            println!("{count} inputs, seed {seed}: no panic; {plain} of them are plain frames");
        }
        Some("print") => {
            let mut out = BufWriter::new(io::stdout().lock());
            let plain = (0..).map(|index| input(seed, index)).filter(|text| !text.contains(&0) && read(text));
            for text in plain.take(count as usize) {
                out.write_all(&text)?;
                out.write_all(&[0])?;
            }
        }
        _ => {
            eprintln!("expected: read|print COUNT [SEED]");
            std::process::exit(2);
        }
    }
    Ok(())
}
