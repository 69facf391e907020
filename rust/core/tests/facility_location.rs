//! Facility location against the sum over the pool of the distance to the nearest of core and picks.

mod common;

use common::{DISTANCES, Matrix, all_close, close, distance_between, first_best, points, pool_and_core};
use mlipselect_core::{Distance, Engine, Error, FacilityLocation, Pool, Rows, Selection, View};
use proptest::prelude::*;

/// Picks, by how much each lowered the sum, and the sum that is left. Excluded candidates are part of the sum.
fn brute_force(
    pool: &[Vec<f64>],
    core: &[Vec<f64>],
    distance: Distance,
    excluded: &[usize],
    count: usize,
) -> (Vec<usize>, Vec<f64>, f64) {
    let between = |a: &[f64], b: &[f64]| distance_between(distance.metric, a, b);
    let mut nearest: Vec<f64> =
        pool.iter().map(|x| core.iter().map(|c| between(x, c)).fold(f64::INFINITY, f64::min)).collect();
    let (mut taken, mut scores) = (excluded.to_vec(), Vec::new());
    for _ in 0..count {
        let is_bare = nearest[0] == f64::INFINITY;
        let gain = |candidate: &Vec<f64>| -> f64 {
            let distances = pool.iter().map(|x| between(x, candidate));
            if is_bare { -distances.sum::<f64>() } else { distances.zip(&nearest).map(|(d, n)| (n - d).max(0.0)).sum() }
        };
        let gains: Vec<f64> = pool.iter().map(gain).collect();
        let pick = first_best(&gains, &taken);
        taken.push(pick);
        scores.push(if is_bare { f64::INFINITY } else { gains[pick] });
        nearest.iter_mut().zip(pool).for_each(|(n, x)| *n = n.min(between(x, &pool[pick])));
    }
    (taken.split_off(excluded.len()), scores, nearest.iter().sum())
}

proptest! {
    #[test]
    fn picks_scores_and_loss_are_those_of_the_definition(
        (rows, core) in pool_and_core(40, 8), which in 0_usize..4, exclude in any::<bool>(), naive in any::<bool>(),
    ) {
        let distance = DISTANCES[which];
        let excluded: Vec<usize> = if exclude { (0..rows.len()).skip(1).step_by(4).collect() } else { Vec::new() };
        let n = rows.len() - excluded.len();
        let [pool_points, core_points] = points(&rows, &core, distance);
        let (picks, scores, loss) = brute_force(&pool_points, &core_points, distance, &excluded, n);

        let pool = Pool::new(&rows).with_core(core).unwrap();
        let engine = if naive { Engine::Naive } else { Engine::Lazy };
        let mut selection = FacilityLocation::new(&pool, distance, engine, usize::MAX).unwrap();
        selection.exclude(&excluded).unwrap();
        selection.advance(&pool, n).unwrap();
        prop_assert_eq!(selection.indices(), picks);
        let size = scores.iter().copied().filter(|score| score.is_finite()).fold(0.0, f64::max);
        prop_assert!(all_close(selection.scores(), &scores, 1e-8, 1e-6 * size), "{:?} {scores:?}", selection.scores());
        prop_assert!(close(selection.loss().unwrap(), loss, 1e-8, 1e-6 * size), "{:?} {loss}", selection.loss());
    }
}

/// Bounds are lowered from lists of near rows: long ones, short ones, and more than there is room for.
#[test]
fn picks_of_a_pool_of_several_chunks_are_those_of_the_definition() {
    let (rows, core) = (Matrix::decaying(1500, 6, 1, false), Matrix::decaying(3, 6, 2, false));
    for (distance, core) in DISTANCES.into_iter().zip([None, Some(&core)]) {
        let pool = Pool::new(&rows);
        let pool = if let Some(core) = core { pool.with_core(core).unwrap() } else { pool };
        let [lazy, naive] = [Engine::Lazy, Engine::Naive].map(|engine| {
            let mut selection = FacilityLocation::new(&pool, distance, engine, usize::MAX).unwrap();
            selection.advance(&pool, 24).unwrap();
            selection
        });
        assert_eq!(lazy.indices(), naive.indices());
        assert!(all_close(lazy.scores(), naive.scores(), 1e-8, 0.0));
    }
}

#[test]
fn the_loss_is_infinite_without_core_and_picks_and_memory_is_limited() {
    let pool = Pool::new(View::new(&[0.0, 1.0, 5.0], 3, 1).unwrap());
    let selection = FacilityLocation::new(&pool, DISTANCES[0], Engine::Lazy, usize::MAX).unwrap();
    assert_eq!(selection.loss(), Some(f64::INFINITY));
    let bytes = FacilityLocation::bytes(3, 0, 1);
    assert!(FacilityLocation::new(&pool, DISTANCES[0], Engine::Lazy, bytes).is_ok());
    // What is too much for memory goes to a file, but for what is beside it.
    let beside_file = FacilityLocation::bytes_beside_file(3, 0, 1);
    assert!(FacilityLocation::new(&pool, DISTANCES[0], Engine::Lazy, beside_file).is_ok());
    let refused = FacilityLocation::new(&pool, DISTANCES[0], Engine::Lazy, bytes.min(beside_file) - 1);
    assert!(matches!(refused.err(), Some(Error::Memory { .. })));
}
