//! Several numbers at once, in arrays whose loops the compiler turns into vector instructions.

use std::marker::PhantomData;
use std::ops::{Add, Mul, Sub};

use super::number::Number;

/// Number of centres that a kernel handles at once: two 256-bit registers, so that two independent sums hide the
/// latency of each other.
pub(crate) const LANES: usize = 8;

/// One number per lane, in memory.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C, align(32))]
pub(crate) struct Pack(pub(crate) [f64; LANES]);

impl Pack {
    pub(crate) const ZERO: Self = Self([0.0; LANES]);

    /// Sum over the lanes, first to last.
    #[inline(always)]
    pub(crate) fn sum(self) -> f64 {
        self.0.iter().sum()
    }

    /// The first four numbers (index 0), or the last four (index 1).
    #[inline(always)]
    pub(crate) fn part(&self, index: usize) -> Quad {
        Quad(std::array::from_fn(|k| self.0[index * QUAD + k]))
    }

    /// Sets the first four numbers (index 0), or the last four (index 1).
    #[inline(always)]
    pub(crate) fn set_part(&mut self, index: usize, quad: Quad) {
        self.0[index * QUAD..][..QUAD].copy_from_slice(&quad.0);
    }
}

/// Numbers of one 256-bit register.
pub(crate) const QUAD: usize = 4;

/// Four numbers that one instruction loads.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C, align(32))]
pub(crate) struct Quad(pub(crate) [f64; QUAD]);

impl Quad {
    pub(crate) const ZERO: Self = Self([0.0; QUAD]);

    /// `self + row * factor`
    #[inline(always)]
    pub(crate) fn plus_scaled<A: Arithmetic>(self, row: Self, factor: f64) -> Self {
        let mut out = [0.0; QUAD];
        for k in 0..QUAD {
            out[k] = A::mul_add(row.0[k], factor, self.0[k]);
        }
        Self(out)
    }

    /// `self * factor`
    #[inline(always)]
    pub(crate) fn scaled(self, factor: f64) -> Self {
        Self(self.0.map(|number| number * factor))
    }

    /// `self * other`, number by number.
    #[inline(always)]
    pub(crate) fn times(self, other: Self) -> Self {
        Self(std::array::from_fn(|k| self.0[k] * other.0[k]))
    }

    /// `self + other`
    #[inline(always)]
    pub(crate) fn plus(self, other: Self) -> Self {
        Self(std::array::from_fn(|k| self.0[k] + other.0[k]))
    }

    /// `self + a * b`, number by number.
    #[inline(always)]
    pub(crate) fn plus_product<A: Arithmetic>(self, a: Self, b: Self) -> Self {
        let mut out = [0.0; QUAD];
        for k in 0..QUAD {
            out[k] = A::mul_add(a.0[k], b.0[k], self.0[k]);
        }
        Self(out)
    }
}

/// The numbers of some quads as one slice.
#[inline(always)]
pub(crate) fn numbers(quads: &[Quad]) -> &[f64] {
    // SAFETY: a `Quad` is four numbers and nothing else, and the borrow is handed on whole.
    unsafe { std::slice::from_raw_parts(quads.as_ptr().cast(), QUAD * quads.len()) }
}

/// Number of quads of a [`Row`]. Sums of three rows take 12 of the 16 vector registers of AVX2.
pub(crate) const WIDTH: usize = 4;

/// `WIDTH` times `QUAD` consecutive entries of a row of a matrix.
pub(crate) type Row = [Quad; WIDTH];

/// For each lane, its four numbers in four packs.
#[inline(always)]
pub(crate) fn transpose(packs: &[Pack]) -> [Quad; LANES] {
    let [a, b, c, d] = [packs[0].0, packs[1].0, packs[2].0, packs[3].0];
    std::array::from_fn(|lane| Quad([a[lane], b[lane], c[lane], d[lane]]))
}

/// Multiplication and addition, with one rounding or two.
pub(crate) trait Arithmetic: Copy {
    fn mul_add(a: f64, b: f64, c: f64) -> f64;
}

/// One instruction and one rounding; slow in functions that are not compiled for processors with that instruction.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fused;

impl Arithmetic for Fused {
    #[inline(always)]
    fn mul_add(a: f64, b: f64, c: f64) -> f64 {
        a.mul_add(b, c)
    }
}

/// A multiplication and an addition, each rounded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Separate;

impl Arithmetic for Separate {
    #[inline(always)]
    fn mul_add(a: f64, b: f64, c: f64) -> f64 {
        a * b + c
    }
}

/// One number per lane, with arithmetic.
#[derive(Debug, Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Lanes<A>(pub(crate) Pack, PhantomData<A>);

impl<A: Arithmetic> Lanes<A> {
    #[inline(always)]
    fn new(values: [f64; LANES]) -> Self {
        Self(Pack(values), PhantomData)
    }

    /// Triples of packs in place, with arithmetic.
    #[inline(always)]
    pub(crate) fn triples(packs: &mut [[Pack; 3]]) -> &mut [[Self; 3]] {
        // SAFETY: `Lanes` is a transparent wrapper of `Pack`, and the borrow is handed on whole.
        unsafe { &mut *(std::ptr::from_mut(packs) as *mut [[Self; 3]]) }
    }

    /// Packs in place, with arithmetic.
    #[inline(always)]
    pub(crate) fn of(packs: &mut [Pack]) -> &mut [Self] {
        // SAFETY: `Lanes` is a transparent wrapper of `Pack`, and the borrow is handed on whole.
        unsafe { &mut *(std::ptr::from_mut(packs) as *mut [Self]) }
    }

    #[inline(always)]
    fn zip(self, other: Self, f: impl Fn(f64, f64) -> f64) -> Self {
        let (a, b) = (self.0.0, other.0.0);
        let mut out = [0.0; LANES];
        for k in 0..LANES {
            out[k] = f(a[k], b[k]);
        }
        Self::new(out)
    }

    /// Square root.
    #[inline(always)]
    pub(crate) fn sqrt(self) -> Self {
        self.zip(self, |a, _| a.sqrt())
    }
}

impl<A> From<Pack> for Lanes<A> {
    #[inline(always)]
    fn from(pack: Pack) -> Self {
        Self(pack, PhantomData)
    }
}

impl<A: Arithmetic> Add for Lanes<A> {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }
}

impl<A: Arithmetic> Sub for Lanes<A> {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }
}

impl<A: Arithmetic> Mul for Lanes<A> {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }
}

impl<A: Arithmetic> Number for Lanes<A> {
    #[inline(always)]
    fn splat(value: f64) -> Self {
        Self::new([value; LANES])
    }
    #[inline(always)]
    fn mul_add(self, factor: Self, term: Self) -> Self {
        let (a, b, c) = (self.0.0, factor.0.0, term.0.0);
        let mut out = [0.0; LANES];
        for k in 0..LANES {
            out[k] = A::mul_add(a[k], b[k], c[k]);
        }
        Self::new(out)
    }
    #[inline(always)]
    fn recip(self) -> Self {
        self.zip(self, |a, _| 1.0 / a)
    }
}
