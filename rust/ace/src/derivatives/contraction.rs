//! The products of the derivatives of functions by sums with those of the sums by positions.
//!
//! They take nearly all time of a design. A *target* is three rows of features for functions of centres of one element:
//! the force on one atom (x, y, z), or half of the virial (xx, yy, zz or yz, xz, xy). A [`Plan`] lists which products
//! each target is the sum of; [`contract`] computes them block by block into [`Columns`], and [`gather`] adds the
//! columns to the features.

use std::ops::Range;

use super::jacobian::{Block, Jacobian, Source, Tile};
use crate::arithmetic::{Arithmetic, QUAD, Quad, Row, WIDTH, numbers};

/// One product of a sum: the derivatives of an atom by its one-particle sums, times the gradients at one point.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Term {
    /// Number of rows of the chunks before that of the atom.
    chunk: u32,
    /// Index of the atom in its chunk.
    index: u32,
    /// Index of the point.
    point: u32,
    /// Lane of the point.
    lane: u32,
}

impl Term {
    pub(crate) fn new(jacobian: &Jacobian, atom: usize, point: usize, lane: usize) -> Self {
        let [chunk, index] = jacobian.of_atom(atom);
        Self { chunk: chunk as u32, index: index as u32, point: point as u32, lane: lane as u32 }
    }
}

/// The products that are summed to one part of a target: that from the one-particle sums of one set.
#[derive(Debug, Clone)]
pub(crate) struct Sum {
    /// The terms of neighbours, whose sum is multiplied by `weight`, and those of the atom itself.
    pub(crate) pulls: Range<usize>,
    pub(crate) weight: f64,
    pub(crate) own: Range<usize>,
    pub(crate) target: usize,
    /// Whether the points hold moments, whose sum is subtracted. Sums of gradients are multiplied by (-1)^l.
    pub(crate) is_moment: bool,
}

/// All sums for the atoms whose rows one thread writes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plan {
    terms: Vec<Term>,
    /// For each element of neighbours or channel, its sums, at most one for each target.
    sums: Vec<Vec<Sum>>,
    /// For each target, the elements of neighbours or channels that have a sum for it.
    targets: Vec<Vec<usize>>,
}

impl Plan {
    /// Removes all sums.
    pub(crate) fn clear(&mut self, n_sets: usize, n_targets: usize) {
        self.targets.iter_mut().for_each(Vec::clear);
        self.targets.resize(n_targets, Vec::new());
        self.terms.clear();
        self.sums.iter_mut().for_each(Vec::clear);
        self.sums.resize(n_sets, Vec::new());
    }

    /// Adds terms; returns their range, for one sum or several.
    pub(crate) fn extend(&mut self, terms: impl IntoIterator<Item = Term>) -> Range<usize> {
        let first = self.terms.len();
        self.terms.extend(terms);
        first..self.terms.len()
    }

    /// Adds a sum: the part of a target that comes from the one-particle sums of one element of neighbours or channel.
    pub(crate) fn push(&mut self, set: usize, sum: Sum) {
        self.targets[sum.target].push(set);
        self.sums[set].push(sum);
    }

    /// The elements of neighbours or channels that have a sum for a target: none, one or all.
    pub(crate) fn elements(&self, target: usize) -> &[usize] {
        self.targets.get(target).map_or(&[], Vec::as_slice)
    }
}

/// For each target, three rows with the columns of all blocks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Columns {
    quads: Vec<Quad>,
    /// Number of quads in one row.
    len: usize,
}

impl Columns {
    /// Makes room; old contents are overwritten later.
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

/// Computes the columns of one block that lie in one tile, for all targets.
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

/// The arguments of [`contract`].
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

    /// Sums N quads of columns over M = 2l + 1 rows of the tile; M = 0 stands for any l.
    ///
    /// The sums stay in registers only while every index into them is known at compile time. Equivalent forms of these
    /// loops were two to three times slower.
    #[inline(always)]
    fn of_size<A: Arithmetic, const N: usize, const M: usize>(self, columns: &mut [Quad], len: usize) {
        let Self { tile, l, derivatives, points, terms, sums } = self;
        let size = if M == 0 { 2 * l + 1 } else { M };
        let parity = if l % 2 == 0 { 1.0 } else { -1.0 };
        let derivatives = &derivatives[tile.first_row()..];
        for Sum { pulls, weight, own, target, is_moment } in sums {
            let mut sums = [[Quad::ZERO; N]; 3];
            for (part, terms) in [&terms[pulls.clone()], &terms[own.clone()]].into_iter().enumerate() {
                if part == 1 {
                    for c in 0..3 {
                        for k in 0..N {
                            sums[c][k] = sums[c][k].scaled(*weight);
                        }
                    }
                }
                for term in terms {
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

/// Adds the columns of one target to three rows of features.
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
