//! A basis, laid out for evaluation: where each number is and what is combined with what.

use std::collections::HashMap;
use std::ops::Range;

use crate::basis::{Basis, Coupling, Function, Label, n_harmonics};

/// Everything that the evaluation of a basis looks up.
#[derive(Debug, Clone)]
pub(crate) struct Tables {
    pub(crate) sums: Sums,
    pub(crate) doubles: Vec<Double>,
    pub(crate) triples: Triples,
    pub(crate) self_parts: SelfParts,
}

/// Where the one-particle sums A_nlm of one element are; the other elements follow.
#[derive(Debug, Clone)]
pub(crate) struct Sums {
    pub(crate) lmax: usize,
    pub(crate) shells: Vec<Shell>,
    /// Number of sums of one element.
    pub(crate) len: usize,
}

/// One-particle sums that share a radial function: all (l, m) up to a largest l lie together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shell {
    pub(crate) first: usize,
    pub(crate) size: usize,
}

/// A function of order 2: scale Σ_q weight_q A_q B_q with weights 1, 2, 2, …
#[derive(Debug, Clone, Copy)]
pub(crate) struct Double {
    pub(crate) a: usize,
    pub(crate) b: usize,
    pub(crate) size: usize,
    pub(crate) scale: f64,
}

/// The functions of order 3, by their first two labels.
#[derive(Debug, Clone, Default)]
pub(crate) struct Triples {
    pub(crate) groups: Vec<Group>,
    /// For each group, which combinations its couplings are.
    pub(crate) couplings: Vec<usize>,
    pub(crate) combinations: Vec<Combinations>,
    pub(crate) functions: Vec<Triple>,
}

/// Functions that share their first two labels, and the couplings of these that they need.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) a: Range<usize>,
    pub(crate) b: Range<usize>,
    pub(crate) couplings: Range<usize>,
    pub(crate) functions: Range<usize>,
}

/// A function of order 3, given the coupling of its first two factors: scale times the scalar product with the third.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Triple {
    pub(crate) c: usize,
    /// Where the coupling is among those of the group.
    pub(crate) coupled: usize,
    pub(crate) size: usize,
    pub(crate) scale: f64,
}

/// The linear combinations of products that make up one coupling, flattened.
#[derive(Debug, Clone, Default)]
pub(crate) struct Combinations {
    /// Where the terms of each row end.
    pub(crate) ends: Vec<usize>,
    pub(crate) factors: Vec<f64>,
    pub(crate) products: Vec<usize>,
}

/// What to subtract from each function, in radial sums.
#[derive(Debug, Clone, Default)]
pub(crate) struct SelfParts {
    /// For each function, where its radial sums start and which coefficients go with them.
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

    /// Where the sums over the neighbours of one element are.
    pub(crate) fn of_element(&self, element: usize) -> Range<usize> {
        element * self.len..(element + 1) * self.len
    }

    /// Where the numbers of a label are.
    pub(crate) fn place(&self, label: Label) -> Range<usize> {
        let first = label.element * self.len + self.shells[label.n - 1].first + label.l * label.l;
        first..first + 2 * label.l + 1
    }
}

#[derive(Debug, Default)]
struct TriplesBuilder {
    tables: Triples,
    /// Which combinations make the coupling of three l.
    known: HashMap<[usize; 3], usize>,
    /// The labels of the group at hand, where its coupling to each third l is, and how long they are together.
    labels: Option<(Label, Label)>,
    coupled: HashMap<usize, usize>,
    n_coupled: usize,
}

impl TriplesBuilder {
    /// Adds a function; those with the same first two labels must come one after the other.
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
    /// The most products of two sums that a group needs.
    pub(crate) fn most_products(&self) -> usize {
        self.groups.iter().map(|group| group.a.len() * group.b.len()).max().unwrap_or(0)
    }

    /// The longest that all couplings of a group are together.
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
        let first = function.self_part.as_ref().map_or(0, |(element, expansion)| {
            self.coefficients.extend(&expansion.coefficients);
            element * n_radial + by_parity(expansion.first, n_radial)
        });
        self.functions.push((first, start..self.coefficients.len()));
    }
}

/// Where the radial sum of k is if odd k come first and then even k, so that every other k lie together.
pub(crate) fn by_parity(k: usize, n_radial: usize) -> usize {
    if k % 2 == 1 { k / 2 } else { n_radial.div_ceil(2) + k / 2 - 1 }
}
