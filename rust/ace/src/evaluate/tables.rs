//! The basis as tables of indices and factors: the place of each sum, and the products that make each function.

use std::collections::HashMap;
use std::ops::Range;

use crate::basis::{Basis, Coupling, Function, Label, n_harmonics};

/// The tables that the evaluation of a basis reads.
#[derive(Debug, Clone)]
pub(crate) struct Tables {
    pub(crate) sums: Sums,
    pub(crate) doubles: Vec<Double>,
    pub(crate) triples: Triples,
    pub(crate) self_parts: SelfParts,
}

/// The layout of the one-particle sums A_znlm: element after element, or channel after channel, each with its shells.
#[derive(Debug, Clone)]
pub(crate) struct Sums {
    pub(crate) lmax: usize,
    pub(crate) shells: Vec<Shell>,
    /// Number of sums of one element or channel.
    pub(crate) len: usize,
}

/// The one-particle sums with the same radial function: all l and m up to a largest l, in the order of the harmonics.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shell {
    pub(crate) first: usize,
    pub(crate) size: usize,
}

/// A function of order 2: scale Σ_q weight_q A_q B_q with weights 1, 2, 2, …. `a` and `b` are the places of the sums.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Double {
    pub(crate) a: usize,
    pub(crate) b: usize,
    pub(crate) size: usize,
    pub(crate) scale: f64,
}

/// The functions of order 3, grouped by their first two labels.
#[derive(Debug, Clone, Default)]
pub(crate) struct Triples {
    pub(crate) groups: Vec<Group>,
    /// The couplings of all groups, as indices into `combinations`.
    pub(crate) couplings: Vec<usize>,
    pub(crate) combinations: Vec<Combinations>,
    pub(crate) functions: Vec<Triple>,
}

/// Functions with the same first two labels: the sums of the two, their couplings, and the functions.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) a: Range<usize>,
    pub(crate) b: Range<usize>,
    pub(crate) couplings: Range<usize>,
    pub(crate) functions: Range<usize>,
}

/// A function of order 3: scale times the scalar product of the third factor with a coupling of the first two.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Triple {
    pub(crate) c: usize,
    /// First row of the coupling among the couplings of the group.
    pub(crate) coupled: usize,
    pub(crate) size: usize,
    pub(crate) scale: f64,
}

/// One coupling: each of its rows is a linear combination of products of two sums.
#[derive(Debug, Clone, Default)]
pub(crate) struct Combinations {
    /// For each row, the end of its terms.
    pub(crate) ends: Vec<usize>,
    pub(crate) factors: Vec<f64>,
    pub(crate) products: Vec<usize>,
}

/// The self part of each function, as a linear combination of radial sums.
#[derive(Debug, Clone, Default)]
pub(crate) struct SelfParts {
    /// For each function, the place of its first radial sum, and the range of its coefficients.
    pub(crate) functions: Vec<(usize, Range<usize>)>,
    pub(crate) coefficients: Vec<f64>,
}

impl Tables {
    pub(crate) fn new(basis: &Basis) -> Self {
        let sums = Sums::new(basis);
        let mut doubles = Vec::new();
        let mut triples = TriplesBuilder::default();
        let mut self_parts = SelfParts::default();
        for function in &basis.functions {
            match *function.labels {
                [a, b] => doubles.push(Double {
                    a: sums.place(a).start,
                    b: sums.place(b).start,
                    size: 2 * a.l + 1,
                    scale: function.root_sigma / ((2 * a.l + 1) as f64).sqrt(),
                }),
                [a, b, c] => triples.push([a, b, c], &sums, function.root_sigma),
                _ => unreachable!("functions have two or three factors"),
            }
            self_parts.push(function, basis.n_radial);
        }
        Self { sums, doubles, triples: triples.tables, self_parts }
    }
}

impl Sums {
    fn new(basis: &Basis) -> Self {
        let labels = || basis.functions.iter().flat_map(|function| &function.labels);
        let mut shells = Vec::new();
        let mut len = 0;
        for n in 1..=labels().map(|label| label.n).max().unwrap_or(0) {
            let lmax = labels().filter(|label| label.n == n).map(|label| label.l).max();
            let size = lmax.map_or(0, n_harmonics);
            shells.push(Shell { first: len, size });
            len += size;
        }
        Self { lmax: labels().map(|label| label.l).max().unwrap_or(0), shells, len }
    }

    /// The range of the sums over neighbours of one element, or of one channel.
    pub(crate) fn of_element(&self, element: usize) -> Range<usize> {
        element * self.len..(element + 1) * self.len
    }

    /// The range of the sums of a label.
    pub(crate) fn place(&self, label: Label) -> Range<usize> {
        let first = label.element * self.len + self.shells[label.n - 1].first + label.l * label.l;
        first..first + 2 * label.l + 1
    }
}

/// Builds [`Triples`] function by function.
#[derive(Debug, Default)]
struct TriplesBuilder {
    tables: Triples,
    /// For three l, the index of their combinations.
    known: HashMap<[usize; 3], usize>,
    /// The group being built: its labels, the first row of its coupling to each third l, and its number of rows.
    labels: Option<(Label, Label)>,
    coupled: HashMap<usize, usize>,
    n_coupled: usize,
}

impl TriplesBuilder {
    /// Adds a function. Functions with the same first two labels must be added one after the other.
    fn push(&mut self, [a, b, c]: [Label; 3], sums: &Sums, root_sigma: f64) {
        let Triples { groups, couplings, combinations, functions } = &mut self.tables;
        if self.labels != Some((a, b)) {
            self.labels = Some((a, b));
            self.coupled.clear();
            self.n_coupled = 0;
            groups.push(Group {
                a: sums.place(a),
                b: sums.place(b),
                couplings: couplings.len()..couplings.len(),
                functions: functions.len()..functions.len(),
            });
        }
        let coupled = *self.coupled.entry(c.l).or_insert_with(|| {
            couplings.push(*self.known.entry([a.l, b.l, c.l]).or_insert_with(|| {
                combinations.push(Combinations::new(&Coupling::new([a.l, b.l, c.l])));
                combinations.len() - 1
            }));
            self.n_coupled += 2 * c.l + 1;
            self.n_coupled - (2 * c.l + 1)
        });
        functions.push(Triple { c: sums.place(c).start, coupled, size: 2 * c.l + 1, scale: root_sigma });
        if let Some(group) = groups.last_mut() {
            group.couplings.end = couplings.len();
            group.functions.end = functions.len();
        }
    }
}

impl Triples {
    /// The largest number of products of two sums in a group.
    pub(crate) fn most_products(&self) -> usize {
        self.groups.iter().map(|group| group.a.len() * group.b.len()).max().unwrap_or(0)
    }

    /// The largest number of rows of all couplings of a group.
    pub(crate) fn most_coupled(&self) -> usize {
        let rows = |&index: &usize| self.combinations[index].ends.len();
        let of_group = |group: &Group| self.couplings[group.couplings.clone()].iter().map(rows).sum();
        self.groups.iter().map(of_group).max().unwrap_or(0)
    }
}

impl Combinations {
    pub(crate) fn new(coupling: &Coupling) -> Self {
        let mut flat = Self::default();
        for row in &coupling.rows {
            flat.factors.extend(row.iter().map(|term| term.factor));
            flat.products.extend(row.iter().map(|term| term.product));
            flat.ends.push(flat.factors.len());
        }
        flat
    }
}

impl SelfParts {
    fn push(&mut self, function: &Function, n_radial: usize) {
        let start = self.coefficients.len();
        let first = function.self_part.as_ref().map_or(0, |(set, expansion)| {
            self.coefficients.extend(&expansion.coefficients);
            set * n_radial + by_parity(expansion.first, n_radial)
        });
        self.functions.push((first, start..self.coefficients.len()));
    }
}

/// The place of the radial sum of k: odd k come first, then even k, because a self part has k of one parity.
pub(crate) fn by_parity(k: usize, n_radial: usize) -> usize {
    if k % 2 == 1 { k / 2 } else { n_radial.div_ceil(2) + k / 2 - 1 }
}
