//! The products of the derivatives of functions by sums with those of sums by positions: nearly all work of a design.

use std::ops::Range;

use crate::jacobian::{Block, Jacobian, MAX_ROWS, MAX_WIDTH, Tile};
use crate::lanes::{Arithmetic, QUAD, Quad};

/// One term of a sum: the derivatives of an atom by its sums, times a point of the one-particle functions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Term {
    pub(crate) atom: usize,
    pub(crate) point: usize,
}

/// What the columns of a block are summed to: three rows of functions of centres of one element.
#[derive(Debug, Clone)]
struct Sum {
    terms: Range<usize>,
    /// Which rows.
    target: usize,
    /// Whether the sum is one of moments, to be subtracted; others are multiplied by (-1)^l.
    is_moment: bool,
}

/// Everything to be summed for a chunk of atoms.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plan {
    /// All atoms with terms, ascending.
    pub(crate) atoms: Vec<usize>,
    /// For each atom of the structure, where it is among those.
    places: Vec<usize>,
    terms: Vec<Term>,
    /// For each element of neighbours.
    sums: Vec<Vec<Sum>>,
}

impl Plan {
    /// Forgets all sums.
    pub(crate) fn clear(&mut self, n_elements: usize) {
        self.atoms.clear();
        self.terms.clear();
        self.sums.iter_mut().for_each(Vec::clear);
        self.sums.resize(n_elements, Vec::new());
    }

    /// Adds a sum of derivatives by the sums over neighbours of one element.
    pub(crate) fn push(
        &mut self,
        element: usize,
        target: usize,
        is_moment: bool,
        terms: impl IntoIterator<Item = Term>,
    ) {
        let first = self.terms.len();
        self.terms.extend(terms);
        self.sums[element].push(Sum { terms: first..self.terms.len(), target, is_moment });
    }

    /// Collects the atoms of all terms; from then on the terms say where the atoms are among these.
    pub(crate) fn collect_atoms(&mut self, n_atoms: usize) {
        const NOWHERE: usize = usize::MAX;
        self.places.resize(n_atoms, NOWHERE);
        for term in &self.terms {
            if self.places[term.atom] == NOWHERE {
                self.places[term.atom] = 0;
                self.atoms.push(term.atom);
            }
        }
        self.atoms.sort_unstable();
        for (place, &atom) in self.atoms.iter().enumerate() {
            self.places[atom] = place;
        }
        for term in &mut self.terms {
            term.atom = self.places[term.atom];
        }
        for &atom in &self.atoms {
            self.places[atom] = NOWHERE;
        }
    }
}

/// The columns of all blocks: for each [`MAX_WIDTH`] of them, for each target, for each of its three rows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Columns {
    quads: Vec<Quad>,
    n_targets: usize,
}

impl Columns {
    /// Makes room; what is there does not matter.
    pub(crate) fn resize(&mut self, n_targets: usize, jacobian: &Jacobian) {
        self.n_targets = n_targets;
        self.quads.resize(3 * jacobian.width * n_targets, Quad::ZERO);
    }

    /// Some columns of a block.
    #[inline(always)]
    pub(crate) fn of(&mut self, block: &Block, columns: Range<usize>) -> &mut [Quad] {
        &mut self.quads[3 * (block.start + columns.start) * self.n_targets..][..3 * columns.len() * self.n_targets]
    }
}

/// Adds what one tile, of the atoms of the plan, makes of the points, 2l + 1 quads each, to the columns of a block.
#[inline(always)]
pub(crate) fn contract<A: Arithmetic>(
    tile: &Tile,
    derivatives: &[Quad],
    (block, l): (&Block, usize),
    points: &[Quad],
    plan: &Plan,
    columns: &mut Columns,
) {
    let width = tile.width.min(block.width() - tile.column);
    let columns = columns.of(block, tile.column..tile.column + width);
    if tile.rows.start == 0 {
        columns.fill(Quad::ZERO);
    }
    let product = Product { tile, l, derivatives, points, terms: &plan.terms, sums: &plan.sums[block.element] };
    match width {
        1 => product.of_width::<A, 1>(columns),
        2 => product.of_width::<A, 2>(columns),
        3 => product.of_width::<A, 3>(columns),
        _ => product.of_width::<A, MAX_WIDTH>(columns),
    }
}

#[derive(Clone, Copy)]
struct Product<'a> {
    tile: &'a Tile,
    l: usize,
    derivatives: &'a [Quad],
    points: &'a [Quad],
    terms: &'a [Term],
    sums: &'a [Sum],
}

impl Product<'_> {
    #[inline(always)]
    fn of_width<A: Arithmetic, const N: usize>(self, columns: &mut [Quad]) {
        match self.tile.rows.len() {
            1 => self.of_size::<A, N, 1>(columns),
            2 => self.of_size::<A, N, 2>(columns),
            _ => self.of_size::<A, N, MAX_ROWS>(columns),
        }
    }

    /// With the size of the tile known, all sums are in registers.
    #[inline(always)]
    fn of_size<A: Arithmetic, const N: usize, const M: usize>(self, columns: &mut [Quad]) {
        let Self { tile, l, derivatives, points, terms, sums } = self;
        let size = 2 * l + 1;
        let parity = if l % 2 == 0 { 1.0 } else { -1.0 };
        for Sum { terms: own, target, is_moment } in sums {
            let mut sums = [[Quad::ZERO; N]; 3];
            for term in &terms[own.clone()] {
                let derivatives = &derivatives[M * tile.width * term.atom..][..M * tile.width];
                let gradients = &points[size * term.point + tile.rows.start..][..M];
                for m in 0..M {
                    for k in 0..N {
                        for c in 0..3 {
                            sums[c][k] =
                                sums[c][k].plus_scaled::<A>(derivatives[m * tile.width + k], gradients[m].0[c]);
                        }
                    }
                }
            }
            let factor = if *is_moment { -1.0 } else { parity };
            for (rows, sums) in columns[3 * N * target..][..3 * N].chunks_exact_mut(N).zip(sums) {
                for (row, sum) in rows.iter_mut().zip(sums) {
                    *row = row.plus_scaled::<A>(sum, factor);
                }
            }
        }
    }
}

/// Adds the columns of a block, of one target, to those of its functions: for each function its three numbers.
#[inline(always)]
pub(crate) fn gather<A: Arithmetic>(block: &Block, target: usize, columns: &mut Columns, out: &mut [Quad]) {
    for (k, functions) in block.functions.chunks(MAX_WIDTH * QUAD).enumerate() {
        let width = functions.len().div_ceil(QUAD);
        let first = k * MAX_WIDTH;
        let rows = &columns.of(block, first..first + width)[3 * width * target..][..3 * width];
        for (k, functions) in functions.chunks(QUAD).enumerate() {
            let [x, y, z] = [rows[k].0, rows[width + k].0, rows[2 * width + k].0];
            for (n, &(function, factor)) in functions.iter().enumerate() {
                out[function] = out[function].plus_scaled::<A>(Quad([x[n], y[n], z[n], 0.0]), factor);
            }
        }
    }
}
