//! Bayesian selection: pick the candidate with the largest score, observe it, and repeat.

use crate::bayes::posterior::Posterior;
use crate::bayes::running_posterior::RunningPosterior;
use crate::data::mean_square::mean_square;
use crate::data::rows::{Pool, Rows};
use crate::error::{Error, Result};
use crate::greedy::{Engine, Greedy, Objective, Score};
use crate::scores::{BayesianScore, Energy, EveryRow, Informative, LogDet, LookAhead, PoolStd};

/// A Bayesian selection.
///
/// Its core is part of the posterior at the beginning.
pub type Bayesian = Greedy<Uncertainty>;

/// Number of elements of a pool above which rounded rows bound variances first: a smaller pool stays in the cache.
const ESTIMATED: usize = 1 << 22;

impl Bayesian {
    /// Evaluate every candidate once, given the posterior after the training set.
    ///
    /// # Errors
    /// [`Error::EmptyPool`], [`Error::Dimension`], [`Error::NotFinite`], or [`Error::Memory`] if the score needs more
    /// than its `max_memory`.
    pub fn new(posterior: Posterior, score: &BayesianScore, pool: &Pool<'_>, engine: Engine) -> Result<Self> {
        Self::build(posterior, score, pool, None, engine, ESTIMATED)
    }

    /// As [`Bayesian::new`], with another target than the pool for the scores `PoolVariance` and `PoolStd`.
    ///
    /// # Errors
    /// As [`Bayesian::new`].
    pub fn with_target(
        posterior: Posterior,
        score: &BayesianScore,
        pool: &Pool<'_>,
        target: &dyn Rows,
        engine: Engine,
    ) -> Result<Self> {
        Self::build(posterior, score, pool, Some(target), engine, ESTIMATED)
    }

    /// As [`Bayesian::with_target`]; the target of `None` is the pool. Rounded rows are used for a pool of at least
    /// `estimated` numbers.
    pub(crate) fn build(
        posterior: Posterior,
        score: &BayesianScore,
        pool: &Pool<'_>,
        given: Option<&dyn Rows>,
        engine: Engine,
        estimated: usize,
    ) -> Result<Self> {
        pool.check(posterior.dim())?;
        pool.check_observed()?;
        let target = given.unwrap_or(pool.structures());
        if target.dim() != posterior.dim() {
            return Err(Error::Dimension { what: "the target", expected: posterior.dim(), given: target.dim() });
        }
        if target.is_empty() {
            return Err(Error::Shape("the target has no rows: expected at least one".into()));
        }
        score.check_memory(pool.len(), target.len(), pool.dim())?;
        // With several rows in a pick, the products with directions no longer dominate the time.
        let estimated = engine == Engine::Lazy && !pool.has_groups() && pool.len() * pool.dim() >= estimated;
        match score {
            // The pool is checked when it is rounded.
            BayesianScore::PoolVariance { .. } if estimated => {
                given.map(|target| mean_square(&[("the target", target)])).transpose()?;
            }
            BayesianScore::PoolVariance { .. } | BayesianScore::PoolStd { .. } => {
                mean_square(&[("the pool", pool.structures()), ("the target", target)])?;
            }
            _ => {}
        }
        let mut report: fn(f64, f64) -> f64 = |score, _| score;
        let informative: Box<dyn Informative> = match *score {
            BayesianScore::Energy => Box::new(Energy::new(pool, &posterior, estimated)),
            BayesianScore::LogDet if pool.has_groups() => Box::new(LogDet::new(pool, &posterior)),
            BayesianScore::LogDet => {
                report = |variance, beta| (beta * variance).ln_1p();
                Box::new(Energy::new(pool, &posterior, estimated))
            }
            BayesianScore::PoolVariance { max_memory } if estimated => {
                Box::new(LookAhead::new(pool, &posterior, given, max_memory)?)
            }
            BayesianScore::PoolVariance { .. } => Box::new(EveryRow::new(pool, &posterior, target)),
            BayesianScore::PoolStd { .. } => Box::new(PoolStd::new(pool, &posterior, target)),
        };
        if let Some(row) = informative.bounds().iter().position(|s| !s.is_finite()) {
            return Err(Error::of_row("the pool", row, pool.structures()));
        }
        let posterior = RunningPosterior::new(posterior);
        let uncertainty = Uncertainty { posterior, score: informative, report, rows: Vec::new() };
        Ok(Self::begin(uncertainty, engine, pool.len()))
    }
}

/// The objective of a Bayesian selection: the posterior, and the score that follows from it.
pub struct Uncertainty {
    posterior: RunningPosterior,
    score: Box<dyn Informative>,
    /// Converts the maximised score to the reported score, given the noise precision.
    report: fn(f64, f64) -> f64,
    /// The rows of the last pick.
    rows: Vec<f64>,
}

impl Score for Uncertainty {
    fn bounds(&self) -> &[f64] {
        self.score.bounds()
    }

    fn may_rise(&self) -> bool {
        self.score.may_rise()
    }

    fn contenders(&mut self, pool: &Pool<'_>, taken: &[bool]) -> Option<Vec<usize>> {
        self.score.contenders(pool, &self.posterior, taken)
    }

    fn is_exact(&self, candidate: usize) -> bool {
        self.score.is_exact(candidate, &self.posterior)
    }

    fn tighten(&mut self, pool: &Pool<'_>, candidates: &[usize], threshold: f64) {
        self.score.tighten(pool, &self.posterior, candidates, threshold);
    }

    fn settle(&mut self, pool: &Pool<'_>, candidates: &[usize]) {
        self.score.settle(pool, &self.posterior, candidates);
    }

    fn observe(&mut self, pool: &Pool<'_>, pick: usize) {
        match self.score.foreseen(pick) {
            Some(observation) => self.posterior.follow(observation),
            None => {
                pool.observed(pick, &mut self.rows);
                self.posterior.observe(&self.rows);
            }
        }
        self.score.observed(pool, &self.posterior);
    }

    fn definition(&self, pool: &Pool<'_>) -> Vec<f64> {
        self.score.definition(pool, &self.posterior.posterior())
    }
}

impl Objective for Uncertainty {
    fn dim(&self) -> usize {
        self.posterior.dim()
    }

    fn reported(&self, score: f64) -> f64 {
        (self.report)(score, self.posterior.noise_precision())
    }

    fn information(&self) -> Option<f64> {
        Some(self.posterior.information())
    }

    fn posterior(&self) -> Option<Posterior> {
        Some(self.posterior.posterior())
    }

    fn directions(&self) -> Option<Vec<f64>> {
        self.posterior.all_directions()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::data::groups::Groups;
    use crate::data::rows::View;
    use crate::greedy::Selection;

    const SCORES: [BayesianScore; 4] = [
        BayesianScore::Energy,
        BayesianScore::LogDet,
        BayesianScore::PoolVariance { max_memory: 1 << 30 },
        BayesianScore::PoolStd { max_memory: 1 << 30 },
    ];

    /// Rows with a decaying spectrum, some zero columns and some duplicates.
    fn rows(count: usize, dim: usize, seed: u32) -> Vec<f64> {
        let mut out: Vec<f64> = (0..count * dim)
            .map(|k| {
                let (i, j) = (k / dim, k % dim);
                let wave = (f64::from(seed) * 0.61 + i as f64 * 12.9898 + j as f64 * 78.233).sin() * 43758.5453;
                if j % 7 == 6 { 0.0 } else { wave.fract() / (1.0 + j as f64).powi(2) }
            })
            .collect();
        for i in (3..count).step_by(5) {
            out.copy_within((i - 3) * dim..(i - 2) * dim, i * dim);
        }
        out
    }

    fn run(pool: &Pool<'_>, score: &BayesianScore, engine: Engine, estimated: usize, steps: &[usize]) -> Bayesian {
        let prior = Posterior::isotropic(pool.dim(), 1e-3, 1.0).unwrap();
        let mut selection = Bayesian::build(prior, score, pool, None, engine, estimated).unwrap();
        for &step in steps {
            selection.advance(pool, step).unwrap();
        }
        selection
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn lazy_is_naive_and_parts_are_the_whole(
            count in 1_usize..150, dim in 1_usize..30, seed in 0_u32..1000, grouped in any::<bool>(),
            estimated in any::<bool>(), which in 0_usize..4,
        ) {
            let data = rows(count, dim, seed);
            let atoms = rows(2 * count, dim, seed + 1);
            let view = View::new(&data, count, dim).unwrap();
            let pool = if grouped {
                // Groups of one, two and three rows in turn.
                let offsets: Vec<usize> = (0..=count).map(|i| i / 3 * 6 + [0, 1, 3][i % 3]).collect();
                let atoms = View::new(&atoms[..offsets[count] * dim], offsets[count], dim).unwrap();
                Pool::with_groups(view, atoms, Groups::new(offsets).unwrap()).unwrap()
            } else {
                Pool::new(view)
            };
            let n = count.min(2 * dim);
            let estimated = if estimated { 0 } else { usize::MAX };
            let lazy = run(&pool, &SCORES[which], Engine::Lazy, estimated, &[n]);
            let naive = run(&pool, &SCORES[which], Engine::Naive, usize::MAX, &[n / 3, n - n / 3]);
            prop_assert_eq!(lazy.indices(), naive.indices());
            for (a, b) in lazy.scores().iter().zip(naive.scores()) {
                prop_assert!((a - b).abs() <= 1e-8 * b.abs(), "{a} {b}");
            }
            let information = lazy.information().unwrap();
            for (a, b) in information.iter().zip(naive.information().unwrap()) {
                prop_assert!((a - b).abs() <= 1e-8 * b.abs(), "{a} {b}");
            }
            let total = lazy.posterior().unwrap().information();
            prop_assert!((total - information[n - 1]).abs() <= 1e-8 * total);
        }
    }

    #[test]
    fn excluded_candidates_stay_out_and_too_many_is_refused() {
        let data = [1.0, 5.0, 2.0, 4.0];
        let pool = Pool::new(View::new(&data, 4, 1).unwrap());
        let prior = Posterior::isotropic(1, 1.0, 1.0).unwrap();
        let mut selection = Bayesian::new(prior, &BayesianScore::Energy, &pool, Engine::Lazy).unwrap();
        selection.exclude(&[1]).unwrap();
        assert!(matches!(selection.advance(&pool, 4), Err(Error::TooMany { asked: 4, available: 3 })));
        selection.advance(&pool, 3).unwrap();
        assert_eq!(selection.indices(), [3, 2, 0]);
        assert!(selection.exclude(&[4]).is_err());
    }

    #[test]
    fn a_feature_that_is_not_finite_is_named() {
        let data = [1.0_f32, 2.0, f32::INFINITY, 1.0];
        let pool = Pool::new(View::new(&data, 2, 2).unwrap());
        let prior = Posterior::isotropic(2, 1.0, 1.0).unwrap();
        for score in SCORES {
            let selection = Bayesian::new(prior.clone(), &score, &pool, Engine::Lazy);
            assert!(matches!(selection.err(), Some(Error::NotFinite { row: 1, .. })));
        }
    }

    #[test]
    fn memory_beyond_the_limit_is_refused() {
        let data = [1.0; 6];
        let pool = Pool::new(View::new(&data, 6, 1).unwrap());
        let prior = Posterior::isotropic(1, 1.0, 1.0).unwrap();
        let score = |max_memory| BayesianScore::PoolStd { max_memory };
        let bytes = score(0).pool_bytes(6, 6, 1);
        let selection = Bayesian::new(prior.clone(), &score(bytes - 1), &pool, Engine::Lazy);
        assert!(matches!(selection.err(), Some(Error::Memory { needed, .. }) if needed == bytes));
        assert!(Bayesian::new(prior, &score(bytes), &pool, Engine::Lazy).is_ok());
    }
}
