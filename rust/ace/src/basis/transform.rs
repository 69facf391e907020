//! The generalised Agnesi transform of distances, g_pq in docs/design/ace.md section 2.

use crate::arithmetic::Number;

/// `g(r) = 1 / (1 + a s^q / (1 + s^(q-p)))` with `s = r / r0`: falls from 1 at `r = 0`, steepest at `r = r0`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Agnesi<const P: u32, const Q: u32> {
    inverse_r0: f64,
}

impl<const P: u32, const Q: u32> Agnesi<P, Q> {
    /// The factor that puts the steepest descent at `r0`.
    const A: f64 = {
        let (p, q) = (P as f64, Q as f64);
        (4.0 * p * q - 2.0 * p - 2.0 * q) / (p + p * p + q + q * q)
    };

    pub(crate) fn new(r0: f64) -> Self {
        Self { inverse_r0: 1.0 / r0 }
    }

    /// Transformed distance.
    #[inline(always)]
    pub(crate) fn evaluate<T: Number>(&self, r: T) -> T {
        let s = r.scaled(self.inverse_r0);
        let denominator = T::splat(1.0) + s.power(Q - P);
        let numerator = s.power(Q).scaled(Self::A);
        denominator * (denominator + numerator).recip()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arithmetic::Dual;

    #[test]
    fn factors_are_those_of_the_original() {
        assert_eq!(Agnesi::<2, 4>::A, 10.0 / 13.0);
        assert_eq!(Agnesi::<1, 3>::A, 2.0 / 7.0);
    }

    #[test]
    fn values_are_those_of_the_original() {
        let (many_body, pair) = (Agnesi::<2, 4>::new(2.9), Agnesi::<1, 3>::new(2.9));
        assert!((many_body.evaluate(5.5) - 0.315_959_916_882_621_65).abs() < 1e-15);
        assert!((pair.evaluate(5.5) - 0.702_249_925_730_259_5).abs() < 1e-15);

        let (many_body, pair) = (Agnesi::<2, 4>::new(2.4), Agnesi::<1, 3>::new(2.4));
        assert!((many_body.evaluate(2.35) - 0.734_756_967_631_700_8).abs() < 1e-15);
        assert!((many_body.evaluate(5.0) - 0.269_288_628_980_634_94).abs() < 1e-15);
        assert!((pair.evaluate(2.35) - 0.879_556_662_532_902_8).abs() < 1e-15);
        assert!((pair.evaluate(5.0) - 0.673_956_137_971_329).abs() < 1e-15);
    }

    /// The closed form of docs/design/ace.md section 2: h = 1/g - 1, g' = -g² h'.
    #[test]
    fn slope_is_the_closed_form() {
        let (r0, p, q) = (2.4, 2.0, 4.0);
        let transform = Agnesi::<2, 4>::new(r0);
        for r in [0.3, 1.7, 2.4, 4.9] {
            let g = transform.evaluate(Dual::variable(r));
            let s: f64 = r / r0;
            let t = 1.0 + s.powf(q - p);
            let slope_h = 10.0 / 13.0 * (q * s.powf(q - 1.0) / t - (q - p) * s.powf(2.0 * q - p - 1.0) / (t * t)) / r0;
            assert!((g.slope + g.value * g.value * slope_h).abs() < 1e-14);
        }
    }
}
