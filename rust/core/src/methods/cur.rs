//! CUR: the leverage of rows in the leading right singular directions of the features, and picks by leverage.
//!
//! The leverage of a row x in the span of the first k right singular vectors V_k of all rows X = U S V^T is the squared
//! length of its row of U_k, `|S_k^-1 V_k^T x|^2` (Mahoney and Drineas 2009). Only the smaller of the two Gram matrices
//! of X is computed: `X^T X` gives the directions `V_k S_k^-1`, `X X^T` gives the rows of U_k.

use std::collections::BTreeSet;

use faer::Mat;

use crate::data::groups::Groups;
use crate::data::rows::{Rows, View};
use crate::data::scaling::{Scaled, standard_scales};
use crate::distance::Scale;
use crate::error::{Error, Result};
use crate::greedy::tie_limit;
use crate::linalg::spectrum::Spectrum;
use crate::linalg::{Panels, gram, quadratic_forms, single_gram, single_quadratic_forms};

/// Smallest share of the sum of squares that the directions of the effective rank hold.
const EFFECTIVE: f64 = 0.999;
/// The smallest squared singular value, relative to the largest, that is taken from a Gram matrix, whose rounding
/// errors are near 1e-16 on the same scale.
const RESOLVED: f64 = 1e-8;
/// The same for a Gram matrix of products in float32, whose rounding errors are near 1e-9.
const RESOLVED_SINGLE: f64 = 3e-6;
/// Number of elements above which float32 features are multiplied in float32: with many rows, rounding averages out.
const LARGE: usize = 1 << 22;
/// Mean squares of the features for which products in float32 neither overflow nor vanish.
const RANGE_SINGLE: std::ops::Range<f64> = 1e-20..1e20;
/// Largest relative error of the sum of the leverages if they are computed in float32.
const AGREED_SINGLE: f64 = 1e-5;

/// The directions of the features that count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Leverage {
    /// The fewest leading directions that hold 99.9 % of the sum of squares.
    EffectiveRank,
    /// The given number of leading directions.
    Rank(usize),
    /// All directions, damped if the features are small in them: `x^T (X^T X + lambda I)^-1 x`, where lambda is the
    /// given number times the mean square of the features.
    Ridge(f64),
}

/// The leverage of every row, or of every group of rows.
#[derive(Clone, Debug)]
pub struct LeverageScores {
    /// The leverage of each row, or its sum over each group.
    pub values: Vec<f64>,
    /// Number of directions that count; with a ridge, the smaller of the numbers of rows and features.
    pub rank: usize,
    /// Their share of the sum of the squares of all features.
    pub explained: f64,
}

/// The leverage of every row of a pool, in the directions of the features of pool and core together.
///
/// With groups, leverages are summed over the rows of each group. With [`Scale::Standard`], columns are first divided
/// by their standard deviations.
///
/// # Errors
/// [`Error::EmptyPool`], [`Error::Dimension`] if core and pool differ in width, [`Error::NotFinite`] (which names the
/// group, if there are groups), [`Error::Shape`] if the groups do not match the rows, [`Error::Parameter`] for a rank
/// outside 1 to the number of rows or features or a ridge that is not positive, [`Error::Rank`] if the features have no
/// such rank.
pub fn leverage(
    pool: &dyn Rows,
    groups: Option<&Groups>,
    core: Option<&dyn Rows>,
    kind: Leverage,
    scale: Scale,
) -> Result<LeverageScores> {
    if pool.is_empty() {
        return Err(Error::EmptyPool);
    }
    if let Some(groups) = groups.filter(|groups| groups.rows() != pool.len()) {
        return Err(Error::Shape(format!("the offsets describe {} rows, given {}", groups.rows(), pool.len())));
    }
    let mut matrices = vec![("the pool", pool)];
    matrices.extend(core.map(|core| ("the core", core)));
    if let Some((what, rows)) = matrices.iter().find(|(_, rows)| rows.dim() != pool.dim()) {
        return Err(Error::Dimension { what, expected: pool.dim(), given: rows.dim() });
    }
    if pool.dim() == 0 {
        return Err(Error::Shape("the rows of the pool have no features".into()));
    }
    let count = matrices.iter().map(|(_, rows)| rows.len()).sum();
    check(kind, count, pool.dim())?;
    let mut scores = match scale {
        Scale::None => of_rows(&matrices, kind),
        Scale::Standard => standard_scales(&matrices).and_then(|scales| {
            let pool = Scaled::new(pool, &scales)?;
            let core = core.map(|core| Scaled::new(core, &scales)).transpose()?;
            let mut matrices: Vec<(&'static str, &dyn Rows)> = vec![("the pool", &pool)];
            matrices.extend(core.as_ref().map(|core| ("the core", core as &dyn Rows)));
            of_rows(&matrices, kind)
        }),
    }
    .map_err(|error| match (error, groups) {
        (Error::NotFinite { what: what @ "the pool", row }, Some(groups)) => {
            Error::NotFinite { what, row: groups.group_of(row) }
        }
        (error, _) => error,
    })?;
    if let Some(groups) = groups {
        scores.values = groups.sums(&scores.values);
    }
    Ok(scores)
}

fn check(kind: Leverage, count: usize, dim: usize) -> Result<()> {
    match kind {
        Leverage::Rank(rank) if rank == 0 || rank > count.min(dim) => Err(Error::Parameter {
            name: "rank",
            expected: "between 1 and the smaller of the numbers of rows and features",
            given: format!("{rank} for {count} rows of {dim} features"),
        }),
        Leverage::Ridge(ridge) if !(ridge > 0.0 && ridge.is_finite()) => {
            Err(Error::Parameter { name: "ridge", expected: "a number above 0", given: ridge.to_string() })
        }
        _ => Ok(()),
    }
}

/// The leverages of the rows of the first matrix.
fn of_rows(matrices: &[(&'static str, &dyn Rows)], kind: Leverage) -> Result<LeverageScores> {
    let (pool, count) = (matrices[0].1, matrices.iter().map(|(_, rows)| rows.len()).sum());
    match count < pool.dim() {
        true => few_rows(pool.len(), count, matrices, kind),
        false => many_rows(pool, count, matrices, kind),
    }
}

fn many_rows(
    pool: &dyn Rows,
    count: usize,
    matrices: &[(&'static str, &dyn Rows)],
    kind: Leverage,
) -> Result<LeverageScores> {
    if count * pool.dim() > LARGE {
        let singles: Option<Vec<Vec<View<'_, f32>>>> = matrices.iter().map(|(_, rows)| rows.singles()).collect();
        if let Some(scores) = singles.and_then(|singles| in_float32(&singles, count, kind)) {
            return Ok(scores);
        }
    }
    let weighted = Weighted::new(matrices, kind, count, pool.dim())?;
    let values = match weighted.directions() {
        Some(directions) => quadratic_forms(pool, &directions),
        None => vec![0.0; pool.len()],
    };
    Ok(weighted.scores(values))
}

/// The leverages from products in float32; `None` if these are not accurate enough.
fn in_float32(matrices: &[Vec<View<'_, f32>>], count: usize, kind: Leverage) -> Option<LeverageScores> {
    let dim = matrices.iter().flatten().next()?.dim();
    let gram = single_gram(matrices);
    let mean_square = (0..dim).map(|i| gram[(i, i)]).sum::<f64>() / (count * dim) as f64;
    if !RANGE_SINGLE.contains(&mean_square) {
        return None;
    }
    let weighted = Weighted::weigh(Spectrum::of_gram(&gram).ok()?, kind, count, dim);
    if !weighted.is_resolved(RESOLVED_SINGLE) {
        return None;
    }
    let directions = weighted.directions()?;
    let of_matrix = |parts: &Vec<View<'_, f32>>| -> Vec<f64> {
        parts.iter().flat_map(|rows| single_quadratic_forms(*rows, &directions)).collect()
    };
    let mut values: Vec<Vec<f64>> = matrices.iter().map(of_matrix).collect();
    // The sum of all leverages is known exactly, which shows the error of the sums in float32.
    let sum: f64 = values.iter().flatten().sum();
    let expected =
        weighted.spectrum.values.iter().zip(&weighted.squares).map(|(s, square)| s * s / square).sum::<f64>();
    ((sum - expected).abs() <= AGREED_SINGLE * expected).then(|| weighted.scores(values.swap_remove(0)))
}

/// The leverages if there are more features than rows, from the transpose of X, whose right singular vectors are the
/// left ones of X.
fn few_rows(
    pool: usize,
    count: usize,
    matrices: &[(&'static str, &dyn Rows)],
    kind: Leverage,
) -> Result<LeverageScores> {
    let dim = matrices[0].1.dim();
    let mut columns = vec![0.0; dim * count];
    let mut row = vec![0.0; dim];
    let mut zero = vec![true; count];
    let indices = matrices.iter().flat_map(|matrix| (0..matrix.1.len()).map(move |index| (matrix, index)));
    for (place, ((what, rows), index)) in indices.enumerate() {
        rows.read(index, &mut row);
        if row.iter().any(|x| !x.is_finite()) {
            return Err(Error::NotFinite { what, row: index });
        }
        zero[place] = row.iter().all(|&x| x == 0.0);
        row.iter().zip(columns.iter_mut().skip(place).step_by(count)).for_each(|(x, out)| *out = *x);
    }
    let columns = View::adjacent(&columns, count);
    let weighted = Weighted::new(&[("the features", &columns)], kind, dim, count)?;
    let Spectrum { vectors, values } = &weighted.spectrum;
    let share = |row: usize, j: usize| vectors[(row, j)].powi(2) * (values[j].powi(2) / weighted.squares[j]);
    // A row of zeros has no leverage, in spite of rounding errors.
    let leverage = |row: usize| if zero[row] { 0.0 } else { (0..weighted.rank()).map(|j| share(row, j)).sum() };
    Ok(weighted.scores((0..pool).map(leverage).collect()))
}

/// The directions that count, with the divisors of the squared products of a row with them.
struct Weighted {
    spectrum: Spectrum,
    squares: Vec<f64>,
    kind: Leverage,
}

impl Weighted {
    /// For `count` rows of at most as many features, `dim`.
    fn new(matrices: &[(&'static str, &dyn Rows)], kind: Leverage, count: usize, dim: usize) -> Result<Self> {
        let gram = gram(matrices)?;
        let weighted = Self::weigh(Spectrum::of_gram(&gram)?, kind, count, dim);
        let weighted = match weighted.is_resolved(RESOLVED) {
            true => weighted,
            false => Self::weigh(Spectrum::of_rows(matrices)?, kind, count, dim),
        };
        match kind {
            Leverage::Rank(asked) if asked > weighted.rank() => Err(Error::Rank { asked, available: weighted.rank() }),
            _ => Ok(weighted),
        }
    }

    fn weigh(spectrum: Spectrum, kind: Leverage, count: usize, dim: usize) -> Self {
        let squares: Vec<f64> = spectrum.values.iter().map(|s| s * s).collect();
        let total: f64 = squares.iter().sum();
        // Smaller singular values are rounding errors of the features.
        let noise = count as f64 * f64::EPSILON * spectrum.values[0];
        let numerical = spectrum.values.iter().take_while(|&&s| s > noise).count();
        let (rank, lambda) = match kind {
            Leverage::EffectiveRank => (effective_rank(&squares, total), 0.0),
            Leverage::Rank(rank) => (rank.min(numerical), 0.0),
            Leverage::Ridge(ridge) => (numerical, ridge * total / (count * dim) as f64),
        };
        let squares = squares[..rank].iter().map(|square| square + lambda).collect();
        Self { spectrum, squares, kind }
    }

    /// Number of directions that count.
    fn rank(&self) -> usize {
        self.squares.len()
    }

    /// Whether no requested direction is missing and all divisors are at least a fraction of the largest square.
    fn is_resolved(&self, fraction: f64) -> bool {
        let largest = self.spectrum.values[0].powi(2);
        let cut = matches!(self.kind, Leverage::Rank(asked) if asked > self.rank());
        !cut && self.squares.last().is_none_or(|&smallest| smallest >= fraction * largest)
    }

    /// Directions whose squared products with a row sum to its leverage; `None` if there are none.
    fn directions(&self) -> Option<Panels> {
        let vectors = self.spectrum.vectors.as_ref();
        let matrix = Mat::from_fn(vectors.nrows(), self.rank(), |i, j| vectors[(i, j)] / self.squares[j].sqrt());
        (self.rank() > 0).then(|| Panels::rotated(matrix.as_ref()))
    }

    fn scores(&self, values: Vec<f64>) -> LeverageScores {
        let rank = match self.kind {
            Leverage::Ridge(_) => self.spectrum.values.len(),
            Leverage::EffectiveRank | Leverage::Rank(_) => self.rank(),
        };
        let squares = |count: usize| self.spectrum.values[..count].iter().map(|s| s * s).sum::<f64>();
        let total = squares(self.spectrum.values.len());
        LeverageScores { values, rank, explained: if total > 0.0 { squares(rank) / total } else { 1.0 } }
    }
}

fn effective_rank(squares: &[f64], total: f64) -> usize {
    let held = squares.iter().scan(0.0, |held, square| {
        *held += square;
        Some(*held)
    });
    // One direction more than the largest number that holds too little, unless all features are zero.
    held.take_while(|&held| held < EFFECTIVE * total).count() + usize::from(total > 0.0)
}

/// The candidates in the order of their values, largest first, where candidate `i` has value `values[i]`. Values within
/// a relative 1e-12 of the largest that is left tie with it; of these, the lowest index is next.
///
/// # Errors
/// [`Error::Shape`] if a candidate has no value.
pub fn largest_first(candidates: &[usize], values: &[f64]) -> Result<Vec<usize>> {
    if let Some(index) = candidates.iter().find(|&&index| index >= values.len()) {
        return Err(Error::Shape(format!("candidate {index} has no value: {} are given", values.len())));
    }
    let mut sorted = candidates.to_vec();
    sorted.sort_unstable_by(|&a, &b| values[b].total_cmp(&values[a]).then(a.cmp(&b)));
    let (mut order, mut taken) = (Vec::with_capacity(sorted.len()), vec![false; sorted.len()]);
    // Candidates that tie with the largest value left, with their places in `sorted`.
    let mut tied = BTreeSet::new();
    let mut next = 0;
    for top in 0..sorted.len() {
        // Take candidates that tie with the largest value until it is taken itself.
        while !taken[top] {
            let limit = tie_limit(values[sorted[top]]);
            let joining = sorted[next..].iter().take_while(|&&index| values[index] >= limit).count();
            tied.extend((next..next + joining).map(|place| (sorted[place], place)));
            next += joining;
            let Some((index, place)) = tied.pop_first() else { break };
            taken[place] = true;
            order.push(index);
        }
    }
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_effective_rank_holds_its_share() {
        assert_eq!(effective_rank(&[999.5, 0.5], 1000.0), 1);
        assert_eq!(effective_rank(&[998.0, 1.0, 1.0], 1000.0), 2);
        assert_eq!(effective_rank(&[0.0, 0.0], 0.0), 0);
    }

    #[test]
    fn more_rank_than_there_is_gets_refused() {
        let data = [1.0, 2.0, 2.0, 4.0, -3.0, -6.0];
        let (tall, wide) = (View::new(&data, 3, 2).unwrap(), View::new(&data[..4], 1, 4).unwrap());
        let error = leverage(&tall, None, None, Leverage::Rank(2), Scale::None).unwrap_err();
        assert!(matches!(error, Error::Rank { asked: 2, available: 1 }), "{error}");
        for (rows, rank) in [(&tall, 0), (&tall, 3), (&wide, 2)] {
            let error = leverage(rows, None, None, Leverage::Rank(rank), Scale::None).unwrap_err();
            assert!(matches!(error, Error::Parameter { name: "rank", .. }), "{error}");
        }
    }

    #[test]
    fn the_largest_come_first_and_ties_go_to_the_lowest_index() {
        let values = [1.0, 3.0, 3.0 * (1.0 - 1e-13), 2.0, 3.0 * (1.0 + 1e-13), 0.0, 0.0];
        assert_eq!(largest_first(&[0, 1, 2, 3, 4, 5, 6], &values).unwrap(), [1, 2, 4, 3, 0, 5, 6]);
        assert_eq!(largest_first(&[6, 3, 4], &values).unwrap(), [4, 3, 6]);
        assert!(largest_first(&[7], &values).is_err());
    }
}
