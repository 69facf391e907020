//! The nearest medoid of each row, and the loss, in float64 from the rows of the caller.

use rayon::prelude::*;

use super::space::{Space, range};
use crate::data::rows::Rows;
use crate::distance::screen::Radii;

/// Number of rows in a partial sum: fixed, so that the sum does not depend on the number of threads.
const CHUNK: usize = 1024;

/// The position of the nearest medoid of each row, and the sum of the distances to the nearest medoid or row of the
/// core. The position is `None` if a row of the core is at least as near, or if there are no medoids.
///
/// `known` holds the distance of every row to the nearest of them in float32. Only centres whose float32 distance
/// exceeds it by no more than rounding are measured in float64.
pub(super) fn assign(
    space: &Space,
    pool: &dyn Rows,
    core: &dyn Rows,
    medoids: &[u32],
    known: &[f32],
) -> (Vec<Option<usize>>, f64) {
    let first_core = pool.len();
    let centres: Vec<u32> = range(first_core, core.len()).into_iter().chain(medoids.iter().copied()).collect();
    let packed = space.screen.pack(centres.clone());
    let dim = pool.dim();
    let mut values = vec![0.0; centres.len() * dim];
    for (&centre, out) in centres.iter().zip(values.chunks_exact_mut(dim)) {
        match (centre as usize).checked_sub(first_core) {
            Some(row) => core.read(row, out),
            None => pool.read(centre as usize, out),
        }
    }
    let unit = space.points.unit();
    let chunks: Vec<(Vec<Option<usize>>, f64)> = known
        .par_chunks(CHUNK)
        .enumerate()
        .map(|(chunk, known)| {
            let rows = range(chunk * CHUNK, known.len());
            let radii: Vec<f32> = known.iter().map(|&d| d + space.points.error(d)).collect();
            let mut best = vec![(f64::INFINITY, usize::MAX); rows.len()];
            let mut row = (usize::MAX, vec![0.0; dim]);
            space.screen.within(&rows, &packed, Radii::OfRows(&radii), |index, centre| {
                if space.points.distance(rows[index] as usize, centres[centre] as usize) > radii[index] {
                    return;
                }
                if row.0 != index {
                    row.0 = index;
                    pool.read(rows[index] as usize, &mut row.1);
                }
                let found = (distance(&row.1, &values[centre * dim..(centre + 1) * dim], unit), centre);
                if found < best[index] {
                    best[index] = found;
                }
            });
            let loss = best.iter().map(|best| best.0).sum();
            let label = |centre: usize| centre.checked_sub(core.len()).filter(|&label| label < medoids.len());
            (best.iter().map(|best| label(best.1)).collect(), loss)
        })
        .collect();
    let mut labels = Vec::with_capacity(pool.len());
    let mut loss = 0.0;
    for (chunk_labels, chunk_loss) in chunks {
        labels.extend(chunk_labels);
        loss += chunk_loss;
    }
    (labels, loss * unit)
}

/// Euclidean distance in a unit for which no square overflows.
fn distance(a: &[f64], b: &[f64], unit: f64) -> f64 {
    a.iter().zip(b).map(|(a, b)| ((a - b) / unit).powi(2)).sum::<f64>().sqrt()
}
