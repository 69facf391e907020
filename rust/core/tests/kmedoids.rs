//! k-medoids against the sum over the pool of the distance to the nearest medoid or row of the core.

mod common;

use common::{DISTANCES, Matrix, close, distance_between, points, pool_and_core};
use mlipselect_core::{KMedoids, Medoids, Metric, Pool, Rows, Scale, Start};
use proptest::prelude::*;

/// Distances for swaps come from float32 rows: the loss is a local minimum to about this fraction.
const SINGLE: f64 = 1e-6;

const STARTS: [Start; 3] = [Start::Build, Start::Lab { seed: 3 }, Start::PlusPlus { seed: 3 }];
const SCALES: [Scale; 2] = [Scale::None, Scale::Standard];

/// The distance of every row to the nearest centre.
fn nearest(pool: &[Vec<f64>], centres: &[&Vec<f64>]) -> Vec<f64> {
    let distances = |x| centres.iter().map(move |centre| distance_between(Metric::Euclidean, x, centre));
    pool.iter().map(|x| distances(x).fold(f64::INFINITY, f64::min)).collect()
}

/// The loss of medoids, given as rows of the pool.
fn loss(pool: &[Vec<f64>], core: &[Vec<f64>], medoids: &[usize]) -> f64 {
    nearest(pool, &core.iter().chain(medoids.iter().map(|&m| &pool[m])).collect::<Vec<_>>()).iter().sum()
}

/// The lowest loss that one swap of a medoid for a row leads to that is neither excluded nor a medoid.
fn best_swap(pool: &[Vec<f64>], core: &[Vec<f64>], medoids: &[usize], excluded: &[usize]) -> f64 {
    let open = (0..pool.len()).filter(|row| !medoids.contains(row) && !excluded.contains(row));
    let swapped = |place: usize, row: usize| {
        let mut medoids = medoids.to_vec();
        medoids[place] = row;
        loss(pool, core, &medoids)
    };
    open.flat_map(|row| (0..medoids.len()).map(move |place| swapped(place, row))).fold(f64::INFINITY, f64::min)
}

fn search(pool: &Pool<'_>, count: usize, excluded: &[usize], scale: Scale, start: Start, step: usize) -> Medoids {
    let mut clustering = KMedoids::new(pool, count, excluded, scale, start, usize::MAX).unwrap();
    while !clustering.is_done() {
        clustering.advance(step).unwrap();
    }
    clustering.medoids(pool).unwrap()
}

proptest! {
    #[test]
    fn the_loss_is_that_of_the_medoids_and_no_swap_lowers_it(
        (rows, core) in pool_and_core(40, 8), which in 0_usize..2, start in 0_usize..3, count in 1_usize..7,
        exclude in any::<bool>(),
    ) {
        let [pool_points, core_points] = points(&rows, &core, DISTANCES[which]);
        let excluded: Vec<usize> = if exclude { (0..rows.len()).skip(1).step_by(4).collect() } else { Vec::new() };
        let count = count.min(rows.len() - excluded.len());
        let pool = Pool::new(&rows).with_core(core).unwrap();
        let found = search(&pool, count, &excluded, SCALES[which], STARTS[start], 1000);

        let mut medoids = found.indices.clone();
        medoids.sort_unstable();
        medoids.dedup();
        prop_assert_eq!(medoids.len(), count);
        prop_assert!(medoids.iter().all(|medoid| !excluded.contains(medoid)));
        let first_loss = loss(&pool_points, &core_points, &medoids);
        let typical: f64 = pool_points.iter().flatten().map(|x| x.abs()).sum();
        prop_assert!(close(found.loss, first_loss, 1e-12, 1e-3 * typical), "{} {first_loss}", found.loss);
        let swapped = best_swap(&pool_points, &core_points, &medoids, &excluded);
        prop_assert!(swapped >= found.loss * (1.0 - SINGLE) - SINGLE * typical, "{} {swapped}", found.loss);
        // One medoid has one swap to every other row: no swap lowers the loss of the best alone.
        if count == 1 {
            let best = (0..rows.len()).filter(|row| !excluded.contains(row));
            let best = best.map(|row| loss(&pool_points, &core_points, &[row])).fold(f64::INFINITY, f64::min);
            prop_assert!(close(found.loss, best, SINGLE, typical));
        }
    }

    #[test]
    fn labels_name_the_nearest_medoid_and_sizes_count_them(
        (rows, core) in pool_and_core(40, 8), which in 0_usize..2, start in 0_usize..3, count in 1_usize..7,
    ) {
        let [pool_points, core_points] = points(&rows, &core, DISTANCES[which]);
        let pool = Pool::new(&rows).with_core(core).unwrap();
        let found = search(&pool, count.min(rows.len()), &[], SCALES[which], STARTS[start], 1000);
        let medoids: Vec<&Vec<f64>> = found.indices.iter().map(|&m| &pool_points[m]).collect();
        let [to_medoid, to_core] =
            [medoids.clone(), core_points.iter().collect()].map(|centres| nearest(&pool_points, &centres));
        for (row, label) in found.labels.iter().enumerate() {
            match label {
                Some(label) => {
                    let own = distance_between(Metric::Euclidean, &pool_points[row], medoids[*label]);
                    prop_assert!(close(own, to_medoid[row], 1e-12, 1e-3) && own <= to_core[row] + 1e-12);
                }
                None => prop_assert!(to_core[row] <= to_medoid[row] + 1e-12),
            }
        }
        let counted = |label| found.labels.iter().filter(|&&own| own == Some(label)).count();
        prop_assert_eq!(&found.sizes, &(0..medoids.len()).map(counted).collect::<Vec<_>>());
        let order: Vec<_> = found.sizes.iter().map(|&size| std::cmp::Reverse(size)).zip(&found.indices).collect();
        prop_assert!(order.is_sorted(), "largest first, of equal ones the lower index");
    }

    /// Two clusters far apart have a medoid each, whichever swaps are left, and each is the best of its cluster.
    #[test]
    fn two_clusters_far_apart_have_the_best_of_all_pairs(
        count in 4_usize..24, dim in 1_usize..5, seed in 0_u64..1000, in_float32 in any::<bool>(), start in 0_usize..3,
    ) {
        let mut rows = Matrix::decaying(count, dim, seed, in_float32).values;
        rows.iter_mut().step_by(2 * dim).for_each(|x| *x += 100.0);
        let rows = Matrix::new(rows, dim);
        let points: Vec<Vec<f64>> = rows.rows().map(<[f64]>::to_vec).collect();
        let found = search(&Pool::new(rows), 2, &[], Scale::None, STARTS[start], 1000);
        let pairs = (0..count).flat_map(|a| (0..a).map(move |b| [a, b]));
        let best = pairs.map(|pair| loss(&points, &[], &pair)).fold(f64::INFINITY, f64::min);
        // Features near 100 are rounded to 4e-6 in float32.
        prop_assert!(found.loss - best <= 2e-5 * count as f64);
    }

    #[test]
    fn steps_of_any_size_lead_to_the_same_medoids((rows, core) in pool_and_core(40, 8), start in 0_usize..3) {
        let count = rows.len().div_ceil(5);
        let pool = Pool::new(rows).with_core(core).unwrap();
        let [whole, parts] =
            [1000, 1].map(|step| search(&pool, count, &[], Scale::Standard, STARTS[start], step));
        prop_assert_eq!(whole.indices, parts.indices);
        prop_assert_eq!(whole.labels, parts.labels);
        prop_assert_eq!(whole.loss, parts.loss);
    }
}
