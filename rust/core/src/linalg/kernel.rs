//! The innermost loop: dot products of a few rows with a few directions.
//!
//! Every product is summed in the order of the features, whichever rows and directions share the call, so equal rows
//! get equal bits wherever they stand and however many threads there are.

/// Rows that one call handles.
pub(crate) const GROUP: usize = 6;
/// Directions that one call handles. Six rows by eight directions fill the 16 vector registers of AVX2.
pub(crate) const LANES: usize = 8;

/// Dot products of `GROUP` rows, `stride` elements apart, with the directions of a panel.
///
/// `panel` holds element 0 of each direction, then element 1 of each, and so on; it may be shorter than the rows, whose
/// remaining elements then do not count.
#[inline]
pub(crate) fn dots(rows: &[f64], stride: usize, panel: &[f64]) -> [[f64; LANES]; GROUP] {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        // SAFETY: the processor has the features that the function is compiled for.
        return unsafe { dots_avx2(rows, stride, panel) };
    }
    #[cfg(target_arch = "aarch64")]
    return dots_body::<true>(rows, stride, panel);
    #[allow(unreachable_code)]
    dots_body::<false>(rows, stride, panel)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn dots_avx2(rows: &[f64], stride: usize, panel: &[f64]) -> [[f64; LANES]; GROUP] {
    dots_body::<true>(rows, stride, panel)
}

#[inline(always)]
fn dots_body<const FUSED: bool>(rows: &[f64], stride: usize, panel: &[f64]) -> [[f64; LANES]; GROUP] {
    let reach = panel.len() / LANES;
    let rows: [&[f64]; GROUP] = std::array::from_fn(|r| &rows[r * stride..r * stride + reach]);
    let mut sums = [[0.0; LANES]; GROUP];
    for (k, w) in panel.chunks_exact(LANES).enumerate() {
        for r in 0..GROUP {
            // SAFETY: `panel` has `reach` chunks, and each row `reach` elements. A check here halves the speed.
            let x = unsafe { *rows[r].get_unchecked(k) };
            for l in 0..LANES {
                sums[r][l] = if FUSED { x.mul_add(w[l], sums[r][l]) } else { sums[r][l] + x * w[l] };
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_the_plain_sum_and_ignores_the_company() {
        let (dim, reach) = (13, 11);
        let rows: Vec<f64> = (0..GROUP * dim).map(|i| (i as f64 * 0.7).sin()).collect();
        let panel: Vec<f64> = (0..reach * LANES).map(|i| (i as f64 * 1.3).cos()).collect();
        let sums = dots(&rows, dim, &panel);
        for r in 0..GROUP {
            for l in 0..LANES {
                let plain: f64 = (0..reach).map(|k| rows[r * dim + k] * panel[k * LANES + l]).sum();
                assert!((sums[r][l] - plain).abs() < 1e-13);
            }
        }
        let mut alone = vec![0.0; GROUP * dim];
        alone[3 * dim..4 * dim].copy_from_slice(&rows[..dim]);
        assert_eq!(dots(&alone, dim, &panel)[3], sums[0]);
    }
}
