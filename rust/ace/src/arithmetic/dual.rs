//! Forward-mode differentiation: a formula evaluated with a [`Dual`] gives its value and its derivative.

use std::ops::{Add, Mul, Sub};

use super::number::Number;

/// A value and its derivative.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dual<T> {
    pub(crate) value: T,
    pub(crate) slope: T,
}

impl<T: Number> Dual<T> {
    /// The variable of differentiation: its slope is 1.
    #[inline(always)]
    pub(crate) fn variable(value: T) -> Self {
        Self { value, slope: T::splat(1.0) }
    }

    /// A number that does not depend on the variable: its slope is 0.
    #[inline(always)]
    pub(crate) fn constant(value: T) -> Self {
        Self { value, slope: T::splat(0.0) }
    }

    /// `self + factor * other`, where `factor` does not depend on the variable.
    #[inline(always)]
    pub(crate) fn plus_scaled(self, factor: T, other: Self) -> Self {
        Self { value: factor.mul_add(other.value, self.value), slope: factor.mul_add(other.slope, self.slope) }
    }
}

impl<T: Number> From<T> for Dual<T> {
    #[inline(always)]
    fn from(value: T) -> Self {
        Self::constant(value)
    }
}

impl<T: Number> Add for Dual<T> {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self { value: self.value + other.value, slope: self.slope + other.slope }
    }
}

impl<T: Number> Sub for Dual<T> {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self { value: self.value - other.value, slope: self.slope - other.slope }
    }
}

impl<T: Number> Mul for Dual<T> {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        Self { value: self.value * other.value, slope: self.slope.mul_add(other.value, self.value * other.slope) }
    }
}

impl<T: Number> Number for Dual<T> {
    #[inline(always)]
    fn splat(value: f64) -> Self {
        Self::constant(T::splat(value))
    }
    #[inline(always)]
    fn mul_add(self, factor: Self, term: Self) -> Self {
        Self {
            value: self.value.mul_add(factor.value, term.value),
            slope: self.slope.mul_add(factor.value, self.value.mul_add(factor.slope, term.slope)),
        }
    }
    #[inline(always)]
    fn recip(self) -> Self {
        let value = self.value.recip();
        Self { value, slope: T::splat(-1.0) * self.slope * value * value }
    }
    #[inline(always)]
    fn affine(self, slope: f64, shift: f64) -> Self {
        Self { value: self.value.affine(slope, shift), slope: self.slope.scaled(slope) }
    }
    #[inline(always)]
    fn scaled(self, factor: f64) -> Self {
        Self { value: self.value.scaled(factor), slope: self.slope.scaled(factor) }
    }
}
