//! Vectors rounded to 16-bit integers, for bounds on their products at a quarter of the memory traffic.
//!
//! A vector `y` is stored as integers `q` and a scale, `y = scale * q + delta`, together with the length of the
//! rounding error `delta`, which bounds the error of a product. The integers are scaled to a Euclidean norm for which
//! no product and no partial sum of one exceeds 32 bits (Cauchy-Schwarz).

use std::borrow::Cow;
use std::ops::Range;

use mlipselect_simd::for_this_processor;
#[cfg(target_arch = "x86_64")]
use mlipselect_simd::{Level, level};
use rayon::prelude::*;

use super::block::{Block, store};
use super::kernel::{GROUP, LANES};
use super::panels::Panels;
use crate::data::rows::Rows;
use crate::data::scratch::{Buffer, Place};
use crate::error::Result;

/// Euclidean norm of the integers of a vector: its square stays below 2^31, with room for rounding.
const NORM: f64 = 46_000.0;
/// Vectors are padded to a multiple of this many elements: one 256-bit register.
const WIDTH: usize = 16;
/// Number of rows in one call of the kernel.
pub(crate) const ROWS: usize = 4;
/// Number of directions in one call of the kernel.
pub(crate) const DIRECTIONS: usize = 4;
/// Number of rows whose sums fit into the 16 registers of AVX2: sums in memory double the time.
#[cfg(target_arch = "x86_64")]
const AVX2_ROWS: usize = 2;

/// Many rounded vectors of the same length.
#[derive(Debug)]
pub(crate) struct Sketch<'a> {
    padded: usize,
    integers: Buffer<'a, i16>,
    roundings: Vec<Rounding>,
}

/// The rounding of a vector: its scale, and the length of its error.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
struct Rounding {
    scale: f32,
    error: f32,
}

impl<'a> Sketch<'a> {
    pub(crate) fn new(dim: usize) -> Self {
        Self { padded: dim.next_multiple_of(WIDTH), integers: Buffer::Memory(Cow::default()), roundings: Vec::new() }
    }

    /// Length of a padded vector.
    pub(crate) fn padded(dim: usize) -> usize {
        dim.next_multiple_of(WIDTH)
    }

    /// The integers of all vectors, and scale and error of each vector.
    pub(crate) fn into_parts(self) -> (Cow<'a, [i16]>, Vec<[f32; 2]>) {
        let roundings = self.roundings.into_iter().map(|r| [r.scale, r.error]).collect();
        let integers = match self.integers {
            Buffer::Memory(integers) => integers,
            Buffer::File(integers) => integers.to_vec().into(),
        };
        (integers, roundings)
    }

    /// A sketch from the result of [`Sketch::into_parts`].
    pub(crate) fn from_parts(padded: usize, integers: &'a [i16], roundings: &[[f32; 2]]) -> Self {
        let roundings = roundings.iter().map(|&[scale, error]| Rounding { scale, error }).collect();
        Self { padded, integers: Buffer::Memory(integers.into()), roundings }
    }

    /// Bytes of `len` vectors.
    pub(crate) fn bytes(len: usize, dim: usize) -> usize {
        len * (dim.next_multiple_of(WIDTH) * size_of::<i16>() + size_of::<Rounding>())
    }

    /// Bytes of those that are in memory where the integers are in a file.
    pub(crate) fn bytes_beside_file(len: usize) -> usize {
        len * size_of::<Rounding>()
    }

    /// As many vectors, all zero, whose integers are kept in a place.
    ///
    /// # Errors
    /// [`crate::Error::File`] if there is no room for them.
    pub(crate) fn zeros(dim: usize, len: usize, place: Place) -> Result<Self> {
        let padded = dim.next_multiple_of(WIDTH);
        Ok(Self { padded, integers: Buffer::zeros(len * padded, place)?, roundings: vec![Rounding::default(); len] })
    }

    /// Give back what memory holds of vectors that are in a file.
    pub(crate) fn release(&self, vectors: Range<usize>) {
        self.integers.release(vectors.start * self.padded..vectors.end * self.padded);
    }

    /// Disjoint parts of `size` vectors each, of some consecutive ones, to be set by several threads.
    pub(crate) fn parts_mut(&mut self, vectors: Range<usize>, size: usize) -> impl Iterator<Item = SketchPart<'_>> {
        let padded = self.padded;
        let integers = self.integers[vectors.start * padded..vectors.end * padded].chunks_mut(size * padded);
        integers.zip(self.roundings[vectors].chunks_mut(size)).map(move |(integers, roundings)| SketchPart {
            padded,
            integers,
            roundings,
        })
    }

    /// A sketch of the products of every row with the directions, and for each row the sum of their squares.
    pub(crate) fn of_products(rows: &dyn Rows, directions: &Panels) -> (Self, Vec<f64>) {
        let (dim, len, width) = (rows.dim(), rows.len(), directions.len());
        let padded = width.next_multiple_of(WIDTH);
        let mut integers = vec![0; len * padded];
        let mut roundings = vec![Rounding::default(); len];
        let mut squares = vec![0.0; len];
        let capacity = (Block::capacity(dim) / 2).next_multiple_of(GROUP);
        integers
            .par_chunks_mut(capacity * padded)
            .zip(roundings.par_chunks_mut(capacity))
            .zip(squares.par_chunks_mut(capacity))
            .enumerate()
            .for_each_init(
                || (Block::new(dim), vec![0.0; capacity * padded]),
                |(block, products), (chunk, ((integers, roundings), squares))| {
                    let first = chunk * capacity;
                    block.load(rows, first..first + squares.len());
                    block.for_each_dots(directions, squares.len(), |p, group, dots| {
                        let rows = products[group * GROUP * padded..].chunks_exact_mut(padded);
                        for ((square, dots), out) in squares[group * GROUP..].iter_mut().zip(dots).zip(rows) {
                            *square += dots.iter().map(|d| d * d).sum::<f64>();
                            store(dots, &mut out[p * LANES..width]);
                        }
                    });
                    let rounded = integers.chunks_exact_mut(padded).zip(products.chunks_exact(padded));
                    for ((integers, products), (rounding, square)) in
                        rounded.zip(roundings.iter_mut().zip(squares.iter()))
                    {
                        *rounding = round(&products[..width], square.sqrt(), integers);
                    }
                },
            );
        (Self { padded, integers: Buffer::Memory(integers.into()), roundings }, squares)
    }

    pub(crate) fn len(&self) -> usize {
        self.roundings.len()
    }

    pub(crate) fn push(&mut self, y: &[f64]) {
        let integers = self.integers.to_vec_mut();
        let start = integers.len();
        integers.resize(start + self.padded, 0);
        let norm = y.iter().map(|y| y * y).sum::<f64>().sqrt();
        self.roundings.push(round(y, norm, &mut integers[start..]));
    }

    /// Append a vector of another sketch.
    pub(crate) fn push_from(&mut self, other: &Sketch<'_>, index: usize) {
        self.integers.to_vec_mut().extend_from_slice(other.vector(index));
        self.roundings.push(other.roundings[index]);
    }

    /// Length of the rounding error of a vector.
    pub(crate) fn error(&self, index: usize) -> f64 {
        f64::from(self.roundings[index].error)
    }

    /// Length of a padded vector of this sketch.
    pub(crate) fn width(&self) -> usize {
        self.padded
    }

    /// The scale of a vector: what one is worth.
    pub(crate) fn scale(&self, index: usize) -> f64 {
        f64::from(self.roundings[index].scale)
    }

    /// The integers of a vector.
    pub(crate) fn vector(&self, index: usize) -> &[i16] {
        &self.integers[index * self.padded..(index + 1) * self.padded]
    }

    /// The squared length of a rounded vector.
    pub(crate) fn square(&self, index: usize) -> f64 {
        let square: i32 = self.vector(index).iter().map(|&q| i32::from(q) * i32::from(q)).sum();
        f64::from(square) * f64::from(self.roundings[index].scale).powi(2)
    }

    /// Products of a rounded vector with a few vectors of another sketch.
    #[inline]
    pub(crate) fn products(&self, index: usize, other: &Sketch<'_>, others: [usize; DIRECTIONS]) -> [f64; DIRECTIONS] {
        let [dots] = dots([self.vector(index)], others.map(|other_index| other.vector(other_index)));
        let scale = f64::from(self.roundings[index].scale);
        std::array::from_fn(|d| f64::from(dots[d]) * (scale * f64::from(other.roundings[others[d]].scale)))
    }

    /// Add to `sums` the squared products of a few rows with the directions of a range, for each row from its own first
    /// direction.
    pub(crate) fn add_squares(
        &self,
        rows: [usize; ROWS],
        directions: &Sketch<'_>,
        range: Range<usize>,
        firsts: [usize; ROWS],
        sums: &mut [f64; ROWS],
    ) {
        let vectors = rows.map(|row| self.vector(row));
        let first = firsts.into_iter().fold(range.end, usize::min).max(range.start);
        let squares = squares(vectors, directions, first..range.end, firsts);
        for r in 0..ROWS {
            sums[r] += squares[r] * f64::from(self.roundings[rows[r]].scale).powi(2);
        }
    }

    /// Products of the integers of consecutive vectors with those of all vectors of another sketch, of which there must
    /// be a multiple of `DIRECTIONS`, one vector after the other.
    pub(crate) fn integer_products(&self, vectors: Range<usize>, others: &Sketch<'_>, out: &mut [i32]) {
        #[cfg(target_arch = "x86_64")]
        if level() >= Level::Avx512 {
            // SAFETY: the processor has the features that the function is compiled for.
            return unsafe { integer_products_avx512(self, vectors, others, out) };
        }
        integer_products_body(self, vectors, others, out, narrow_dots);
    }

    /// Up to `DIRECTIONS` vectors from `start`, padded with the last one before `end`.
    #[inline]
    fn few(&self, start: usize, end: usize) -> [&[i16]; DIRECTIONS] {
        std::array::from_fn(|d| self.vector((start + d).min(end - 1)))
    }

    /// The squared scales of these vectors; zero for padding.
    #[inline]
    fn weights(&self, start: usize, end: usize) -> [f64; DIRECTIONS] {
        let weight = |index: usize| f64::from(self.roundings[index].scale).powi(2);
        std::array::from_fn(|d| if start + d < end { weight(start + d) } else { 0.0 })
    }

    /// Prefetch a vector into the cache.
    #[inline]
    pub(crate) fn prefetch(&self, index: usize) {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            for line in self.vector(index).chunks(32) {
                // SAFETY: a prefetch reads nothing and faults on nothing.
                unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = index;
    }
}

/// Consecutive vectors of a sketch.
pub(crate) struct SketchPart<'a> {
    padded: usize,
    integers: &'a mut [i16],
    roundings: &'a mut [Rounding],
}

impl SketchPart<'_> {
    /// Round `y`, whose length is `norm`, into a zero vector.
    pub(crate) fn set(&mut self, index: usize, y: &[f64], norm: f64) {
        let integers = &mut self.integers[index * self.padded..(index + 1) * self.padded];
        self.roundings[index] = round(y, norm, integers);
    }
}

/// Round `y`, whose length is `norm`, to integers.
fn round(y: &[f64], norm: f64, integers: &mut [i16]) -> Rounding {
    if !(1e-30..1e40).contains(&norm) {
        // The scale would not fit into float32. All integers are zero, and the error is the whole length.
        return Rounding { scale: 0.0, error: above(norm) };
    }
    round_within_range(y, norm, integers)
}

for_this_processor! {
    /// [`round`] for lengths whose scale fits into float32.
    #[inline]
    fn round_within_range(y: &[f64], norm: f64, integers: &mut [i16]) -> Rounding = round_body
}

#[inline(always)]
fn round_body(y: &[f64], norm: f64, integers: &mut [i16]) -> Rounding {
    // Adding 1.5 * 2^52 rounds to the nearest integer, which is then in the low bits.
    const MAGIC: f64 = 6_755_399_441_055_744.0;
    const PARTS: usize = 8;
    let mut largest = [0.0_f64; PARTS];
    let parts = y.chunks_exact(PARTS);
    let rest = parts.remainder();
    for y in parts {
        for k in 0..PARTS {
            largest[k] = if y[k].abs() > largest[k] { y[k].abs() } else { largest[k] };
        }
    }
    let largest = largest.iter().chain(rest).fold(0.0, |largest: f64, y| largest.max(y.abs()));
    let scale = f64::from((norm / NORM).max(largest / f64::from(i16::MAX - 1)) as f32);
    let inverse = 1.0 / scale;
    let round_one = |y: f64, error: &mut f64| {
        let shifted = y * inverse + MAGIC;
        let missed = y - (shifted - MAGIC) * scale;
        *error += missed * missed;
        shifted.to_bits() as i16
    };
    let mut errors = [0.0; PARTS];
    let (whole, last) = integers.split_at_mut(y.len() - rest.len());
    for (q, y) in whole.chunks_exact_mut(PARTS).zip(y.chunks_exact(PARTS)) {
        for k in 0..PARTS {
            q[k] = round_one(y[k], &mut errors[k]);
        }
    }
    for ((q, &y), error) in last.iter_mut().zip(rest).zip(&mut errors) {
        *q = round_one(y, error);
    }
    Rounding { scale: scale as f32, error: above(errors.iter().sum::<f64>().sqrt()) }
}

/// An upper bound of the non-negative `x` in float32, which also covers the rounding errors in `x` itself.
fn above(x: f64) -> f32 {
    (x * (1.0 + 1e-6) + 1e-30) as f32
}

/// Directions that stay in the first level cache while rows stream past.
const NEAR: usize = 4 * DIRECTIONS;

#[inline(always)]
fn integer_products_body(
    rows: &Sketch<'_>,
    range: Range<usize>,
    directions: &Sketch<'_>,
    out: &mut [i32],
    dots: impl Fn([&[i16]; ROWS], [&[i16]; DIRECTIONS]) -> [[i32; DIRECTIONS]; ROWS],
) {
    let width = directions.len();
    for near in (0..width).step_by(NEAR) {
        for (start, out) in range.clone().step_by(ROWS).zip(out.chunks_mut(ROWS * width)) {
            let few = rows.few(start, range.end);
            for first in (near..width.min(near + NEAR)).step_by(DIRECTIONS) {
                let dots = dots(few, directions.few(first, width));
                for (out, dots) in out.chunks_exact_mut(width).zip(&dots) {
                    if let Some(out) = out[first..].first_chunk_mut() {
                        *out = *dots;
                    }
                }
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni,avx2,fma")]
fn integer_products_avx512(rows: &Sketch<'_>, range: Range<usize>, directions: &Sketch<'_>, out: &mut [i32]) {
    integer_products_body(rows, range, directions, out, |rows, directions| dots_avx512(rows, directions).map(numbers));
}

/// For each row the sum of its squared products with the directions of a range, from the first direction of the row, in
/// units of the squared scale of the row.
fn squares(rows: [&[i16]; ROWS], directions: &Sketch<'_>, range: Range<usize>, firsts: [usize; ROWS]) -> [f64; ROWS] {
    #[cfg(target_arch = "x86_64")]
    if level() >= Level::Avx512 {
        // SAFETY: the processor has the features that the function is compiled for.
        return unsafe { squares_avx512(rows, directions, range, firsts) };
    }
    squares_body(rows, directions, range, firsts)
}

fn squares_body(
    rows: [&[i16]; ROWS],
    directions: &Sketch<'_>,
    range: Range<usize>,
    firsts: [usize; ROWS],
) -> [f64; ROWS] {
    let mut squares = [0.0; ROWS];
    for start in range.clone().step_by(DIRECTIONS) {
        let (others, weights) = (directions.few(start, range.end), directions.weights(start, range.end));
        let dots = narrow_dots(rows, others);
        for r in 0..ROWS {
            for d in 0..DIRECTIONS {
                let product = f64::from(dots[r][d]);
                squares[r] += if start + d >= firsts[r] { product * product * weights[d] } else { 0.0 };
            }
        }
    }
    squares
}

/// [`squares`] entirely in registers: with few features the work after the products takes as long as the products.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni,avx2,fma")]
fn squares_avx512(
    rows: [&[i16]; ROWS],
    directions: &Sketch<'_>,
    range: Range<usize>,
    firsts: [usize; ROWS],
) -> [f64; ROWS] {
    use std::arch::x86_64::{
        _mm256_castps256_ps128, _mm256_cvtepi32_pd, _mm256_cvtps_pd, _mm256_fmadd_pd, _mm256_loadu_pd, _mm256_loadu_ps,
        _mm256_mul_pd, _mm256_permutevar8x32_ps, _mm256_setr_epi32, _mm256_setzero_pd, _mm256_storeu_pd,
    };
    let last = firsts.into_iter().fold(0, usize::max);
    let mut sums = [_mm256_setzero_pd(); ROWS];
    for start in range.clone().step_by(DIRECTIONS) {
        let dots = dots_avx512(rows, directions.few(start, range.end));
        let all = &directions.roundings[start..range.end.min(start + DIRECTIONS)];
        let weights = if start >= last && all.len() == DIRECTIONS {
            // Scales and errors alternate. Writing the numbers one by one would stall the load.
            // SAFETY: there are four pairs of them.
            let pairs = unsafe { _mm256_loadu_ps(all.as_ptr().cast()) };
            let scales = _mm256_permutevar8x32_ps(pairs, _mm256_setr_epi32(0, 2, 4, 6, 0, 0, 0, 0));
            let scales = _mm256_cvtps_pd(_mm256_castps256_ps128(scales));
            [_mm256_mul_pd(scales, scales); ROWS]
        } else {
            let weights = directions.weights(start, range.end);
            firsts.map(|first| {
                let own: [f64; DIRECTIONS] = std::array::from_fn(|d| if start + d >= first { weights[d] } else { 0.0 });
                // SAFETY: there are four weights.
                unsafe { _mm256_loadu_pd(own.as_ptr()) }
            })
        };
        for r in 0..ROWS {
            let products = _mm256_cvtepi32_pd(dots[r]);
            sums[r] = _mm256_fmadd_pd(_mm256_mul_pd(products, products), weights[r], sums[r]);
        }
    }
    sums.map(|sums| {
        let mut parts = [0.0; DIRECTIONS];
        // SAFETY: there is room for four numbers.
        unsafe { _mm256_storeu_pd(parts.as_mut_ptr(), sums) };
        parts.iter().sum()
    })
}

/// Products of a few rows with a few directions. A single row gains nothing from AVX-512: the sums of its lanes take
/// longer, and there are few products between them.
#[inline]
fn dots<const R: usize>(rows: [&[i16]; R], directions: [&[i16]; DIRECTIONS]) -> [[i32; DIRECTIONS]; R] {
    #[cfg(target_arch = "x86_64")]
    if R > 1 && level() >= Level::Avx512 {
        // SAFETY: the processor has the features that the function is compiled for.
        return unsafe { dots_avx512(rows, directions) }.map(numbers);
    }
    narrow_dots(rows, directions)
}

/// [`dots`] without AVX-512.
fn narrow_dots<const R: usize>(rows: [&[i16]; R], directions: [&[i16]; DIRECTIONS]) -> [[i32; DIRECTIONS]; R] {
    #[cfg(target_arch = "x86_64")]
    if level() >= Level::Avx2 {
        // SAFETY: the processor has the feature that the function is compiled for.
        return unsafe { dots_avx2(rows, directions) };
    }
    dots_body(rows, directions)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni,avx2,fma")]
#[inline]
fn dots_avx512<const R: usize>(rows: [&[i16]; R], directions: [&[i16]; DIRECTIONS]) -> [std::arch::x86_64::__m128i; R] {
    use std::arch::x86_64::{
        _mm256_add_epi32, _mm512_castsi512_si256, _mm512_dpwssd_epi32, _mm512_extracti64x4_epi64,
        _mm512_maskz_loadu_epi16, _mm512_setzero_si512,
    };
    let len = rows.iter().chain(&directions).map(|v| v.len()).min().unwrap_or(0);
    let mut sums = [[_mm512_setzero_si512(); DIRECTIONS]; R];
    let mut add = |start: usize, mask: u32| {
        // SAFETY: from `start` on each vector has as many elements as the mask has bits, and no other is read.
        let load = |v: &[i16]| unsafe { _mm512_maskz_loadu_epi16(mask, v.as_ptr().add(start)) };
        let x = rows.map(load);
        for d in 0..DIRECTIONS {
            let w = load(directions[d]);
            for r in 0..R {
                sums[r][d] = _mm512_dpwssd_epi32(sums[r][d], x[r], w);
            }
        }
    };
    let whole = len / (2 * WIDTH) * (2 * WIDTH);
    (0..whole).step_by(2 * WIDTH).for_each(|start| add(start, u32::MAX));
    if whole < len {
        add(whole, u32::MAX >> (2 * WIDTH - (len - whole)));
    }
    sums.map(|sums| {
        let halves = sums.map(|s| _mm256_add_epi32(_mm512_castsi512_si256(s), _mm512_extracti64x4_epi64::<1>(s)));
        sums_of_lanes(halves)
    })
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn dots_avx2<const R: usize>(rows: [&[i16]; R], directions: [&[i16]; DIRECTIONS]) -> [[i32; DIRECTIONS]; R] {
    let mut out = [[0; DIRECTIONS]; R];
    let (pairs, last) = rows.as_chunks::<AVX2_ROWS>();
    for (pair, out) in pairs.iter().zip(out.chunks_exact_mut(AVX2_ROWS)) {
        out.copy_from_slice(&tile_avx2(*pair, directions));
    }
    for (&row, out) in last.iter().zip(out.iter_mut().skip(R - last.len())) {
        [*out] = tile_avx2([row], directions);
    }
    out
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn tile_avx2<const R: usize>(rows: [&[i16]; R], directions: [&[i16]; DIRECTIONS]) -> [[i32; DIRECTIONS]; R] {
    use std::arch::x86_64::{_mm256_add_epi32, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_setzero_si256};
    let steps = rows.iter().chain(&directions).map(|v| v.len()).min().unwrap_or(0) / WIDTH;
    let mut sums = [[_mm256_setzero_si256(); DIRECTIONS]; R];
    for step in 0..steps {
        // SAFETY: every vector has WIDTH elements for each step.
        let load = |v: &[i16]| unsafe { _mm256_loadu_si256(v.as_ptr().add(step * WIDTH).cast()) };
        let x = rows.map(load);
        for d in 0..DIRECTIONS {
            let w = load(directions[d]);
            for r in 0..R {
                sums[r][d] = _mm256_add_epi32(sums[r][d], _mm256_madd_epi16(x[r], w));
            }
        }
    }
    sums.map(|sums| numbers(sums_of_lanes(sums)))
}

/// The sum of the lanes of each register.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
#[inline]
fn sums_of_lanes([a, b, c, d]: [std::arch::x86_64::__m256i; DIRECTIONS]) -> std::arch::x86_64::__m128i {
    use std::arch::x86_64::{_mm_add_epi32, _mm256_castsi256_si128, _mm256_extracti128_si256, _mm256_hadd_epi32};
    let pairs = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
    _mm_add_epi32(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256::<1>(pairs))
}

/// The four numbers of a register.
#[cfg(target_arch = "x86_64")]
fn numbers(lanes: std::arch::x86_64::__m128i) -> [i32; DIRECTIONS] {
    use std::arch::x86_64::_mm_storeu_si128;
    let mut out = [0; DIRECTIONS];
    // SAFETY: there is room for the four sums.
    unsafe { _mm_storeu_si128(out.as_mut_ptr().cast(), lanes) };
    out
}

fn dots_body<const R: usize>(rows: [&[i16]; R], directions: [&[i16]; DIRECTIONS]) -> [[i32; DIRECTIONS]; R] {
    let dot = |x: &[i16], w: &[i16]| x.iter().zip(w).map(|(&x, &w)| i32::from(x) * i32::from(w)).sum();
    rows.map(|x| directions.map(|w| dot(x, w)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn products_are_within_the_errors_that_are_stated(
            dim in 1_usize..70, count in 1_usize..9, seed in 0_u32..1000, size in -12..12_i32, peaked in any::<bool>(),
        ) {
            let vector = |v: usize| -> Vec<f64> {
                let value = |k: usize| (f64::from(seed) + v as f64 * 91.7 + k as f64 * 1.3).sin();
                let value = |k: usize| if peaked && k > 0 { 1e-3 * value(k) } else { value(k) };
                (0..dim).map(|k| value(k) * 10_f64.powi(size)).collect()
            };
            let norm = |y: &[f64]| y.iter().map(|y| y * y).sum::<f64>().sqrt();
            let (mut rows, mut directions) = (Sketch::new(dim), Sketch::new(dim));
            (0..ROWS).for_each(|r| rows.push(&vector(r)));
            (0..count).for_each(|d| directions.push(&vector(100 + d)));
            let firsts = std::array::from_fn(|r| r * count / ROWS);
            let mut sums = [0.0; ROWS];
            rows.add_squares(std::array::from_fn(|r| r), &directions, 0..count, firsts, &mut sums);
            (0..count.next_multiple_of(DIRECTIONS) - count).for_each(|_| directions.push(&vec![0.0; dim]));
            let mut products = vec![0; ROWS * directions.len()];
            rows.integer_products(0..ROWS, &directions, &mut products);
            for (r, products) in products.chunks(directions.len()).enumerate() {
                for (d, &product) in products.iter().enumerate() {
                    let exact: i32 = rows.vector(r).iter().zip(directions.vector(d)).map(|(&x, &w)| i32::from(x) * i32::from(w)).sum();
                    prop_assert_eq!(product, exact);
                }
            }
            let vectors = std::array::from_fn(|r| rows.vector(r));
            let fast = squares(vectors, &directions, 0..count, firsts);
            let plain = squares_body(vectors, &directions, 0..count, firsts);
            for r in 0..ROWS {
                prop_assert!((fast[r] - plain[r]).abs() <= 1e-14 * plain[r]);
                let y = vector(r);
                let (mut exact, mut errors) = (0.0, 0.0);
                for d in firsts[r]..count {
                    let w = vector(100 + d);
                    exact += y.iter().zip(&w).map(|(a, b)| a * b).sum::<f64>().powi(2);
                    errors += norm(&y) * directions.error(d) + rows.error(r) * (norm(&w) + directions.error(d));
                }
                prop_assert!((sums[r].sqrt() - exact.sqrt()).abs() <= errors * (1.0 + 1e-9) + 1e-12 * exact.sqrt());
                prop_assert!(rows.error(r) <= norm(&y) * 0.5 * (dim as f64).sqrt() / 32_000.0 + 1e-29);
            }
        }
    }

    #[test]
    fn kernels_agree_at_the_largest_values() {
        for len in [WIDTH, 2 * WIDTH, 5 * WIDTH] {
            let vector = |sign: i16| -> Vec<i16> {
                (0..len).map(|k| if k == len - 13 { sign * 32_000 } else { sign * 3_000 + k as i16 }).collect()
            };
            let (a, b) = (vector(1), vector(-1));
            let (rows, directions) = ([&a[..], &b, &a], [&b[..], &a, &b, &a]);
            let expected = dots_body(rows, directions);
            assert_eq!(dots(rows, directions), expected);
            #[cfg(target_arch = "x86_64")]
            if level() >= Level::Avx2 {
                // SAFETY: the processor has the feature.
                assert_eq!(unsafe { dots_avx2(rows, directions) }, expected);
            }
        }
    }
}
