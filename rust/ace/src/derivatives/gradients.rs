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
/// 2. for each element or channel, the sum of these gradients, weighted in a channel, times (-1)^l;
/// 3. for each element or channel, two points with the sums of the products of gradients and vectors: xx, yy, zz in the first,
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
            for kind in 0..factors.n_kinds() {
                let slots = factors.slots(kind);
                let vectors = &half.vectors[slots.clone()];
                for m in 0..size {
                    let harmonics = &half.harmonics_of(l * l + m)[slots.clone()];
                    for (index, own) in kinds.iter().enumerate() {
                        let points = &mut self.gradients[index * self.len + first * size..][..n_of_half * size];
                        let radial = &half.radial_of(own.n)[slots.clone()];
                        let (of_slots, of_sets) = points.split_at_mut(factors.n_neighbours() * size);
                        let of_slots = &mut of_slots[slots.start * size..slots.end * size];
                        let factors_of_slots = radial.iter().zip(harmonics).zip(vectors);
                        let mut sums = Sums::default();
                        for (point, (([value, slope], harmonics), vectors)) in
                            of_slots.chunks_exact_mut(size).zip(factors_of_slots)
                        {
                            let along = slope.times(harmonics[3]);
                            let mut gradient = [Quad::ZERO; 3];
                            for c in 0..3 {
                                gradient[c] = value.times(harmonics[c]).plus_product::<A>(along, vectors[c]);
                            }
                            point[m] = gradient;
                            sums.add::<A>(gradient, vectors);
                        }
                        if !factors.has_channels {
                            sums.write(of_sets, [kind, factors.n_sets()], [m, size], parity);
                            continue;
                        }
                        for channel in 0..factors.n_sets() {
                            let mut sums = Sums::default();
                            let weights = half.weights_of(channel);
                            for ((point, weight), vectors) in of_slots.chunks_exact(size).zip(weights).zip(vectors) {
                                sums.add::<A>(point[m].map(|number| number.times(*weight)), vectors);
                            }
                            sums.write(of_sets, [channel, factors.n_sets()], [m, size], parity);
                        }
                    }
                }
            }
        }
    }
}

/// Sums over neighbours of gradients, and of their products with the vectors to the neighbours.
struct Sums {
    gradients: [Quad; 3],
    products: [Quad; 6],
}

impl Default for Sums {
    #[inline(always)]
    fn default() -> Self {
        Self { gradients: [Quad::ZERO; 3], products: [Quad::ZERO; 6] }
    }
}

impl Sums {
    #[inline(always)]
    fn add<A: Arithmetic>(&mut self, gradient: [Quad; 3], vectors: &[Quad; 3]) {
        for c in 0..3 {
            self.gradients[c] = self.gradients[c].plus(gradient[c]);
        }
        for (c, [a, b]) in VOIGT.into_iter().enumerate() {
            self.products[c] = self.products[c].plus_product::<A>(gradient[a], vectors[b]);
        }
    }

    /// Writes the sums of one set, and one m, to the points that follow those of the neighbours.
    #[inline(always)]
    fn write(self, points: &mut [[Quad; 3]], [set, n_sets]: [usize; 2], [m, size]: [usize; 2], parity: f64) {
        let [xx, yy, zz, yz, xz, xy] = self.products;
        let moments = n_sets + 2 * set;
        points[set * size + m] = self.gradients.map(|sum| sum.scaled(parity));
        points[moments * size + m] = [xx, yy, zz];
        points[(moments + 1) * size + m] = [yz, xz, xy];
    }
}
