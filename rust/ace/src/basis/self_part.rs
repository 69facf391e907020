//! The self part of a many-body function: its value for single neighbours (docs/design/ace.md section 4.1).

use std::collections::HashMap;

use super::radial::Envelope;
use super::threej::three_j;

/// Coefficients below this are zero but for rounding.
const NEGLIGIBLE: f64 = 1e-12;

/// Largest k in the expansion of a product of `order` radial functions with the given sum of n.
pub(crate) fn last_radial(sum_n: usize, order: usize) -> usize {
    sum_n + 3 * (order - 1)
}

/// The value of a function for one neighbour, divided by √σ and the product of the radial functions.
pub(crate) fn one_neighbour(l: &[usize]) -> f64 {
    use std::f64::consts::PI;
    match *l {
        [l, _] => ((2 * l + 1) as f64).sqrt() / (4.0 * PI),
        [l1, l2, l3] => {
            let product = ((2 * l1 + 1) * (2 * l2 + 1) * (2 * l3 + 1)) as f64;
            (product / (4.0 * PI)).sqrt() * three_j([l1, l2, l3], [0; 3]) / (4.0 * PI)
        }
        _ => unreachable!("functions have two or three factors"),
    }
}

/// A combination Σ_k p_k R_k over every other k.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Expansion {
    /// The first k, from 1.
    pub(crate) first: usize,
    /// p_first, p_{first+2}, …
    pub(crate) coefficients: Vec<f64>,
}

/// Expands products of radial functions in radial functions, and remembers the expansions.
#[derive(Debug)]
pub(crate) struct Products {
    nodes: Vec<Vec<f64>>,
    known: HashMap<Vec<usize>, Expansion>,
}

impl Products {
    /// Expansions in the functions of `envelope`, which must reach the largest k of all products.
    pub(crate) fn new(envelope: &Envelope) -> Self {
        Self { nodes: envelope.at_nodes(), known: HashMap::new() }
    }

    /// The product of R_n over the given n: p_k is the mean over the nodes of φ_k Π φ_n, which is exact.
    pub(crate) fn expand(&mut self, n: &[usize]) -> Expansion {
        let mut key = n.to_vec();
        key.sort_unstable();
        if let Some(expansion) = self.known.get(&key) {
            return expansion.clone();
        }
        let products: Vec<f64> = self.nodes.iter().map(|f| key.iter().map(|&n| f[n - 1]).product()).collect();
        let last = last_radial(key.iter().sum(), key.len());
        // φ_k(-x) = (-1)^(k-1) φ_k(x), so only k of the parity of the last one occur.
        let start = if last.is_multiple_of(2) { 2 } else { 1 };
        let mut first = start;
        let mut coefficients = Vec::new();
        for k in (start..=last).step_by(2) {
            let sum: f64 = self.nodes.iter().zip(&products).map(|(f, p)| f[k - 1] * p).sum();
            let p = sum / self.nodes.len() as f64;
            let p = if p.abs() < NEGLIGIBLE { 0.0 } else { p };
            if p == 0.0 && coefficients.is_empty() {
                first = k + 2;
            } else {
                coefficients.push(p);
            }
        }
        while coefficients.last() == Some(&0.0) {
            coefficients.pop();
        }
        let expansion = Expansion { first, coefficients };
        self.known.insert(key, expansion.clone());
        expansion
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expansions_are_the_reference_numbers() {
        let mut products = Products::new(&Envelope::new(30));
        let square = [1.316_423_118_67, -0.283_022_466_362, 0.031_571_202_317_1];
        let cube =
            [1.814_068_284_66, -0.615_809_940_375, 0.166_827_555_589, -0.028_366_265_516_4, 0.002_242_550_193_62];
        for (n, expected) in [(vec![1, 1], &square[..]), (vec![1, 1, 1], &cube[..])] {
            let expansion = products.expand(&n);
            assert_eq!((expansion.first, expansion.coefficients.len()), (1, expected.len()));
            for (p, e) in expansion.coefficients.iter().zip(expected) {
                assert!((p - e).abs() < 6e-12, "{p} is not {e}");
            }
        }
    }

    #[test]
    fn expansions_reproduce_the_products() {
        let envelope = Envelope::new(30);
        let mut products = Products::new(&envelope);
        for n in [vec![1, 1], vec![2, 7], vec![1, 2, 3], vec![4, 4, 4], vec![1, 5, 9]] {
            let Expansion { first, coefficients } = products.expand(&n);
            for x in [-0.99, -0.3, 0.0, 0.77] {
                let f: Vec<f64> = envelope.terms(x, 1.0).collect();
                let product: f64 = n.iter().map(|&n| f[n - 1]).product();
                let series = coefficients.iter().zip(f[first - 1..].iter().step_by(2));
                let sum: f64 = series.map(|(p, f)| p * f).sum();
                assert!((sum - product).abs() < 1e-12);
            }
        }
    }
}
