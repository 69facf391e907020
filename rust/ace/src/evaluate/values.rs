//! The values of all functions, for one centre per lane.
//!
//! Each lane sums over the neighbours of its own centre, so a value does not depend on the centres in the other lanes.
//! Nothing is allocated per atom.

use std::ops::Range;

use super::channels::LaneWeights;
use super::tables::{Combinations, Double, SelfParts, Tables, Triples};
use crate::arithmetic::{Arithmetic, Instructions, Kernel, LANES, Lanes, Number, Pack};
use crate::basis::{Basis, Harmonics, n_harmonics};

/// A basis with its tables: all that does not change from centre to centre.
#[derive(Debug, Clone)]
pub(crate) struct Evaluator {
    pub(crate) basis: Basis,
    pub(crate) tables: Tables,
    pub(crate) harmonics: Harmonics,
    pub(crate) instructions: Instructions,
}

/// One neighbour per lane. In a lane without a neighbour `present` is 0, and every function of the vector is finite.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slot {
    pub(crate) vector: [Pack; 3],
    pub(crate) present: Pack,
    /// The index of the neighbour in each lane.
    pub(crate) atoms: [usize; LANES],
    /// Its element, an index among the elements of the basis.
    pub(crate) elements: [usize; LANES],
}

/// The centres in the lanes, and their neighbours.
#[derive(Debug, Clone)]
pub(crate) struct Neighbourhoods {
    /// The element of the centre in each lane, an index among the elements of the basis.
    pub(crate) elements: [usize; LANES],
    /// For each kind, the neighbours of that kind.
    pub(crate) slots: Vec<Vec<Slot>>,
}

impl Slot {
    /// No neighbour in any lane; the vectors are as long as the cutoff.
    pub(crate) fn absent(cutoff: f64) -> Self {
        let vector = [Pack([cutoff; LANES]), Pack::ZERO, Pack::ZERO];
        Self { vector, present: Pack::ZERO, atoms: [0; LANES], elements: [0; LANES] }
    }

    /// Distance, its reciprocal and direction.
    #[inline(always)]
    pub(crate) fn polar<A: Arithmetic>(&self) -> (Lanes<A>, Lanes<A>, [Lanes<A>; 3]) {
        let [x, y, z] = self.vector.map(Lanes::<A>::from);
        let r = x.mul_add(x, y.mul_add(y, z * z)).sqrt();
        let inverse_r = r.recip();
        (r, inverse_r, [x * inverse_r, y * inverse_r, z * inverse_r])
    }
}

/// Workspace of one thread for values.
#[derive(Debug, Clone)]
pub(crate) struct Workspace {
    /// Result: for each element of neighbours or channel, and each n, Σ_j P_n.
    pub(crate) pair_sums: Vec<Pack>,
    /// Result: the many-body functions.
    pub(crate) values: Vec<Pack>,
    pub(super) harmonics: Vec<Pack>,
    pub(super) radial: Vec<Pack>,
    /// P_n at one neighbour; used with channels only.
    pub(super) pair: Vec<Pack>,
    /// For each set, Σ_j R_k for odd k, then for even k.
    pub(super) radial_sums: Vec<Pack>,
    /// Result: for each element of neighbours or channel, Σ_j R_n Y_lm.
    pub(crate) sums: Vec<Pack>,
    pub(super) weights: LaneWeights,
    products: Vec<Pack>,
    coupled: Vec<Pack>,
}

impl Evaluator {
    pub(crate) fn new(basis: Basis) -> Self {
        let tables = Tables::new(&basis);
        Self { basis, harmonics: Harmonics::new(tables.sums.lmax), tables, instructions: Instructions::Best }
    }

    pub(crate) fn workspace(&self) -> Workspace {
        let Self { basis, tables, .. } = self;
        let packs = |n: usize| vec![Pack::ZERO; n];
        Workspace {
            pair_sums: packs(basis.n_sets() * basis.n_pair),
            values: packs(basis.functions.len()),
            harmonics: packs(n_harmonics(tables.sums.lmax)),
            radial: packs(basis.n_radial),
            pair: packs(basis.n_pair),
            radial_sums: packs(basis.n_radial_sets() * basis.n_radial),
            sums: packs(basis.n_sets() * tables.sums.len),
            weights: LaneWeights::new(basis),
            products: packs(tables.triples.most_products()),
            coupled: packs(tables.triples.most_coupled()),
        }
    }

    /// Evaluates all functions for one centre per lane, all of one kind.
    pub(crate) fn evaluate(&self, centre: usize, neighbourhoods: &Neighbourhoods, workspace: &mut Workspace) {
        self.instructions.run(Values { evaluator: self, centre, neighbourhoods, workspace });
    }

    #[inline(always)]
    fn evaluate_with<A: Arithmetic>(&self, centre: usize, neighbourhoods: &Neighbourhoods, workspace: &mut Workspace) {
        for packs in [&mut workspace.pair_sums, &mut workspace.radial_sums, &mut workspace.sums] {
            packs.fill(Pack::ZERO);
        }
        match &self.basis.channels {
            Some(channels) => self.sum_over_channels::<A>(channels, neighbourhoods, workspace),
            None => {
                for (element, slots) in neighbourhoods.slots.iter().enumerate() {
                    self.sum_over_neighbours::<A>([centre, element], slots, workspace);
                }
            }
        }
        let sums = &*Lanes::<A>::of(&mut workspace.sums);
        let radial_sums = &*Lanes::<A>::of(&mut workspace.radial_sums);
        let products = Lanes::<A>::of(&mut workspace.products);
        let coupled = Lanes::<A>::of(&mut workspace.coupled);
        let values = Lanes::<A>::of(&mut workspace.values);
        let (of_two, of_three) = values.split_at_mut(self.tables.doubles.len());
        couple_two(&self.tables.doubles, sums, of_two);
        couple_three(&self.tables.triples, sums, products, coupled, of_three);
        remove_self_parts(&self.tables.self_parts, radial_sums, values);
        if let Some(channels) = &self.basis.channels {
            self.weigh_by_centres::<A>(channels, &neighbourhoods.elements, workspace);
        }
    }

    /// Σ_j of P_n, R_k and R_n Y_lm over the neighbours of one element.
    #[inline(always)]
    fn sum_over_neighbours<A: Arithmetic>(
        &self,
        [centre, element]: [usize; 2],
        slots: &[Slot],
        workspace: &mut Workspace,
    ) {
        let Self { basis, tables, .. } = self;
        let pair = basis.pair(centre, element);
        let part = |n: usize| element * n..(element + 1) * n;
        let pair_sums = Lanes::<A>::of(&mut workspace.pair_sums[part(basis.n_pair)]);
        let radial_sums = Lanes::<A>::of(&mut workspace.radial_sums[part(basis.n_radial)]);
        let sums = Lanes::<A>::of(&mut workspace.sums[part(tables.sums.len)]);
        let harmonics = Lanes::<A>::of(&mut workspace.harmonics);
        let radial = Lanes::<A>::of(&mut workspace.radial);
        for slot in slots {
            let (r, inverse_r, u) = slot.polar::<A>();
            let present = Lanes::<A>::from(slot.present);
            for (sum, p) in pair_sums.iter_mut().zip(pair.radial.terms(r, inverse_r, present)) {
                *sum = *sum + p;
            }
            let terms = basis.envelope.terms(pair.coordinate.evaluate(r), present);
            for ((value, sum), term) in radial.iter_mut().zip(&mut *radial_sums).zip(terms) {
                *value = term;
                *sum = *sum + term;
            }
            self.harmonics.evaluate(u, harmonics);
            for (shell, value) in tables.sums.shells.iter().zip(&*radial) {
                let sums = &mut sums[shell.first..shell.first + shell.size];
                for (sum, harmonic) in sums.iter_mut().zip(&*harmonics) {
                    *sum = value.mul_add(*harmonic, *sum);
                }
            }
        }
        sort_by_parity(radial_sums, radial);
    }
}

/// Puts the radial sums of odd k before those of even k; `memory` is as long.
#[inline(always)]
pub(super) fn sort_by_parity<T: Number>(radial_sums: &mut [T], memory: &mut [T]) {
    memory.copy_from_slice(radial_sums);
    let odd_then_even = memory.iter().step_by(2).chain(memory.iter().skip(1).step_by(2));
    for (sum, value) in radial_sums.iter_mut().zip(odd_then_even) {
        *sum = *value;
    }
}

/// The functions of order 2: √σ/√(2l+1) [ A_0 B_0 + 2 Σ_{m>0} Re(A_m B*_m) ].
#[inline(always)]
fn couple_two<T: Number>(doubles: &[Double], sums: &[T], values: &mut [T]) {
    for (value, double) in values.iter_mut().zip(doubles) {
        let a = &sums[double.a..][..double.size];
        let b = &sums[double.b..][..double.size];
        let mut rest = T::splat(0.0);
        for (a, b) in a[1..].iter().zip(&b[1..]) {
            rest = a.mul_add(*b, rest);
        }
        *value = T::splat(double.scale) * T::splat(2.0).mul_add(rest, a[0] * b[0]);
    }
}

/// The functions of order 3: √σ Σ (l1 l2 l3; m1 m2 m3) A B C. Each pair of first factors is coupled once.
#[inline(always)]
fn couple_three<T: Number>(triples: &Triples, sums: &[T], products: &mut [T], coupled: &mut [T], values: &mut [T]) {
    for group in &triples.groups {
        multiply(&sums[group.a.clone()], &sums[group.b.clone()], products);
        couple(&triples.combinations, &triples.couplings[group.couplings.clone()], products, coupled);
        let functions = group.functions.clone();
        for (value, triple) in values[functions.clone()].iter_mut().zip(&triples.functions[functions]) {
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

/// All products of two sets of sums.
#[inline(always)]
pub(crate) fn multiply<T: Number>(a: &[T], b: &[T], products: &mut [T]) {
    for (row, a) in products.chunks_exact_mut(b.len()).zip(a) {
        for (product, b) in row.iter_mut().zip(b) {
            *product = *a * *b;
        }
    }
}

/// Computes some couplings of two sets of sums from their products; returns the number of rows of all couplings.
#[inline(always)]
pub(crate) fn couple<T: Number>(
    combinations: &[Combinations],
    couplings: &[usize],
    products: &[T],
    coupled: &mut [T],
) -> usize {
    let mut n_rows = 0;
    for &index in couplings {
        let combinations = &combinations[index];
        let mut start = 0;
        for (&end, row) in combinations.ends.iter().zip(&mut coupled[n_rows..]) {
            let terms = combinations.factors[start..end].iter().zip(&combinations.products[start..end]);
            let mut sum = T::splat(0.0);
            for (&factor, &product) in terms {
                sum = T::splat(factor).mul_add(products[product], sum);
            }
            *row = sum;
            start = end;
        }
        n_rows += combinations.ends.len();
    }
    n_rows
}

/// Subtracts the self part κ Σ_k p_k Σ_j R_k from each function.
#[inline(always)]
pub(crate) fn remove_self_parts<T: Number>(self_parts: &SelfParts, radial_sums: &[T], values: &mut [T]) {
    for (value, self_part) in values.iter_mut().zip(&self_parts.functions) {
        *value = remove_self_part(self_parts, self_part, radial_sums, *value);
    }
}

/// Subtracts the self part of one function, given by the place of its first radial sum and the range of its
/// coefficients.
#[inline(always)]
pub(crate) fn remove_self_part<T: Number>(
    self_parts: &SelfParts,
    (first, coefficients): &(usize, Range<usize>),
    radial_sums: &[T],
    value: T,
) -> T {
    let coefficients = &self_parts.coefficients[coefficients.clone()];
    let mut sum = value;
    for (&coefficient, radial_sum) in coefficients.iter().zip(&radial_sums[*first..]) {
        sum = T::splat(-coefficient).mul_add(*radial_sum, sum);
    }
    sum
}

/// The arguments of [`Evaluator::evaluate`].
struct Values<'a> {
    evaluator: &'a Evaluator,
    centre: usize,
    neighbourhoods: &'a Neighbourhoods,
    workspace: &'a mut Workspace,
}

impl Kernel for Values<'_> {
    #[inline(always)]
    fn run<A: Arithmetic>(self) {
        self.evaluator.evaluate_with::<A>(self.centre, self.neighbourhoods, self.workspace);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::basis::Parameters;

    /// Results with and without fused multiply-add differ by rounding only.
    #[test]
    fn fused_and_separate_arithmetic_agree() {
        let basis = Basis::new(
            &Parameters {
                elements: vec![8, 14],
                order: 3,
                totaldegree: vec![10.0; 3],
                rcut: 5.0,
                r0: vec![1.3, 1.8, 1.8, 2.4],
            },
            None,
        );
        let mut evaluator = Evaluator::new(basis.unwrap());
        let mut workspace = evaluator.workspace();
        let mut slots = vec![Vec::new(); 2];
        for slots in &mut slots {
            for k in 0..9 {
                let number = |seed: f64| Pack(std::array::from_fn(|lane| (seed + (3 * k + lane) as f64).sin() * 2.0));
                let vector = [number(0.1), number(0.7), number(1.9)];
                slots.push(Slot { vector, present: Pack([1.0; LANES]), atoms: [0; LANES], elements: [0; LANES] });
            }
        }
        let neighbourhoods = Neighbourhoods { elements: [1; LANES], slots };
        let mut separate = workspace.clone();
        evaluator.evaluate(1, &neighbourhoods, &mut workspace);
        evaluator.instructions = Instructions::Separate;
        evaluator.evaluate(1, &neighbourhoods, &mut separate);
        let largest = separate.values.iter().flat_map(|pack| pack.0).fold(0.0, |m: f64, v| m.max(v.abs()));
        for (a, b) in workspace.values.iter().zip(&separate.values) {
            for (a, b) in a.0.iter().zip(b.0) {
                assert!((a - b).abs() < 1e-13 * largest);
            }
        }
    }
}
