//! Farthest point sampling against all distances, computed before every pick.

mod common;

use common::{DISTANCES, all_close, distance_between, first_best, length_between, points, pool_and_core};
use mlipselect_core::{Distance, Engine, Error, Fps, Pool, Rows, Selection, View};
use proptest::prelude::*;

/// Picks and their scores. Without a core the first pick is `initialize` or the point farthest from the mean.
fn brute_force(
    pool: &[Vec<f64>],
    core: &[Vec<f64>],
    distance: Distance,
    initialize: Option<usize>,
    count: usize,
) -> (Vec<usize>, Vec<f64>) {
    let mean: Vec<f64> =
        (0..pool[0].len()).map(|k| pool.iter().map(|point| point[k]).sum::<f64>() / pool.len() as f64).collect();
    let mut centres = core.to_vec();
    let (mut picks, mut scores) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let nearest = |point: &Vec<f64>| {
            centres.iter().map(|c| distance_between(distance.metric, point, c)).fold(f64::INFINITY, f64::min)
        };
        let (pick, score) = if centres.is_empty() {
            let from_mean: Vec<f64> = pool.iter().map(|point| length_between(point, &mean)).collect();
            (initialize.unwrap_or_else(|| first_best(&from_mean, &[])), f64::INFINITY)
        } else {
            let values: Vec<f64> = pool.iter().map(nearest).collect();
            let pick = first_best(&values, &picks);
            (pick, values[pick])
        };
        centres.push(pool[pick].clone());
        picks.push(pick);
        scores.push(score);
    }
    (picks, scores)
}

proptest! {
    #[test]
    fn picks_and_scores_are_those_of_the_definition(
        (rows, core) in pool_and_core(60, 8), which in 0_usize..4, start in 0_usize..60, initialized in any::<bool>(),
        naive in any::<bool>(),
    ) {
        let distance = DISTANCES[which];
        let initialize = (initialized && core.is_empty()).then_some(start % rows.len());
        let [pool_points, core_points] = points(&rows, &core, distance);
        let (picks, scores) = brute_force(&pool_points, &core_points, distance, initialize, rows.len());

        let pool = Pool::new(&rows).with_core(core).unwrap();
        let engine = if naive { Engine::Naive } else { Engine::Lazy };
        let mut selection = Fps::new(&pool, distance, initialize, engine).unwrap();
        selection.advance(&pool, rows.len()).unwrap();
        prop_assert_eq!(selection.indices(), picks);
        prop_assert!(all_close(selection.scores(), &scores, 1e-8, 0.0), "{:?} {scores:?}", selection.scores());
        prop_assert!(selection.scores().is_sorted_by(|a, b| a >= b), "scores never rise");
    }
}

#[test]
fn the_first_pick_cannot_be_excluded_or_stand_beside_a_core() {
    let data = [0.0, 1.0, 5.0];
    let view = View::new(&data, 3, 1).unwrap();
    let mut selection = Fps::new(&Pool::new(view), DISTANCES[0], Some(1), Engine::Lazy).unwrap();
    assert!(matches!(selection.exclude(&[0, 1]), Err(Error::Shape(_))));
    assert_eq!(selection.remaining(), 3);
    let pool = Pool::new(view).with_core(view).unwrap();
    assert!(matches!(Fps::new(&pool, DISTANCES[0], Some(1), Engine::Lazy).err(), Some(Error::Shape(_))));
    let zero = Pool::new(view);
    assert!(matches!(Fps::new(&zero, DISTANCES[2], None, Engine::Lazy).err(), Some(Error::Row { row: 0, .. })));
}
