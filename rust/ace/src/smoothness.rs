//! The smoothness prior (docs/design/ace.md section 7): the roughness of each function, from its coefficients.

use std::collections::HashMap;

use crate::basis::{Function, Label, sign, three_j};
use crate::descriptor::AceBasis;
use crate::error::Error;

/// A factor of a product: a label and its m.
type Factor = (Label, i64);

impl AceBasis {
    /// The diagonal `1 + d` of the smoothness prior, one number per feature.
    ///
    /// A product of one-particle sums has roughness `s = Σ (n^p + l^p + |m|^p)`, a function with coefficients C on
    /// the distinct products has `d = √Σ C² s²`, and the pair function n has `d = n^p`, where p is `power`.
    ///
    /// # Errors
    ///
    /// The power is not positive and finite.
    pub fn smoothness_prior(&self, power: f64) -> Result<Vec<f64>, Error> {
        if !(power.is_finite() && power > 0.0) {
            return Err(Error::Power { given: power });
        }
        let basis = self.basis();
        let pair: Vec<f64> = (1..=basis.n_pair).map(|n| 1.0 + (n as f64).powf(power)).collect();
        let many_body: Vec<f64> = basis.functions.iter().map(|f| 1.0 + roughness(f, power)).collect();
        let mut diagonal = Vec::with_capacity(basis.n_features);
        for _ in 0..basis.n_pair_sets() {
            diagonal.extend(&pair);
        }
        for _ in 0..basis.n_kinds() {
            diagonal.extend(&many_body);
        }
        Ok(diagonal)
    }
}

fn roughness(function: &Function, power: f64) -> f64 {
    let factor = |&(label, m): &Factor| {
        (label.n as f64).powf(power) + (label.l as f64).powf(power) + (m.unsigned_abs() as f64).powf(power)
    };
    let products = coefficients(function);
    let coupled = products.iter().map(|(factors, c)| c * factors.iter().map(factor).sum::<f64>());
    // R_k alone is 2√π A_k00.
    let to_sums = 2.0 * std::f64::consts::PI.sqrt();
    let expansion = function.self_part.iter().flat_map(|(_, expansion)| {
        let ks = (expansion.first..).step_by(2);
        expansion.coefficients.iter().zip(ks).map(move |(p, k)| to_sums * p * (k as f64).powf(power))
    });
    // Sorted, because the order of a hash map changes from run to run, and with it the rounding of the sum.
    let mut squares: Vec<f64> = coupled.chain(expansion).map(|c| c * c).collect();
    squares.sort_by(f64::total_cmp);
    squares.iter().sum::<f64>().sqrt()
}

/// The coefficient of each distinct product of one-particle sums, with the factors in ascending order.
fn coefficients(function: &Function) -> HashMap<Vec<Factor>, f64> {
    let mut products = HashMap::new();
    let mut add = |mut factors: Vec<Factor>, c: f64| {
        factors.sort_unstable();
        *products.entry(factors).or_insert(0.0) += function.root_sigma * c;
    };
    let range = |label: Label| -(label.l as i64)..=label.l as i64;
    match *function.labels {
        [a, b] => {
            for m in range(a) {
                add(vec![(a, m), (b, -m)], sign(m) / ((2 * a.l + 1) as f64).sqrt());
            }
        }
        [a, b, c] => {
            for m1 in range(a) {
                for m2 in range(b).filter(|m2| range(c).contains(&(-m1 - m2))) {
                    let m = [m1, m2, -m1 - m2];
                    add(vec![(a, m[0]), (b, m[1]), (c, m[2])], three_j([a.l, b.l, c.l], m));
                }
            }
        }
        _ => unreachable!("functions have two or three factors"),
    }
    products
}
