//! The directions of largest variance, approximately: enough for lower bounds on distances.

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par};

use crate::data::splitmix::SplitMix;

/// Steps of the subspace iteration; the bounds hold for any orthonormal directions, good or not.
const STEPS: usize = 3;
/// Fraction of the variance that may lie outside the directions.
const RESIDUAL: f64 = 0.05;
/// First number of directions: with the length of the rest an image fills four registers of eight.
const FIRST: usize = 31;

/// Orthonormal columns that hold most of the variance of the rows of `sample`; `None` if that takes more than a quarter
/// of the number of features.
pub(super) fn leading_directions(sample: MatRef<'_, f64>) -> Option<Mat<f64>> {
    let dim = sample.ncols();
    let total = sample.squared_norm_l2();
    let mut count = FIRST;
    while 4 * count <= dim {
        let directions = iterate(sample, count);
        let captured = product(sample, directions.as_ref()).squared_norm_l2();
        if total - captured <= RESIDUAL * total {
            return Some(directions);
        }
        count = 2 * count + 1;
    }
    None
}

fn iterate(sample: MatRef<'_, f64>, count: usize) -> Mat<f64> {
    let mut random = SplitMix::new(0);
    let mut directions = Mat::from_fn(sample.ncols(), count, |_, _| random.uniform() - 0.5);
    for _ in 0..STEPS {
        let images = product(sample, directions.as_ref());
        directions = product(sample.transpose(), images.as_ref()).qr().compute_thin_Q();
    }
    directions
}

fn product(a: MatRef<'_, f64>, b: MatRef<'_, f64>) -> Mat<f64> {
    let mut out = Mat::zeros(a.nrows(), b.ncols());
    matmul(out.as_mut(), Accum::Replace, a, b, 1.0, Par::Seq);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_are_orthonormal_and_hold_the_variance() {
        let mut random = SplitMix::new(1);
        let sample = Mat::from_fn(300, 200, |_, k| (random.uniform() - 0.5) / (1.0 + k as f64));
        let directions = leading_directions(sample.as_ref()).unwrap();
        let gram = product(directions.transpose(), directions.as_ref());
        assert!((gram - Mat::<f64>::identity(FIRST, FIRST)).norm_max() < 1e-12);
        let captured = product(sample.as_ref(), directions.as_ref()).squared_norm_l2();
        assert!(captured > (1.0 - RESIDUAL) * sample.squared_norm_l2());
    }

    #[test]
    fn rows_that_differ_in_every_direction_have_no_such_subspace() {
        let mut random = SplitMix::new(1);
        let sample = Mat::from_fn(300, 200, |_, _| random.uniform() - 0.5);
        assert!(leading_directions(sample.as_ref()).is_none());
    }

    #[test]
    fn equal_rows_are_no_trouble() {
        assert!(leading_directions(Mat::zeros(10, 200).as_ref()).is_some());
    }
}
