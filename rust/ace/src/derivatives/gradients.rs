//! The gradients of the one-particle functions R_n Y_lm of one l and a few n, for the neighbours of a chunk of atoms.
//!
//! The row of the force on atom k needs the gradients at two kinds of vectors: r_kj, for the features of k itself, and
//! r_jk = -r_kj, for the features of its neighbour j. R_n Y_lm has parity (-1)^l and its gradient the opposite, so the
//! gradients at r_kj serve both. The contraction multiplies everything by (-1)^l; the sum for k itself holds this
//! factor once more, so that it cancels.

use super::jacobian::Kind;
use super::one_particle::OneParticle;
use crate::arithmetic::{Arithmetic, Quad};
use crate::geometry::VOIGT;

/// For each n and each point, the x, y and z components of the 2l + 1 functions of one l.
///
/// A *point* holds the 2l + 1 gradients that the contraction multiplies with the derivatives of an atom. It does so for
/// four atoms, in the lanes of quads; each term of a sum names the lane of its atom. A batch has these points for its
/// first four lanes, then the same for its last four:
///
/// 1. the gradient at each neighbour, sorted by element of the neighbour;
/// 2. for each element, the sum of these gradients times (-1)^l;
/// 3. for each element, two points with the sums of the products of gradients and vectors: xx, yy, zz in the first,
///    yz, xz, xy in the second.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gradients {
    gradients: Vec<[Quad; 3]>,
    /// Number of gradients of one n.
    len: usize,
}

impl Gradients {
    /// Makes room for `count` values of n; old contents are overwritten later.
    pub(crate) fn resize(&mut self, n_points: usize, l: usize, count: usize) {
        self.len = n_points * (2 * l + 1);
        if self.gradients.len() < self.len * count {
            self.gradients.resize(self.len * count, [Quad::ZERO; 3]);
        }
    }

    /// The gradients at all points, for the n with an index from 0.
    pub(crate) fn of(&self, index: usize) -> &[[Quad; 3]] {
        &self.gradients[index * self.len..][..self.len]
    }

    /// Computes R'_n Y_lm u + R_n ∇Y_lm at all points of a batch, for the n of some kinds; `first` is its first point.
    #[inline(always)]
    pub(crate) fn multiply<A: Arithmetic>(&mut self, factors: &OneParticle, l: usize, kinds: &[Kind], first: usize) {
        let parity = if l.is_multiple_of(2) { 1.0 } else { -1.0 };
        let size = 2 * l + 1;
        let n_of_half = factors.n_of_half();
        for (part, half) in factors.halves.iter().enumerate() {
            let first = first + part * n_of_half;
            for element in 0..factors.n_elements() {
                let slots = factors.slots(element);
                let vectors = &half.vectors[slots.clone()];
                for m in 0..size {
                    let harmonics = &half.harmonics_of(l * l + m)[slots.clone()];
                    for (index, kind) in kinds.iter().enumerate() {
                        let points = &mut self.gradients[index * self.len + first * size..][..n_of_half * size];
                        let radial = &half.radial_of(kind.n)[slots.clone()];
                        let mut sums = [Quad::ZERO; 3];
                        let mut products = [Quad::ZERO; 6];
                        let of_slots = points[slots.start * size..slots.end * size].chunks_exact_mut(size);
                        let factors_of_slots = radial.iter().zip(harmonics).zip(vectors);
                        for (point, (([value, slope], harmonics), vectors)) in of_slots.zip(factors_of_slots) {
                            let along = slope.times(harmonics[3]);
                            let mut gradient = [Quad::ZERO; 3];
                            for c in 0..3 {
                                gradient[c] = value.times(harmonics[c]).plus_product::<A>(along, vectors[c]);
                                sums[c] = sums[c].plus(gradient[c]);
                            }
                            point[m] = gradient;
                            for (c, [a, b]) in VOIGT.into_iter().enumerate() {
                                products[c] = products[c].plus_product::<A>(gradient[a], vectors[b]);
                            }
                        }
                        let [xx, yy, zz, yz, xz, xy] = products;
                        let [diagonal, other] = factors.moments(element, 0);
                        points[factors.own(element, 0) * size + m] = sums.map(|sum| sum.scaled(parity));
                        points[diagonal * size + m] = [xx, yy, zz];
                        points[other * size + m] = [yz, xz, xy];
                    }
                }
            }
        }
    }
}
