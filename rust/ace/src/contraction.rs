//! The products of the derivatives of functions by sums with those of sums by positions: nearly all work of a design.

use std::ops::Range;

use crate::jacobian::{Block, Jacobian, MAX_ROWS, Tile};
use crate::lanes::{Arithmetic, QUAD, Quad, Row, WIDTH};

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
    /// For each element of neighbours; at most one for each target.
    sums: Vec<Vec<Sum>>,
    /// For each target, the elements with a sum for it.
    targets: Vec<Vec<usize>>,
}

impl Plan {
    /// Forgets all sums.
    pub(crate) fn clear(&mut self, n_elements: usize, n_targets: usize) {
        self.targets.iter_mut().for_each(Vec::clear);
        self.targets.resize(n_targets, Vec::new());
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
        self.targets[target].push(element);
        self.sums[element].push(Sum { terms: first..self.terms.len(), target, is_moment });
    }

    /// The elements of neighbours with a sum for a target.
    pub(crate) fn elements(&self, target: usize) -> &[usize] {
        self.targets.get(target).map_or(&[], Vec::as_slice)
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

/// The columns of all blocks: for each target, for each [`WIDTH`] of them, for each of three rows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Columns {
    quads: Vec<Quad>,
    /// Quads of one target.
    len: usize,
}

impl Columns {
    /// Makes room; what is there does not matter.
    pub(crate) fn resize(&mut self, n_targets: usize, jacobian: &Jacobian) {
        self.len = 3 * jacobian.width;
        self.quads.resize(self.len * n_targets, Quad::ZERO);
    }
}

/// Adds what one tile, of the atoms of the plan, makes of the points, 2l + 1 quads each, to the columns of a block.
#[inline(always)]
pub(crate) fn contract<A: Arithmetic>(
    tile: &Tile,
    derivatives: &[Row],
    (block, l): (&Block, usize),
    points: &[Quad],
    plan: &Plan,
    columns: &mut Columns,
) {
    let width = WIDTH.min(block.width() - tile.column);
    let columns = (&mut columns.quads[3 * (block.start + tile.column)..], columns.len);
    let product = Product { tile, l, derivatives, points, terms: &plan.terms, sums: &plan.sums[block.element] };
    match width {
        1 => product.of_width::<A, 1>(columns),
        2 => product.of_width::<A, 2>(columns),
        3 => product.of_width::<A, 3>(columns),
        _ => product.of_width::<A, WIDTH>(columns),
    }
}

#[derive(Clone, Copy)]
struct Product<'a> {
    tile: &'a Tile,
    l: usize,
    derivatives: &'a [Row],
    points: &'a [Quad],
    terms: &'a [Term],
    sums: &'a [Sum],
}

impl Product<'_> {
    #[inline(always)]
    fn of_width<A: Arithmetic, const N: usize>(self, (columns, len): (&mut [Quad], usize)) {
        match self.tile.rows.len() {
            1 => self.of_size::<A, N, 1>(columns, len),
            2 => self.of_size::<A, N, 2>(columns, len),
            _ => self.of_size::<A, N, MAX_ROWS>(columns, len),
        }
    }

    /// With the size of the tile known, all sums are in registers.
    #[inline(always)]
    fn of_size<A: Arithmetic, const N: usize, const M: usize>(self, columns: &mut [Quad], len: usize) {
        let Self { tile, l, derivatives, points, terms, sums } = self;
        let size = 2 * l + 1;
        let parity = if l % 2 == 0 { 1.0 } else { -1.0 };
        for Sum { terms: own, target, is_moment } in sums {
            let mut sums = [[Quad::ZERO; N]; 3];
            for term in &terms[own.clone()] {
                let derivatives = &derivatives[M * term.atom..][..M];
                let gradients = &points[size * term.point + tile.rows.start..][..M];
                for m in 0..M {
                    for k in 0..N {
                        for c in 0..3 {
                            sums[c][k] = sums[c][k].plus_scaled::<A>(derivatives[m][k], gradients[m].0[c]);
                        }
                    }
                }
            }
            let factor = if *is_moment { -1.0 } else { parity };
            for (rows, sums) in columns[len * target..][..3 * N].chunks_exact_mut(N).zip(sums) {
                for (row, sum) in rows.iter_mut().zip(sums) {
                    let before = if tile.rows.start == 0 { Quad::ZERO } else { *row };
                    *row = before.plus_scaled::<A>(sum, factor);
                }
            }
        }
    }
}

/// Adds the columns of a block, of one target, to those of its functions: for each function its three numbers.
#[inline(always)]
pub(crate) fn gather<A: Arithmetic>(block: &Block, target: usize, columns: &Columns, out: &mut [Quad]) {
    let own = &columns.quads[target * columns.len + 3 * block.start..][..3 * block.width()];
    for (rows, functions) in own.chunks(3 * WIDTH).zip(block.functions.chunks(WIDTH * QUAD)) {
        let width = rows.len() / 3;
        for (k, functions) in functions.chunks(QUAD).enumerate() {
            let [x, y, z] = [rows[k].0, rows[width + k].0, rows[2 * width + k].0];
            for (n, &(function, factor)) in functions.iter().enumerate() {
                out[function] = out[function].plus_scaled::<A>(Quad([x[n], y[n], z[n], 0.0]), factor);
            }
        }
    }
}
