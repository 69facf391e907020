//! Distances to the nearest row of a core, and scales of columns against plain loops.

mod common;

use common::{DISTANCES, Matrix, all_close, distance_between, points, pool_and_core, scaled, scales};
use mlipselect_core::{
    Engine, Error, Fps, Metric, Pool, Rows, Scale, Scaled, Selection, column_sums, moments_of_sums, standard_scales,
};
use proptest::prelude::*;

/// For each point, the distance to the nearest centre.
fn brute_force(rows: &[Vec<f64>], centres: &[Vec<f64>], metric: Metric) -> Vec<f64> {
    let to_centres = |x| centres.iter().map(move |centre| distance_between(metric, x, centre));
    rows.iter().map(|x| to_centres(x).fold(f64::INFINITY, f64::min)).collect()
}

proptest! {
    /// The score of a candidate that is accepted before all others is its distance to the core.
    #[test]
    fn distances_are_those_of_the_definition((rows, core) in pool_and_core(40, 12), which in 0_usize..4) {
        prop_assume!(!core.is_empty());
        let distance = DISTANCES[which];
        let [row_points, core_points] = points(&rows, &core, distance);
        let pool = Pool::new(&rows).with_core(&core).unwrap();
        let found: Vec<f64> = (0..rows.len())
            .map(|candidate| {
                let mut selection = Fps::new(&pool, distance, None, Engine::Lazy).unwrap();
                selection.accept(&pool, candidate).unwrap();
                selection.scores()[0]
            })
            .collect();
        let expected = brute_force(&row_points, &core_points, distance.metric);
        prop_assert!(all_close(&found, &expected, 1e-12, 1e-3), "{found:?} {expected:?}");
    }

    /// Lengths to a core are all that farthest point sampling needs to know of it.
    #[test]
    fn lengths_stand_for_the_core((rows, core) in pool_and_core(60, 8), which in 0_usize..4) {
        prop_assume!(!core.is_empty());
        let distance = DISTANCES[which];
        let factors = (distance.scale == Scale::Standard).then(|| scales(&[&rows, &core]));
        let [row_points, core_points] = points(&rows, &core, distance);
        let lengths = brute_force(&row_points, &core_points, Metric::Euclidean);
        let (alone, beside) = (Pool::new(&rows), Pool::new(&rows).with_core(&core).unwrap());
        let mut continued =
            Fps::with_lengths(&alone, distance.metric, factors.as_deref(), lengths, Engine::Lazy).unwrap();
        let mut whole = Fps::new(&beside, distance, None, Engine::Lazy).unwrap();
        continued.advance(&alone, rows.len()).unwrap();
        whole.advance(&beside, rows.len()).unwrap();
        prop_assert_eq!(continued.indices(), whole.indices());
        prop_assert!(all_close(continued.scores(), whole.scores(), 1e-8, 0.0));
    }

    #[test]
    fn scales_are_inverse_standard_deviations((rows, core) in pool_and_core(80, 12)) {
        let expected = scales(&[&rows, &core]);
        let found = standard_scales(&[("the pool", &rows), ("the core", &core)]).unwrap();
        prop_assert!(all_close(&found, &expected, 1e-9, 0.0), "{found:?} {expected:?}");
        let parts = [&rows, &core].map(|part| column_sums("a part", part, rows.row(0)).unwrap());
        prop_assert_eq!(&moments_of_sums(&parts, rows.len() + core.len(), rows.row(0), false).scales, &found);
        let view = Scaled::new(&rows, &found).unwrap();
        let mut row = vec![0.0; rows.dim];
        for (index, expected) in scaled(&rows, &found).iter().enumerate() {
            view.read(index, &mut row);
            prop_assert_eq!(&row, expected);
        }
        let (sums, squares) = column_sums("the pool", &rows, rows.row(0)).unwrap();
        let sum = |of: &dyn Fn(f64) -> f64| -> Vec<f64> {
            (0..rows.dim).map(|k| rows.rows().map(|row| of(row[k] - rows.row(0)[k])).sum()).collect()
        };
        prop_assert!(all_close(&sums, &sum(&|x| x), 1e-12, 1e-3));
        prop_assert!(all_close(&squares, &sum(&|x| x * x), 1e-12, 1e-6));
    }
}

#[test]
fn rows_without_a_place_are_refused() {
    let rows = Matrix::new(vec![1.0, 1.0, 0.0, 0.0, 2.0, f64::INFINITY], 2);
    let [good, bad] = rows.split(2);
    let [euclidean, _, cosine, _] = DISTANCES;
    let begin = |rows, core, distance| {
        Fps::new(&Pool::new(rows).with_core(core).unwrap(), distance, None, Engine::Lazy).map(|_| ())
    };
    assert!(begin(&good, &good, euclidean).is_ok());
    assert!(matches!(begin(&good, &good, cosine), Err(Error::Row { row: 1, .. })));
    assert!(matches!(begin(&bad, &good, euclidean), Err(Error::NotFinite { row: 0, .. })));
    let wide = Matrix::new(vec![1.0; 3], 3);
    let error = Pool::new(&good).with_core(&wide).err().unwrap();
    assert!(matches!(error, Error::Dimension { expected: 2, given: 3, .. }), "{error}");
}
