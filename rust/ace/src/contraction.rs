//! The products of the derivatives of functions by sums with those of sums by positions: nearly all work of a design.

use std::ops::Range;

use crate::jacobian::{Block, Jacobian, MAX_ROWS, Place, Source, Tile};
use crate::lanes::{Arithmetic, LANES, QUAD, Quad, Row, WIDTH};
use crate::points::Points;

/// One term of a sum: the derivatives of an atom by its sums, times a point of the one-particle functions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Term {
    /// Where the derivatives of the atom are.
    pub(crate) place: Place,
    pub(crate) point: usize,
    pub(crate) lane: usize,
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

    /// The elements of neighbours with a sum for a target: none, one or all.
    pub(crate) fn elements(&self, target: usize) -> &[usize] {
        self.targets.get(target).map_or(&[], Vec::as_slice)
    }
}

/// The columns of all blocks: for each target, three rows of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Columns {
    quads: Vec<Quad>,
    /// Quads of one row.
    len: usize,
    /// For each column of one target, its three numbers.
    triples: Vec<Quad>,
}

impl Columns {
    /// Makes room; what is there does not matter.
    pub(crate) fn resize(&mut self, n_targets: usize, jacobian: &Jacobian) {
        self.len = jacobian.width;
        self.quads.resize(3 * self.len * n_targets, Quad::ZERO);
        self.triples.resize(QUAD * self.len, Quad::ZERO);
    }

    /// The columns of one target.
    #[inline(always)]
    fn transpose(&mut self, target: usize) -> &[Quad] {
        let (x, rest) = self.quads[3 * self.len * target..][..3 * self.len].split_at(self.len);
        let (y, z) = rest.split_at(self.len);
        for (((x, y), z), out) in x.iter().zip(y).zip(z).zip(self.triples.chunks_exact_mut(QUAD)) {
            for n in 0..QUAD {
                out[n] = Quad([x.0[n], y.0[n], z.0[n], 0.0]);
            }
        }
        &self.triples
    }
}

/// Adds what one tile makes of the points, 2l + 1 gradients each, to the columns of a block.
#[inline(always)]
pub(crate) fn contract<A: Arithmetic>(
    tile: &Tile,
    derivatives: &[Row],
    (block, l): (&Block, usize),
    points: &Points,
    plan: &Plan,
    columns: &mut Columns,
) {
    let width = WIDTH.min(block.width() - tile.column);
    let columns = (&mut columns.quads[block.start + tile.column..], columns.len);
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
    points: &'a Points,
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
        let parity = if l % 2 == 0 { 1.0 } else { -1.0 };
        for Sum { terms: own, target, is_moment } in sums {
            let mut sums = [[Quad::ZERO; N]; 3];
            for term in &terms[own.clone()] {
                let derivatives = &derivatives[tile.of(term.place)..][..M];
                let gradients = &points.at(term.point, tile.rows.start)[..M];
                let lane = term.lane % LANES;
                for m in 0..M {
                    for k in 0..N {
                        for c in 0..3 {
                            sums[c][k] = sums[c][k].plus_scaled::<A>(derivatives[m][k], gradients[m][c].0[lane]);
                        }
                    }
                }
            }
            let factor = if *is_moment { -1.0 } else { parity };
            for (c, sums) in sums.into_iter().enumerate() {
                let row = &mut columns[len * (3 * target + c)..][..N];
                for (out, sum) in row.iter_mut().zip(sums) {
                    let before = if tile.rows.start == 0 { Quad::ZERO } else { *out };
                    *out = before.plus_scaled::<A>(sum, factor);
                }
            }
        }
    }
}

/// Adds to three rows of functions what the columns of one target make of them.
#[inline(always)]
pub(crate) fn gather<A: Arithmetic>(
    sources: &[Source],
    target: usize,
    columns: &mut Columns,
    [x, y, z]: [&mut [f64]; 3],
) {
    let columns = columns.transpose(target);
    let n = sources.len();
    let (x, y, z) = (&mut x[..n], &mut y[..n], &mut z[..n]);
    let whole = n - n % QUAD;
    for first in (0..whole).step_by(QUAD) {
        let mut triples = [Quad::ZERO; QUAD];
        for k in 0..QUAD {
            triples[k] = combine::<A>(&sources[first + k], columns);
        }
        let (x, y, z) = (&mut x[first..][..QUAD], &mut y[first..][..QUAD], &mut z[first..][..QUAD]);
        for k in 0..QUAD {
            x[k] += triples[k].0[0];
        }
        for k in 0..QUAD {
            y[k] += triples[k].0[1];
        }
        for k in 0..QUAD {
            z[k] += triples[k].0[2];
        }
    }
    for k in whole..n {
        let Quad([of_x, of_y, of_z, _]) = combine::<A>(&sources[k], columns);
        x[k] += of_x;
        y[k] += of_y;
        z[k] += of_z;
    }
}

/// The three numbers of one function.
#[inline(always)]
fn combine<A: Arithmetic>(source: &Source, columns: &[Quad]) -> Quad {
    let ([a, b, c], [p, q, r]) = (source.columns, source.factors);
    columns[a].scaled(p).plus_scaled::<A>(columns[b], q).plus_scaled::<A>(columns[c], r)
}
