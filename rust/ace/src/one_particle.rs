//! The one-particle functions of all neighbours of a few centres, differentiated by the vectors to the neighbours.

use std::ops::Range;

use crate::dispatch::Kernel;
use crate::dual::Dual;
use crate::harmonics::n_harmonics;
use crate::lanes::{Arithmetic, Lanes, Pack, Quad};
use crate::number::Number;
use crate::tables::by_parity;
use crate::values::{Evaluator, Slot};
use crate::vector::VOIGT;

/// Derivatives for as many centres as there are lanes, and memory for them.
#[derive(Debug, Clone, Default)]
pub(crate) struct OneParticle {
    /// For each element, where its neighbours end; they follow one another.
    ends: Vec<usize>,
    /// For x, y and z, for each element of neighbours and n, Σ_j of the gradients of P_n.
    pub(crate) pair_pulls: [Vec<Pack>; 3],
    /// The same of their products with the vectors: xx, yy, zz, yz, xz, xy.
    pub(crate) pair_moments: [Vec<Pack>; 6],
    /// For x, y and z, for each element of neighbours, Σ_j of the gradients of R_k, odd k first.
    pub(crate) radial_pulls: [Vec<Pack>; 3],
    /// The same of their products with the vectors.
    pub(crate) radial_moments: [Vec<Pack>; 6],
    /// For each n, for all neighbours, the slope of P_n.
    pair: Vec<Pack>,
    /// For each n, for all neighbours, R_n and its slope.
    radial: Vec<[Pack; 2]>,
    /// For each l and m, for all neighbours, the gradient of Y_lm and its value.
    harmonics: Vec<[Pack; 4]>,
    /// For all neighbours, the direction, then the vector.
    pub(crate) vectors: Vec<[Pack; 6]>,
    /// For all neighbours, the products of both: xx, yy, zz, yz, xz, xy.
    products: Vec<[Pack; 6]>,
    values: Vec<Pack>,
    solids: Vec<[Pack; 3]>,
}

impl OneParticle {
    pub(crate) fn n_neighbours(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }

    pub(crate) fn n_elements(&self) -> usize {
        self.ends.len()
    }

    /// Where the neighbours of one element are.
    pub(crate) fn slots(&self, element: usize) -> Range<usize> {
        element.checked_sub(1).map_or(0, |before| self.ends[before])..self.ends[element]
    }

    /// R_n and its slope at all neighbours.
    pub(crate) fn radial_of(&self, n: usize) -> &[[Pack; 2]] {
        &self.radial[(n - 1) * self.n_neighbours()..][..self.n_neighbours()]
    }

    /// The gradient and the value of one harmonic at all neighbours.
    pub(crate) fn harmonics_of(&self, index: usize) -> &[[Pack; 4]] {
        &self.harmonics[index * self.n_neighbours()..][..self.n_neighbours()]
    }

    /// Number of points.
    pub(crate) fn n_points(&self) -> usize {
        self.n_neighbours() + 3 * self.n_elements()
    }

    /// The point with the sum over the neighbours of one element.
    pub(crate) fn own(&self, element: usize) -> usize {
        self.n_neighbours() + element
    }

    /// The points with the sums of the products with the vectors to the neighbours of one element.
    pub(crate) fn moments(&self, element: usize) -> [usize; 2] {
        let first = self.n_neighbours() + self.n_elements() + 2 * element;
        [first, first + 1]
    }
}

impl Evaluator {
    /// Differentiates the one-particle functions for centres of one element, from their neighbours.
    pub(crate) fn differentiate_one_particle(&self, centre: usize, slots: &[Vec<Slot>], out: &mut OneParticle) {
        self.processor.run(Differentiate { evaluator: self, centre, slots, out });
    }
}

struct Differentiate<'a> {
    evaluator: &'a Evaluator,
    centre: usize,
    slots: &'a [Vec<Slot>],
    out: &'a mut OneParticle,
}

impl Kernel for Differentiate<'_> {
    #[inline(always)]
    fn run<A: Arithmetic>(self) {
        let Self { evaluator, centre, slots, out } = self;
        let Evaluator { basis, tables, .. } = evaluator;
        let n_elements = basis.elements.len();
        let mut end = 0;
        out.ends.clear();
        out.ends.extend(slots.iter().map(|slots| {
            end += slots.len();
            end
        }));
        // Everything is written below: what was there does not matter.
        out.pair.resize(end * basis.n_pair, Pack::ZERO);
        out.radial.resize(end * basis.n_radial, [Pack::ZERO; 2]);
        out.harmonics.resize(end * n_harmonics(tables.sums.lmax), [Pack::ZERO; 4]);
        out.vectors.resize(end, [Pack::ZERO; 6]);
        out.products.resize(end, [Pack::ZERO; 6]);
        out.values.resize(n_harmonics(tables.sums.lmax), Pack::ZERO);
        out.solids.resize(n_harmonics(tables.sums.lmax), [Pack::ZERO; 3]);
        for sums in out.pair_pulls.iter_mut().chain(&mut out.pair_moments) {
            sums.resize(n_elements * basis.n_pair, Pack::ZERO);
        }
        for sums in out.radial_pulls.iter_mut().chain(&mut out.radial_moments) {
            sums.resize(n_elements * basis.n_radial, Pack::ZERO);
        }
        let mut position = 0;
        for (element, slots) in slots.iter().enumerate() {
            for slot in slots {
                evaluator.differentiate_factors::<A>([centre, element], slot, position, out);
                position += 1;
            }
        }
        for element in 0..n_elements {
            let slots = out.slots(element);
            let (vectors, products) = (&out.vectors[slots.clone()], &out.products[slots.clone()]);
            for n in 0..basis.n_pair {
                let slopes = out.pair[n * end..][slots.clone()].iter();
                let (pulls, moments) = sum_products::<A>(slopes, vectors, products);
                let place = element * basis.n_pair + n;
                out.pair_pulls.iter_mut().zip(pulls).for_each(|(sums, pull)| sums[place] = pull);
                out.pair_moments.iter_mut().zip(moments).for_each(|(sums, moment)| sums[place] = moment);
            }
            for n in 0..basis.n_radial {
                let slopes = out.radial[n * end..][slots.clone()].iter().map(|[_, slope]| slope);
                let (pulls, moments) = sum_products::<A>(slopes, vectors, products);
                let place = element * basis.n_radial + by_parity(n + 1, basis.n_radial);
                out.radial_pulls.iter_mut().zip(pulls).for_each(|(sums, pull)| sums[place] = pull);
                out.radial_moments.iter_mut().zip(moments).for_each(|(sums, moment)| sums[place] = moment);
            }
        }
    }
}

impl Evaluator {
    /// The radial functions and harmonics of one neighbour per lane.
    #[inline(always)]
    fn differentiate_factors<A: Arithmetic>(
        &self,
        [centre, element]: [usize; 2],
        slot: &Slot,
        position: usize,
        out: &mut OneParticle,
    ) {
        let n_neighbours = out.n_neighbours();
        let Self { basis, .. } = self;
        let pair = basis.pair(centre, element);
        let (r, inverse_r, u) = slot.polar::<A>();
        let vector = slot.vector.map(Lanes::<A>::from);
        let distance = Dual::variable(r);
        let present = Dual::constant(Lanes::<A>::from(slot.present));
        out.vectors[position] = [u[0], u[1], u[2], vector[0], vector[1], vector[2]].map(|lanes| lanes.0);
        out.products[position] = VOIGT.map(|[a, b]| (u[a] * vector[b]).0);

        let inverse = Dual { value: inverse_r, slope: (inverse_r * inverse_r).scaled(-1.0) };
        let of_pair = out.pair[position..].iter_mut().step_by(n_neighbours);
        for (out, term) in of_pair.zip(pair.radial.terms(distance, inverse, present)) {
            *out = term.slope.0;
        }
        let terms = basis.envelope.terms(pair.coordinate.evaluate(distance), present);
        for (out, term) in out.radial[position..].iter_mut().step_by(n_neighbours).zip(terms) {
            *out = [term.value.0, term.slope.0];
        }

        let values = Lanes::<A>::of(&mut out.values);
        self.harmonics.evaluate(u, values);
        let solids = Lanes::<A>::triples(&mut out.solids);
        self.harmonics.gradients(values, solids);
        let of_harmonics = out.harmonics[position..].iter_mut().step_by(n_neighbours);
        for (out, (value, [x, y, z])) in of_harmonics.zip(values.iter().zip(&*solids)) {
            // Along the sphere only.
            let along = x.mul_add(u[0], y.mul_add(u[1], *z * u[2]));
            let [x, y, z] = [*x - along * u[0], *y - along * u[1], *z - along * u[2]].map(|d| (d * inverse_r).0);
            *out = [x, y, z, value.0];
        }
    }
}

/// Σ_j of slopes times directions, and times their products with the vectors.
#[inline(always)]
fn sum_products<'a, A: Arithmetic>(
    slopes: impl Iterator<Item = &'a Pack> + Clone,
    vectors: &[[Pack; 6]],
    products: &[[Pack; 6]],
) -> ([Pack; 3], [Pack; 6]) {
    let mut pulls = [Pack::ZERO; 3];
    let mut moments = [Pack::ZERO; 6];
    // So that all sums are in registers.
    for half in 0..2 {
        let mut own_pulls = [Quad::ZERO; 3];
        let mut own_moments = [Quad::ZERO; 6];
        for ((slope, vectors), products) in slopes.clone().zip(vectors).zip(products) {
            let slope = slope.part(half);
            for c in 0..3 {
                own_pulls[c] = own_pulls[c].plus_product::<A>(slope, vectors[c].part(half));
            }
            for c in 0..6 {
                own_moments[c] = own_moments[c].plus_product::<A>(slope, products[c].part(half));
            }
        }
        for c in 0..3 {
            pulls[c].set_part(half, own_pulls[c]);
        }
        for c in 0..6 {
            moments[c].set_part(half, own_moments[c]);
        }
    }
    (pulls, moments)
}
