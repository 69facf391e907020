//! The factors of the gradients of R_n Y_lm and P_n at all neighbours of a few centres.
//!
//! A *pull* is a sum of gradients over neighbours, and a *moment* a sum of the products of gradients and vectors to the
//! neighbours; forces are made of pulls, virials of moments.

use std::ops::Range;

use crate::arithmetic::{Arithmetic, Dual, Kernel, LANES, Lanes, Number, Pack, QUAD, Quad};
use crate::basis::{Basis, Channels, Distances, n_harmonics};
use crate::evaluate::{Evaluator, LaneWeights, Neighbourhoods, Slot, by_parity};
use crate::geometry::VOIGT;

/// Number of quads in a pack. Sums over neighbours are taken for one quad at a time, so that they fit the registers.
const HALVES: usize = LANES / QUAD;

/// The factors of the gradients at the neighbours of half the lanes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Half {
    /// For each n and neighbour, P'_n / r.
    pair: Vec<Quad>,
    /// For each n and neighbour, R_n and R'_n / r.
    radial: Vec<[Quad; 2]>,
    /// For each l, m and neighbour, the gradient of Y_lm(r / |r|), then Y_lm.
    harmonics: Vec<[Quad; 4]>,
    /// For each neighbour, the vector to it.
    pub(crate) vectors: Vec<[Quad; 3]>,
    /// For each neighbour, the products of the components of its vector: xx, yy, zz, yz, xz, xy.
    products: Vec<[Quad; 6]>,
    weights: PairWeights,
}

/// The factors of each channel at the neighbours; empty without channels. V are weights of centres, W of neighbours,
/// i is the centre and j the neighbour.
#[derive(Debug, Clone, Default)]
struct PairWeights {
    /// For each channel and neighbour, W(j).
    neighbours: Vec<Quad>,
    /// For each channel and neighbour, half of V(i) W(j) + V(j) W(i).
    pair: Vec<Quad>,
    /// For each set of radial sums and neighbour, V(i) W(j)^p + V(j) W(i)^p.
    radial: Vec<Quad>,
}

impl Half {
    /// Makes room for `n` neighbours; old contents are overwritten later.
    fn resize(&mut self, n: usize, basis: &Basis, n_harmonics: usize) {
        self.pair.resize(n * basis.n_pair, Quad::ZERO);
        self.radial.resize(n * basis.n_radial, [Quad::ZERO; 2]);
        self.harmonics.resize(n * n_harmonics, [Quad::ZERO; 4]);
        self.vectors.resize(n, [Quad::ZERO; 3]);
        self.products.resize(n, [Quad::ZERO; 6]);
        if let Some(channels) = &basis.channels {
            self.weights.neighbours.resize(n * channels.count, Quad::ZERO);
            self.weights.pair.resize(n * channels.count, Quad::ZERO);
            self.weights.radial.resize(n * channels.n_radial_sets(), Quad::ZERO);
        }
    }

    /// The weights of all neighbours in one channel.
    pub(crate) fn weights_of(&self, channel: usize) -> &[Quad] {
        &self.weights.neighbours[channel * self.vectors.len()..][..self.vectors.len()]
    }

    /// R_n and R'_n / r at all neighbours.
    pub(crate) fn radial_of(&self, n: usize) -> &[[Quad; 2]] {
        &self.radial[(n - 1) * self.vectors.len()..][..self.vectors.len()]
    }

    /// The gradient and the value of one harmonic at all neighbours.
    pub(crate) fn harmonics_of(&self, index: usize) -> &[[Quad; 4]] {
        &self.harmonics[index * self.vectors.len()..][..self.vectors.len()]
    }
}

/// The gradients at the neighbours of one centre per lane, and their sums.
#[derive(Debug, Clone, Default)]
pub(crate) struct OneParticle {
    /// For each kind, the end of the range of its neighbours.
    ends: Vec<usize>,
    /// Number of sets of one-particle sums.
    n_sets: usize,
    pub(crate) has_channels: bool,
    /// For x, y and z, for each element of neighbours or channel and each n, the pull of P_n.
    pub(crate) pair_pulls: [Vec<Pack>; 3],
    /// For xx, yy, zz, yz, xz and xy, for each element of neighbours or channel and each n, the moment of P_n.
    pub(crate) pair_moments: [Vec<Pack>; 6],
    /// For x, y and z, for each set of radial sums and k, the pull of R_k; odd k come first.
    pub(crate) radial_pulls: [Vec<Pack>; 3],
    /// For xx, yy, zz, yz, xz and xy, for each set of radial sums and k, the moment of R_k; odd k come first.
    pub(crate) radial_moments: [Vec<Pack>; 6],
    /// The factors for the first four lanes, and for the last four.
    pub(crate) halves: [Half; HALVES],
    values: Vec<Pack>,
    solids: Vec<[Pack; 3]>,
    /// The weights of the neighbours and of the centres, and these with the two exchanged.
    weights: [LaneWeights; 2],
}

impl OneParticle {
    pub(crate) fn n_neighbours(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }

    pub(crate) fn n_sets(&self) -> usize {
        self.n_sets
    }

    /// Number of kinds of neighbours, which is that of sets without channels.
    pub(crate) fn n_kinds(&self) -> usize {
        self.ends.len()
    }

    /// The range of the neighbours of one kind.
    pub(crate) fn slots(&self, kind: usize) -> Range<usize> {
        kind.checked_sub(1).map_or(0, |before| self.ends[before])..self.ends[kind]
    }

    /// Number of points of half the lanes; [`Gradients`](super::gradients::Gradients) says what they are.
    pub(crate) fn n_of_half(&self) -> usize {
        self.n_neighbours() + 3 * self.n_sets()
    }

    /// Number of points of all lanes.
    pub(crate) fn n_points(&self) -> usize {
        HALVES * self.n_of_half()
    }

    /// The point with the gradient at a neighbour.
    pub(crate) fn neighbour(&self, slot: usize, lane: usize) -> usize {
        lane / QUAD * self.n_of_half() + slot
    }

    /// The point with the sum of the gradients over the neighbours of one element, or of one channel.
    pub(crate) fn own(&self, set: usize, lane: usize) -> usize {
        self.neighbour(self.n_neighbours() + set, lane)
    }

    /// The two points with the moments of the neighbours of one element, or of one channel.
    pub(crate) fn moments(&self, set: usize, lane: usize) -> [usize; 2] {
        let first = self.neighbour(self.n_neighbours() + self.n_sets() + 2 * set, lane);
        [first, first + 1]
    }
}

impl Evaluator {
    /// Computes the gradients of the one-particle functions at the neighbours of some centres of one kind.
    pub(crate) fn differentiate_one_particle(
        &self,
        centre: usize,
        neighbourhoods: &Neighbourhoods,
        out: &mut OneParticle,
    ) {
        self.instructions.run(Differentiate { evaluator: self, centre, neighbourhoods, out });
    }
}

struct Differentiate<'a> {
    evaluator: &'a Evaluator,
    centre: usize,
    neighbourhoods: &'a Neighbourhoods,
    out: &'a mut OneParticle,
}

impl Kernel for Differentiate<'_> {
    #[inline(always)]
    fn run<A: Arithmetic>(self) {
        let Self { evaluator, centre, neighbourhoods, out } = self;
        let Neighbourhoods { elements, slots } = neighbourhoods;
        let basis = &evaluator.basis;
        out.resize(slots, evaluator);
        let mut position = 0;
        for (element, slots) in slots.iter().enumerate() {
            for slot in slots {
                if let Some(channels) = &basis.channels {
                    let distances = channels.distances::<A>(elements, &slot.elements);
                    evaluator.differentiate_factors::<A>(&distances, slot, position, out);
                    out.weigh::<A>(channels, [elements, &slot.elements], position);
                } else {
                    let pair = basis.pair(centre, element);
                    evaluator.differentiate_factors::<A>(pair, slot, position, out);
                }
                position += 1;
            }
        }
        if basis.channels.is_some() {
            out.sum_channels::<A>(basis);
        } else {
            out.sum_elements::<A>(basis);
        }
    }
}

impl OneParticle {
    /// Makes room for the neighbours; old contents are overwritten later.
    fn resize(&mut self, slots: &[Vec<Slot>], evaluator: &Evaluator) {
        let Evaluator { basis, tables, .. } = evaluator;
        let mut end = 0;
        self.ends.clear();
        self.ends.extend(slots.iter().map(|slots| {
            end += slots.len();
            end
        }));
        (self.n_sets, self.has_channels) = (basis.n_sets(), basis.channels.is_some());
        self.halves.iter_mut().for_each(|half| half.resize(end, basis, n_harmonics(tables.sums.lmax)));
        self.values.resize(n_harmonics(tables.sums.lmax), Pack::ZERO);
        self.solids.resize(n_harmonics(tables.sums.lmax), [Pack::ZERO; 3]);
        for sums in self.pair_pulls.iter_mut().chain(&mut self.pair_moments) {
            sums.resize(basis.n_sets() * basis.n_pair, Pack::ZERO);
        }
        for sums in self.radial_pulls.iter_mut().chain(&mut self.radial_moments) {
            sums.resize(basis.n_radial_sets() * basis.n_radial, Pack::ZERO);
        }
        if basis.channels.is_some() && self.weights[0].powers.is_empty() {
            self.weights = [LaneWeights::new(basis), LaneWeights::new(basis)];
        }
    }

    /// Computes the weights of one neighbour per lane, given the elements of the centres and of the neighbours.
    #[inline(always)]
    fn weigh<A: Arithmetic>(&mut self, channels: &Channels, elements: [&[usize; LANES]; 2], position: usize) {
        let n_neighbours = self.n_neighbours();
        let [centre, neighbour] = elements;
        for (weights, [own, other]) in self.weights.iter_mut().zip([[centre, neighbour], [neighbour, centre]]) {
            weights.load_centres::<A>(channels, own);
            weights.load_neighbours::<A>(channels, other);
        }
        let [there, back] = &mut self.weights;
        for k in 0..there.powers.len() {
            let (order, channel) = (1 + k / channels.count, k % channels.count);
            let [first, second] = [&mut *there, &mut *back]
                .map(|weights| Lanes::<A>::from(weights.centres[channel]) * Lanes::<A>::from(weights.powers[k]));
            let both = first + second;
            for (part, half) in self.halves.iter_mut().enumerate() {
                let weights = &mut half.weights;
                if order == 1 {
                    weights.neighbours[channel * n_neighbours + position] = there.powers[k].part(part);
                    weights.pair[channel * n_neighbours + position] = both.scaled(0.5).0.part(part);
                } else {
                    weights.radial[(k - channels.count) * n_neighbours + position] = both.0.part(part);
                }
            }
        }
    }

    /// Sums pulls and moments over the neighbours of each element.
    #[inline(always)]
    fn sum_elements<A: Arithmetic>(&mut self, basis: &Basis) {
        let Self { ends, halves, pair_pulls, pair_moments, radial_pulls, radial_moments, .. } = self;
        let mut start = 0;
        for (element, &end) in ends.iter().enumerate() {
            for (part, Half { pair, radial, vectors, products, .. }) in halves.iter().enumerate() {
                let n_neighbours = vectors.len();
                let (vectors, products) = (&vectors[start..end], &products[start..end]);
                for n in 0..basis.n_pair {
                    let slopes = pair[n * n_neighbours..][start..end].iter().copied();
                    let sums = sum_products::<A>(slopes, vectors, products);
                    set_parts(element * basis.n_pair + n, part, sums, pair_pulls, pair_moments);
                }
                for n in 0..basis.n_radial {
                    let slopes = radial[n * n_neighbours..][start..end].iter().map(|[_, slope]| *slope);
                    let sums = sum_products::<A>(slopes, vectors, products);
                    let place = element * basis.n_radial + by_parity(n + 1, basis.n_radial);
                    set_parts(place, part, sums, radial_pulls, radial_moments);
                }
            }
            start = end;
        }
    }

    /// Sums pulls and moments over all neighbours, times the weights of each channel or set of radial sums.
    #[inline(always)]
    fn sum_channels<A: Arithmetic>(&mut self, basis: &Basis) {
        let Self { halves, pair_pulls, pair_moments, radial_pulls, radial_moments, .. } = self;
        for (part, half) in halves.iter().enumerate() {
            let Half { pair, radial, vectors, products, weights, .. } = half;
            if vectors.is_empty() {
                for packs in pair_pulls.iter_mut().chain(radial_pulls.iter_mut()) {
                    packs.fill(Pack::ZERO);
                }
                for packs in pair_moments.iter_mut().chain(radial_moments.iter_mut()) {
                    packs.fill(Pack::ZERO);
                }
                continue;
            }
            for (channel, weights) in weights.pair.chunks_exact(vectors.len()).enumerate() {
                for (n, slopes) in pair.chunks_exact(vectors.len()).take(basis.n_pair).enumerate() {
                    let slopes = slopes.iter().zip(weights).map(|(slope, weight)| slope.times(*weight));
                    let sums = sum_products::<A>(slopes, vectors, products);
                    set_parts(channel * basis.n_pair + n, part, sums, pair_pulls, pair_moments);
                }
            }
            for (set, weights) in weights.radial.chunks_exact(vectors.len()).enumerate() {
                for (n, slopes) in radial.chunks_exact(vectors.len()).take(basis.n_radial).enumerate() {
                    let slopes = slopes.iter().zip(weights).map(|([_, slope], weight)| slope.times(*weight));
                    let sums = sum_products::<A>(slopes, vectors, products);
                    let place = set * basis.n_radial + by_parity(n + 1, basis.n_radial);
                    set_parts(place, part, sums, radial_pulls, radial_moments);
                }
            }
        }
    }
}

impl Evaluator {
    /// Computes the factors for one neighbour per lane.
    #[inline(always)]
    fn differentiate_factors<A: Arithmetic>(
        &self,
        distances: &impl Distances<A>,
        slot: &Slot,
        position: usize,
        out: &mut OneParticle,
    ) {
        let n_neighbours = out.n_neighbours();
        let Self { basis, .. } = self;
        let (r, inverse_r, u) = slot.polar::<A>();
        let vector = slot.vector.map(Lanes::<A>::from);
        let distance = Dual::variable(r);
        let present = Dual::constant(Lanes::<A>::from(slot.present));
        let products = VOIGT.map(|[a, b]| vector[a] * vector[b]);
        for (part, half) in out.halves.iter_mut().enumerate() {
            for c in 0..3 {
                half.vectors[position][c] = vector[c].0.part(part);
            }
            for c in 0..6 {
                half.products[position][c] = products[c].0.part(part);
            }
        }

        let inverse = Dual { value: inverse_r, slope: (inverse_r * inverse_r).scaled(-1.0) };
        for (n, term) in distances.pair_terms(distance, inverse, present).enumerate() {
            let slope = term.slope * inverse_r;
            for (part, half) in out.halves.iter_mut().enumerate() {
                half.pair[n * n_neighbours + position] = slope.0.part(part);
            }
        }
        let terms = basis.envelope.terms(distances.coordinate(distance), present);
        for (n, term) in terms.enumerate() {
            let slope = term.slope * inverse_r;
            for (part, half) in out.halves.iter_mut().enumerate() {
                half.radial[n * n_neighbours + position] = [term.value.0.part(part), slope.0.part(part)];
            }
        }

        let values = Lanes::<A>::of(&mut out.values);
        self.harmonics.evaluate(u, values);
        let solids = Lanes::<A>::triples(&mut out.solids);
        self.harmonics.gradients(values, solids);
        let [u, v, w] = u;
        for (index, (value, [x, y, z])) in values.iter().zip(&*solids).enumerate() {
            // The gradient of a solid harmonic without its radial part is that of the harmonic.
            let along = x.mul_add(u, y.mul_add(v, *z * w));
            let (x, y, z) = ((*x - along * u) * inverse_r, (*y - along * v) * inverse_r, (*z - along * w) * inverse_r);
            for (part, half) in out.halves.iter_mut().enumerate() {
                half.harmonics[index * n_neighbours + position] =
                    [x.0.part(part), y.0.part(part), z.0.part(part), value.0.part(part)];
            }
        }
    }
}

/// The pull and the moment of one function, from its slope over the distance.
#[inline(always)]
fn sum_products<A: Arithmetic>(
    slopes: impl Iterator<Item = Quad>,
    vectors: &[[Quad; 3]],
    products: &[[Quad; 6]],
) -> ([Quad; 3], [Quad; 6]) {
    let mut pulls = [Quad::ZERO; 3];
    let mut moments = [Quad::ZERO; 6];
    for ((slope, vectors), products) in slopes.zip(vectors).zip(products) {
        for c in 0..3 {
            pulls[c] = pulls[c].plus_product::<A>(slope, vectors[c]);
        }
        for c in 0..6 {
            moments[c] = moments[c].plus_product::<A>(slope, products[c]);
        }
    }
    (pulls, moments)
}

/// Writes pull and moment of four lanes to their half of the packs at a place.
#[inline(always)]
fn set_parts(
    place: usize,
    part: usize,
    (own_pulls, own_moments): ([Quad; 3], [Quad; 6]),
    pulls: &mut [Vec<Pack>; 3],
    moments: &mut [Vec<Pack>; 6],
) {
    for c in 0..3 {
        pulls[c][place].set_part(part, own_pulls[c]);
    }
    for c in 0..6 {
        moments[c][place].set_part(part, own_moments[c]);
    }
}
