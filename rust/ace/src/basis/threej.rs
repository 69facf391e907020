//! Wigner 3j symbols, and the invariant trilinear form of three sets of harmonics in real numbers.

use super::harmonics::parts;

/// The Wigner 3j symbol (l1 l2 l3; m1 m2 m3), by Racah's formula.
pub(crate) fn three_j(l: [usize; 3], m: [i64; 3]) -> f64 {
    let [a, b, c] = l.map(|l| l as i64);
    let outside = l.iter().zip(m).any(|(&l, m)| m.abs() > l as i64);
    if outside || m.iter().sum::<i64>() != 0 || c < (a - b).abs() || c > a + b {
        return 0.0;
    }
    let triangle = factorial(a + b - c) * factorial(a - b + c) * factorial(-a + b + c) / factorial(a + b + c + 1);
    let columns: f64 = l.iter().zip(m).map(|(&l, m)| factorial(l as i64 + m) * factorial(l as i64 - m)).product();
    let first = 0.max(b - c - m[0]).max(a - c + m[1]);
    let last = (a + b - c).min(a - m[0]).min(b + m[1]);
    let sum: f64 = (first..=last)
        .map(|t| {
            let product = factorial(t)
                * factorial(c - b + t + m[0])
                * factorial(c - a + t - m[1])
                * factorial(a + b - c - t)
                * factorial(a - t - m[0])
                * factorial(b - t + m[1]);
            sign(t) / product
        })
        .sum();
    sign(a - b - m[2]) * triangle.sqrt() * columns.sqrt() * sum
}

fn factorial(n: i64) -> f64 {
    (2..=n).map(|k| k as f64).product()
}

/// (-1)^n
pub(crate) fn sign(n: i64) -> f64 {
    if n % 2 == 0 { 1.0 } else { -1.0 }
}

/// One term of a linear combination of products.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Term {
    pub(crate) factor: f64,
    /// `p1 (2 l2 + 1) + p2` for the product of number p1 of the first set and p2 of the second.
    pub(crate) product: usize,
}

/// Σ_{m1+m2+m3=0} (l1 l2 l3; m1 m2 m3) A_{m1} B_{m2} C_{m3}, in the real numbers that represent A, B and C.
///
/// Row q is the linear combination of products of A and B that multiplies number q of C: together the rows are the
/// coupling of A and B to l3.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Coupling {
    pub(crate) rows: Vec<Vec<Term>>,
}

impl Coupling {
    /// The form for an even sum of the three l.
    pub(crate) fn new(l: [usize; 3]) -> Self {
        let sizes = l.map(|l| 2 * l + 1);
        let mut form = vec![0.0; sizes.iter().product()];
        let l2 = l[1] as i64;
        for m1 in -(l[0] as i64)..=l[0] as i64 {
            for m2 in -l2..=l2 {
                let m = [m1, m2, -m1 - m2];
                let symbol = three_j(l, m);
                if symbol == 0.0 {
                    continue;
                }
                for (p1, a) in real_parts(m[0]) {
                    for (p2, b) in real_parts(m[1]) {
                        for (q, c) in real_parts(m[2]) {
                            let real = multiply(multiply(a, b), c).0;
                            form[(q * sizes[0] + p1) * sizes[1] + p2] += symbol * real;
                        }
                    }
                }
            }
        }
        let rows = form
            .chunks_exact(sizes[0] * sizes[1])
            .map(|row| {
                let terms = row.iter().enumerate().filter(|(_, f)| f.abs() > 1e-13);
                terms.map(|(product, &factor)| Term { factor, product }).collect()
            })
            .collect();
        Self { rows }
    }
}

type Complex = (f64, f64);

fn multiply(a: Complex, b: Complex) -> Complex {
    (a.0 * b.0 - a.1 * b.1, a.0 * b.1 + a.1 * b.0)
}

/// A_m as a complex combination of the real numbers stored for A.
fn real_parts(m: i64) -> impl Iterator<Item = (usize, Complex)> {
    let units = if m >= 0 { [(1.0, 0.0), (0.0, 1.0)] } else { [(sign(m), 0.0), (0.0, -sign(m))] };
    parts(m.unsigned_abs() as usize).zip(units)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_values() {
        let close = |value: f64, expected: f64| assert!((value - expected).abs() < 1e-15);
        close(three_j([0, 0, 0], [0, 0, 0]), 1.0);
        close(three_j([1, 1, 2], [0, 0, 0]), (2.0f64 / 15.0).sqrt());
        close(three_j([2, 2, 2], [0, 0, 0]), -(2.0f64 / 35.0).sqrt());
        close(three_j([1, 1, 0], [1, -1, 0]), (1.0f64 / 3.0).sqrt());
        close(three_j([1, 1, 1], [1, -1, 0]), (1.0f64 / 6.0).sqrt());
        close(three_j([1, 1, 3], [0, 0, 0]), 0.0);
    }

    #[test]
    fn unit_norm_and_symmetric_for_even_sums() {
        for l1 in 0..=12usize {
            for l2 in 0..=l1 {
                for l3 in (l1 - l2..=l2).step_by(2) {
                    let (i1, i2) = (l1 as i64, l2 as i64);
                    let mut norm = 0.0;
                    for m1 in -i1..=i1 {
                        for m2 in -i2..=i2 {
                            let value = three_j([l1, l2, l3], [m1, m2, -m1 - m2]);
                            let exchanged = three_j([l3, l1, l2], [-m1 - m2, m1, m2]);
                            assert!((value - exchanged).abs() < 1e-11);
                            norm += value * value;
                        }
                    }
                    assert!((norm - 1.0).abs() < 1e-11, "{l1} {l2} {l3}: {norm}");
                }
            }
        }
    }

    /// Against the complex sum, on numbers without structure.
    #[test]
    fn the_real_form_is_the_complex_sum() {
        let numbers =
            |l: usize, seed: f64| -> Vec<f64> { (0..2 * l + 1).map(|k| (seed + 1.7 * k as f64).sin()).collect() };
        let complex = |a: &[f64], m: i64| -> Complex {
            real_parts(m).fold((0.0, 0.0), |sum, (p, unit)| (sum.0 + unit.0 * a[p], sum.1 + unit.1 * a[p]))
        };
        for l in [[0, 0, 0], [1, 1, 0], [1, 1, 2], [2, 3, 1], [3, 3, 4], [5, 4, 3]] {
            let (a, b, c) = (numbers(l[0], 0.3), numbers(l[1], 1.1), numbers(l[2], 2.9));
            let (l1, l2) = (l[0] as i64, l[1] as i64);
            let mut expected = (0.0, 0.0);
            for m1 in -l1..=l1 {
                for m2 in -l2..=l2 {
                    let symbol = three_j(l, [m1, m2, -m1 - m2]);
                    if symbol != 0.0 {
                        let product = multiply(complex(&a, m1), complex(&b, m2));
                        let product = multiply(product, complex(&c, -m1 - m2));
                        expected.0 += symbol * product.0;
                        expected.1 += symbol * product.1;
                    }
                }
            }
            let mut value = 0.0;
            for (q, row) in Coupling::new(l).rows.iter().enumerate() {
                for term in row {
                    let (p1, p2) = (term.product / b.len(), term.product % b.len());
                    value += term.factor * a[p1] * b[p2] * c[q];
                }
            }
            assert!((value - expected.0).abs() < 1e-14 && expected.1.abs() < 1e-14);
        }
    }
}
