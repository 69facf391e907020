//! The gradients of the one-particle functions of one n and l, at all that is summed over for a chunk of atoms.

use crate::lanes::{Arithmetic, Pack, Quad};
use crate::one_particle::OneParticle;
use crate::vector::VOIGT;

/// Halves of a pack: the sums over neighbours of one fill the registers.
const HALVES: usize = 2;

/// Gradients of 2l + 1 functions at each point: x, y and z of the first function for all lanes, of the second, ….
///
/// The points of a batch are first its neighbours, those of one element after those of another; then for each element
/// the sum over its neighbours times (-1)^l; then for each element the sums of the products of gradients and vectors,
/// xx, yy, zz and, as another point, yz, xz, xy.
#[derive(Debug, Clone, Default)]
pub(crate) struct Points {
    packs: Vec<[Pack; 3]>,
    /// Gradients at each point.
    size: usize,
}

impl Points {
    /// Makes room; what is there does not matter.
    pub(crate) fn resize(&mut self, n_points: usize, l: usize) {
        self.size = 2 * l + 1;
        if self.packs.len() < n_points * self.size {
            self.packs.resize(n_points * self.size, [Pack::ZERO; 3]);
        }
    }

    /// Those at one point, from one of them on.
    #[inline(always)]
    pub(crate) fn at(&self, point: usize, first: usize) -> &[[Pack; 3]] {
        &self.packs[point * self.size + first..]
    }

    /// R'_n Y_lm u + R_n ∇Y_lm at the points of a batch, of which `first` is the first.
    #[inline(always)]
    pub(crate) fn multiply<A: Arithmetic>(&mut self, factors: &OneParticle, [n, l]: [usize; 2], first: usize) {
        let parity = if l % 2 == 0 { 1.0 } else { -1.0 };
        let size = self.size;
        let packs = &mut self.packs[first * size..][..factors.n_points() * size];
        let (neighbours, others) = packs.split_at_mut(factors.n_neighbours() * size);
        let (owns, moments) = others.split_at_mut(factors.n_elements() * size);
        for element in 0..factors.n_elements() {
            let slots = factors.slots(element);
            let radial = &factors.radial_of(n)[slots.clone()];
            let vectors = &factors.vectors[slots.clone()];
            let points = &mut neighbours[slots.start * size..slots.end * size];
            let own = &mut owns[element * size..][..size];
            let (diagonal, other) = moments[2 * element * size..][..2 * size].split_at_mut(size);
            for m in 0..size {
                let harmonics = &factors.harmonics_of(l * l + m)[slots.clone()];
                for half in 0..HALVES {
                    let mut sums = [Quad::ZERO; 3];
                    let mut products = [Quad::ZERO; 6];
                    for (k, point) in points.chunks_exact_mut(size).enumerate() {
                        let [value, slope] = [radial[k][0].part(half), radial[k][1].part(half)];
                        let along = slope.times(harmonics[k][3].part(half));
                        let mut gradient = [Quad::ZERO; 3];
                        for c in 0..3 {
                            let around = value.times(harmonics[k][c].part(half));
                            gradient[c] = around.plus_product::<A>(along, vectors[k][c].part(half));
                            point[m][c].set_part(half, gradient[c]);
                            sums[c] = sums[c].plus(gradient[c]);
                        }
                        for (c, [a, b]) in VOIGT.into_iter().enumerate() {
                            products[c] = products[c].plus_product::<A>(gradient[a], vectors[k][3 + b].part(half));
                        }
                    }
                    let [xx, yy, zz, yz, xz, xy] = products;
                    for c in 0..3 {
                        own[m][c].set_part(half, sums[c].scaled(parity));
                        diagonal[m][c].set_part(half, [xx, yy, zz][c]);
                        other[m][c].set_part(half, [yz, xz, xy][c]);
                    }
                }
            }
        }
    }
}
