//! A number that tells structures from others.

use std::hash::{DefaultHasher, Hasher};

use super::structure::Structure;

/// A digest of elements, positions, periodic cell vectors and periodicity, equal where these are equal to the last bit.
///
/// It is made to find copies within one process: another version of this package may have other digests.
pub fn digest(structure: &Structure<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    structure.pbc.iter().for_each(|&periodic| hasher.write_u8(periodic.into()));
    structure.atomic_numbers.iter().for_each(|&number| hasher.write_i64(number));
    let periodic = structure.cell.iter().zip(structure.pbc).filter(|(_, periodic)| *periodic).map(|(vector, _)| vector);
    for x in structure.positions.iter().chain(periodic).flatten() {
        // Both zeros are one number.
        hasher.write_u64((x + 0.0).to_bits());
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_matters() {
        let cell = [[4.0, 0.0, 0.0], [0.0, 4.0, 0.0], [0.0, 0.0, 4.0]];
        let positions = [[0.0, 0.0, 0.0], [1.0, 2.0, 0.5]];
        let one = Structure { positions: &positions, atomic_numbers: &[8, 1], cell, pbc: [true, true, false] };
        let moved = [[-0.0, 0.0, 0.0], [1.0, 2.0, 0.5f64.next_up()]];
        let mut vacuum = cell;
        vacuum[2][2] = 9.0;
        let mut strained = cell;
        strained[0][0] = 4.1;
        let zero = [[-0.0, 0.0, 0.0], positions[1]];
        for same in [Structure { positions: &zero, ..one }, Structure { cell: vacuum, ..one }] {
            assert_eq!(digest(&same), digest(&one));
        }
        for other in [
            Structure { positions: &moved, ..one },
            Structure { atomic_numbers: &[1, 8], ..one },
            Structure { cell: strained, ..one },
            Structure { pbc: [true; 3], ..one },
        ] {
            assert_ne!(digest(&other), digest(&one));
        }
    }
}
