//! The one-particle functions of all neighbours of a few centres, differentiated by the vectors to the neighbours.

use std::ops::Range;

use crate::dispatch::Kernel;
use crate::dual::Dual;
use crate::harmonics::n_harmonics;
use crate::lanes::{Arithmetic, LANES, Lanes, Pack, Quad, transpose};
use crate::number::Number;
use crate::tables::by_parity;
use crate::values::{Evaluator, Slot, remove_self_parts};
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
    /// For each of the six, for each element of neighbours, Σ_j of those of R_k, odd k first.
    pub(crate) radial_moments: [Vec<Pack>; 6],
    /// For each element of another centre, for x, y and z, the forces of the self parts of all functions.
    self_pulls: Vec<Pack>,
    radial_pulls: [Vec<Pack>; 3],
    radial_sums: Vec<Pack>,
    /// For each n, for all neighbours of one lane after those of another, R_n and its slope.
    radial: Vec<[f64; 2]>,
    /// For each l, for all neighbours of one lane after those of another, for each m, the gradient of Y_lm and its value.
    harmonics: Vec<Quad>,
    /// For all neighbours, the direction, the vector x, y, z and z, z, y.
    vectors: Vec<[Quad; 3]>,
    values: Vec<Pack>,
    solids: Vec<[Pack; 3]>,
}

/// Points: what the gradients of R_n Y_lm are given at, for each lane.
///
/// First all neighbours, those of one element after those of another; then for each element the sum over its
/// neighbours times (-1)^l; then for each element the sums of the products of gradients and vectors, xx, yy, zz and, as
/// another point, yz, xz, xy.
impl OneParticle {
    fn n_neighbours(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }

    /// Number of points of one lane.
    fn n_of_lane(&self) -> usize {
        self.n_neighbours() + 3 * self.ends.len()
    }

    /// Number of points of all lanes.
    pub(crate) fn n_points(&self) -> usize {
        LANES * self.n_of_lane()
    }

    /// Those of one l, for some neighbours of one lane.
    fn harmonics_of(&self, l: usize, lane: usize, slots: Range<usize>) -> &[Quad] {
        let first = l * l * LANES * self.n_neighbours() + lane * self.n_neighbours() * (2 * l + 1);
        &self.harmonics[first..][slots.start * (2 * l + 1)..slots.end * (2 * l + 1)]
    }

    /// For x, y or z, the forces on the centres of the self parts of functions of centres of an element.
    pub(crate) fn self_pulls(&self, element: usize, c: usize, n_functions: usize) -> &[Pack] {
        &self.self_pulls[(element * 3 + c) * n_functions..][..n_functions]
    }

    /// The point of a neighbour.
    pub(crate) fn neighbour(&self, slot: usize, lane: usize) -> usize {
        lane * self.n_of_lane() + slot
    }

    /// The point with the sum over the neighbours of one element.
    pub(crate) fn own(&self, element: usize, lane: usize) -> usize {
        lane * self.n_of_lane() + self.n_neighbours() + element
    }

    /// The points with the sums of the products with the vectors to the neighbours of one element.
    pub(crate) fn moments(&self, element: usize, lane: usize) -> [usize; 2] {
        let first = lane * self.n_of_lane() + self.n_neighbours() + self.ends.len() + 2 * element;
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
        out.radial.resize(LANES * end * tables.sums.shells.len(), [0.0; 2]);
        out.harmonics.resize(LANES * end * n_harmonics(tables.sums.lmax), Quad::ZERO);
        out.vectors.resize(LANES * end, [Quad::ZERO; 3]);
        for sums in out.pair_pulls.iter_mut().chain(&mut out.pair_moments) {
            reset(sums, n_elements * basis.n_pair, Pack::ZERO);
        }
        for sums in out.radial_pulls.iter_mut().chain(&mut out.radial_moments) {
            reset(sums, n_elements * basis.n_radial, Pack::ZERO);
        }
        reset(&mut out.values, n_harmonics(tables.sums.lmax), Pack::ZERO);
        reset(&mut out.solids, n_harmonics(tables.sums.lmax), [Pack::ZERO; 3]);
        let mut position = 0;
        for (element, slots) in slots.iter().enumerate() {
            for slot in slots {
                evaluator.differentiate_factors::<A>([centre, element], slot, position, out);
                position += 1;
            }
        }
        evaluator.pull_self_parts::<A>(centre, out);
    }
}

impl Evaluator {
    /// The radial functions and harmonics of one neighbour per lane, and what depends on its distance alone.
    #[inline(always)]
    fn differentiate_factors<A: Arithmetic>(
        &self,
        [centre, element]: [usize; 2],
        slot: &Slot,
        position: usize,
        out: &mut OneParticle,
    ) {
        let n_neighbours = out.n_neighbours();
        let place = |lane: usize| lane * n_neighbours + position;
        let Self { basis, tables, .. } = self;
        let pair = basis.pair(centre, element);
        let (r, inverse_r, u) = slot.polar::<A>();
        let vector = slot.vector.map(Lanes::<A>::from);
        let distance = Dual::variable(r);
        let present = Dual::constant(Lanes::<A>::from(slot.present));
        let products = VOIGT.map(|[a, b]| u[a] * vector[b]);

        let inverse = Dual { value: inverse_r, slope: (inverse_r * inverse_r).scaled(-1.0) };
        for (n, term) in pair.radial.terms(distance, inverse, present).enumerate() {
            add_products(term.slope, u, &mut out.pair_pulls, element * basis.n_pair + n);
            add_products(term.slope, products, &mut out.pair_moments, element * basis.n_pair + n);
        }

        let n_shells = tables.sums.shells.len();
        let terms = basis.envelope.terms(pair.coordinate.evaluate(distance), present);
        for (n, term) in terms.enumerate() {
            let k = element * basis.n_radial + by_parity(n + 1, basis.n_radial);
            add_products(term.slope, u, &mut out.radial_pulls, k);
            add_products(term.slope, products, &mut out.radial_moments, k);
            if n < n_shells {
                let own = &mut out.radial[n * LANES * n_neighbours..][..LANES * n_neighbours];
                for lane in 0..LANES {
                    own[place(lane)] = [term.value.0.0[lane], term.slope.0.0[lane]];
                }
            }
        }

        let values = Lanes::<A>::of(&mut out.values);
        self.harmonics.evaluate(u, values);
        let solids = Lanes::<A>::triples(&mut out.solids);
        self.harmonics.gradients(values, solids);
        for (k, (value, [x, y, z])) in values.iter().zip(&*solids).enumerate() {
            // Along the sphere only.
            let along = x.mul_add(u[0], y.mul_add(u[1], *z * u[2]));
            let tangent = [*x - along * u[0], *y - along * u[1], *z - along * u[2]].map(|d| d * inverse_r);
            let l = k.isqrt();
            let own = &mut out.harmonics[l * l * LANES * n_neighbours..];
            let [x, y, z] = tangent.map(|lanes| lanes.0);
            for (lane, quad) in transpose(&[x, y, z, value.0]).into_iter().enumerate() {
                own[place(lane) * (2 * l + 1) + k - l * l] = quad;
            }
        }
        let [x, y, z] = vector;
        let three = [u, [x, y, z], [z, z, y]].map(|[a, b, c]| transpose(&[a.0, b.0, c.0, Pack::ZERO]));
        for lane in 0..LANES {
            out.vectors[place(lane)] = three.map(|quads| quads[lane]);
        }
    }

    /// The gradients of R_n Y_lm, R'_n Y_lm u + R_n ∇Y_lm, for one n and l: 2l + 1 at each point.
    #[inline(always)]
    pub(crate) fn multiply_factors<A: Arithmetic>(
        &self,
        factors: &OneParticle,
        [n, l]: [usize; 2],
        gradients: &mut [Quad],
    ) {
        let size = 2 * l + 1;
        for lane in 0..LANES {
            let mut first = 0;
            for (element, &end) in factors.ends.iter().enumerate() {
                let [diagonal, other] = factors.moments(element, lane);
                let points = Points {
                    radial: &factors.radial[((n - 1) * LANES + lane) * factors.n_neighbours()..][first..end],
                    harmonics: factors.harmonics_of(l, lane, first..end),
                    vectors: &factors.vectors[lane * factors.n_neighbours()..][first..end],
                    l,
                    start: factors.neighbour(first, lane) * size,
                    sums: [factors.own(element, lane), diagonal, other].map(|point| point * size),
                };
                let mut row = 0;
                while row < size {
                    row += match size - row {
                        1 => points.multiply::<A, 1>(row, gradients),
                        _ => points.multiply::<A, 2>(row, gradients),
                    };
                }
                first = end;
            }
        }
    }

    /// What the self parts of the centre, and of its neighbours, add to the forces on the centre.
    #[inline(always)]
    fn pull_self_parts<A: Arithmetic>(&self, centre: usize, out: &mut OneParticle) {
        let Self { basis, tables, .. } = self;
        let n_radial = basis.n_radial;
        let n_functions = basis.functions.len();
        reset(&mut out.self_pulls, basis.elements.len() * 3 * n_functions, Pack::ZERO);
        reset(&mut out.radial_sums, basis.elements.len() * n_radial, Pack::ZERO);
        for element in 0..basis.elements.len() {
            for c in 0..3 {
                let pulls = &out.radial_pulls[c];
                // Functions of the centre see all neighbours, those of a neighbour see the centre.
                if element == centre {
                    out.radial_sums.copy_from_slice(pulls);
                } else {
                    out.radial_sums.fill(Pack::ZERO);
                }
                let seen = &mut out.radial_sums[centre * n_radial..][..n_radial];
                for (sum, pull) in seen.iter_mut().zip(&pulls[element * n_radial..]) {
                    *sum = (Lanes::<A>::from(*sum) + Lanes::from(*pull)).0;
                }
                let values = &mut out.self_pulls[(element * 3 + c) * n_functions..][..n_functions];
                remove_self_parts(&tables.self_parts, Lanes::<A>::of(&mut out.radial_sums), Lanes::<A>::of(values));
            }
        }
    }
}

/// The neighbours of one element that one centre has, and where their gradients go.
struct Points<'a> {
    radial: &'a [[f64; 2]],
    harmonics: &'a [Quad],
    vectors: &'a [[Quad; 3]],
    l: usize,
    start: usize,
    sums: [usize; 3],
}

impl Points<'_> {
    /// The gradients of a few of the 2l + 1 functions; how many.
    #[inline(always)]
    fn multiply<A: Arithmetic, const M: usize>(&self, row: usize, out: &mut [Quad]) -> usize {
        let size = 2 * self.l + 1;
        let parity = if self.l % 2 == 0 { 1.0 } else { -1.0 };
        let mut sums = [[Quad::ZERO; 3]; M];
        let points = out[self.start..][..self.radial.len() * size].chunks_exact_mut(size);
        let factors = self.radial.iter().zip(self.vectors).zip(self.harmonics.chunks_exact(size));
        for (((&[value, slope], &[u, v, w]), harmonics), point) in factors.zip(points) {
            let (harmonics, point) = (&harmonics[row..row + M], &mut point[row..row + M]);
            for m in 0..M {
                // The gradient of the harmonic, and the harmonic.
                let Quad([.., harmonic]) = harmonics[m];
                let gradient = u.scaled(slope * harmonic).plus_scaled::<A>(harmonics[m], value);
                point[m] = gradient;
                let [x, y, ..] = gradient.0;
                sums[m][0] = sums[m][0].plus(gradient);
                sums[m][1] = sums[m][1].plus_product::<A>(gradient, v);
                sums[m][2] = sums[m][2].plus_product::<A>(Quad([y, x, x, x]), w);
            }
        }
        for (m, [own, diagonal, other]) in sums.into_iter().enumerate() {
            out[self.sums[0] + row + m] = own.scaled(parity);
            out[self.sums[1] + row + m] = diagonal;
            out[self.sums[2] + row + m] = other;
        }
        M
    }
}

/// Adds a slope times each of some factors to one number of each sum.
#[inline(always)]
fn add_products<A: Arithmetic, const N: usize>(
    slope: Lanes<A>,
    factors: [Lanes<A>; N],
    sums: &mut [Vec<Pack>; N],
    index: usize,
) {
    for (sums, factor) in sums.iter_mut().zip(factors) {
        sums[index] = slope.mul_add(factor, Lanes::from(sums[index])).0;
    }
}

fn reset<T: Clone>(numbers: &mut Vec<T>, len: usize, zero: T) {
    numbers.clear();
    numbers.resize(len, zero);
}
