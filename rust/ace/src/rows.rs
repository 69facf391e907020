//! The rows of the forces on a chunk of atoms, and what the chunk adds to the rows of the virial.

use crate::basis::Basis;
use crate::contraction::{Columns, Plan, contract, gather};
use crate::dispatch::Kernel;
use crate::jacobian::{Jacobian, Kind, MAX_ROWS};
use crate::lanes::{Arithmetic, Pack, QUAD, Quad, Row, WIDTH, transpose};
use crate::one_particle::OneParticle;
use crate::values::{Evaluator, remove_self_parts};

/// Centres of one element that share the lanes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Batch {
    pub(crate) centre: usize,
    pub(crate) one_particle: OneParticle,
    /// For each lane, which atom of the chunk it is.
    pub(crate) places: Vec<usize>,
    /// Points of the batches before this one.
    pub(crate) first_point: usize,
}

/// Memory for a chunk of atoms.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memory {
    pub(crate) batches: Vec<Batch>,
    pub(crate) plan: Plan,
    /// One tile of all atoms near the chunk.
    tiles: Vec<Row>,
    points: Vec<Quad>,
    columns: Columns,
    gathered: Vec<Quad>,
}

/// Where the rows of functions of an element are summed: three for each atom, then twice three for the virial.
pub(crate) fn target(triple: usize, element: usize, n_elements: usize) -> usize {
    triple * n_elements + element
}

/// Writes the rows of a chunk, from what the memory holds of its atoms.
pub(crate) struct Rows<'a> {
    pub(crate) evaluator: &'a Evaluator,
    pub(crate) jacobian: &'a Jacobian,
    /// The derivatives by the sums of all atoms.
    pub(crate) derivatives: &'a [Row],
    pub(crate) n_batches: usize,
    pub(crate) memory: &'a mut Memory,
    /// Three for each atom; what was there does not matter.
    pub(crate) forces: &'a mut [f64],
    /// Six, zero before.
    pub(crate) virial: &'a mut [f64],
}

impl Kernel for Rows<'_> {
    #[inline(always)]
    fn run<A: Arithmetic>(self) {
        let Self { evaluator, jacobian, derivatives, n_batches, memory, forces, virial } = self;
        let Memory { batches, plan, tiles: near, points, columns, gathered } = memory;
        let batches = &batches[..n_batches];
        let n_elements = evaluator.basis.elements.len();
        let n_atoms: usize = batches.iter().map(|batch| batch.places.len()).sum();
        columns.resize((n_atoms + 2) * n_elements, jacobian);
        near.resize(plan.atoms.len() * MAX_ROWS, [Quad::ZERO; WIDTH]);
        let n_points: usize = batches.iter().map(|batch| batch.one_particle.n_points()).sum();
        let largest = jacobian.kinds.iter().map(|kind| 2 * kind.l + 1).max().unwrap_or(0);
        points.resize(n_points * largest, Quad::ZERO);
        for Kind { n, l, blocks } in &jacobian.kinds {
            let size = 2 * l + 1;
            let mut rest = &mut points[..];
            for Batch { one_particle, .. } in batches {
                let (own, others) = rest.split_at_mut(one_particle.n_points() * size);
                evaluator.multiply_factors::<A>(one_particle, [*n, *l], own);
                rest = others;
            }
            for tile in &jacobian.tiles[*l] {
                let blocks = blocks.iter().filter(|block| tile.column < block.width());
                for (k, block) in blocks.enumerate() {
                    if k == 0 {
                        jacobian.collect(tile, derivatives, &plan.atoms, near);
                    }
                    contract::<A>(tile, near, (block, *l), points, plan, columns);
                }
            }
        }

        if n_elements > 1 {
            // Not all columns are written where not all elements meet.
            forces.fill(0.0);
        }
        for batch in batches {
            write_pulls(&evaluator.basis, batch, forces);
        }
        for centre in 0..n_elements {
            add_moments(evaluator, centre, batches, virial);
        }
        let d = evaluator.basis.n_features;
        for (triple, rows) in forces.chunks_exact_mut(3 * d).chain(virial.chunks_exact_mut(3 * d)).enumerate() {
            for element in 0..n_elements {
                let target = target(triple, element, n_elements);
                let of_target = plan.elements(target);
                if of_target.is_empty() {
                    continue;
                }
                gathered.clear();
                gathered.resize(evaluator.basis.functions.len(), Quad::ZERO);
                let blocks = jacobian.kinds.iter().flat_map(|kind| &kind.blocks);
                for block in blocks.filter(|block| of_target.contains(&block.element)) {
                    gather::<A>(block, target, columns, gathered);
                }
                let first = evaluator.basis.many_body_column(element);
                for (c, row) in rows.chunks_exact_mut(d).enumerate() {
                    for (value, column) in row[first..].iter_mut().zip(&*gathered) {
                        *value += column.0[c];
                    }
                }
            }
        }
    }
}

/// Writes what depends on distances alone, pair functions and self parts, to the rows of forces.
#[inline(always)]
fn write_pulls(basis: &Basis, Batch { centre, one_particle, places, .. }: &Batch, rows: &mut [f64]) {
    for c in 0..3 {
        for (element, pulls) in one_particle.pair_pulls[c].chunks_exact(basis.n_pair).enumerate() {
            // Half from the centre and half from the neighbour, who share the columns.
            write_lanes(pulls, places, basis.n_features, [c, basis.pair_column(*centre, element)], rows);
        }
        for element in 0..basis.elements.len() {
            let pulls = one_particle.self_pulls(element, c, basis.functions.len());
            write_lanes(pulls, places, basis.n_features, [c, basis.many_body_column(element)], rows);
        }
    }
}

/// Writes consecutive numbers of each lane to one of the three rows of its atom, from a column on.
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

/// Adds what depends on distances alone to the rows of the virial, for the centres of one element.
#[inline(always)]
fn add_moments(evaluator: &Evaluator, centre: usize, batches: &[Batch], virial: &mut [f64]) {
    let Evaluator { basis, tables, .. } = evaluator;
    let of_centre = || batches.iter().filter(|batch| batch.centre == centre).map(|batch| &batch.one_particle);
    for (component, row) in virial.chunks_exact_mut(basis.n_features).enumerate() {
        for one_particle in of_centre() {
            for (element, moments) in one_particle.pair_moments[component].chunks_exact(basis.n_pair).enumerate() {
                let columns = &mut row[basis.pair_column(centre, element)..][..basis.n_pair];
                for (value, moment) in columns.iter_mut().zip(moments) {
                    *value -= 0.5 * moment.sum();
                }
            }
        }
        let mut radial = vec![0.0; basis.elements.len() * basis.n_radial];
        for one_particle in of_centre() {
            for (sum, moment) in radial.iter_mut().zip(&one_particle.radial_moments[component]) {
                *sum -= moment.sum();
            }
        }
        let columns = &mut row[basis.many_body_column(centre)..][..basis.functions.len()];
        remove_self_parts(&tables.self_parts, &radial, columns);
    }
}
