//! Sums over neighbours in species channels, and the factors that each lane has of its own.

use std::ops::Range;

use super::tables::Tables;
use super::values::{Evaluator, Neighbourhoods, Workspace, sort_by_parity};
use crate::arithmetic::{Arithmetic, LANES, Lanes, Number, Pack};
use crate::basis::{Basis, Channels, Distances};

/// The weights of the neighbours and of the centres in the lanes, in each channel.
#[derive(Debug, Clone, Default)]
pub(crate) struct LaneWeights {
    /// For each order from 1 on and each channel, that power of the weight of a neighbour.
    pub(crate) powers: Vec<Pack>,
    /// For each channel, the weight of the centre.
    pub(crate) centres: Vec<Pack>,
}

impl LaneWeights {
    /// Memory for the channels of a basis; none without channels.
    pub(crate) fn new(basis: &Basis) -> Self {
        let size = |channels: &Channels| [channels.order * channels.count, channels.count];
        let [powers, centres] = basis.channels.as_ref().map_or([0; 2], size);
        Self { powers: vec![Pack::ZERO; powers], centres: vec![Pack::ZERO; centres] }
    }

    /// Takes the weights of the neighbours of some elements, with their powers.
    #[inline(always)]
    pub(crate) fn load_neighbours<A: Arithmetic>(&mut self, channels: &Channels, elements: &[usize; LANES]) {
        let (first, higher) = Lanes::<A>::of(&mut self.powers).split_at_mut(channels.count);
        channels.load_neighbours(elements, first);
        raise(first, higher);
    }

    /// Takes the weights of the centres of some elements.
    #[inline(always)]
    pub(crate) fn load_centres<A: Arithmetic>(&mut self, channels: &Channels, elements: &[usize; LANES]) {
        channels.load_centres(elements, Lanes::<A>::of(&mut self.centres));
    }
}

/// The second and higher powers of some numbers, power after power.
#[inline(always)]
fn raise<T: Number>(first: &[T], higher: &mut [T]) {
    for k in 0..higher.len() {
        let lower = k.checked_sub(first.len()).map_or(first[k % first.len()], |below| higher[below]);
        higher[k] = lower * first[k % first.len()];
    }
}

impl Tables {
    /// The functions of one channel among those of order 2, and among those of order 3.
    pub(crate) fn of_channel(&self, channel: usize, count: usize) -> [Range<usize>; 2] {
        [self.doubles.len(), self.triples.functions.len()].map(|n| channel * n / count..(channel + 1) * n / count)
    }
}

impl Evaluator {
    /// Σ_j of W_k P_n, W_k^p R_n and W_k R_n Y_lm over all neighbours, for every channel k.
    #[inline(always)]
    pub(crate) fn sum_over_channels<A: Arithmetic>(
        &self,
        channels: &Channels,
        neighbourhoods: &Neighbourhoods,
        workspace: &mut Workspace,
    ) {
        let Self { basis, tables, .. } = self;
        let Workspace { pair_sums, radial_sums, sums, harmonics, radial, pair, weights, .. } = workspace;
        let [pair_sums, radial_sums, sums] = [pair_sums, radial_sums, sums].map(|packs| Lanes::<A>::of(packs));
        let [harmonics, radial, pair] = [harmonics, radial, pair].map(|packs| Lanes::<A>::of(packs));
        for slot in neighbourhoods.slots.iter().flatten() {
            let (r, inverse_r, u) = slot.polar::<A>();
            let present = Lanes::<A>::from(slot.present);
            let distances = channels.distances::<A>(&neighbourhoods.elements, &slot.elements);
            for (value, p) in pair.iter_mut().zip(distances.pair_terms(r, inverse_r, present)) {
                *value = p;
            }
            let terms = basis.envelope.terms(distances.coordinate(r), present);
            for (value, term) in radial.iter_mut().zip(terms) {
                *value = term;
            }
            self.harmonics.evaluate(u, harmonics);
            weights.load_neighbours::<A>(channels, &slot.elements);
            let (first, higher) = Lanes::<A>::of(&mut weights.powers).split_at(channels.count);
            for (weight, sums) in first.iter().zip(pair_sums.chunks_exact_mut(basis.n_pair)) {
                add_scaled(*weight, pair, sums);
            }
            for (weight, sums) in higher.iter().zip(radial_sums.chunks_exact_mut(basis.n_radial)) {
                add_scaled(*weight, radial, sums);
            }
            for (weight, sums) in first.iter().zip(sums.chunks_exact_mut(tables.sums.len.max(1))) {
                for (shell, value) in tables.sums.shells.iter().zip(&*radial) {
                    add_scaled(*weight * *value, harmonics, &mut sums[shell.first..shell.first + shell.size]);
                }
            }
        }
        for sums in radial_sums.chunks_exact_mut(basis.n_radial) {
            sort_by_parity(sums, radial);
        }
    }

    /// Multiplies pair sums and functions by the weights of the centres.
    #[inline(always)]
    pub(crate) fn weigh_by_centres<A: Arithmetic>(
        &self,
        channels: &Channels,
        elements: &[usize; LANES],
        workspace: &mut Workspace,
    ) {
        let Workspace { pair_sums, values, weights, .. } = workspace;
        weights.load_centres::<A>(channels, elements);
        let values = Lanes::<A>::of(values);
        let n_doubles = self.tables.doubles.len();
        for (channel, &weight) in Lanes::<A>::of(&mut weights.centres).iter().enumerate() {
            let [two, three] = self.tables.of_channel(channel, channels.count);
            scale(weight, &mut Lanes::<A>::of(pair_sums)[channel * self.basis.n_pair..][..self.basis.n_pair]);
            scale(weight, &mut values[two]);
            scale(weight, &mut values[n_doubles + three.start..n_doubles + three.end]);
        }
    }
}

/// `sums += factor * terms`, as far as both reach.
#[inline(always)]
pub(crate) fn add_scaled<T: Number>(factor: T, terms: &[T], sums: &mut [T]) {
    for (sum, term) in sums.iter_mut().zip(terms) {
        *sum = factor.mul_add(*term, *sum);
    }
}

/// `numbers *= factor`
#[inline(always)]
pub(crate) fn scale<T: Number>(factor: T, numbers: &mut [T]) {
    for number in numbers {
        *number = factor * *number;
    }
}
