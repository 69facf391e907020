//! The innermost loops: squared distances of a few rows to many others in float32, and the distance of two rows.
//!
//! A tile is `ROWS` rows `x` by `LANES` others `y`. The others are packed as `-2 y`: element 0 of each, then element 1
//! of each, and so on. Each sum starts from a bias of its `y`. With the bias `|y|^2` it ends as `|x - y|^2 - |x|^2`.

use mlipselect_simd::for_this_processor;

/// Rows in a tile.
pub(super) const ROWS: usize = 6;
/// Others in a tile. Six rows by sixteen lanes of float32 take 12 of the 16 vector registers of AVX2.
pub(crate) const LANES: usize = 16;

type Tile = [[f32; LANES]; ROWS];

for_this_processor! {
    /// Which sums of a tile are below the limit of their row, a bit for each lane.
    #[inline]
    pub(super) fn below(rows: [&[f32]; ROWS], panel: &[f32], bias: &[f32; LANES], limits: &[f32; ROWS]) -> [u16; ROWS]
        = below_body::<FUSED>
}

for_this_processor! {
    /// Add to `sums`, for each lane, the amounts by which the distances of the rows are below the ceilings of the rows.
    ///
    /// `squares` holds `|x|^2` of each row, so that sum and square are the squared distance.
    #[inline]
    pub(super) fn shortfalls(
        rows: [&[f32]; ROWS], panel: &[f32], bias: &[f32; LANES], squares: &[f32; ROWS], ceilings: &[f32; ROWS],
        sums: &mut [f32; LANES]
    ) = shortfalls_body::<FUSED>, wide
}

for_this_processor! {
    /// The same for squared distances and the squares of the ceilings.
    #[inline]
    pub(super) fn square_shortfalls(
        rows: [&[f32]; ROWS], panel: &[f32], bias: &[f32; LANES], squares: &[f32; ROWS], ceilings: &[f32; ROWS],
        sums: &mut [f32; LANES]
    ) = square_shortfalls_body::<FUSED>, wide
}

for_this_processor! {
    /// Euclidean distance of two rows of equal length: symmetric, and exactly zero for equal rows.
    #[inline]
    pub(crate) fn distance(a: &[f32], b: &[f32]) -> f32 = distance_body::<FUSED>
}

#[inline(always)]
fn multiply_add<const FUSED: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}

#[inline(always)]
fn tile<const FUSED: bool>(rows: [&[f32]; ROWS], panel: &[f32], bias: &[f32; LANES]) -> Tile {
    let width = panel.len() / LANES;
    let rows: [&[f32]; ROWS] = std::array::from_fn(|r| &rows[r][..width]);
    let mut sums = [*bias; ROWS];
    for (k, y) in panel.chunks_exact(LANES).enumerate() {
        for r in 0..ROWS {
            // SAFETY: `panel` has `width` chunks, and each row `width` elements. A check here halves the speed.
            let x = unsafe { *rows[r].get_unchecked(k) };
            for l in 0..LANES {
                sums[r][l] = multiply_add::<FUSED>(x, y[l], sums[r][l]);
            }
        }
    }
    sums
}

#[inline(always)]
fn below_body<const FUSED: bool>(
    rows: [&[f32]; ROWS],
    panel: &[f32],
    bias: &[f32; LANES],
    limits: &[f32; ROWS],
) -> [u16; ROWS] {
    let sums = tile::<FUSED>(rows, panel, bias);
    std::array::from_fn(|r| {
        let mut mask = 0;
        for l in 0..LANES {
            mask |= u16::from(sums[r][l] < limits[r]) << l;
        }
        mask
    })
}

#[inline(always)]
fn shortfalls_body<const FUSED: bool>(
    rows: [&[f32]; ROWS],
    panel: &[f32],
    bias: &[f32; LANES],
    squares: &[f32; ROWS],
    ceilings: &[f32; ROWS],
    sums: &mut [f32; LANES],
) {
    let tile = tile::<FUSED>(rows, panel, bias);
    for r in 0..ROWS {
        // Few distances are below their ceilings, so most square roots can be skipped.
        let limit = ceilings[r] * ceilings[r] - squares[r];
        let mut counts = false;
        for l in 0..LANES {
            counts |= tile[r][l] < limit;
        }
        if !counts {
            continue;
        }
        for l in 0..LANES {
            let square = tile[r][l] + squares[r];
            let short = ceilings[r] - if square > 0.0 { square } else { 0.0 }.sqrt();
            sums[l] += if short > 0.0 { short } else { 0.0 };
        }
    }
}

#[inline(always)]
fn square_shortfalls_body<const FUSED: bool>(
    rows: [&[f32]; ROWS],
    panel: &[f32],
    bias: &[f32; LANES],
    squares: &[f32; ROWS],
    ceilings: &[f32; ROWS],
    sums: &mut [f32; LANES],
) {
    let tile = tile::<FUSED>(rows, panel, bias);
    for r in 0..ROWS {
        for l in 0..LANES {
            let square = tile[r][l] + squares[r];
            let short = ceilings[r] * ceilings[r] - if square > 0.0 { square } else { 0.0 };
            sums[l] += if short > 0.0 { short } else { 0.0 };
        }
    }
}

#[inline(always)]
fn distance_body<const FUSED: bool>(a: &[f32], b: &[f32]) -> f32 {
    const WIDTH: usize = 32;
    let mut sums = [0.0_f32; WIDTH];
    let (a_chunks, b_chunks) = (a.chunks_exact(WIDTH), b.chunks_exact(WIDTH));
    let rest = a_chunks.remainder().iter().zip(b_chunks.remainder());
    for (sum, (a, b)) in sums.iter_mut().zip(rest) {
        *sum = (a - b) * (a - b);
    }
    for (a, b) in a_chunks.zip(b_chunks) {
        for l in 0..WIDTH {
            let d = a[l] - b[l];
            sums[l] = multiply_add::<FUSED>(d, d, sums[l]);
        }
    }
    let mut half = WIDTH / 2;
    while half > 0 {
        for l in 0..half {
            sums[l] += sums[l + half];
        }
        half /= 2;
    }
    sums[0].sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(count: usize, step: f32) -> Vec<f32> {
        (0..count).map(|i| (i as f32 * step).sin()).collect()
    }

    #[test]
    fn tiles_and_distances_equal_the_plain_sums() {
        for width in [1, 7, 32, 45, 129] {
            let (x, y) = (wave(ROWS * width, 0.7), wave(LANES * width, 1.3));
            let row = |r: usize| &x[r * width..(r + 1) * width];
            let other = |l: usize| &y[l * width..(l + 1) * width];
            let square = |a: &[f32]| a.iter().map(|a| a * a).sum::<f32>();
            let plain = |r: usize, l: usize| {
                row(r).iter().zip(other(l)).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt()
            };
            let panel: Vec<f32> = (0..width * LANES).map(|i| -2.0 * other(i % LANES)[i / LANES]).collect();
            let bias = std::array::from_fn(|l| square(other(l)));
            let rows = std::array::from_fn(row);
            let squares = std::array::from_fn(|r| square(row(r)));
            let radius = (width as f32).sqrt();
            let masks = below(rows, &panel, &bias, &squares.map(|s| radius * radius - s));
            let mut sums = [0.0; LANES];
            shortfalls(rows, &panel, &bias, &squares, &[radius; ROWS], &mut sums);
            for l in 0..LANES {
                for r in 0..ROWS {
                    let d = plain(r, l);
                    assert!((f64::from(distance(row(r), other(l))) - d).abs() <= 1e-6 * d);
                    assert_eq!(distance(row(r), other(l)), distance(other(l), row(r)));
                    assert!(
                        (d - f64::from(radius)).abs() < 1e-4 || (masks[r] >> l & 1 == 1) == (d < f64::from(radius))
                    );
                }
                let expected: f64 = (0..ROWS).map(|r| (f64::from(radius) - plain(r, l)).max(0.0)).sum();
                assert!((f64::from(sums[l]) - expected).abs() < 1e-4 * (1.0 + expected));
            }
            assert_eq!(distance(row(0), row(0)), 0.0);
        }
    }
}
