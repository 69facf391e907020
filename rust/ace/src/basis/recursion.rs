//! Functions orthonormal on equally weighted nodes, by the three-term recursion of Stieltjes.

use crate::arithmetic::Number;

/// Number of nodes in the discrete inner product.
const NODES: usize = 1000;

/// One step, `f_n = (slope t + shift) f_{n-1} + back f_{n-2}`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Step {
    pub(crate) slope: f64,
    pub(crate) shift: f64,
    pub(crate) back: f64,
}

/// A family `f_1, f_2, …` of functions, each a polynomial times one weight function.
///
/// The first step makes `f_1` from the weight function, so `slope` and `back` are zero there.
#[derive(Debug, Clone)]
pub(crate) struct Recursion {
    pub(crate) steps: Vec<Step>,
}

impl Recursion {
    /// `n` functions, orthonormal under the mean over the midpoints of `[low, high]`, with positive leading factors.
    pub(crate) fn orthonormal(n: usize, low: f64, high: f64, weight: impl Fn(f64) -> f64) -> Self {
        let t = midpoints(low, high);
        // Means of t are taken relative to the middle: in a narrow interval they would lose digits.
        let middle = 0.5 * (low + high);
        let mean = |f: &dyn Fn(usize) -> f64| (0..NODES).map(f).sum::<f64>() / NODES as f64;

        let mut steps = Vec::with_capacity(n);
        let mut previous = vec![0.0; NODES];
        let mut current: Vec<f64> = t.iter().map(|&t| weight(t)).collect();
        let mut a = mean(&|k| current[k] * current[k]).sqrt();
        steps.push(Step { slope: 0.0, shift: 1.0 / a, back: 0.0 });
        current.iter_mut().for_each(|f| *f /= a);
        let mut a_before = 0.0;
        while steps.len() < n {
            let b = middle + mean(&|k| (t[k] - middle) * current[k] * current[k]);
            let next: Vec<f64> = (0..NODES).map(|k| (t[k] - b) * current[k] - a_before * previous[k]).collect();
            a = mean(&|k| next[k] * next[k]).sqrt();
            steps.push(Step { slope: 1.0 / a, shift: -b / a, back: -a_before / a });
            previous = std::mem::replace(&mut current, next.iter().map(|f| f / a).collect());
            a_before = a;
        }
        Self { steps }
    }

    /// The values `f_1(t), f_2(t), …`, from the value of the weight function at t.
    #[inline(always)]
    pub(crate) fn terms<T: Number>(&self, t: T, weight: T) -> Terms<'_, T> {
        Terms { steps: self.steps.iter(), t, previous: T::splat(0.0), current: weight }
    }
}

/// The nodes of the inner product.
pub(crate) fn midpoints(low: f64, high: f64) -> Vec<f64> {
    (0..NODES).map(|k| low + (high - low) * (2 * k + 1) as f64 / (2 * NODES) as f64).collect()
}

/// Iterator over the values of a family of functions at one t.
#[derive(Debug, Clone)]
pub(crate) struct Terms<'a, T> {
    steps: std::slice::Iter<'a, Step>,
    t: T,
    previous: T,
    current: T,
}

impl<T: Number> Iterator for Terms<'_, T> {
    type Item = T;

    #[inline(always)]
    fn next(&mut self) -> Option<T> {
        let step = self.steps.next()?;
        let factor = self.t.affine(step.slope, step.shift);
        let next = factor.mul_add(self.current, self.previous.scaled(step.back));
        self.previous = std::mem::replace(&mut self.current, next);
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_functions_are_orthonormal() {
        for (low, high) in [(-1.0, 1.0), (0.67, 1.0)] {
            let n = 40;
            let weight = |t: f64| (t - low) * (high - t);
            let family = Recursion::orthonormal(n, low, high, weight);
            let mut gram = vec![0.0; n * n];
            for t in midpoints(low, high) {
                let f: Vec<f64> = family.terms(t, weight(t)).collect();
                for i in 0..n {
                    for j in 0..n {
                        gram[i * n + j] += f[i] * f[j] / NODES as f64;
                    }
                }
            }
            for i in 0..n {
                for j in 0..n {
                    let expected = if i == j { 1.0 } else { 0.0 };
                    assert!((gram[i * n + j] - expected).abs() < 1e-12);
                }
            }
        }
    }
}
