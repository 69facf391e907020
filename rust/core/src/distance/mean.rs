//! The mean of many points.

use rayon::prelude::*;

use super::points::Points;
use super::rounded::subtract;
use crate::data::rows::{Rows, in_blocks};
use crate::error::Result;

/// Number of points in a partial sum: fixed, so that the sums do not depend on the number of threads.
const CHUNK: usize = 1024;

/// The mean, computed as the first point plus the mean deviation from it, which rounds less.
///
/// # Errors
/// [`crate::Error::NotFinite`] or [`crate::Error::Row`], for the first row whose deviation is not finite.
pub(crate) fn mean(what: &'static str, points: Points<'_>) -> Result<Vec<f64>> {
    let mut first = vec![0.0; points.dim()];
    points.read(0, &mut first);
    let mut sums = vec![0.0; first.len()];
    in_blocks(&points, CHUNK, |block| {
        let chunks: Vec<Result<Vec<f64>>> = (block.start..block.end)
            .into_par_iter()
            .step_by(CHUNK)
            .map_init(
                || vec![0.0; first.len()],
                |point, start| {
                    let rows = start..block.end.min(start + CHUNK);
                    let sums = deviations(points, rows.clone(), &first, point);
                    if sums.iter().all(|sum| sum.is_finite()) {
                        return Ok(sums);
                    }
                    let is_bad = |&row: &usize| {
                        let sums = deviations(points, row..row + 1, &first, point);
                        !sums.iter().all(|sum| sum.is_finite())
                    };
                    let row = rows.clone().find(is_bad).unwrap_or(rows.start);
                    Err(points.problem(what, row))
                },
            )
            .collect();
        for chunk in chunks {
            sums.iter_mut().zip(chunk?).for_each(|(a, b)| *a += b);
        }
        Ok(())
    })?;
    Ok(first.iter().zip(sums).map(|(first, sum)| first + sum / points.len() as f64).collect())
}

/// The distance of every point from an origin, such as their mean.
///
/// # Errors
/// [`crate::Error::NotFinite`] or [`crate::Error::Row`], for the first row that no distance can be measured from.
pub(crate) fn lengths_from(origin: &[f64], what: &'static str, points: Points<'_>) -> Result<Vec<f64>> {
    let mut lengths = vec![0.0; points.len()];
    in_blocks(&points, 1, |block| {
        let first = block.start;
        let measure = |point: &mut Vec<f64>, (index, length): (usize, &mut f64)| {
            points.read(first + index, point);
            let is_usable = points.is_usable(point);
            *length = subtract(point, origin);
            match is_usable && length.is_finite() {
                true => Ok(()),
                false => Err(points.problem(what, first + index)),
            }
        };
        let own = lengths[block].par_iter_mut().enumerate().with_min_len(CHUNK);
        let checks: Vec<Result<()>> = own.map_init(|| vec![0.0; origin.len()], measure).collect();
        checks.into_iter().collect()
    })?;
    Ok(lengths)
}

/// The sum of the deviations of points from `first`.
fn deviations(points: Points<'_>, rows: std::ops::Range<usize>, first: &[f64], point: &mut [f64]) -> Vec<f64> {
    let mut sums = vec![0.0; first.len()];
    for row in rows {
        points.read(row, point);
        let deviations = point.iter().zip(first).map(|(x, first)| x - first);
        sums.iter_mut().zip(deviations).for_each(|(sum, deviation)| *sum += deviation);
    }
    sums
}
