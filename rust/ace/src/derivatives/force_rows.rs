//! The rows of the forces on some atoms, and the contribution of these atoms to the rows of the virial.

use std::ops::Range;

use super::contraction::{Columns, Plan, contract, gather};
use super::gradients::Gradients;
use super::jacobian::Jacobian;
use super::one_particle::OneParticle;
use crate::arithmetic::{Arithmetic, Kernel, Lanes, Number, Pack, QUAD, Row, transpose};
use crate::evaluate::{Evaluator, SelfParts, Tables, remove_self_part};
use crate::geometry::VOIGT;

/// Number of n whose gradients are computed together: they share the harmonics and the derivatives that are read.
const GROUP: usize = 4;

/// Up to `LANES` centres of one kind, one per lane.
#[derive(Debug, Clone, Default)]
pub(crate) struct Batch {
    /// Kind of the centres.
    pub(crate) centre: usize,
    pub(crate) one_particle: OneParticle,
    /// For each lane, the index of its atom among those whose rows are written.
    pub(crate) places: Vec<usize>,
    /// Gradients of the batches before this one.
    pub(crate) first_point: usize,
}

/// Workspace of one thread for the rows of some atoms.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memory {
    pub(crate) batches: Vec<Batch>,
    pub(crate) plan: Plan,
    gradients: Gradients,
    columns: Columns,
    radial_sums: Vec<Pack>,
}

/// Index of a target: three rows of features (`triple`), for centres of one kind.
///
/// The triples are the forces on the atoms, in their order, then the two halves of the virial.
pub(crate) fn target(triple: usize, kind: usize, n_kinds: usize) -> usize {
    triple * n_kinds + kind
}

/// Writes the rows of some atoms, whose batches and plan are in the workspace.
pub(crate) struct ForceRows<'a> {
    pub(crate) evaluator: &'a Evaluator,
    pub(crate) jacobian: &'a Jacobian,
    /// The derivatives by the one-particle sums, of all atoms of the structure.
    pub(crate) derivatives: &'a [Row],
    pub(crate) n_batches: usize,
    pub(crate) memory: &'a mut Memory,
    /// Three rows for each atom; old contents are overwritten.
    pub(crate) forces: &'a mut [f64],
    /// Six rows, zero before.
    pub(crate) virial: &'a mut [f64],
}

impl Kernel for ForceRows<'_> {
    #[inline(always)]
    fn run<A: Arithmetic>(self) {
        let Self { evaluator, jacobian, derivatives, n_batches, memory, forces, virial } = self;
        let Memory { batches, plan, gradients, columns, radial_sums } = memory;
        let batches = &batches[..n_batches];
        let n_kinds = evaluator.basis.n_kinds();
        let n_atoms: usize = batches.iter().map(|batch| batch.places.len()).sum();
        let n_points = batches.iter().map(|batch| batch.one_particle.n_points()).sum();
        columns.resize((n_atoms + 2) * n_kinds, jacobian);
        for kinds in jacobian.kinds.chunk_by(|a, b| a.l == b.l) {
            let l = kinds[0].l;
            for kinds in kinds.chunks(GROUP) {
                gradients.resize(n_points, l, kinds.len());
                for Batch { one_particle, first_point, .. } in batches {
                    gradients.multiply::<A>(one_particle, l, kinds, *first_point);
                }
                for tile in &jacobian.tiles[l] {
                    for (index, kind) in kinds.iter().enumerate() {
                        for block in kind.blocks.iter().filter(|block| tile.serves(block)) {
                            contract::<A>(tile, derivatives, (block, l), gradients.of(index), plan, columns);
                        }
                    }
                }
            }
        }

        if n_kinds > 1 {
            // Columns of pairs of elements that do not meet are not written below.
            forces.fill(0.0);
        }
        for batch in batches {
            write_pulls::<A>(evaluator, batch, radial_sums, forces);
        }
        for centre in 0..n_kinds {
            add_moments::<A>(evaluator, centre, batches, radial_sums, virial);
        }
        let d = evaluator.basis.n_features;
        for (triple, rows) in forces.chunks_exact_mut(3 * d).chain(virial.chunks_exact_mut(3 * d)).enumerate() {
            for kind in 0..n_kinds {
                let target = target(triple, kind, n_kinds);
                let of_target = plan.elements(target);
                let sources = match of_target {
                    [] => continue,
                    &[only] => &jacobian.sources_of_element[only],
                    _ => &jacobian.sources,
                };
                let first = evaluator.basis.many_body_column(kind);
                let (x, rest) = rows.split_at_mut(d);
                let (y, z) = rest.split_at_mut(d);
                gather::<A>(sources, target, columns, [x, y, z].map(|row| &mut row[first..]));
            }
        }
    }
}

/// Writes the derivatives of the functions of distance, pair functions and self parts, to the rows of forces.
#[inline(always)]
fn write_pulls<A: Arithmetic>(evaluator: &Evaluator, batch: &Batch, radial_sums: &mut Vec<Pack>, rows: &mut [f64]) {
    let Evaluator { basis, tables: Tables { self_parts, .. }, .. } = evaluator;
    let Batch { centre, one_particle, places, .. } = batch;
    let n_radial = basis.n_radial;
    radial_sums.resize(basis.n_radial_sets() * n_radial, Pack::ZERO);
    for c in 0..3 {
        for (element, pulls) in one_particle.pair_pulls[c].chunks_exact(basis.n_pair).enumerate() {
            // Centre and neighbour each have half of a pair function, in the same columns: the pulls have both.
            let column = basis.pair_column(*centre, element);
            write_lanes(pulls, places, basis.n_features, [c, column], rows);
        }
        let pulls = &one_particle.radial_pulls[c];
        for element in 0..basis.n_kinds() {
            // The functions of the centre depend on all of its neighbours, those of a neighbour on the centre. With
            // channels the pulls have both already.
            if element == *centre {
                radial_sums.copy_from_slice(pulls);
            } else {
                radial_sums.fill(Pack::ZERO);
            }
            let radial_sums = Lanes::<A>::of(radial_sums);
            if basis.channels.is_none() {
                let pulls = &pulls[element * n_radial..][..n_radial];
                for (sum, pull) in radial_sums[centre * n_radial..][..n_radial].iter_mut().zip(pulls) {
                    *sum = *sum + Lanes::from(*pull);
                }
            }
            let column = basis.many_body_column(element);
            let mut functions = self_parts.functions.chunks_exact(QUAD);
            let mut first = 0;
            for functions in &mut functions {
                let mut pulls = [Pack::ZERO; QUAD];
                for k in 0..QUAD {
                    pulls[k] = self_pull::<A>(self_parts, &functions[k], radial_sums);
                }
                write_lanes(&pulls, places, basis.n_features, [c, column + first], rows);
                first += QUAD;
            }
            for function in functions.remainder() {
                let pull = self_pull::<A>(self_parts, function, radial_sums);
                write_lanes(&[pull], places, basis.n_features, [c, column + first], rows);
                first += 1;
            }
        }
    }
}

/// The derivative of minus the self part of one function, from the derivatives of the radial sums.
#[inline(always)]
fn self_pull<A: Arithmetic>(self_parts: &SelfParts, own: &(usize, Range<usize>), radial_sums: &[Lanes<A>]) -> Pack {
    remove_self_part(self_parts, own, radial_sums, Lanes::<A>::splat(0.0)).0
}

/// Writes consecutive features of each lane to row `c` of the three rows of its atom, starting at a column.
#[inline(always)]
fn write_lanes(packs: &[Pack], places: &[usize], d: usize, [c, column]: [usize; 2], rows: &mut [f64]) {
    let whole = packs.chunks_exact(QUAD);
    let done = packs.len() - whole.remainder().len();
    for (lane, &place) in places.iter().enumerate() {
        for (k, pack) in packs.iter().enumerate().skip(done) {
            rows[(3 * place + c) * d + column + k] = pack.0[lane];
        }
    }
    for (k, packs) in whole.enumerate() {
        for (&place, quad) in places.iter().zip(transpose(packs)) {
            rows[(3 * place + c) * d + column + k * QUAD..][..QUAD].copy_from_slice(&quad.0);
        }
    }
}

/// Adds the derivatives of the functions of distance to the rows of the virial, for the centres of one kind.
#[inline(always)]
fn add_moments<A: Arithmetic>(
    evaluator: &Evaluator,
    centre: usize,
    batches: &[Batch],
    radial: &mut Vec<Pack>,
    virial: &mut [f64],
) {
    let Evaluator { basis, tables, .. } = evaluator;
    let d = basis.n_features;
    // The lanes hold the six components of the virial here.
    radial.clear();
    radial.resize(basis.n_radial_sets() * basis.n_radial, Pack::ZERO);
    // With channels the moments have the weights of both atoms of a pair, and each pair is met twice.
    let share = if basis.channels.is_some() { 0.5 } else { 1.0 };
    for one_particle in batches.iter().filter(|batch| batch.centre == centre).map(|batch| &batch.one_particle) {
        for (component, row) in virial.chunks_exact_mut(d).enumerate() {
            for (element, moments) in one_particle.pair_moments[component].chunks_exact(basis.n_pair).enumerate() {
                let columns = &mut row[basis.pair_column(centre, element)..][..basis.n_pair];
                for (value, moment) in columns.iter_mut().zip(moments) {
                    *value -= 0.5 * moment.sum();
                }
            }
            for (sums, moment) in radial.iter_mut().zip(&one_particle.radial_moments[component]) {
                sums.0[component] -= share * moment.sum();
            }
        }
    }
    let first = basis.many_body_column(centre);
    for (k, own) in tables.self_parts.functions.iter().enumerate() {
        let pulls = self_pull::<A>(&tables.self_parts, own, Lanes::<A>::of(radial));
        for (component, pull) in pulls.0[..VOIGT.len()].iter().enumerate() {
            virial[component * d + first + k] += pull;
        }
    }
}
