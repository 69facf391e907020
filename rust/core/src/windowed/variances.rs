//! Bounds of the variances of rows, from rows rounded to 16-bit integers that are kept in a temporary file.
//!
//! The decrease of a variance by picks is bounded from the rounded rows, in the coordinates of the posterior at
//! rounding, the base. If rounding leaves the bounds of a block too high, the block is rounded again with a new base.

use std::collections::BTreeMap;

use super::bounded::Bounds;
use super::candidates::Candidates;
use super::rounded_file::RoundedFile;
use super::windows::{Known, News};
use crate::bayes::posterior::Posterior;
use crate::data::rows::Rows;
use crate::data::spans::Span;
use crate::error::{Error, Result};
use crate::scores::variance_bounds::{Progress, RoundedRows, VarianceBounds};

/// If rounding may have raised a bound by more than this fraction of it, the block is rounded again.
const DOUBT: f64 = 0.1;
/// Number of strata in a guess: rows with similar bounds are in one stratum.
const STRATA: usize = 32;

/// How the limit that the bounds of the best rows will reach is guessed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guess {
    /// Smallest number of rows in the sample, whose bounds are lowered for the guess.
    pub(super) sample: usize,
    /// Approximate size of the strided sample that gives the population of each stratum.
    pub(super) census: usize,
    /// Number of rows that should reach the limit, for each row wanted.
    pub(super) margin: f64,
}

impl Default for Guess {
    fn default() -> Self {
        Self { sample: 8192, census: 1 << 18, margin: 1.25 }
    }
}

pub(super) struct VarianceBoundsOfBlocks {
    guess: Guess,
    posterior: Option<Posterior>,
    /// The bases of blocks, numbered in the order in which they came.
    bases: BTreeMap<usize, VarianceBounds>,
    /// Whether the last base belongs to the present posterior.
    is_fresh: bool,
    /// The base of each block, if it has rounded rows.
    base_of: Vec<Option<usize>>,
    /// The variance of each row when it was rounded.
    at_rounding: Vec<f64>,
    /// Sum of the squared products of each row with the directions since then, and the number of these.
    sums: Vec<f64>,
    applied: Vec<u32>,
    file: Option<RoundedFile>,
}

impl VarianceBoundsOfBlocks {
    pub(super) fn new(guess: Guess) -> Self {
        Self {
            guess,
            posterior: None,
            bases: BTreeMap::new(),
            is_fresh: false,
            base_of: Vec::new(),
            at_rounding: Vec::new(),
            sums: Vec::new(),
            applied: Vec::new(),
            file: None,
        }
    }

    /// The number of the base of the present posterior.
    fn fresh_base(&mut self) -> Result<usize> {
        let last = self.bases.last_key_value().map(|(&key, _)| key);
        match (last, &self.posterior) {
            (Some(last), _) if self.is_fresh => Ok(last),
            (last, Some(posterior)) => {
                let next = last.map_or(0, |last| last + 1);
                let base_of = &self.base_of;
                self.bases.retain(|&key, _| base_of.contains(&Some(key)));
                self.bases.insert(next, VarianceBounds::new(posterior));
                self.is_fresh = true;
                Ok(next)
            }
            (_, None) => Err(Error::Shape("rows have no variances before they are surveyed".into())),
        }
    }

    /// Lower the bounds of a block from its rounded rows. Returns false if rounding leaves the largest too high.
    fn follow(&mut self, candidates: &mut Candidates, block: usize, base: usize, limit: f64) -> Result<bool> {
        let (Some(base), Some(file)) = (self.bases.get(&base), &mut self.file) else { return Ok(false) };
        let (range, count) = (candidates.range(block), base.count());
        let is_stale =
            |&i: &usize| candidates.bounds[i] >= limit && (self.applied[i] as usize) < count && candidates.is_open(i);
        let stale: Vec<usize> = range.clone().filter(is_stale).collect();
        if stale.is_empty() {
            return Ok(true);
        }
        candidates.rows_read += stale.len();
        let which: Vec<usize> = stale.iter().map(|&i| i - range.start).collect();
        let mut progress: Vec<Progress> =
            stale.iter().map(|&i| Progress { count: self.applied[i] as usize, sum: self.sums[i] }).collect();
        let variances = &self.at_rounding[range.clone()];
        let falls = file.read(&range, |integers, roundings| {
            let rows =
                RoundedRows { integers: integers.into(), roundings: roundings.into(), variances: variances.into() };
            base.follow(&rows, &which, &mut progress, limit)
        })??;
        let mut top = stale[0];
        for ((&i, progress), fall) in stale.iter().zip(progress).zip(falls) {
            (self.applied[i], self.sums[i]) = (progress.count as u32, progress.sum);
            candidates.bounds[i] = candidates.bounds[i].min((self.at_rounding[i] - fall).max(0.0));
            if candidates.bounds[i] > candidates.bounds[top] {
                top = i;
            }
        }
        // The part of the bound that allows for rounding.
        let bound = candidates.bounds[top];
        let doubt = bound - (self.at_rounding[top] - self.sums[top]).max(0.0);
        Ok(bound < limit || doubt <= DOUBT * bound)
    }
}

impl Bounds for VarianceBoundsOfBlocks {
    fn begin(&mut self, candidates: &Candidates, known: &Known) -> Result<()> {
        let Known::Posterior(posterior) = known else {
            return Err(Error::Shape("variances follow from a posterior, not from centres".into()));
        };
        let len = candidates.len();
        self.posterior = Some(posterior.clone());
        self.bases.clear();
        self.is_fresh = false;
        self.base_of = vec![None; candidates.blocks()];
        (self.at_rounding, self.sums, self.applied) = (vec![0.0; len], vec![0.0; len], vec![0; len]);
        let base = self.fresh_base()?;
        if self.file.is_none() {
            self.file = Some(RoundedFile::new(len, self.bases[&base].width())?);
        }
        Ok(())
    }

    fn observe(&mut self, news: &News) -> Result<()> {
        let News::Picks { directions, posterior } = news else {
            return Err(Error::Shape("variances fall along directions, not by centres".into()));
        };
        match directions {
            None => {
                self.base_of.fill(None);
                self.bases.clear();
            }
            Some(directions) => self.bases.values_mut().try_for_each(|base| base.observe(directions))?,
        }
        self.posterior = Some(posterior.clone());
        self.is_fresh = false;
        Ok(())
    }

    fn scores(&mut self, candidates: &Candidates, rows: &dyn Rows, block: usize) -> Result<Vec<f64>> {
        let (range, key) = (candidates.range(block), self.fresh_base()?);
        let (base, Some(file)) = (&self.bases[&key], &mut self.file) else {
            return Err(Error::Shape("rows have no variances before they are surveyed".into()));
        };
        let rounded = base.round(&Span::new(rows, &range));
        let rounded = rounded.map_err(|error| error.in_pool_from(range.start))?;
        file.write(range.start, rounded.integers.into_owned(), rounded.roundings.into_owned())?;
        self.base_of[block] = Some(key);
        self.at_rounding[range.clone()].copy_from_slice(&rounded.variances);
        self.sums[range.clone()].fill(0.0);
        self.applied[range].fill(base.count() as u32);
        Ok(rounded.variances.into_owned())
    }

    fn guess(&mut self, candidates: &mut Candidates, rows: &dyn Rows, size: usize, sharp: bool) -> Result<f64> {
        let before = candidates.open_bounds();
        let mut sample = Vec::new();
        for (_, block) in candidates.ranked() {
            self.lower(candidates, rows, block, f64::NEG_INFINITY, sharp)?;
            sample.extend(candidates.range(block).filter(|&i| candidates.is_open(i)));
            if sample.len() >= self.guess.sample {
                break;
            }
        }
        // A sampled row represents the rows of its stratum, since blocks need not be alike.
        let edges = quantiles(sample.iter().map(|&i| before[i]).collect(), STRATA);
        let stratum = |i: usize| edges.partition_point(|&edge| edge < before[i]);
        let step = 1 + before.len() / self.guess.census;
        let (mut own, mut all) = ([0_usize; STRATA], [0_usize; STRATA]);
        sample.iter().for_each(|&i| own[stratum(i)] += 1);
        (0..before.len()).step_by(step).filter(|&i| candidates.is_open(i)).for_each(|i| all[stratum(i)] += step);
        sample.sort_by(|&a, &b| candidates.bounds[b].total_cmp(&candidates.bounds[a]));
        let mut left = self.guess.margin * size as f64;
        let reached = sample.iter().position(|&i| {
            left -= all[stratum(i)] as f64 / own[stratum(i)] as f64;
            left <= 0.0
        });
        let last = reached.unwrap_or(sample.len() - 1);
        Ok(candidates.bounds[sample[last]])
    }

    fn lower(
        &mut self,
        candidates: &mut Candidates,
        rows: &dyn Rows,
        block: usize,
        limit: f64,
        sharp: bool,
    ) -> Result<()> {
        if let Some(base) = self.base_of[block] {
            let is_exact = self.bases.get(&base).is_some_and(|base| base.count() == 0);
            if (!sharp || is_exact) && self.follow(candidates, block, base, limit)? {
                return Ok(());
            }
        }
        let range = candidates.range(block);
        let scores = self.scores(candidates, rows, block);
        rows.release(range.clone());
        candidates.rows_read += range.len();
        candidates.lower(range.start, &scores?);
        Ok(())
    }
}

/// The values that divide sorted values into parts of equal size.
fn quantiles(mut values: Vec<f64>, parts: usize) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    (1..parts).map(|part| values[(values.len() - 1) * part / parts]).collect()
}
