//! What must hold for any structure: invariance, the zero cases, means, and results that threads do not change.

use mlipselect_ace::{AceBasis, Error, Parameters, Structure, StructureProblem};
use proptest::prelude::*;

/// Water-like: two elements, three orders with degrees of their own.
fn two_elements() -> AceBasis {
    AceBasis::new(&Parameters {
        elements: vec![1, 8],
        order: 3,
        totaldegree: vec![9.0, 9.0, 7.5],
        rcut: 4.0,
        r0: vec![0.8, 1.0, 1.0, 1.3],
    })
    .unwrap()
}

fn free<'a>(positions: &'a [[f64; 3]], atomic_numbers: &'a [i64]) -> Structure<'a> {
    Structure { positions, atomic_numbers, cell: [[0.0; 3]; 3], pbc: [false; 3] }
}

fn periodic<'a>(positions: &'a [[f64; 3]], atomic_numbers: &'a [i64], a: f64) -> Structure<'a> {
    let cell = [[a, 0.0, 0.0], [0.0, a, 0.0], [0.0, 0.0, a]];
    Structure { positions, atomic_numbers, cell, pbc: [true; 3] }
}

/// Atoms on a distorted lattice, so that none are on top of each other.
fn cluster(n: usize) -> impl Strategy<Value = (Vec<[f64; 3]>, Vec<i64>)> {
    let offsets = prop::collection::vec(prop::array::uniform3(-0.5..0.5f64), n);
    let elements = prop::collection::vec(prop::sample::select(vec![1, 8]), n);
    (offsets, elements).prop_map(|(offsets, elements)| {
        let place = |(k, offset): (usize, [f64; 3])| {
            let corner = [k % 3, (k / 3) % 3, k / 9].map(|c| 1.6 * c as f64);
            [0, 1, 2].map(|axis| corner[axis] + offset[axis])
        };
        (offsets.into_iter().enumerate().map(place).collect(), elements)
    })
}

fn assert_close(a: &[f64], b: &[f64]) -> Result<(), TestCaseError> {
    prop_assert_eq!(a.len(), b.len());
    let largest = a.iter().fold(1.0, |m: f64, x| m.max(x.abs()));
    for (a, b) in a.iter().zip(b) {
        prop_assert!((a - b).abs() < 1e-12 * largest, "{} is not {}", a, b);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn rotation_reflection_and_translation_change_nothing(
        (positions, elements) in cluster(13),
        (a, b) in (0.0..6.0f64, 0.0..6.0f64),
        shift in prop::array::uniform3(-50.0..50.0f64),
    ) {
        let moved: Vec<[f64; 3]> = positions
            .iter()
            .map(|&[x, y, z]| {
                let (x, y) = (a.cos() * x - a.sin() * y, a.sin() * x + a.cos() * y);
                let (y, z) = (b.cos() * y - b.sin() * z, b.sin() * y + b.cos() * z);
                [shift[0] - x, shift[1] + y, shift[2] + z]
            })
            .collect();
        let basis = two_elements();
        let rows = basis.site_features(&[free(&positions, &elements), free(&moved, &elements)]).unwrap();
        let (before, after) = rows.split_at(rows.len() / 2);
        assert_close(before, after)?;
    }

    #[test]
    fn rows_follow_the_atoms_and_means_are_means(
        (positions, elements) in cluster(21),
        seed in prop::collection::vec(any::<u32>(), 21),
    ) {
        let basis = two_elements();
        let d = basis.n_features();
        let mut order: Vec<usize> = (0..21).collect();
        order.sort_by_key(|&k| seed[k]);
        let shuffled: Vec<_> = order.iter().map(|&k| positions[k]).collect();
        let shuffled_elements: Vec<_> = order.iter().map(|&k| elements[k]).collect();
        let rows = basis.site_features(&[free(&positions, &elements)]).unwrap();
        let shuffled_rows = basis.site_features(&[free(&shuffled, &shuffled_elements)]).unwrap();
        for (place, &k) in order.iter().enumerate() {
            assert_close(&rows[k * d..][..d], &shuffled_rows[place * d..][..d])?;
        }
        let mean = basis.structure_features(&[free(&positions, &elements)]).unwrap();
        let columns: Vec<f64> = (0..d).map(|c| rows.iter().skip(c).step_by(d).sum::<f64>() / 21.0).collect();
        assert_close(&columns, &mean)?;
    }

    #[test]
    fn a_dimer_has_pair_functions_only(r in 0.5..3.9f64) {
        let basis = two_elements();
        let rows = basis.site_features(&[free(&[[0.0; 3], [0.6 * r, 0.0, 0.8 * r]], &[8, 1])]).unwrap();
        let pair = 3 * 9;
        let largest = rows[..pair].iter().fold(0.0, |m: f64, x| m.max(x.abs()));
        prop_assert!(largest > 0.0);
        let d = basis.n_features();
        for row in rows.chunks_exact(d) {
            prop_assert!(row[pair..].iter().all(|x| x.abs() < 1e-13));
            // The functions of the pair of both elements, and no others.
            prop_assert!(row[..9].iter().chain(&row[18..27]).all(|&x| x == 0.0));
        }
    }
}

#[test]
fn an_isolated_atom_is_a_row_of_zeros() {
    let rows = two_elements().site_features(&[free(&[[1.0, 2.0, 3.0]], &[8])]).unwrap();
    assert!(rows.iter().all(|&x| x == 0.0));
}

/// Bit for bit, over structures smaller and larger than what one thread takes at a time.
#[test]
fn threads_change_nothing() {
    let wave = |k: usize, a: f64| 0.25 * (a * k as f64).sin();
    let crystal = |n: usize| -> Vec<[f64; 3]> {
        let place = |k: usize| [k % n, (k / n) % n, k / (n * n)].map(|c| 2.3 * c as f64);
        (0..n * n * n).map(|k| [0, 1, 2].map(|axis| place(k)[axis] + wave(k, 1.3 + axis as f64))).collect()
    };
    let (small, large) = (crystal(2), crystal(8));
    let elements: Vec<i64> = (0..512).map(|k| if k % 3 == 0 { 8 } else { 1 }).collect();
    let structures = [periodic(&small, &elements[..8], 4.6), periodic(&large, &elements, 18.4)];
    let basis = two_elements();
    let on = |n: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap();
        pool.install(|| (basis.site_features(&structures).unwrap(), basis.structure_features(&structures).unwrap()))
    };
    let one = on(1);
    assert!(one == on(2) && one == on(5));
}

#[test]
fn the_first_structure_that_is_wrong_is_named() {
    let basis = two_elements();
    let (good, bad) = ([[0.0; 3], [1.0, 0.0, 0.0]], [[0.0; 3], [f64::NAN, 0.0, 0.0]]);
    let refused = |structures: &[Structure<'_>]| {
        let site = basis.site_features(structures).unwrap_err();
        assert_eq!(format!("{site}"), format!("{}", basis.structure_features(structures).unwrap_err()));
        match site {
            Error::Structure { index, problem } => (index, problem),
            other => panic!("{other}"),
        }
    };
    let fine = free(&good, &[1, 8]);
    let (index, problem) = refused(&[fine, free(&bad, &[1, 8]), free(&[], &[])]);
    assert!(index == 1 && matches!(problem, StructureProblem::Position { atom: 1, .. }));
    assert_eq!(refused(&[fine, fine, free(&[], &[])]), (2, StructureProblem::Empty));
    let problem = StructureProblem::UnknownElement { atom: 1, given: 14, known: vec![1, 8] };
    assert_eq!(refused(&[fine, free(&good, &[1, 14])]), (1, problem));
    let problem = StructureProblem::AtomCount { positions: 2, numbers: 1 };
    assert_eq!(refused(&[free(&good, &[1])]), (0, problem));
    let cell = [[1e-5, 0.0, 0.0], [0.0, 5.0, 0.0], [0.0, 0.0, 5.0]];
    let (_, problem) = refused(&[Structure { cell, pbc: [true; 3], ..fine }]);
    assert!(matches!(problem, StructureProblem::TooDense { .. }));
    let (_, problem) = refused(&[free(&[[0.0; 3], [0.0, 9e-4, 0.0]], &[1, 8])]);
    assert!(matches!(problem, StructureProblem::Coincident { first: 0, second: 1, .. }));
}
