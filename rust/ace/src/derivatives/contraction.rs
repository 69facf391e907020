//! The products of the derivatives of functions by sums with those of sums by positions: nearly all work of a design.

use std::ops::Range;

use super::jacobian::{Block, Jacobian, Source, Tile};
use crate::arithmetic::{Arithmetic, QUAD, Quad, Row, WIDTH, numbers};

/// One term of a sum: the derivatives of an atom by its sums, times a point of the one-particle functions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Term {
    /// Where the derivatives of the atom are: rows of the chunks before its own, and tiles before its own in that.
    chunk: u32,
    index: u32,
    point: u32,
    lane: u32,
}

impl Term {
    pub(crate) fn new(jacobian: &Jacobian, atom: usize, point: usize, lane: usize) -> Self {
        let [chunk, index] = jacobian.of_atom(atom);
        Self { chunk: chunk as u32, index: index as u32, point: point as u32, lane: lane as u32 }
    }
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
}

impl Columns {
    /// Makes room; what is there does not matter.
    pub(crate) fn resize(&mut self, n_targets: usize, jacobian: &Jacobian) {
        self.len = jacobian.width;
        self.quads.resize(3 * self.len * n_targets, Quad::ZERO);
    }

    /// The three rows of a target.
    #[inline(always)]
    fn of_target(&self, target: usize) -> &[f64] {
        numbers(&self.quads[3 * target * self.len..][..3 * self.len])
    }
}

/// Writes what one tile makes of the points, 2l + 1 gradients each, to the columns of a block.
#[inline(always)]
pub(crate) fn contract<A: Arithmetic>(
    tile: &Tile,
    derivatives: &[Row],
    (block, l): (&Block, usize),
    points: &[[Quad; 3]],
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
    points: &'a [[Quad; 3]],
    terms: &'a [Term],
    sums: &'a [Sum],
}

impl Product<'_> {
    #[inline(always)]
    fn of_width<A: Arithmetic, const N: usize>(self, (columns, len): (&mut [Quad], usize)) {
        match self.l {
            0 => self.of_size::<A, N, 1>(columns, len),
            1 => self.of_size::<A, N, 3>(columns, len),
            2 => self.of_size::<A, N, 5>(columns, len),
            _ => self.of_size::<A, N, 0>(columns, len),
        }
    }

    /// With M functions, or any number where M is 0.
    ///
    /// The sums stay in registers only as long as no loop picks from them by an index unknown to the compiler: in other
    /// forms that look as good this takes two and three times as long.
    #[inline(always)]
    fn of_size<A: Arithmetic, const N: usize, const M: usize>(self, columns: &mut [Quad], len: usize) {
        let Self { tile, l, derivatives, points, terms, sums } = self;
        let size = if M == 0 { 2 * l + 1 } else { M };
        let parity = if l % 2 == 0 { 1.0 } else { -1.0 };
        let derivatives = &derivatives[tile.first_row()..];
        for Sum { terms: own, target, is_moment } in sums {
            let mut sums = [[Quad::ZERO; N]; 3];
            for term in &terms[own.clone()] {
                let (row, point) = (term.chunk as usize + term.index as usize * size, term.point as usize * size);
                let derivatives = &derivatives[row..row + size];
                let gradients = &points[point..point + size];
                let lane = term.lane as usize % QUAD;
                for (derivatives, gradients) in derivatives.iter().zip(gradients) {
                    for k in 0..N {
                        for c in 0..3 {
                            sums[c][k] = sums[c][k].plus_scaled::<A>(derivatives[k], gradients[c].0[lane]);
                        }
                    }
                }
            }
            let factor = if *is_moment { -1.0 } else { parity };
            for (c, sums) in sums.into_iter().enumerate() {
                let row = &mut columns[len * (3 * target + c)..][..N];
                for (out, sum) in row.iter_mut().zip(sums) {
                    *out = sum.scaled(factor);
                }
            }
        }
    }
}

/// Adds to three rows of functions what the columns of one target make of them.
#[inline(always)]
pub(crate) fn gather<A: Arithmetic>(sources: &[Source], target: usize, columns: &Columns, [x, y, z]: [&mut [f64]; 3]) {
    let (of_x, rest) = columns.of_target(target).split_at(QUAD * columns.len);
    let (of_y, of_z) = rest.split_at(QUAD * columns.len);
    for (((source, x), y), z) in sources.iter().zip(x).zip(y).zip(z) {
        let (columns, factors) = (source.columns, source.factors);
        let [mut sum_x, mut sum_y, mut sum_z] = [*x, *y, *z];
        for k in 0..3 {
            sum_x = A::mul_add(of_x[columns[k]], factors[k], sum_x);
            sum_y = A::mul_add(of_y[columns[k]], factors[k], sum_y);
            sum_z = A::mul_add(of_z[columns[k]], factors[k], sum_z);
        }
        (*x, *y, *z) = (sum_x, sum_y, sum_z);
    }
}
