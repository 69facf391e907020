//! The gradients of the one-particle functions of one l and a few n, at all that is summed over for a chunk of atoms.

use super::jacobian::Kind;
use super::one_particle::OneParticle;
use crate::arithmetic::{Arithmetic, Quad};
use crate::geometry::VOIGT;

/// For each n, gradients of 2l + 1 functions at each point: x, y and z of the first for four lanes, of the second, ….
///
/// No lane is taken out of its line: the terms of a sum say which of the four is theirs.
///
/// The points of a batch, first of the first four lanes and then of the rest, are its neighbours, those of one element
/// after those of another; then for each element the sum over its neighbours times (-1)^l; then for each element the
/// sums of the products of gradients and vectors, xx, yy, zz and, as another point, yz, xz, xy.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gradients {
    gradients: Vec<[Quad; 3]>,
    /// Gradients of one n.
    len: usize,
}

impl Gradients {
    /// Makes room for several n; what is there does not matter.
    pub(crate) fn resize(&mut self, n_points: usize, l: usize, count: usize) {
        self.len = n_points * (2 * l + 1);
        if self.gradients.len() < self.len * count {
            self.gradients.resize(self.len * count, [Quad::ZERO; 3]);
        }
    }

    /// The gradients of one n at all points.
    pub(crate) fn of(&self, index: usize) -> &[[Quad; 3]] {
        &self.gradients[index * self.len..][..self.len]
    }

    /// R'_n Y_lm u + R_n ∇Y_lm for several n at the points of a batch, of which `first` is the first.
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
