//! The functions of distance: R_n inside the many-body sums, P_n of the pair part.

use super::recursion::{Recursion, Terms, midpoints};
use super::transform::Agnesi;
use crate::arithmetic::{Arithmetic, Lanes, Number};

/// The functions of distance between a centre and a neighbour in each lane.
pub(crate) trait Distances<A: Arithmetic> {
    /// x(r), the argument of [`Envelope::terms`].
    fn coordinate<T: Number + From<Lanes<A>>>(&self, r: T) -> T;

    /// P_1(r), P_2(r), … each times `factor`, for r below the cutoff; `inverse_r` is 1 / r.
    fn pair_terms<T: Number + From<Lanes<A>>>(&self, r: T, inverse_r: T, factor: T) -> Terms<'_, T>;
}

/// φ_n(x): orthonormal on [-1, 1], with double zeros at both ends. All pairs of elements share them.
#[derive(Debug, Clone)]
pub(crate) struct Envelope {
    family: Recursion,
}

impl Envelope {
    /// φ_1 … φ_n.
    pub(crate) fn new(n: usize) -> Self {
        Self { family: Recursion::orthonormal(n, -1.0, 1.0, weight) }
    }

    /// φ_1(x), φ_2(x), … each times `factor`, for x in [-1, 1].
    #[inline(always)]
    pub(crate) fn terms<T: Number>(&self, x: T, factor: T) -> Terms<'_, T> {
        self.family.terms(x, weight(x) * factor)
    }

    /// The functions at the nodes of their inner product: one vector per node.
    pub(crate) fn at_nodes(&self) -> Vec<Vec<f64>> {
        midpoints(-1.0, 1.0).into_iter().map(|x| self.terms(x, 1.0).collect()).collect()
    }
}

/// (1+x)² (1-x)²
#[inline(always)]
fn weight<T: Number>(x: T) -> T {
    let one = T::splat(1.0);
    let e = (one + x) * (one - x);
    e * e
}

/// The map x(r) from distances between two elements to [-1, 1], the domain of [`Envelope`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Coordinate {
    transform: Agnesi<2, 4>,
    scale: f64,
}

impl Coordinate {
    pub(crate) fn new(r0: f64, rcut: f64) -> Self {
        let transform = Agnesi::new(r0);
        Self { transform, scale: 2.0 / (1.0 - transform.evaluate(rcut)) }
    }

    /// x(r) = -1 + 2 (1 - g(r)) / (1 - g(rcut))
    #[inline(always)]
    pub(crate) fn evaluate<T: Number>(&self, r: T) -> T {
        let fallen = T::splat(1.0) - self.transform.evaluate(r);
        fallen.affine(self.scale, -1.0)
    }
}

/// P_n(r) = E(r) q_n(y(r)) for one pair of elements.
#[derive(Debug, Clone)]
pub(crate) struct PairRadial {
    transform: Agnesi<1, 3>,
    family: Recursion,
    r0: f64,
    cutoff: f64,
}

impl PairRadial {
    /// P_1 … P_n.
    pub(crate) fn new(n: usize, r0: f64, rcut: f64) -> Self {
        let transform = Agnesi::new(r0);
        let lowest: f64 = transform.evaluate(rcut);
        Self { transform, family: Recursion::orthonormal(n, lowest, 1.0, |_| 1.0), r0, cutoff: rcut / r0 }
    }

    /// P_1(r), P_2(r), … each times `factor`, for r below the cutoff; `inverse_r` is 1 / r.
    #[inline(always)]
    pub(crate) fn terms<T: Number>(&self, r: T, inverse_r: T, factor: T) -> Terms<'_, T> {
        let s = r.scaled(1.0 / self.r0);
        let inverse_s = inverse_r.scaled(self.r0);
        // E = s^-2 - c^-2 + 2 c^-3 (s - c) = s^-2 + (2 s / c - 3) c^-2
        let c = self.cutoff;
        let tail = s.affine(2.0 / (c * c * c), -3.0 / (c * c));
        let envelope = inverse_s.mul_add(inverse_s, tail);
        self.family.terms(self.transform.evaluate(r), envelope * factor)
    }
}

/// The polynomials q_n of all pairs of elements, as functions of y mapped linearly from [y(rcut), 1] to [-1, 1].
///
/// The nodes of all pairs are mapped to the same nodes, so that the polynomials are the same too.
#[derive(Debug, Clone)]
pub(crate) struct PairFamily {
    family: Recursion,
}

impl PairFamily {
    pub(crate) fn new(n: usize) -> Self {
        Self { family: Recursion::orthonormal(n, -1.0, 1.0, |_| 1.0) }
    }

    /// q_1, q_2, … each times `factor`, for a mapped y in [-1, 1].
    #[inline(always)]
    pub(crate) fn terms<T: Number>(&self, mapped: T, factor: T) -> Terms<'_, T> {
        self.family.terms(mapped, factor)
    }
}

/// What the functions of distance need to know of one length scale.
///
/// The numbers are 1 / r0, r0, the factor of x(r), slope and shift of the map of y to [-1, 1], and slope and shift of
/// the part of E(r) that is linear in r / r0.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LengthScale<C> {
    pub(crate) numbers: [C; 7],
}

/// The argument of [`PairFamily::terms`], and E(r).
pub(crate) struct Scaled<T> {
    pub(crate) coordinate: T,
    pub(crate) envelope: T,
}

impl LengthScale<f64> {
    pub(crate) const COUNT: usize = 7;

    pub(crate) fn new(r0: f64, rcut: f64) -> Self {
        let many_body: f64 = Agnesi::<2, 4>::new(r0).evaluate(rcut);
        let lowest: f64 = Agnesi::<1, 3>::new(r0).evaluate(rcut);
        let c = rcut / r0;
        let slope = 2.0 / (1.0 - lowest);
        Self { numbers: [1.0 / r0, r0, 2.0 / (1.0 - many_body), slope, 1.0 - slope, 2.0 / (c * c * c), -3.0 / (c * c)] }
    }
}

impl<C: Copy> LengthScale<C> {
    /// x(r), as [`Coordinate::evaluate`].
    #[inline(always)]
    pub(crate) fn coordinate<T: Number + From<C>>(&self, r: T) -> T {
        let [inverse_r0, _, scale, ..] = self.numbers;
        let fallen = T::splat(1.0) - Agnesi::<2, 4>::new(1.0).evaluate(r * T::from(inverse_r0));
        fallen.mul_add(T::from(scale), T::splat(-1.0))
    }

    /// The mapped y(r) and E(r), as in [`PairRadial::terms`].
    #[inline(always)]
    pub(crate) fn pair<T: Number + From<C>>(&self, r: T, inverse_r: T) -> Scaled<T> {
        let [inverse_r0, r0, _, map_slope, map_shift, tail_slope, tail_shift] = self.numbers.map(T::from);
        let s = r * inverse_r0;
        let inverse_s = inverse_r * r0;
        let envelope = inverse_s.mul_add(inverse_s, s.mul_add(tail_slope, tail_shift));
        let y = Agnesi::<1, 3>::new(1.0).evaluate(s);
        Scaled { coordinate: y.mul_add(map_slope, map_shift), envelope }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arithmetic::Dual;

    fn close(values: impl IntoIterator<Item = f64>, expected: &[f64], tolerance: f64) {
        let values: Vec<f64> = values.into_iter().take(expected.len()).collect();
        assert_eq!(values.len(), expected.len());
        for (v, e) in values.iter().zip(expected) {
            assert!((v - e).abs() <= tolerance, "{v} is not {e}");
        }
    }

    #[test]
    fn many_body_recursion_is_that_of_the_original() {
        let steps = Envelope::new(6).family.steps;
        close([steps[0].shift], &[1.568_737_549_751_391_6], 1e-14);
        let slopes = [
            3.316_624_790_355_401,
            2.673_948_391_424_192,
            2.430_862_174_022_013,
            2.304_886_114_323_323_5,
            2.229_177_150_706_579_6,
        ];
        close(steps[1..].iter().map(|s| s.slope), &slopes, 1e-13);
        close(steps[1..].iter().map(|s| s.shift), &[0.0; 5], 1e-14);
        let backs =
            [0.0, -0.806_225_774_829_856_7, -0.909_090_909_090_916_6, -0.948_176_387_355_497_3, -0.967_152_839_723_289];
        close(steps[1..].iter().map(|s| s.back), &backs, 1e-13);
    }

    #[test]
    fn pair_recursion_is_that_of_the_original() {
        let steps = PairRadial::new(6, 2.9, 5.5).family.steps;
        close([steps[0].shift], &[1.0], 1e-14);
        let slopes = [
            11.634_265_266_552_474,
            13.007_523_513_457_436,
            13.246_246_694_532_067,
            13.328_825_276_457_492,
            13.366_913_538_115_716,
        ];
        close(steps[1..].iter().map(|s| s.slope), &slopes, 5e-12);
        let shifts = [
            -9.902_213_592_957_537,
            -11.071_027_967_358_775,
            -11.274_211_225_985_939,
            -11.344_495_918_460_698,
            -11.376_913_788_750_13,
        ];
        close(steps[1..].iter().map(|s| s.shift), &shifts, 5e-12);
        let backs =
            [0.0, -1.118_035_665_806_390_4, -1.018_352_700_329_586_2, -1.006_234_111_732_323, -1.002_857_585_786_160_1];
        close(steps[1..].iter().map(|s| s.back), &backs, 2e-12);
    }

    #[test]
    fn values_and_slopes_are_the_reference_numbers() {
        let r = Dual::variable(2.35);
        let x = Coordinate::new(2.4, 5.0).evaluate(r);
        close([x.value], &[-0.274_014_219_873_773_5], 1e-14);
        let many_body: Vec<_> = Envelope::new(4).terms(x, Dual::splat(1.0)).collect();
        let pair: Vec<_> = PairRadial::new(12, 2.4, 5.0).terms(r, r.recip(), Dual::splat(1.0)).collect();

        let values = [1.342_007_896_844, -1.219_619_936_468, -0.188_345_972_367, 1.234_200_916_620];
        close(many_body.iter().map(|f| f.value), &values, 6e-13);
        let slopes = [1.090_555_306_448, 2.061_103_209_967, -4.625_752_245_809, 0.893_477_743_563];
        close(many_body.iter().map(|f| f.slope), &slopes, 6e-13);
        let values = [0.568_381_885_016, 0.257_126_211_621, -0.505_421_885_298, -0.522_169_073_062];
        close(pair.iter().map(|f| f.value), &values, 6e-13);
        let slopes = [-0.795_504_582_992, -0.910_060_356_067, 0.150_837_998_099, 1.561_483_443_028];
        close(pair.iter().map(|f| f.slope), &slopes, 6e-13);
    }

    /// Channels evaluate the functions of all length scales by one family.
    #[test]
    fn one_family_serves_every_length_scale() {
        for r0 in [0.62, 1.3, 2.4, 5.2] {
            let (scale, family, radial) =
                (LengthScale::new(r0, 5.0), PairFamily::new(12), PairRadial::new(12, r0, 5.0));
            for r in [0.8, 1.9, 3.3, 4.9] {
                close([scale.coordinate(r)], &[Coordinate::new(r0, 5.0).evaluate(r)], 1e-14);
                let Scaled { coordinate, envelope } = scale.pair(r, 1.0 / r);
                let expected: Vec<f64> = radial.terms(r, 1.0 / r, 1.0).collect();
                let largest = expected.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
                close(family.terms(coordinate, envelope), &expected, 1e-9 * largest);
            }
        }
    }

    #[test]
    fn the_ends_of_the_domain() {
        let coordinate = Coordinate::new(2.4, 5.0);
        close([coordinate.evaluate(0.0), coordinate.evaluate(5.0)], &[-1.0, 1.0], 1e-15);
        // φ_1(0) = √(315/128) and a_1 = √(1/11) in the limit of many nodes.
        let envelope = Envelope::new(2);
        close(envelope.terms(0.0, 1.0).take(1), &[(315f64 / 128.0).sqrt()], 1e-9);
        close([1.0 / envelope.family.steps[1].slope], &[(1f64 / 11.0).sqrt()], 1e-7);
        // Value and slope vanish at the cutoff.
        let r = Dual::variable(5.0);
        for f in PairRadial::new(5, 2.4, 5.0).terms(r, r.recip(), Dual::splat(1.0)) {
            close([f.value, f.slope], &[0.0, 0.0], 1e-13);
        }
    }
}
