//! One pass over rows that updates the numbers of each row from its products with a few directions.

use rayon::prelude::*;

use crate::data::rows::Rows;
use crate::linalg::{Block, GROUP, LANES, Panels};

/// Call `update` for each row, with its products with all directions, padded with zeros, and its numbers.
pub(crate) fn update_rows<const N: usize>(
    rows: &dyn Rows,
    directions: &Panels,
    numbers: [&mut [f64]; N],
    update: impl Fn(&[f64], [&mut f64; N]) + Sync,
) {
    let (dim, width) = (rows.dim(), LANES * directions.count().max(1));
    let capacity = Block::capacity(dim);
    let mut columns = numbers.map(|numbers| numbers.chunks_mut(capacity));
    let chunks: Vec<[&mut [f64]; N]> = (0..rows.len().div_ceil(capacity))
        .map(|_| std::array::from_fn(|n| columns[n].next().unwrap_or_default()))
        .collect();
    chunks.into_par_iter().enumerate().for_each_init(
        || (Block::new(dim), vec![0.0; GROUP * width]),
        |(block, products), (chunk, mut numbers)| {
            let start = chunk * capacity;
            let len = capacity.min(rows.len() - start);
            block.load(rows, start..start + len);
            for group in 0..len.div_ceil(GROUP) {
                for p in 0..directions.count() {
                    let dots = block.dots(group, directions.panel(p));
                    for (out, dots) in products.chunks_exact_mut(width).zip(dots) {
                        out[p * LANES..(p + 1) * LANES].copy_from_slice(&dots);
                    }
                }
                let own = group * GROUP..len.min((group + 1) * GROUP);
                for (row, products) in own.zip(products.chunks_exact(width)) {
                    update(products, numbers.each_mut().map(|numbers| &mut numbers[row]));
                }
            }
        },
    );
}

/// Update `x^T Sigma x` and `x^T Sigma M Sigma x` for a direction `w` with `Sigma_before = Sigma + w w^T`, given
/// `a = w.x`, `b = x^T Sigma M w` and `w^T M w`, with `Sigma` after the observation.
#[inline]
pub(crate) fn account_for(a: f64, b: f64, wmw: f64, variance: &mut f64, numerator: &mut f64) {
    *variance -= a * a;
    *numerator -= a * (2.0 * b + a * wmw);
}
