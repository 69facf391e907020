//! The update of the numbers of a row by many observations, and the check of its score after each.

use mlipselect_simd::for_this_processor;

use super::direction::{Direction, rounded};
use super::numbers::{Limit, Number};
use super::rounded_pool::{FLOAT_ERROR, RoundedPool};
use crate::linalg::{LANES, Sketch};

/// What an update needs of the observations and of the limits.
pub(super) struct Pass {
    noise: f64,
    directions: Sketch<'static>,
    panels: Vec<Panel>,
    /// The largest limit.
    highest: f64,
    slack: Slack,
}

/// Some pairs of directions, padded with zeros.
struct Panel {
    /// What one is worth in the integers of `w` and `u`, and the lengths of the errors of these.
    scales: [[f64; LANES]; 2],
    errors: [[f64; LANES]; 2],
    wmw: [f64; LANES],
    /// The limit after each pair, infinite if there is none, and the lowest of them.
    limits: [f64; LANES],
    lowest: f64,
}

/// Bounds of `q(y)` and `r(y)` that are linear in `q(y')` and `r(y')`, since roots of all would take long: for any `c > 0`,
/// `2 sqrt(q) |delta| <= c q + |delta|^2 / c`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slack {
    variance: f64,
    numerator: f64,
}

impl Slack {
    /// The best slack for a row with an error `|delta|`, `q(y')`, and `r(y')` over the largest eigenvalue.
    pub(super) fn new(error: f64, variance: f64, numerator: f64) -> Self {
        let best = |number: f64| if number > 0.0 { (error / number.sqrt()).clamp(1e-9, 0.5) } else { 0.5 };
        Self { variance: best(variance), numerator: best(numerator) }
    }
}

impl Default for Slack {
    fn default() -> Self {
        Self { variance: 0.5, numerator: 0.5 }
    }
}

/// What an update needs of a row.
#[derive(Clone, Copy)]
pub(super) struct Row {
    scale: f64,
    length: f64,
    /// Factors of `r(y')` and `q(y')`, and a term beside them, in the bounds of [`Slack`].
    factor: f64,
    keep: f64,
    beside: f64,
}

impl Pass {
    /// Limits refer to numbers of directions below that of all.
    pub(super) fn new(noise: f64, observed: &[&Direction], limits: &[Limit], slack: Slack, dim: usize) -> Self {
        let directions = rounded(observed, dim);
        let mut of = vec![f64::INFINITY; observed.len().next_multiple_of(LANES)];
        limits.iter().for_each(|limit| of[limit.after - 1] = limit.score);
        let panel = |(p, limits): (usize, &[f64])| {
            let own = |l: usize| observed.get(p * LANES + l);
            let error = |half: usize, l: usize| {
                let length = own(l).map_or(0.0, |direction| direction.lengths[half]);
                directions.error((2 * p + half) * LANES + l) + FLOAT_ERROR * length
            };
            Panel {
                scales: std::array::from_fn(|half| {
                    std::array::from_fn(|l| directions.scale((2 * p + half) * LANES + l))
                }),
                errors: std::array::from_fn(|half| std::array::from_fn(|l| error(half, l))),
                wmw: std::array::from_fn(|l| own(l).map_or(0.0, |direction| direction.wmw)),
                limits: std::array::from_fn(|l| limits[l]),
                lowest: limits.iter().copied().fold(f64::INFINITY, f64::min),
            }
        };
        let panels = of.chunks(LANES).enumerate().map(panel).collect();
        let highest = limits.iter().map(|limit| limit.score).fold(0.0, f64::max);
        Self { noise, directions, panels, highest, slack }
    }

    /// The directions as integers; [`follow`] takes the products of a row with all of them.
    pub(super) fn directions(&self) -> &Sketch<'static> {
        &self.directions
    }

    #[inline]
    pub(super) fn row(&self, pool: &RoundedPool, row: usize) -> Row {
        let (length, error) = pool.size(row);
        let Slack { variance: v, numerator: n } = self.slack;
        let square = error * error;
        Row {
            scale: pool.sketch.scale(row),
            length,
            factor: 1.0 + n,
            keep: 1.0 - v,
            beside: (1.0 + 1.0 / n) * pool.largest * square + self.highest * (1.0 / v - 1.0) * square,
        }
    }

    /// Whether the score of a row may reach a limit.
    #[inline(always)]
    fn may_reach(&self, row: Row, number: Number, limit: f64) -> bool {
        let variance = self.noise + row.keep * (number.variance - number.variance_error);
        row.factor * (number.numerator + number.numerator_error) + row.beside >= limit * variance
    }
}

for_this_processor! {
    /// Update the number of a row from the products of its integers with those of all directions, and return the number
    /// of directions after which its score first may reach a limit.
    pub(super) fn follow(pass: &Pass, row: Row, products: &[i32], number: &mut Number) -> Option<usize>
        = follow_body, wide
}

#[inline(always)]
fn follow_body(pass: &Pass, row: Row, products: &[i32], number: &mut Number) -> Option<usize> {
    let mut suspect = None;
    for (p, (panel, products)) in pass.panels.iter().zip(products.as_chunks::<LANES>().0.as_chunks::<2>().0).enumerate()
    {
        let changes = changes(panel, row, products);
        let [variances, numerators, variance_errors, numerator_errors] = &changes;
        let sum = |numbers: &[f64; LANES]| numbers.iter().sum::<f64>();
        let end = number.less(Number {
            variance: sum(variances),
            numerator: sum(numerators),
            variance_error: sum(variance_errors),
            numerator_error: sum(numerator_errors),
        });
        // The score was never above the quotient of this number meanwhile.
        let rise = sum(&numerators.map(|fall| (-fall).max(0.0)));
        let bound = Number { numerator: number.numerator + rise, ..end };
        if suspect.is_none() && pass.may_reach(row, bound, panel.lowest) {
            suspect = first_reached(pass, row, panel, *number, &changes).map(|l| p * LANES + l + 1);
        }
        *number = end;
    }
    suspect
}

/// The changes of variance, numerator and their errors by each observation of a panel.
#[inline(always)]
fn changes(panel: &Panel, row: Row, products: &[[i32; LANES]; 2]) -> [[f64; LANES]; 4] {
    let mut out = [[0.0; LANES]; 4];
    for l in 0..LANES {
        let dot = |half: usize| row.scale * panel.scales[half][l] * f64::from(products[half][l]);
        let change = Number::change(
            [dot(0), dot(1)],
            [row.length * panel.errors[0][l], row.length * panel.errors[1][l]],
            panel.wmw[l],
        );
        out[0][l] = change.variance;
        out[1][l] = change.numerator;
        out[2][l] = change.variance_error;
        out[3][l] = change.numerator_error;
    }
    out
}

#[cold]
fn first_reached(
    pass: &Pass,
    row: Row,
    panel: &Panel,
    mut number: Number,
    changes: &[[f64; LANES]; 4],
) -> Option<usize> {
    (0..LANES).find(|&l| {
        let [variance, numerator, variance_error, numerator_error] = changes.each_ref().map(|change| change[l]);
        number = number.less(Number { variance, numerator, variance_error, numerator_error });
        pass.may_reach(row, number, panel.limits[l])
    })
}
