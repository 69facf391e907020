//! Species channels: each element is a vector of weights, and functions combine sums of one channel only.
//!
//! The sums over neighbours are `A^k_nlm = Σ_j W_k(Z_j) R_n(r_ij) Y_lm`, and every function of channel k is multiplied by
//! the weight `V_k(Z_i)` of the centre (docs/design/ace.md section 10). The elements of an atom and of its neighbours
//! are data of each lane, so atoms of all elements share lanes.

use super::radial::{Distances, LengthScale, PairFamily, Scaled};
use super::recursion::Terms;
use crate::arithmetic::{Arithmetic, LANES, Lanes, Number, Pack};
use crate::error::Error;

/// The weights of the elements in each channel: one row per element, one column per channel.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelWeights {
    /// Number of channels.
    pub count: usize,
    /// Weights of neighbours.
    pub neighbours: Vec<f64>,
    /// Weights of centres.
    pub centres: Vec<f64>,
}

/// Channels with the tables that do not change from atom to atom.
#[derive(Debug, Clone)]
pub(crate) struct Channels {
    pub(crate) count: usize,
    /// Largest number of neighbours in one function.
    pub(crate) order: usize,
    n_elements: usize,
    neighbours: Vec<f64>,
    centres: Vec<f64>,
    /// For each element of the centre and each of the neighbour.
    scales: Vec<LengthScale<f64>>,
    family: PairFamily,
}

impl ChannelWeights {
    /// Checks that there is one finite weight for each element and channel, for neighbours and for centres.
    pub(crate) fn check(&self, n_elements: usize) -> Result<(), Error> {
        let Self { count, neighbours, centres } = self;
        let expected = n_elements * count;
        let given = [neighbours.len(), centres.len()];
        let finite = neighbours.iter().chain(centres).all(|w| w.is_finite());
        if *count == 0 || given != [expected; 2] || !finite {
            return Err(Error::Channels { n_elements, count: *count });
        }
        Ok(())
    }
}

impl Channels {
    /// Channels of a basis with `n_pair` pair functions; `r0` has one row per element.
    pub(crate) fn new(weights: &ChannelWeights, order: usize, n_pair: usize, r0: &[f64], rcut: f64) -> Self {
        let ChannelWeights { count, neighbours, centres } = weights.clone();
        let scales = r0.iter().map(|&r0| LengthScale::new(r0, rcut)).collect();
        let n_elements = neighbours.len() / count;
        Self { count, order, n_elements, neighbours, centres, scales, family: PairFamily::new(n_pair) }
    }

    /// Number of sets of radial sums: one for each order from 2 on and each channel.
    pub(crate) fn n_radial_sets(&self) -> usize {
        self.count * (self.order - 1)
    }

    /// The set of radial sums in the self parts of functions of one order and channel: sums of `W_k(Z_j)^order R_n`.
    pub(crate) fn radial_set(&self, order: usize, channel: usize) -> usize {
        (order - 2) * self.count + channel
    }

    /// The weight of a neighbour of an element in one channel.
    pub(crate) fn of_neighbour(&self, element: usize, channel: usize) -> f64 {
        self.neighbours[element * self.count + channel]
    }

    /// The weights of neighbours of the given elements, channel after channel.
    #[inline(always)]
    pub(crate) fn load_neighbours<A: Arithmetic>(&self, elements: &[usize; LANES], out: &mut [Lanes<A>]) {
        load(&self.neighbours, self.count, elements, out);
    }

    /// The weights of centres of the given elements, channel after channel.
    #[inline(always)]
    pub(crate) fn load_centres<A: Arithmetic>(&self, elements: &[usize; LANES], out: &mut [Lanes<A>]) {
        load(&self.centres, self.count, elements, out);
    }

    /// The functions of distance between a centre and a neighbour in each lane.
    #[inline(always)]
    pub(crate) fn distances<A: Arithmetic>(
        &self,
        centres: &[usize; LANES],
        neighbours: &[usize; LANES],
    ) -> LanePairs<'_, A> {
        let mut scale = LengthScale { numbers: [Pack::ZERO; LengthScale::<f64>::COUNT] };
        for lane in 0..LANES {
            let own = &self.scales[centres[lane] * self.n_elements + neighbours[lane]];
            for (pack, number) in scale.numbers.iter_mut().zip(own.numbers) {
                pack.0[lane] = number;
            }
        }
        LanePairs { family: &self.family, scale: LengthScale { numbers: scale.numbers.map(Lanes::from) } }
    }
}

#[inline(always)]
fn load<A: Arithmetic>(table: &[f64], count: usize, elements: &[usize; LANES], out: &mut [Lanes<A>]) {
    for (lane, &element) in elements.iter().enumerate() {
        for (pack, &weight) in out.iter_mut().zip(&table[element * count..][..count]) {
            pack.0.0[lane] = weight;
        }
    }
}

/// The functions of distance where each lane has its own pair of elements.
pub(crate) struct LanePairs<'a, A> {
    family: &'a PairFamily,
    scale: LengthScale<Lanes<A>>,
}

impl<A: Arithmetic> Distances<A> for LanePairs<'_, A> {
    #[inline(always)]
    fn coordinate<T: Number + From<Lanes<A>>>(&self, r: T) -> T {
        self.scale.coordinate(r)
    }

    #[inline(always)]
    fn pair_terms<T: Number + From<Lanes<A>>>(&self, r: T, inverse_r: T, factor: T) -> Terms<'_, T> {
        let Scaled { coordinate, envelope } = self.scale.pair(r, inverse_r);
        self.family.terms(coordinate, envelope * factor)
    }
}
