//! Which medoid each row belongs to, and the loss, in float64 from the rows as they are.

use rayon::prelude::*;

use super::screen::Radii;
use super::space::{Space, range};
use crate::rows::Rows;

/// Rows that are summed up together: fixed, so that the sum does not depend on the number of threads.
const CHUNK: usize = 1024;

/// Positions of the nearest medoids, none where a row of the core is at least as near or there is
/// none at all, and the sum of the distances.
///
/// `known` holds the distance of every row to the nearest of them in float32; only those that rounding may have put
/// behind it are measured again.
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

/// Euclidean distance, in units that let no square overflow.
fn distance(a: &[f64], b: &[f64], unit: f64) -> f64 {
    a.iter().zip(b).map(|(a, b)| ((a - b) / unit).powi(2)).sum::<f64>().sqrt()
}
