//! Rows to select from, and the arithmetic that the brute forces share.
#![allow(dead_code)] // Every test file is a crate of its own and uses a part of this.

use mlipselect_core::{BayesianScore, Distance, Metric, Rows, Scale, View};
use proptest::prelude::*;

/// All Bayesian scores, each with as much memory as it needs.
pub(crate) const SCORES: [BayesianScore; 4] = [
    BayesianScore::Energy,
    BayesianScore::LogDet,
    BayesianScore::PoolVariance { max_memory: 1 << 30 },
    BayesianScore::PoolStd { max_memory: usize::MAX },
];

/// All distances.
pub(crate) const DISTANCES: [Distance; 4] = [
    Distance { metric: Metric::Euclidean, scale: Scale::None },
    Distance { metric: Metric::Euclidean, scale: Scale::Standard },
    Distance { metric: Metric::Cosine, scale: Scale::None },
    Distance { metric: Metric::Cosine, scale: Scale::Standard },
];

/// Rows of features, kept in float64 and, where `single` holds them, in float32 too.
#[derive(Clone, Debug)]
pub(crate) struct Matrix {
    pub(crate) dim: usize,
    pub(crate) values: Vec<f64>,
    single: Option<Vec<f32>>,
}

impl Matrix {
    pub(crate) fn new(values: Vec<f64>, dim: usize) -> Self {
        Self { dim, values, single: None }
    }

    /// Rows with a decaying spectrum, where every seventh column is zero and every fifth row equals an earlier one.
    pub(crate) fn decaying(count: usize, dim: usize, seed: u64, in_float32: bool) -> Self {
        let mut values: Vec<f64> = (0..count * dim)
            .map(|k| if k % dim % 7 == 6 { 0.0 } else { uniform(seed, k as u64) / (1.0 + (k % dim) as f64).powi(2) })
            .collect();
        for row in (3..count).step_by(5) {
            values.copy_within((row - 3) * dim..(row - 2) * dim, row * dim);
        }
        if !in_float32 {
            return Self::new(values, dim);
        }
        let single: Vec<f32> = values.iter().map(|&x| x as f32).collect();
        Self { dim, values: single.iter().map(|&x| x.into()).collect(), single: Some(single) }
    }

    pub(crate) fn row(&self, index: usize) -> &[f64] {
        &self.values[index * self.dim..(index + 1) * self.dim]
    }

    pub(crate) fn rows(&self) -> impl ExactSizeIterator<Item = &[f64]> {
        self.values.chunks_exact(self.dim)
    }

    /// The rows before `middle`, and the others.
    pub(crate) fn split(&self, middle: usize) -> [Self; 2] {
        [0..middle, middle..self.len()].map(|range| {
            let range = range.start * self.dim..range.end * self.dim;
            let single = self.single.as_ref().map(|single| single[range.clone()].to_vec());
            Self { dim: self.dim, values: self.values[range].to_vec(), single }
        })
    }
}

impl Rows for Matrix {
    fn len(&self) -> usize {
        self.values.len() / self.dim
    }

    fn dim(&self) -> usize {
        self.dim
    }

    fn read(&self, index: usize, out: &mut [f64]) {
        out.copy_from_slice(self.row(index));
    }

    fn singles(&self) -> Option<Vec<View<'_, f32>>> {
        let view = |single| View::new(single, self.len(), self.dim).expect("as many numbers as rows need");
        self.single.as_deref().map(|single| vec![view(single)])
    }
}

/// A number between -1 and 1 for each index: the finaliser of SplitMix64.
fn uniform(seed: u64, index: u64) -> f64 {
    let mut z = (seed << 32 | index).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (z >> 11) as f64 * 2_f64.powi(-52) - 1.0
}

/// A pool of 1 to `most` rows, and a core of at most four rows that has the second row of the pool in it.
pub(crate) fn pool_and_core(most: usize, widest: usize) -> impl Strategy<Value = (Matrix, Matrix)> {
    (1..=most, 0_usize..5, 1..=widest, 0_u64..1000, any::<bool>()).prop_map(|(pool, core, dim, seed, in_float32)| {
        let pool = Matrix::decaying(pool, dim, seed, in_float32);
        let mut core = Matrix::decaying(core, dim, seed + 1000, in_float32);
        if core.len() > 1 && pool.len() > 1 {
            core = core.split(core.len() - 1)[0].clone();
            core.values.extend_from_slice(pool.row(1));
            core.single.iter_mut().for_each(|single| single.extend(pool.row(1).iter().map(|&x| x as f32)));
        }
        (pool, core)
    })
}

/// The first of the candidates that are not taken whose value is within a relative 1e-12 of the largest of theirs.
pub(crate) fn first_best(values: &[f64], taken: &[usize]) -> usize {
    let open = || (0..values.len()).filter(|i| !taken.contains(i));
    let best = open().map(|i| values[i]).fold(f64::NEG_INFINITY, f64::max);
    open().find(|&i| values[i] >= best - 1e-12 * best.abs()).expect("a candidate is left")
}

pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// A square matrix, one vector for each row.
pub(crate) type Square = Vec<Vec<f64>>;

/// The product of a matrix with a vector.
pub(crate) fn times(matrix: &[Vec<f64>], x: &[f64]) -> Vec<f64> {
    matrix.iter().map(|row| dot(row, x)).collect()
}

/// `matrix + weight x x^T`.
pub(crate) fn add_outer(matrix: &mut Square, weight: f64, x: &[f64]) {
    for (row, a) in matrix.iter_mut().zip(x) {
        row.iter_mut().zip(x).for_each(|(sum, b)| *sum += weight * a * b);
    }
}

/// The matrix with `value` on its diagonal.
pub(crate) fn scalar(dim: usize, value: f64) -> Square {
    (0..dim).map(|i| (0..dim).map(|j| if i == j { value } else { 0.0 }).collect()).collect()
}

/// Inverse and log determinant of a positive definite matrix, by Gauss-Jordan elimination.
pub(crate) fn invert(mut a: Square) -> (Square, f64) {
    let (mut inverse, mut log_det) = (scalar(a.len(), 1.0), 0.0);
    for k in 0..a.len() {
        let pivot = a[k][k];
        log_det += pivot.ln();
        for matrix in [&mut a, &mut inverse] {
            matrix[k].iter_mut().for_each(|x| *x /= pivot);
        }
        for i in (0..a.len()).filter(|&i| i != k) {
            let factor = a[i][k];
            for matrix in [&mut a, &mut inverse] {
                let pivot_row = matrix[k].clone();
                matrix[i].iter_mut().zip(&pivot_row).for_each(|(x, y)| *x -= factor * y);
            }
        }
    }
    (inverse, log_det)
}

/// One over the standard deviation of each column of several matrices together, and 1 for a constant column.
pub(crate) fn scales(matrices: &[&Matrix]) -> Vec<f64> {
    let scale = |column: usize| {
        let values: Vec<f64> = matrices.iter().flat_map(|matrix| matrix.rows()).map(|row| row[column]).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / values.len() as f64;
        if values.iter().all(|&x| x == values[0]) { 1.0 } else { 1.0 / variance.sqrt() }
    };
    (0..matrices[0].dim).map(scale).collect()
}

/// The rows with their columns multiplied by the factors.
pub(crate) fn scaled(rows: &Matrix, factors: &[f64]) -> Vec<Vec<f64>> {
    rows.rows().map(|row| row.iter().zip(factors).map(|(x, factor)| x * factor).collect()).collect()
}

/// Rows of pool and core as points: scaled, and on the unit sphere for the cosine distance.
pub(crate) fn points(pool: &Matrix, core: &Matrix, distance: Distance) -> [Vec<Vec<f64>>; 2] {
    let factors = match distance.scale {
        Scale::Standard => scales(&[pool, core]),
        Scale::None => vec![1.0; pool.dim],
    };
    [pool, core].map(|rows| {
        let mut points = scaled(rows, &factors);
        if distance.metric == Metric::Cosine {
            for point in &mut points {
                let length = dot(point, point).sqrt();
                point.iter_mut().for_each(|x| *x /= length);
            }
        }
        points
    })
}

/// The Euclidean distance between two points.
pub(crate) fn length_between(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

/// The distance between two points: for unit vectors, `1 - a.b = |a - b|^2 / 2`.
pub(crate) fn distance_between(metric: Metric, a: &[f64], b: &[f64]) -> f64 {
    match metric {
        Metric::Euclidean => length_between(a, b),
        Metric::Cosine => 0.5 * length_between(a, b).powi(2),
    }
}

/// Whether numbers agree to a relative tolerance, or to that fraction of `size` if that is more; equal infinities do too.
pub(crate) fn close(a: f64, b: f64, tolerance: f64, size: f64) -> bool {
    a == b || (a - b).abs() <= tolerance * b.abs().max(size)
}

/// Whether all numbers of two lists agree, as [`close`] says.
pub(crate) fn all_close(a: &[f64], b: &[f64], tolerance: f64, size: f64) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(&a, &b)| close(a, b, tolerance, size))
}
