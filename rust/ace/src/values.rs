//! The functions themselves, for as many centres at once as there are lanes.
//!
//! Each lane is one centre and sums over its own neighbours, so a value does not depend on which centres share the lanes.
//! The tables are made once per basis; nothing is allocated per atom.

use std::collections::HashMap;
use std::ops::Range;

use crate::basis::{Basis, Function};
use crate::harmonics::{Harmonics, n_harmonics};
use crate::labels::Label;
use crate::number::{Arithmetic, Fused, LANES, Lanes, Number, Pack, Separate};
use crate::threej::{Coupling, sign};

/// One-particle sums that share a radial function: all (l, m) up to a largest l lie together.
#[derive(Debug, Clone, Copy)]
struct Shell {
    n: usize,
    first: usize,
    size: usize,
}

/// A function of order 2: Σ_q weight_q A_q B_q with weights 1, 2, 2, …
#[derive(Debug, Clone, Copy)]
struct Double {
    a: usize,
    b: usize,
    l: usize,
    scale: f64,
}

/// The functions of order 3 that share their first two labels, and the couplings of these that they need.
#[derive(Debug, Clone)]
struct Group {
    a: Range<usize>,
    b: Range<usize>,
    couplings: Range<usize>,
    triples: Range<usize>,
}

/// A function of order 3, given a coupling of its first two factors: the scalar product with the third.
#[derive(Debug, Clone, Copy)]
struct Triple {
    c: usize,
    coupled: usize,
    size: usize,
    scale: f64,
}

/// The linear combinations of products that make up one coupling, flattened.
#[derive(Debug, Clone)]
struct Combinations {
    /// Where the terms of each row end.
    ends: Vec<usize>,
    factors: Vec<f64>,
    products: Vec<usize>,
}

/// What to subtract from a function, in radial sums.
#[derive(Debug, Clone)]
struct SelfPart {
    /// Where the radial sums start that the coefficients belong to.
    first: usize,
    coefficients: Range<usize>,
}

/// A basis, prepared for evaluation.
#[derive(Debug, Clone)]
pub(crate) struct Evaluator {
    pub(crate) basis: Basis,
    harmonics: Harmonics,
    lmax: usize,
    shells: Vec<Shell>,
    /// Number of one-particle sums of one element.
    n_sums: usize,
    doubles: Vec<Double>,
    groups: Vec<Group>,
    triples: Vec<Triple>,
    /// For each coupling of a group, which combinations make it.
    couplings: Vec<usize>,
    combinations: Vec<Combinations>,
    /// One per function.
    self_parts: Vec<SelfPart>,
    coefficients: Vec<f64>,
    /// Whether this processor adds and multiplies in one instruction, on registers of four numbers.
    fused: bool,
}

/// One neighbour per lane; a lane without one has `present` 0 and a vector that does no harm.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slot {
    pub(crate) vector: [Pack; 3],
    pub(crate) present: Pack,
}

/// Memory of one evaluation, to be used again and again by one thread.
#[derive(Debug, Clone)]
pub(crate) struct Workspace {
    /// The neighbours of each element in turn.
    pub(crate) slots: Vec<Vec<Slot>>,
    /// Out: for each element of neighbours, Σ_j P_n.
    pub(crate) pair_sums: Vec<Pack>,
    /// Out: the many-body functions.
    pub(crate) values: Vec<Pack>,
    harmonics: Vec<Pack>,
    radial: Vec<Pack>,
    /// Σ_j R_k, for each element odd k and then even k.
    radial_sums: Vec<Pack>,
    /// Σ_j R_n Y_lm for each element.
    sums: Vec<Pack>,
    products: Vec<Pack>,
    coupled: Vec<Pack>,
}

impl Evaluator {
    pub(crate) fn new(basis: Basis) -> Self {
        let labels = || basis.functions.iter().flat_map(|function| &function.labels);
        let lmax = labels().map(|label| label.l).max().unwrap_or(0);
        let n_max = labels().map(|label| label.n).max().unwrap_or(0);
        let mut shells: Vec<Shell> = Vec::new();
        let mut n_sums = 0;
        for n in 1..=n_max {
            let lmax = labels()
                .filter(|label| label.n == n)
                .map(|label| label.l)
                .max();
            let size = n_harmonics(lmax.unwrap_or(0));
            shells.push(Shell {
                n: n - 1,
                first: n_sums,
                size,
            });
            n_sums += size;
        }
        let place =
            |label: Label| label.element * n_sums + shells[label.n - 1].first + label.l * label.l;

        let mut doubles = Vec::new();
        let mut groups: Vec<Group> = Vec::new();
        let mut group_labels = None;
        let mut triples = Vec::new();
        let mut couplings = Vec::new();
        let mut combinations = Vec::new();
        let mut known = HashMap::new();
        // Where the coupling to each third l is, within the group at hand.
        let mut coupled: HashMap<usize, usize> = HashMap::new();
        let mut n_coupled = 0;
        for function in &basis.functions {
            match *function.labels {
                [a, b] => doubles.push(Double {
                    a: place(a),
                    b: place(b),
                    l: a.l,
                    scale: function.root_sigma / ((2 * a.l + 1) as f64).sqrt(),
                }),
                [a, b, c] => {
                    if group_labels != Some((a, b)) {
                        group_labels = Some((a, b));
                        groups.push(Group {
                            a: place(a)..place(a) + 2 * a.l + 1,
                            b: place(b)..place(b) + 2 * b.l + 1,
                            couplings: couplings.len()..couplings.len(),
                            triples: triples.len()..triples.len(),
                        });
                        coupled.clear();
                        n_coupled = 0;
                    }
                    let at = *coupled.entry(c.l).or_insert_with(|| {
                        let next = combinations.len();
                        let index = *known.entry([a.l, b.l, c.l]).or_insert(next);
                        if index == next {
                            combinations.push(Combinations::new(&Coupling::new([a.l, b.l, c.l])));
                        }
                        couplings.push(index);
                        let at = n_coupled;
                        n_coupled += 2 * c.l + 1;
                        at
                    });
                    triples.push(Triple {
                        c: place(c),
                        coupled: at,
                        size: 2 * c.l + 1,
                        scale: function.root_sigma,
                    });
                    if let Some(group) = groups.last_mut() {
                        group.couplings.end = couplings.len();
                        group.triples.end = triples.len();
                    }
                }
                _ => unreachable!("functions have two or three factors"),
            }
        }
        let (self_parts, coefficients) = flatten_self_parts(&basis);
        Self {
            harmonics: Harmonics::new(lmax),
            basis,
            lmax,
            shells,
            n_sums,
            doubles,
            groups,
            triples,
            couplings,
            combinations,
            self_parts,
            coefficients,
            fused: has_fused(),
        }
    }

    pub(crate) fn workspace(&self) -> Workspace {
        let n_elements = self.basis.elements.len();
        let packs = |n: usize| vec![Pack::ZERO; n];
        let most_products = self
            .groups
            .iter()
            .map(|group| group.a.len() * group.b.len())
            .max();
        let n_coupled = |group: &Group| -> usize {
            let rows = |&index: &usize| self.combinations[index].ends.len();
            self.couplings[group.couplings.clone()]
                .iter()
                .map(rows)
                .sum()
        };
        Workspace {
            slots: vec![Vec::new(); n_elements],
            pair_sums: packs(n_elements * self.basis.n_pair),
            values: packs(self.basis.functions.len()),
            harmonics: packs(n_harmonics(self.lmax)),
            radial: packs(self.basis.n_radial),
            radial_sums: packs(n_elements * self.basis.n_radial),
            sums: packs(n_elements * self.n_sums),
            products: packs(most_products.unwrap_or(0)),
            coupled: packs(self.groups.iter().map(n_coupled).max().unwrap_or(0)),
        }
    }

    /// Evaluates all functions of centres of one element, from the neighbours in the workspace.
    pub(crate) fn evaluate(&self, centre: usize, workspace: &mut Workspace) {
        #[cfg(target_arch = "x86_64")]
        if self.fused {
            #[target_feature(enable = "avx2,fma")]
            unsafe fn fused(evaluator: &Evaluator, centre: usize, workspace: &mut Workspace) {
                evaluator.evaluate_with::<Fused>(centre, workspace);
            }
            // SAFETY: `fused` is only set where the processor has both features.
            return unsafe { fused(self, centre, workspace) };
        }
        if self.fused {
            self.evaluate_with::<Fused>(centre, workspace);
        } else {
            self.evaluate_with::<Separate>(centre, workspace);
        }
    }

    #[inline(always)]
    fn evaluate_with<A: Arithmetic>(&self, centre: usize, workspace: &mut Workspace) {
        for packs in [
            &mut workspace.pair_sums,
            &mut workspace.radial_sums,
            &mut workspace.sums,
        ] {
            packs.fill(Pack::ZERO);
        }
        for element in 0..self.basis.elements.len() {
            self.sum_over_neighbours::<A>(centre, element, workspace);
        }
        let sums = &*Lanes::<A>::of(&mut workspace.sums);
        let radial_sums = &*Lanes::<A>::of(&mut workspace.radial_sums);
        let products = Lanes::<A>::of(&mut workspace.products);
        let coupled = Lanes::<A>::of(&mut workspace.coupled);
        let values = Lanes::<A>::of(&mut workspace.values);
        let (doubles, triples) = values.split_at_mut(self.doubles.len());
        self.doubles(sums, doubles);
        self.triples(sums, products, coupled, triples);
        self.remove_self_parts(radial_sums, values);
    }

    /// Σ_j of P_n, R_k and R_n Y_lm over the neighbours of one element.
    #[inline(always)]
    fn sum_over_neighbours<A: Arithmetic>(
        &self,
        centre: usize,
        element: usize,
        workspace: &mut Workspace,
    ) {
        let basis = &self.basis;
        let pair = basis.pair(centre, element);
        let part = |n: usize| element * n..(element + 1) * n;
        let pair_sums = Lanes::<A>::of(&mut workspace.pair_sums[part(basis.n_pair)]);
        let radial_sums = Lanes::<A>::of(&mut workspace.radial_sums[part(basis.n_radial)]);
        let sums = Lanes::<A>::of(&mut workspace.sums[part(self.n_sums)]);
        let harmonics = Lanes::<A>::of(&mut workspace.harmonics);
        let radial = Lanes::<A>::of(&mut workspace.radial);
        for slot in &mut workspace.slots[element] {
            let &mut [x, y, z] = Lanes::<A>::of(&mut slot.vector) else {
                unreachable!("vectors have three components")
            };
            let present = Lanes::<A>::of(std::slice::from_mut(&mut slot.present))[0];
            let r = x.mul_add(x, y.mul_add(y, z * z)).sqrt();
            let inverse_r = r.recip();
            for (sum, p) in pair_sums
                .iter_mut()
                .zip(pair.radial.terms(r, inverse_r, present))
            {
                *sum = *sum + p;
            }
            let terms = basis.envelope.terms(pair.coordinate.evaluate(r), present);
            for (value, term) in radial.iter_mut().zip(terms) {
                *value = term;
            }
            for (sum, value) in radial_sums.iter_mut().zip(&*radial) {
                *sum = *sum + *value;
            }
            self.harmonics
                .evaluate([x * inverse_r, y * inverse_r, z * inverse_r], harmonics);
            for shell in &self.shells {
                let value = radial[shell.n];
                let sums = &mut sums[shell.first..shell.first + shell.size];
                for (sum, harmonic) in sums.iter_mut().zip(&*harmonics) {
                    *sum = value.mul_add(*harmonic, *sum);
                }
            }
        }
        // Self parts take every other k: odd ones first, then even ones.
        radial.copy_from_slice(radial_sums);
        let by_parity = radial
            .iter()
            .step_by(2)
            .chain(radial.iter().skip(1).step_by(2));
        for (sum, value) in radial_sums.iter_mut().zip(by_parity) {
            *sum = *value;
        }
    }

    /// √σ/√(2l+1) [ A_0 B_0 + 2 Σ_{m>0} Re(A_m B*_m) ]
    #[inline(always)]
    fn doubles<T: Number>(&self, sums: &[T], values: &mut [T]) {
        for (value, double) in values.iter_mut().zip(&self.doubles) {
            let a = &sums[double.a..][..2 * double.l + 1];
            let b = &sums[double.b..][..2 * double.l + 1];
            let mut rest = T::splat(0.0);
            for (a, b) in a[1..].iter().zip(&b[1..]) {
                rest = a.mul_add(*b, rest);
            }
            *value = T::splat(double.scale) * T::splat(2.0).mul_add(rest, a[0] * b[0]);
        }
    }

    /// √σ Σ (l1 l2 l3; m1 m2 m3) A B C, the first two factors coupled once for all functions that share them.
    #[inline(always)]
    fn triples<T: Number>(
        &self,
        sums: &[T],
        products: &mut [T],
        coupled: &mut [T],
        values: &mut [T],
    ) {
        for group in &self.groups {
            let (a, b) = (&sums[group.a.clone()], &sums[group.b.clone()]);
            for (row, a) in products.chunks_exact_mut(b.len()).zip(a) {
                for (product, b) in row.iter_mut().zip(b) {
                    *product = *a * *b;
                }
            }
            let mut rows = coupled.iter_mut();
            for &index in &self.couplings[group.couplings.clone()] {
                let combinations = &self.combinations[index];
                let mut start = 0;
                for (&end, row) in combinations.ends.iter().zip(&mut rows) {
                    let mut sum = T::splat(0.0);
                    let terms = combinations.factors[start..end]
                        .iter()
                        .zip(&combinations.products[start..end]);
                    for (&factor, &product) in terms {
                        sum = T::splat(factor).mul_add(products[product], sum);
                    }
                    *row = sum;
                    start = end;
                }
            }
            let range = group.triples.clone();
            for (value, triple) in values[range.clone()].iter_mut().zip(&self.triples[range]) {
                let c = &sums[triple.c..][..triple.size];
                let z = &coupled[triple.coupled..][..triple.size];
                let mut sum = T::splat(0.0);
                for (c, z) in c.iter().zip(z) {
                    sum = c.mul_add(*z, sum);
                }
                *value = T::splat(triple.scale) * sum;
            }
        }
    }

    #[inline(always)]
    fn remove_self_parts<T: Number>(&self, radial_sums: &[T], values: &mut [T]) {
        for (value, part) in values.iter_mut().zip(&self.self_parts) {
            let coefficients = &self.coefficients[part.coefficients.clone()];
            let sums = &radial_sums[part.first..][..coefficients.len()];
            let mut sum = *value;
            for (&coefficient, s) in coefficients.iter().zip(sums) {
                sum = T::splat(-coefficient).mul_add(*s, sum);
            }
            *value = sum;
        }
    }
}

impl Combinations {
    fn new(coupling: &Coupling) -> Self {
        let mut ends = Vec::new();
        let (mut factors, mut products) = (Vec::new(), Vec::new());
        for row in &coupling.rows {
            for term in row {
                factors.push(term.factor);
                products.push(term.product as usize);
            }
            ends.push(factors.len());
        }
        Self {
            ends,
            factors,
            products,
        }
    }
}

/// The self parts of all functions, with every other k lying together.
fn flatten_self_parts(basis: &Basis) -> (Vec<SelfPart>, Vec<f64>) {
    let mut coefficients = Vec::new();
    let n_odd = basis.n_radial.div_ceil(2);
    let mut flatten = |function: &Function| {
        let start = coefficients.len();
        let mut first = 0;
        if let Some((element, expansion)) = &function.self_part {
            let k = expansion.first;
            first = element * basis.n_radial
                + if sign(k as i64) < 0.0 {
                    k / 2
                } else {
                    n_odd + k / 2 - 1
                };
            coefficients.extend(&expansion.coefficients);
        }
        SelfPart {
            first,
            coefficients: start..coefficients.len(),
        }
    };
    let parts = basis.functions.iter().map(&mut flatten).collect();
    (parts, coefficients)
}

/// Whether fused multiply-add is an instruction here.
fn has_fused() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        cfg!(any(target_arch = "aarch64", target_feature = "fma"))
    }
}

impl Slot {
    /// No neighbour in any lane; the vector stands in for one at a harmless distance.
    pub(crate) fn absent(cutoff: f64) -> Self {
        Self {
            vector: [Pack([cutoff; LANES]), Pack::ZERO, Pack::ZERO],
            present: Pack::ZERO,
        }
    }
}
