//! Lower bounds on distances, cheap enough for every pair of rows.
//!
//! The image of a row holds its components along a few directions and the length of the rest. This map increases no
//! distance, so the distance of two images is a lower bound. If the spectrum of the rows decays, images rule out most
//! pairs at a few per cent of the work of a distance. If it does not decay, the image is the row itself.

use std::ops::Range;

use faer::Mat;
use rayon::prelude::*;

mod kernel;
mod subspace;

use crate::data::rows::Rows;
use crate::data::scratch::{Buffer, Place};
use crate::data::spans::in_spans;
use crate::error::Result;
use crate::linalg::{Panels, project};
pub(crate) use kernel::{LANES, distance};
use kernel::{ROWS, below, shortfalls, square_shortfalls};
use subspace::leading_directions;

/// Number of rows, spread over the pool, from which the directions are found.
const SAMPLE: usize = 1024;
/// Bytes of a thread's block of images, which stays in the second level cache.
const BLOCK_BYTES: usize = 128 << 10;

/// The images of the rows.
pub(crate) struct Screen {
    width: usize,
    images: Buffer<'static, f32>,
    /// Squared length of each image.
    squares: Vec<f32>,
    /// Fraction by which squared lengths are lowered, so that rounding never makes a lower bound too high.
    margin: f32,
}

/// Some of the images, packed for the kernel.
pub(crate) struct Packed {
    indices: Vec<u32>,
    panels: Vec<f32>,
    squares: Vec<f32>,
}

impl Screen {
    /// Largest number of bytes for the images of `len` rows and the search for directions before.
    pub(crate) fn bytes(len: usize, dim: usize) -> usize {
        len * (dim + 1) * size_of::<f32>() + 2 * len.min(SAMPLE) * dim * size_of::<f64>()
    }

    /// Bytes of that which are in memory where the images are in a file.
    pub(crate) fn bytes_beside_file(len: usize, dim: usize) -> usize {
        Self::bytes(len.min(SAMPLE), dim) + len * size_of::<f32>()
    }

    /// The images of centred points, kept in a place; float32 must be able to hold their squares.
    ///
    /// # Errors
    /// [`crate::Error::File`] if there is no room for them.
    pub(crate) fn new(points: &dyn Rows, place: Place) -> Result<Self> {
        let (dim, len) = (points.dim(), points.len());
        let step = len.div_ceil(SAMPLE);
        let mut sample = Mat::zeros(len.div_ceil(step), dim);
        let mut point = vec![0.0; dim];
        for i in 0..sample.nrows() {
            points.read(i * step, &mut point);
            (0..dim).for_each(|k| sample[(i, k)] = point[k]);
            // Around each row that is read the system fetches many more.
            points.release(i * step..len.min((i + 1) * step));
        }
        let directions = leading_directions(sample.as_ref());
        let width = directions.as_ref().map_or(dim, |directions| directions.ncols() + 1);
        let directions = directions.map(|directions| Panels::dense(directions.as_ref()));
        let mut images = Buffer::zeros(len * width, place)?;
        let mut squares: Vec<f32> = Vec::with_capacity(len);
        in_spans(points, |span, range| {
            let own = range.start * width..range.end * width;
            match &directions {
                None => read_all(&span, &mut images[own.clone()]),
                Some(directions) => project_rows(&span, directions, &mut images[own.clone()]),
            }
            let lengths = images[own.clone()].par_chunks(width).map(|image| image.iter().map(|x| x * x).sum::<f32>());
            squares.par_extend(lengths);
            images.release(own);
        });
        Ok(Self { width, images, squares, margin: 4.0 * (width + 8) as f32 * f32::EPSILON })
    }

    /// Give back what memory holds of images that are in a file.
    pub(crate) fn release(&self, rows: Range<usize>) {
        self.images.release(rows.start * self.width..rows.end * self.width);
    }

    fn image(&self, index: usize) -> &[f32] {
        &self.images[index * self.width..(index + 1) * self.width]
    }

    /// Number of rows in a thread's block.
    pub(crate) fn block(&self) -> usize {
        ROWS * (BLOCK_BYTES / (ROWS * self.width * size_of::<f32>())).clamp(1, 64)
    }

    /// Pack the images of some rows.
    pub(crate) fn pack(&self, indices: Vec<u32>) -> Packed {
        let panel = LANES * self.width;
        let mut panels = vec![0.0; indices.len().div_ceil(LANES) * panel];
        let mut squares = vec![0.0; indices.len().next_multiple_of(LANES)];
        for (i, &index) in indices.iter().enumerate() {
            let start = i / LANES * panel + i % LANES;
            for (k, x) in self.image(index as usize).iter().enumerate() {
                panels[start + k * LANES] = -2.0 * x;
            }
            squares[i] = self.squares[index as usize] * (1.0 - self.margin);
        }
        Packed { indices, panels, squares }
    }

    /// Call `found` with the positions of a row and a packed row for every pair whose bound is below the radius. Radii
    /// belong to the rows or to the packed rows; they must not be negative.
    #[inline]
    pub(crate) fn within(&self, rows: &[u32], packed: &Packed, radii: Radii<'_>, mut found: impl FnMut(usize, usize)) {
        let panel = LANES * self.width;
        for (p, data) in packed.panels.chunks_exact(panel).enumerate() {
            let count = LANES.min(packed.indices.len() - p * LANES);
            let mut bias: [f32; LANES] = std::array::from_fn(|l| packed.squares[p * LANES + l]);
            if let Radii::OfPacked(radii) = radii {
                for (bias, radius) in bias.iter_mut().zip(&radii[p * LANES..p * LANES + count]) {
                    *bias -= radius * radius;
                }
            }
            bias[count..].fill(f32::INFINITY);
            for (g, group) in rows.chunks(ROWS).enumerate() {
                let images = self.group(group);
                let mut limits = [f32::NEG_INFINITY; ROWS];
                for (r, (limit, &row)) in limits.iter_mut().zip(group).enumerate() {
                    *limit = -self.squares[row as usize] * (1.0 - self.margin);
                    if let Radii::OfRows(radii) = radii {
                        *limit += radii[g * ROWS + r] * radii[g * ROWS + r];
                    }
                }
                for (r, mut mask) in below(images, data, &bias, &limits).into_iter().enumerate() {
                    while mask != 0 {
                        found(g * ROWS + r, p * LANES + mask.trailing_zeros() as usize);
                        mask &= mask - 1;
                    }
                }
            }
        }
    }

    /// For each packed row `p`, an upper bound of the sum of `max(0, ceiling(r) - d(r, p))` or, if `squared`, of
    /// `max(0, ceiling(r)^2 - d(r, p)^2)` over the rows `r` from `first`.
    pub(crate) fn shortfalls(&self, packed: &Packed, first: usize, ceilings: &[f32], squared: bool) -> Vec<f64> {
        let kernel = if squared { square_shortfalls } else { shortfalls };
        let mut out = vec![0.0; packed.indices.len()];
        for (block, ceilings) in ceilings.chunks(self.block()).enumerate() {
            let start = first + block * self.block();
            let rows: Vec<u32> = (start..start + ceilings.len()).map(|i| i as u32).collect();
            let panels = packed.panels.chunks_exact(LANES * self.width).zip(packed.squares.chunks_exact(LANES));
            for ((data, squares), out) in panels.zip(out.chunks_mut(LANES)) {
                let bias = std::array::from_fn(|l| squares[l]);
                let mut sums = [0.0; LANES];
                for (group, heights) in rows.chunks(ROWS).zip(ceilings.chunks(ROWS)) {
                    // Padding of the last group has no ceiling and contributes nothing.
                    let (mut lowered, mut limits) = ([0.0; ROWS], [0.0; ROWS]);
                    for (r, (&row, &height)) in group.iter().zip(heights).enumerate() {
                        lowered[r] = self.squares[row as usize] * (1.0 - self.margin);
                        limits[r] = height;
                    }
                    kernel(self.group(group), data, &bias, &lowered, &limits, &mut sums);
                }
                // The number of float32 terms is small enough for a rounding error below one part in 10^4.
                out.iter_mut().zip(sums).for_each(|(out, sum)| *out += f64::from(sum) * (1.0 + 1e-4));
            }
            self.release(start..start + ceilings.len());
        }
        out
    }

    fn group(&self, group: &[u32]) -> [&[f32]; ROWS] {
        std::array::from_fn(|r| self.image(group[r.min(group.len() - 1)] as usize))
    }
}

impl Packed {
    pub(crate) fn indices(&self) -> &[u32] {
        &self.indices
    }
}

/// The radius of each pair: that of the row, or that of the packed row.
#[derive(Clone, Copy)]
pub(crate) enum Radii<'a> {
    OfRows(&'a [f32]),
    OfPacked(&'a [f32]),
}

fn read_all(points: &dyn Rows, images: &mut [f32]) {
    let dim = points.dim();
    images.par_chunks_mut(dim).enumerate().for_each_init(
        || vec![0.0; dim],
        |point, (i, image)| {
            points.read(i, point);
            image.iter_mut().zip(point.iter()).for_each(|(image, &x)| *image = x as f32);
        },
    );
}

/// Components of each row along the directions, then the length of the rest.
fn project_rows(points: &dyn Rows, directions: &Panels, images: &mut [f32]) {
    let count = directions.len();
    let mut components = vec![0.0; points.len() * count];
    project(points, directions, &mut components);
    let rows = images.par_chunks_mut(count + 1).zip(components.par_chunks(count));
    let point = || vec![0.0; points.dim()];
    rows.enumerate().for_each_init(point, |point, (i, (image, components))| {
        let square = |x: f64| x * x;
        points.read(i, point);
        let whole: f64 = point.iter().copied().map(square).sum();
        let held: f64 = components.iter().copied().map(square).sum();
        for (image, &component) in image.iter_mut().zip(components) {
            *image = component as f32;
        }
        image[count] = (whole - held).max(0.0).sqrt() as f32;
    });
}
