//! The mean of many rows.

use rayon::prelude::*;

use crate::rows::Rows;

/// Rows that are summed up together: fixed, so that the sums do not depend on the number of threads.
const CHUNK: usize = 1024;

/// The mean row, as the first one plus the mean deviation from it, which loses less to rounding.
pub(crate) fn mean(rows: &dyn Rows, dim: usize) -> Vec<f64> {
    let mut first = vec![0.0; dim];
    rows.read(0, &mut first);
    let chunks: Vec<Vec<f64>> = (0..rows.len().div_ceil(CHUNK))
        .into_par_iter()
        .map_init(
            || vec![0.0; dim],
            |row, chunk| {
                let mut sums = vec![0.0; dim];
                for index in chunk * CHUNK..rows.len().min((chunk + 1) * CHUNK) {
                    rows.read(index, row);
                    let deviations = row.iter().zip(&first).map(|(x, first)| x - first);
                    sums.iter_mut().zip(deviations).for_each(|(sum, deviation)| *sum += deviation);
                }
                sums
            },
        )
        .collect();
    let mut sums = vec![0.0; dim];
    for chunk in chunks {
        sums.iter_mut().zip(chunk).for_each(|(a, b)| *a += b);
    }
    first.iter().zip(sums).map(|(first, sum)| first + sum / rows.len() as f64).collect()
}
