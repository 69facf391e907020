//! Leverage against an eigendecomposition of the Gram matrix by Jacobi rotations, or against an inverse.

mod common;

use common::{Matrix, Square, add_outer, all_close, close, dot, invert, pool_and_core, scalar, scaled, scales, times};
use mlipselect_core::{Error, Groups, Leverage, LeverageScores, Rows, Scale, View, largest_first, leverage};
use proptest::prelude::*;

/// Eigenvalues of a symmetric matrix and their vectors as rows, largest first, by rotations that annihilate one
/// element after the other.
fn eigen(mut a: Square) -> Vec<(f64, Vec<f64>)> {
    let dim = a.len();
    let mut vectors = scalar(dim, 1.0);
    let rotate = |rows: &mut Square, (p, q): (usize, usize), (c, s): (f64, f64)| {
        for k in 0..dim {
            let (x, y) = (rows[p][k], rows[q][k]);
            (rows[p][k], rows[q][k]) = (c * x - s * y, s * x + c * y);
        }
    };
    let transposed = |a: &Square| -> Square { (0..dim).map(|i| a.iter().map(|row| row[i]).collect()).collect() };
    for _sweep in 0..30 {
        for pair @ (p, q) in (0..dim).flat_map(|q| (0..q).map(move |p| (p, q))) {
            if a[p][q] != 0.0 {
                let angle = 0.5 * (2.0 * a[p][q]).atan2(a[q][q] - a[p][p]);
                let rotation = (angle.cos(), angle.sin());
                rotate(&mut a, pair, rotation);
                a = transposed(&a);
                rotate(&mut a, pair, rotation);
                rotate(&mut vectors, pair, rotation);
            }
        }
    }
    let mut pairs: Vec<(f64, Vec<f64>)> = vectors.into_iter().enumerate().map(|(k, v)| (a[k][k], v)).collect();
    pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
    pairs
}

/// The leverage of each row of the pool: its share in the leading directions of `X`, or with a ridge its quadratic form
/// with the inverse of `X^T X + lambda I`.
fn brute_force(pool: &[Vec<f64>], all: &[Vec<f64>], kind: Leverage) -> (Vec<f64>, usize, f64) {
    let dim = all[0].len();
    let mut gram = scalar(dim, 0.0);
    all.iter().for_each(|row| add_outer(&mut gram, 1.0, row));
    let total: f64 = (0..dim).map(|i| gram[i][i]).sum();
    let pairs = eigen(gram.clone());
    let held = |rank: usize| pairs[..rank].iter().map(|pair| pair.0).sum::<f64>() / total;
    let rank = match kind {
        Leverage::Rank(rank) => rank,
        Leverage::EffectiveRank => (1..=dim).find(|&rank| held(rank) >= 0.999).unwrap(),
        Leverage::Ridge(ridge) => {
            (0..dim).for_each(|i| gram[i][i] += ridge * total / (all.len() * dim) as f64);
            let inverse = invert(gram).0;
            return (pool.iter().map(|x| dot(x, &times(&inverse, x))).collect(), all.len().min(dim), 1.0);
        }
    };
    let share = |x: &Vec<f64>| pairs[..rank].iter().map(|(square, v)| dot(x, v).powi(2) / square).sum();
    (pool.iter().map(share).collect(), rank, held(rank))
}

/// The number of directions whose squared singular value is above a fraction 1e-9 of the largest.
fn numerical_rank(all: &[Vec<f64>]) -> usize {
    let mut gram = scalar(all[0].len(), 0.0);
    all.iter().for_each(|row| add_outer(&mut gram, 1.0, row));
    let pairs = eigen(gram);
    pairs.iter().filter(|pair| pair.0 > 1e-9 * pairs[0].0).count()
}

proptest! {
    #[test]
    fn leverage_is_that_of_the_definition(
        (rows, core) in pool_and_core(30, 9), kind in 0_usize..3, which in 0_usize..9, standard in any::<bool>(),
    ) {
        let factors = if standard { scales(&[&rows, &core]) } else { vec![1.0; rows.dim] };
        let pool = scaled(&rows, &factors);
        let all = [pool.clone(), scaled(&core, &factors)].concat();
        let kind = match kind {
            0 => Leverage::EffectiveRank,
            1 => Leverage::Rank(1 + which % numerical_rank(&all)),
            _ => Leverage::Ridge([1e-3, 1.0, 30.0][which % 3]),
        };
        let (values, rank, explained) = brute_force(&pool, &all, kind);
        let scale = if standard { Scale::Standard } else { Scale::None };
        let core: Option<&dyn Rows> = (!core.is_empty()).then_some(&core);
        let found = leverage(&rows, None, core, kind, scale).unwrap();
        prop_assert_eq!(found.rank, rank);
        prop_assert!(all_close(&found.values, &values, 1e-7, 1.0), "{:?} {values:?}", found.values);
        prop_assert!(close(found.explained, explained, 1e-9, 0.0), "{} {explained}", found.explained);

        // A group has the sum of its rows.
        let offsets: Vec<usize> = (0..rows.len()).step_by(3).chain([rows.len()]).collect();
        let groups = Groups::new(offsets.clone()).unwrap();
        let LeverageScores { values, .. } = leverage(&rows, Some(&groups), core, kind, scale).unwrap();
        let sums: Vec<f64> = offsets.windows(2).map(|pair| found.values[pair[0]..pair[1]].iter().sum()).collect();
        prop_assert_eq!(values, sums);
    }

    #[test]
    fn the_largest_are_first(values in prop::collection::vec(0_u8..6, 1..30)) {
        // Of values that are a little apart, those within 1e-12 of the largest tie with it.
        let values: Vec<f64> =
            values.iter().enumerate().map(|(i, &v)| f64::from(v) * (1.0 + 3e-13 * (i % 3) as f64)).collect();
        let mut expected = Vec::new();
        while expected.len() < values.len() {
            expected.push(common::first_best(&values, &expected));
        }
        let candidates: Vec<usize> = (0..values.len()).collect();
        prop_assert_eq!(largest_first(&candidates, &values).unwrap(), expected);
    }
}

/// So many float32 features are multiplied in float32; in float64 they have the same leverages to 1e-5.
#[test]
fn many_float32_rows_have_the_leverages_of_float64_rows() {
    let rows = Matrix::decaying(300_000, 16, 1, true);
    let double = View::new(&rows.values, rows.len(), rows.dim).unwrap();
    for kind in [Leverage::Rank(3), Leverage::Ridge(1.0)] {
        let [single, double]: [LeverageScores; 2] =
            [&rows as &dyn Rows, &double].map(|rows| leverage(rows, None, None, kind, Scale::None).unwrap());
        assert_eq!(single.rank, double.rank);
        let largest = double.values.iter().copied().fold(0.0, f64::max);
        assert!(all_close(&single.values, &double.values, 1e-5, largest));
    }
}

#[test]
fn a_row_that_is_not_finite_is_named_by_its_group() {
    let rows = Matrix::new(vec![1.0, 2.0, f64::NAN, 4.0], 1);
    let error = leverage(&rows, None, None, Leverage::EffectiveRank, Scale::None).unwrap_err();
    assert!(matches!(error, Error::NotFinite { row: 2, .. }), "{error}");
    let groups = Groups::new(vec![0, 2, 4]).unwrap();
    let error = leverage(&rows, Some(&groups), None, Leverage::EffectiveRank, Scale::None).unwrap_err();
    assert!(matches!(error, Error::NotFinite { row: 1, .. }), "{error}");
}
