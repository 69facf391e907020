//! Which two atoms of a structure are closest, measured by the sum of their radii.

use super::neighbours::{CellList, Hits};
use super::structure::Structure;
use super::vector::norm;
use crate::error::StructureProblem;
use crate::sites::MIN_DISTANCE;

/// Two atoms that are closer than a fraction of the sum of their radii.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Contact {
    /// 0-based index of an atom.
    pub first: usize,
    /// 0-based index of the other, not below the first; the same where it is a periodic image.
    pub second: usize,
    /// Their distance in Å.
    pub distance: f64,
    /// Their distance over the sum of their radii.
    pub fraction: f64,
}

/// The pair with the smallest distance over the sum of its radii, periodic images included, if that is below `limit`.
///
/// `radii` holds the radius of each atomic number in Å. An atomic number without one has the radius 0.
///
/// # Errors
///
/// The structure has no atoms, or those of [`CellList::new`].
pub fn closest_contact(
    structure: &Structure<'_>,
    radii: &[f64],
    limit: f64,
) -> Result<Option<Contact>, StructureProblem> {
    if structure.is_empty() {
        return Err(StructureProblem::Empty);
    }
    let radius = |number: i64| usize::try_from(number).ok().and_then(|z| radii.get(z)).copied().unwrap_or(0.0);
    let own: Vec<f64> = structure.atomic_numbers.iter().map(|&number| radius(number)).collect();
    // No pair with a larger distance is below the limit. The list also finds what is wrong with cell and positions, so
    // there is one for a limit of 0 too.
    let cutoff = (2.0 * limit * own.iter().copied().fold(0.0, f64::max)).max(MIN_DISTANCE);
    let cells = CellList::new(structure, cutoff)?;
    let mut hits = Hits::default();
    let mut closest: Option<Contact> = None;
    for first in 0..structure.len() {
        cells.for_each(first, &mut hits, |neighbour| {
            let second = neighbour.atom;
            if second < first {
                return;
            }
            let distance = norm(neighbour.vector);
            let fraction = distance / (own[first] + own[second]);
            if fraction < closest.map_or(limit, |contact| contact.fraction) {
                closest = Some(Contact { first, second, distance, fraction });
            }
        });
    }
    Ok(closest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::vector::{add, combine, subtract};
    use super::*;

    const RADII: [f64; 4] = [0.2, 0.3, 0.8, 1.5];

    fn brute_force(structure: &Structure<'_>, limit: f64) -> Option<f64> {
        let range = |k: usize| if structure.pbc[k] { -3..=3 } else { 0..=0 };
        let mut least = limit;
        for (i, &a) in structure.positions.iter().enumerate() {
            for (j, &b) in structure.positions.iter().enumerate() {
                let radii = [i, j].map(|k| RADII[structure.atomic_numbers[k] as usize]);
                for s0 in range(0) {
                    for s1 in range(1) {
                        for s2 in range(2) {
                            if (i, [s0, s1, s2]) != (j, [0; 3]) {
                                let image = add(b, combine(&structure.cell, [s0, s1, s2].map(f64::from)));
                                least = least.min(norm(subtract(image, a)) / (radii[0] + radii[1]));
                            }
                        }
                    }
                }
            }
        }
        (least < limit).then_some(least)
    }

    proptest! {
        #[test]
        fn is_the_smallest_fraction_of_all_pairs(
            atoms in prop::collection::vec((0..4i64, prop::array::uniform3(-4.0..4.0)), 1..12),
            cell in prop::array::uniform3(prop::array::uniform3(-0.6..0.6)),
            pbc in any::<[bool; 3]>(),
            limit in 0.1..1.2,
        ) {
            let (numbers, positions): (Vec<i64>, Vec<[f64; 3]>) = atoms.into_iter().unzip();
            let mut cell = cell;
            (0..3).for_each(|k| cell[k][k] += 3.0);
            let structure = Structure { positions: &positions, atomic_numbers: &numbers, cell, pbc };
            let found = closest_contact(&structure, &RADII, limit).unwrap();
            let expected = brute_force(&structure, limit);
            prop_assert_eq!(found.is_some(), expected.is_some());
            if let (Some(found), Some(expected)) = (found, expected) {
                prop_assert!((found.fraction - expected).abs() < 1e-12);
                let radii = [found.first, found.second].map(|k| RADII[numbers[k] as usize]);
                prop_assert!((found.distance - found.fraction * (radii[0] + radii[1])).abs() < 1e-12);
                prop_assert!(found.first <= found.second);
            }
        }
    }

    #[test]
    fn what_has_no_distances_is_refused() {
        let of = |positions: &[[f64; 3]], pbc| {
            let numbers = vec![1; positions.len()];
            let structure = Structure { positions, atomic_numbers: &numbers, cell: [[0.0; 3]; 3], pbc };
            closest_contact(&structure, &RADII, 0.0)
        };
        assert_eq!(of(&[], [false; 3]), Err(StructureProblem::Empty));
        assert!(matches!(of(&[[f64::NAN; 3]], [false; 3]), Err(StructureProblem::Position { .. })));
        assert!(matches!(of(&[[0.0; 3]], [true; 3]), Err(StructureProblem::SingularCell { .. })));
        assert_eq!(of(&[[0.0; 3], [0.0; 3]], [false; 3]), Ok(None));
    }
}
