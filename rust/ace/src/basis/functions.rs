//! The basis: its checked parameters, and its many-body functions in the order of the columns.

use super::channels::{ChannelWeights, Channels};
use super::labels::{Degrees, Label, n_symmetries};
use super::radial::{Coordinate, Distances, Envelope, PairRadial};
use super::recursion::Terms;
use super::self_part::{Expansion, Products, last_radial, one_neighbour};
use crate::arithmetic::{Arithmetic, Lanes, Number};
use crate::error::Error;

/// The parameters that define a basis.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameters {
    /// Atomic numbers, ascending.
    pub elements: Vec<i64>,
    /// Correlation order: 1, 2 or 3.
    pub order: usize,
    /// Total degree of each order.
    pub totaldegree: Vec<f64>,
    /// Cutoff radius in Å.
    pub rcut: f64,
    /// Length scale of each pair of elements in Å: a symmetric matrix, row by row.
    pub r0: Vec<f64>,
}

/// One many-body function: an invariant coupling of two or three one-particle sums, minus its self part.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Function {
    /// The labels of its factors, ascending.
    pub(crate) labels: Vec<Label>,
    /// √σ: the root of the number of permutations that map the labels to themselves.
    pub(crate) root_sigma: f64,
    /// Set of the radial sums and κ Σ_k p_k R_k; `None` where the labels have different elements. There is one set for
    /// each element of neighbours, or for each order and channel.
    pub(crate) self_part: Option<(usize, Expansion)>,
}

/// The functions of distance of one pair of elements.
#[derive(Debug, Clone)]
pub(crate) struct PairOfElements {
    pub(crate) coordinate: Coordinate,
    pub(crate) radial: PairRadial,
}

/// A basis: everything that follows from the parameters.
#[derive(Debug, Clone)]
pub(crate) struct Basis {
    pub(crate) elements: Vec<i64>,
    pub(crate) rcut: f64,
    pub(crate) n_features: usize,
    /// Number of pair functions of one pair of elements.
    pub(crate) n_pair: usize,
    /// The many-body functions, the same for every element of the centre.
    pub(crate) functions: Vec<Function>,
    /// The radial functions R_n, `n_radial` of them: those of the one-particle sums and of the self parts.
    pub(crate) envelope: Envelope,
    pub(crate) n_radial: usize,
    /// For each element of the centre and each of the neighbour; empty with channels.
    pub(crate) pairs: Vec<PairOfElements>,
    /// The channels, where elements are not labels. Then the element of a label is the index of its channel.
    pub(crate) channels: Option<Channels>,
}

impl Basis {
    /// The basis whose labels are elements, or species channels where weights are given.
    pub(crate) fn new(parameters: &Parameters, weights: Option<&ChannelWeights>) -> Result<Self, Error> {
        let Parameters { elements, order, totaldegree, rcut, r0 } = parameters;
        check_elements(elements)?;
        let degrees = Degrees::new(*order, totaldegree)?;
        if !(rcut.is_finite() && *rcut > 0.0) {
            return Err(Error::Cutoff { given: *rcut });
        }
        check_length_scales(r0, elements.len(), *rcut)?;
        let n_pair = degrees.n_pair();
        let n_features = match weights {
            None => degrees.length(elements.len())?,
            Some(weights) => {
                weights.check(elements.len())?;
                degrees.length_in_channels(weights.count)?
            }
        };
        let channels = weights.map(|weights| Channels::new(weights, *order, n_pair, r0, *rcut));

        let blocks = match &channels {
            None => {
                let labels = degrees.labels(elements.len());
                (2..=*order).flat_map(|order| degrees.label_blocks(order, &labels)).collect()
            }
            Some(channels) => channel_blocks(&degrees, channels.count),
        };
        let reach = |block: &Vec<Label>| last_radial(block.iter().map(|label| label.n).sum(), block.len());
        let n_radial = blocks.iter().map(reach).max().unwrap_or(1);
        let envelope = Envelope::new(n_radial);
        let mut products = Products::new(&envelope);
        let set = |labels: &[Label]| {
            let element = labels[0].element;
            channels.as_ref().map_or(element, |channels| channels.radial_set(labels.len(), element))
        };
        let functions = blocks.into_iter().map(|labels| Function::new(set(&labels), labels, &mut products)).collect();

        let of_pair = |&r0: &f64| PairOfElements {
            coordinate: Coordinate::new(r0, *rcut),
            radial: PairRadial::new(n_pair, r0, *rcut),
        };
        let pairs = if channels.is_none() { r0.iter().map(of_pair).collect() } else { Vec::new() };
        Ok(Self {
            elements: elements.clone(),
            rcut: *rcut,
            n_features,
            n_pair,
            functions,
            envelope,
            n_radial,
            pairs,
            channels,
        })
    }

    /// Number of sets of one-particle sums: one for each element of neighbours, or for each channel.
    pub(crate) fn n_sets(&self) -> usize {
        self.channels.as_ref().map_or(self.elements.len(), |channels| channels.count)
    }

    /// Number of sets of radial sums in self parts.
    pub(crate) fn n_radial_sets(&self) -> usize {
        self.channels.as_ref().map_or(self.elements.len(), Channels::n_radial_sets)
    }

    /// Number of kinds of atoms that are kept apart: centres have columns of their own, and neighbours lists of their
    /// own. Elements are kinds; with channels all atoms are of one kind.
    pub(crate) fn n_kinds(&self) -> usize {
        if self.channels.is_some() { 1 } else { self.elements.len() }
    }

    /// The kind of the atoms of an element.
    pub(crate) fn kind(&self, element: usize) -> usize {
        if self.channels.is_some() { 0 } else { element }
    }

    /// The functions of distance between a centre and a neighbour.
    pub(crate) fn pair(&self, centre: usize, neighbour: usize) -> &PairOfElements {
        &self.pairs[centre * self.elements.len() + neighbour]
    }

    /// First column of the pair functions of two elements, in either order; with channels, of the channel `b`.
    pub(crate) fn pair_column(&self, a: usize, b: usize) -> usize {
        if self.channels.is_some() {
            return b * self.n_pair;
        }
        let (low, high) = (a.min(b), a.max(b));
        // Pairs (low, high) with low ≤ high, ascending: the rows before have n, n - 1, … entries.
        let before = low * (2 * self.elements.len() + 1 - low) / 2;
        (before + high - low) * self.n_pair
    }

    /// Number of sets of pair columns: one for each pair of elements without order, or for each channel.
    pub(crate) fn n_pair_sets(&self) -> usize {
        let n = self.elements.len();
        self.channels.as_ref().map_or(n * (n + 1) / 2, |channels| channels.count)
    }

    /// First column of the many-body functions for centres of one kind.
    pub(crate) fn many_body_column(&self, centre: usize) -> usize {
        self.n_pair * self.n_pair_sets() + centre * self.functions.len()
    }
}

/// The blocks of all channels, order after order and channel after channel.
fn channel_blocks(degrees: &Degrees, count: usize) -> Vec<Vec<Label>> {
    let labels = degrees.labels(1);
    let mut blocks = Vec::new();
    for order in 2..=degrees.order() {
        let of_one = degrees.label_blocks(order, &labels);
        for channel in 0..count {
            let moved = |block: &Vec<Label>| block.iter().map(|&label| Label { element: channel, ..label }).collect();
            blocks.extend(of_one.iter().map(moved));
        }
    }
    blocks
}

impl<A: Arithmetic> Distances<A> for PairOfElements {
    #[inline(always)]
    fn coordinate<T: Number + From<Lanes<A>>>(&self, r: T) -> T {
        self.coordinate.evaluate(r)
    }

    #[inline(always)]
    fn pair_terms<T: Number + From<Lanes<A>>>(&self, r: T, inverse_r: T, factor: T) -> Terms<'_, T> {
        self.radial.terms(r, inverse_r, factor)
    }
}

impl Function {
    /// The function with the given labels, whose self part, if it has one, reads one set of radial sums.
    fn new(set: usize, labels: Vec<Label>, products: &mut Products) -> Self {
        let root_sigma = (n_symmetries(&labels) as f64).sqrt();
        let element = labels[0].element;
        let self_part = labels.iter().all(|label| label.element == element).then(|| {
            let n: Vec<usize> = labels.iter().map(|label| label.n).collect();
            let l: Vec<usize> = labels.iter().map(|label| label.l).collect();
            let kappa = root_sigma * one_neighbour(&l);
            let mut expansion = products.expand(&n);
            expansion.coefficients.iter_mut().for_each(|p| *p *= kappa);
            (set, expansion)
        });
        Self { labels, root_sigma, self_part }
    }
}

fn check_elements(elements: &[i64]) -> Result<(), Error> {
    let ascending = elements.is_sorted_by(|a, b| a < b);
    if elements.is_empty() || !ascending || elements.iter().any(|z| !(1..=118).contains(z)) {
        return Err(Error::Elements { given: elements.to_vec() });
    }
    Ok(())
}

/// Length scales must lie between 0.01 and 10 cutoffs: beyond, the transforms lose too many digits of a distance.
fn check_length_scales(r0: &[f64], n: usize, rcut: f64) -> Result<(), Error> {
    let wrong = |given: String| Err(Error::LengthScale { expected: n, least: 0.01 * rcut, most: 10.0 * rcut, given });
    if r0.len() != n * n {
        return wrong(format!("{} numbers were given", r0.len()));
    }
    for i in 0..n {
        for j in 0..n {
            let (value, mirrored) = (r0[i * n + j], r0[j * n + i]);
            if !(0.01 * rcut..=10.0 * rcut).contains(&value) || value != mirrored {
                return wrong(format!("entries ({i}, {j}) and ({j}, {i}) are {value} and {mirrored}"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(totaldegree: f64) -> Parameters {
        Parameters { elements: vec![14], order: 3, totaldegree: vec![totaldegree; 3], rcut: 5.0, r0: vec![2.4] }
    }

    #[test]
    fn columns_hold_the_blocks_that_the_paper_has_there() {
        let basis = Basis::new(&parameters(12.0), None).unwrap();
        let labels = |column: usize| -> Vec<(usize, usize)> {
            let function = &basis.functions[column - basis.many_body_column(0)];
            function.labels.iter().map(|label| (label.n, label.l)).collect()
        };
        assert_eq!(basis.many_body_column(0), 12);
        assert_eq!(labels(12), [(1, 0), (1, 0)]);
        assert_eq!(labels(13), [(1, 0), (2, 0)]);
        assert_eq!(labels(33), [(1, 2), (3, 2)]);
        assert_eq!(labels(79), [(1, 0), (1, 0), (1, 0)]);
        assert_eq!(labels(142), [(1, 1), (1, 2), (1, 3)]);
        assert_eq!(labels(210), [(4, 0), (4, 0), (4, 0)]);
    }

    #[test]
    fn non_zeros_of_the_self_part() {
        for (degree, expected) in [(12.0, 1281), (16.0, 4887), (19.0, 11606)] {
            let basis = Basis::new(&parameters(degree), None).unwrap();
            let parts = basis.functions.iter().filter_map(|f| f.self_part.as_ref());
            let non_zeros: usize =
                parts.map(|(_, expansion)| expansion.coefficients.iter().filter(|p| **p != 0.0).count()).sum();
            assert_eq!(non_zeros, expected);
        }
    }

    #[test]
    fn pair_columns_are_counted_without_order() {
        let basis = Basis::new(
            &Parameters { elements: vec![1, 6, 8], order: 2, totaldegree: vec![4.0, 4.0], rcut: 5.0, r0: vec![1.0; 9] },
            None,
        )
        .unwrap();
        let columns: Vec<usize> =
            [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)].iter().map(|&(a, b)| basis.pair_column(b, a)).collect();
        assert_eq!(columns, [0, 4, 8, 12, 16, 20]);
        assert_eq!(basis.many_body_column(3), basis.n_features);
    }

    #[test]
    fn refusals() {
        let refused = |change: fn(&mut Parameters)| {
            let mut wrong = parameters(6.0);
            change(&mut wrong);
            Basis::new(&wrong, None).map(|_| ()).unwrap_err()
        };
        assert_eq!(refused(|p| p.elements = vec![]), Error::Elements { given: vec![] });
        assert!(matches!(refused(|p| p.elements = vec![14, 14]), Error::Elements { .. }));
        assert!(matches!(refused(|p| p.elements = vec![0]), Error::Elements { .. }));
        assert!(matches!(refused(|p| p.rcut = 0.0), Error::Cutoff { .. }));
        assert!(matches!(refused(|p| p.rcut = f64::NAN), Error::Cutoff { .. }));
        assert!(matches!(refused(|p| p.r0 = vec![-1.0]), Error::LengthScale { .. }));
        assert!(matches!(refused(|p| p.r0 = vec![1.0, 2.0]), Error::LengthScale { .. }));
        assert!(matches!(refused(|p| p.r0 = vec![51.0]), Error::LengthScale { .. }));
        assert!(matches!(refused(|p| p.r0 = vec![f64::NAN]), Error::LengthScale { .. }));
    }
}
