//! Products of a rounded row with two directions in float32.
//!
//! The integers of a row are widened to float32, which holds them exactly. Directions have length 1, so their products
//! with a row are at most the length of its integers.

use mlipselect_simd::for_this_processor;

/// Number of sums that a processor can add in parallel.
const PARTS: usize = 16;
/// Half of the distance of 1 to the next number of float32.
const UNIT: f64 = 1.0 / (1 << 24) as f64;

/// Bound of the error of a product, relative to the lengths of row and direction.
pub(crate) fn product_error(dim: usize) -> f64 {
    // Rounding a direction, its terms, their sums, and the sum of these, each to first order and a little more.
    1.01 * UNIT * (4 + dim.div_ceil(PARTS) + PARTS) as f64
}

for_this_processor! {
    /// Products of the integers of a row with two directions, padded with zeros to the length of the row.
    pub(crate) fn pair_products(row: &[i16], pair: [&[f32]; 2]) -> [f32; 2] = pair_products_body::<FUSED>, wide
}

#[inline(always)]
fn pair_products_body<const FUSED: bool>(row: &[i16], pair: [&[f32]; 2]) -> [f32; 2] {
    let mut sums = [[0.0_f32; PARTS]; 2];
    let terms = pair[0].chunks_exact(PARTS).zip(pair[1].chunks_exact(PARTS));
    for (x, (a, b)) in row.chunks_exact(PARTS).zip(terms) {
        for l in 0..PARTS {
            let x = f32::from(x[l]);
            sums[0][l] = if FUSED { x.mul_add(a[l], sums[0][l]) } else { sums[0][l] + x * a[l] };
            sums[1][l] = if FUSED { x.mul_add(b[l], sums[1][l]) } else { sums[1][l] + x * b[l] };
        }
    }
    sums.map(|sums| sums.iter().sum())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::linalg::Sketch;

    proptest! {
        #[test]
        fn products_are_within_the_error_that_is_stated(dim in 1_usize..700, seed in 0_u32..1000) {
            let value = |k: usize| ((f64::from(seed) + k as f64 * 12.9898).sin() * 43758.5453).fract();
            let length = |y: &[f64]| y.iter().map(|y| y * y).sum::<f64>().sqrt();
            let mut sketch = Sketch::new(dim);
            sketch.push(&(0..dim).map(value).collect::<Vec<f64>>());
            let row: Vec<f64> = sketch.vector(0).iter().map(|&q| f64::from(q)).collect();
            let directions = [1, 2].map(|part| (0..dim).map(|k| value(part * dim + k)).collect::<Vec<f64>>());
            let units = directions.each_ref().map(|w| {
                let mut unit: Vec<f32> = w.iter().map(|x| (x / length(w)) as f32).collect();
                unit.resize(sketch.width(), 0.0);
                unit
            });
            let products = pair_products(sketch.vector(0), units.each_ref().map(|unit| &unit[..]));
            for (product, w) in products.into_iter().zip(&directions) {
                let exact = row.iter().zip(w).map(|(x, w)| x * w).sum::<f64>() / length(w);
                prop_assert!((f64::from(product) - exact).abs() <= product_error(dim) * length(&row));
            }
        }
    }
}
