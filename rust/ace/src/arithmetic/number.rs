//! The arithmetic of the formulas, which are written once for numbers, vector lanes and derivatives.

use std::ops::{Add, Mul, Sub};

/// A type that formulas are evaluated with.
pub(crate) trait Number: Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> {
    /// A constant.
    fn splat(value: f64) -> Self;
    /// `self * factor + term`.
    fn mul_add(self, factor: Self, term: Self) -> Self;
    /// `1 / self`.
    fn recip(self) -> Self;

    /// `slope * self + shift`, where both are constants.
    #[inline(always)]
    fn affine(self, slope: f64, shift: f64) -> Self {
        Self::splat(slope).mul_add(self, Self::splat(shift))
    }

    /// `factor * self`, where `factor` is a constant.
    #[inline(always)]
    fn scaled(self, factor: f64) -> Self {
        Self::splat(factor) * self
    }

    /// `self` to a small constant power.
    #[inline(always)]
    fn power(self, exponent: u32) -> Self {
        let mut product = Self::splat(1.0);
        for _ in 0..exponent {
            product = product * self;
        }
        product
    }
}

impl Number for f64 {
    #[inline(always)]
    fn splat(value: f64) -> Self {
        value
    }
    #[inline(always)]
    fn mul_add(self, factor: Self, term: Self) -> Self {
        self * factor + term
    }
    #[inline(always)]
    fn recip(self) -> Self {
        1.0 / self
    }
}
