//! Picks found ahead: the best candidates of a window, one after the other, checked against all others in one pass.
//!
//! Scores may rise, so nothing bounds those outside the window before the picks are known. So the next picks are guessed:
//! the window is followed as if the rest of the pool did not exist. Then one pass applies all these picks to the rounded
//! rows of the pool, at the speed of a matrix product, and finds every row whose score may have come near the best at any
//! of them. Picks before the first such row are right; what the guess was worth changes no pick.

use std::collections::VecDeque;

use rayon::prelude::*;

use super::direction::Direction;
use super::every_row::{combine, parts};
use super::exact::{Parts, Seen};
use super::numbers::{Limit, Number, Suspect, after};
use super::pass::{Pass, Slack};
use super::rounded_pool::RoundedPool;
use super::target::Target;
use super::window::Window;
use crate::bayes::posterior::Posterior;
use crate::bayes::running_posterior::{Observation, RunningPosterior};
use crate::data::rows::{Pool, Rows};
use crate::data::scratch::Place;
use crate::data::spans;
use crate::error::Result;
use crate::greedy::{near_tie_limit, tie_limit};
use crate::linalg::GramSum;
use crate::scores::Informative;

/// Number of picks that are guessed together: at first and at most.
const REACH: [usize; 2] = if cfg!(test) { [2, 8] } else { [8, 128] };
/// Number of candidates whose scores are computed together: the first and the largest.
const EVALUATED: [usize; 2] = [6, 384];
/// Number of suspects up to which their scores are computed.
const SUSPECTS: usize = 256;
/// Rows are rounded again only if errors of rounding are this many times larger than at first.
const GROWN: f64 = 2.0;

/// A pick that was found ahead.
struct Step {
    pick: usize,
    /// The candidates that nearly tie with the best, ascending, and their scores.
    contenders: Vec<(usize, f64)>,
    best: f64,
    observation: Observation,
    direction: Direction,
}

pub(crate) struct LookAhead {
    target: Target,
    pub(super) pool: RoundedPool,
    seen: Option<Seen>,
    /// Numbers of the pool before the observations of `pending`, and these.
    pub(super) now: Vec<Number>,
    pending: Vec<Direction>,
    /// The next picks, and the numbers after all of them, unless only some of the guessed ones were right.
    steps: VecDeque<Step>,
    pub(super) later: Option<Vec<Number>>,
    /// Number of picks to guess.
    reach: usize,
    /// Scores that are known for the present posterior, and whose.
    scores: Vec<f64>,
    known: Vec<usize>,
    /// Number of directions accounted for.
    count: usize,
    /// Scores computed since rows were rounded, and the relative width of the best score then and now.
    evaluated: usize,
    width: [f64; 2],
}

impl LookAhead {
    /// Round the pool. Rounded rows are kept in a temporary file if more than `max_memory` bytes would be needed
    /// otherwise. The target of `None` is the pool.
    ///
    /// # Errors
    /// [`NotFinite`](crate::Error::NotFinite), [`File`](crate::Error::File).
    pub(crate) fn new(
        pool: &Pool<'_>,
        posterior: &Posterior,
        target: Option<&dyn Rows>,
        max_memory: usize,
    ) -> Result<Self> {
        let rows = pool.structures();
        let place = Self::place(rows.len(), rows.dim(), max_memory);
        let mut rounded = RoundedPool::new(rows, posterior, place)?;
        let target = match target {
            Some(target) => {
                rounded.round(rows, posterior, None)?;
                Target::of_rows(target)
            }
            None => {
                let mut sum = GramSum::new(rows.dim());
                rounded.round(rows, posterior, Some(&mut sum))?;
                Target::of_whitened(&(sum.sum() * faer::Scale(1.0 / rows.len() as f64)), posterior)
            }
        };
        let now = rounded.start(&target, posterior);
        Ok(Self {
            target,
            pool: rounded,
            seen: None,
            now,
            pending: Vec::new(),
            steps: VecDeque::new(),
            later: None,
            reach: REACH[0],
            scores: vec![0.0; rows.len()],
            known: Vec::new(),
            count: 0,
            evaluated: 0,
            width: [f64::INFINITY, 0.0],
        })
    }

    /// Largest number of bytes for a number of candidates. Rounded rows are in a file if more than `max_memory` bytes
    /// would be needed otherwise.
    pub(crate) fn bytes(candidates: usize, dim: usize, max_memory: usize) -> usize {
        Self::bytes_in(candidates, dim, Self::place(candidates, dim, max_memory))
    }

    fn place(candidates: usize, dim: usize, max_memory: usize) -> Place {
        let needed = Self::bytes_in(candidates, dim, Place::Memory).saturating_add(spans::bytes(candidates, dim));
        if needed > max_memory { Place::File } else { Place::Memory }
    }

    fn bytes_in(candidates: usize, dim: usize, place: Place) -> usize {
        // Numbers now and later, bounds of a window and their order, scores, and numbers before those of a check.
        let each = 2 * size_of::<Number>() + 4 * size_of::<f64>();
        let matrices = (20 * dim + 10 * REACH[1] + 4 * 256) * dim * size_of::<f64>();
        candidates * each + RoundedPool::bytes(candidates, dim, place) + Window::bytes(candidates, dim) + matrices
    }

    /// Find the next picks.
    fn find(&mut self, rows: &dyn Rows, posterior: &RunningPosterior, taken: &[bool]) {
        let noise = 1.0 / posterior.noise_precision();
        if !self.pending.is_empty() {
            let pending: Vec<&Direction> = self.pending.iter().collect();
            let pass = Pass::new(noise, &pending, &[], Slack::default(), rows.dim());
            self.now = after(&self.now, &self.pool, &pass).0;
            self.pending.clear();
        }
        self.round_again(rows, posterior);
        let mut window = Window::new(&self.pool, &self.now, noise, taken);
        let mut contenders = self.contenders_in(&mut window, rows, posterior, noise);
        while window.admit(&self.pool, &self.now, best_of(&contenders).map_or(f64::NEG_INFINITY, near_tie_limit)) {
            contenders = self.contenders_in(&mut window, rows, posterior, noise);
        }
        let slack = self.measure(&contenders, noise);
        self.guess(&mut window, contenders, rows, posterior);
        if self.steps.len() > 1 {
            self.check(&window, rows, posterior, slack, taken);
        }
        // The rows of contenders lie on pages that hold others, too.
        rows.release(0..rows.len());
    }

    /// Follow the picks in the window as if they were the best of the pool.
    fn guess(
        &mut self,
        window: &mut Window,
        mut contenders: Vec<(usize, f64)>,
        rows: &dyn Rows,
        posterior: &RunningPosterior,
    ) {
        let noise = 1.0 / posterior.noise_precision();
        let mut ahead = posterior.fork();
        let mut row = vec![0.0; rows.dim()];
        while let Some(best) = best_of(&contenders) {
            let Some(&(pick, _)) = contenders.iter().find(|(_, score)| *score >= tie_limit(best)) else { break };
            rows.read(pick, &mut row);
            let observation = ahead.observe_row(&row);
            let direction = self.direction(&ahead);
            window.follow(&self.pool, pick, &direction);
            self.steps.push_back(Step { pick, contenders, best, observation, direction });
            if self.steps.len() == self.reach || best == 0.0 {
                break;
            }
            contenders = self.contenders_in(window, rows, &ahead, noise);
        }
    }

    /// Apply the guessed picks to the pool, and keep those before the first at which another candidate was better.
    fn check(&mut self, window: &Window, rows: &dyn Rows, posterior: &RunningPosterior, slack: Slack, taken: &[bool]) {
        let noise = 1.0 / posterior.noise_precision();
        let directions: Vec<&Direction> = self.steps.iter().map(|step| &step.direction).collect();
        let limit = |(after, step): (usize, &Step)| Limit { after, score: near_tie_limit(step.best) };
        let limits: Vec<Limit> = self.steps.iter().enumerate().skip(1).map(limit).collect();
        let pass = Pass::new(noise, &directions, &limits, slack, rows.dim());
        let (later, mut suspects) = after(&self.now, &self.pool, &pass);
        suspects.retain(|s| s.after <= limits.len() && window.is_outside(s.row) && !taken[s.row]);
        let right = self.right(&suspects, &limits, rows, posterior);
        if right == self.steps.len() {
            self.later = Some(later);
            self.reach = REACH[1].min(2 * self.reach);
        } else {
            self.steps.truncate(right);
            self.reach = right;
        }
    }

    /// The number of guessed picks before the first at which one of the suspects was better.
    fn right(
        &mut self,
        suspects: &[Suspect],
        limits: &[Limit],
        rows: &dyn Rows,
        posterior: &RunningPosterior,
    ) -> usize {
        let all = self.steps.len();
        if suspects.len() > SUSPECTS {
            return suspects.iter().map(|suspect| suspect.after).min().unwrap_or(all);
        }
        let noise = 1.0 / posterior.noise_precision();
        let candidates: Vec<usize> = suspects.iter().map(|suspect| suspect.row).collect();
        let parts = self.evaluate(&candidates, rows, posterior);
        let first = |(&candidate, mut parts): (&usize, Parts)| {
            let mut row = vec![0.0; rows.dim()];
            rows.read(candidate, &mut row);
            let row = self.pool.posterior.inverse().project(&row);
            let reached = self.steps.iter().zip(limits).position(|(step, limit)| {
                step.direction.follow(&row, &mut parts);
                parts.score(noise) >= near_tie_limit(limit.score)
            });
            reached.map_or(all, |k| k + 1)
        };
        candidates.par_iter().zip(parts).map(first).min().unwrap_or(all)
    }

    /// The candidates in the window that nearly tie with the best, ascending, and their scores.
    fn contenders_in(
        &mut self,
        window: &mut Window,
        rows: &dyn Rows,
        posterior: &RunningPosterior,
        noise: f64,
    ) -> Vec<(usize, f64)> {
        let scores = window.scores(&self.pool, noise);
        let mut limit = near_tie_limit(scores.iter().map(|score| score.low).fold(f64::NEG_INFINITY, f64::max));
        let mut left: Vec<usize> = (0..scores.len()).filter(|&place| scores[place].high >= limit).collect();
        // Larger bounds first; of equal bounds, the lower index.
        left.sort_unstable_by(|&a, &b| {
            scores[b].high.total_cmp(&scores[a].high).then(window.candidate(a).cmp(&window.candidate(b)))
        });
        let (mut left, mut size, mut out) = (&left[..], EVALUATED[0], Vec::new());
        while left.first().is_some_and(|&place| scores[place].high >= limit) {
            let (now, later) = left.split_at(size.min(left.len()));
            let candidates: Vec<usize> = now.iter().map(|&place| window.candidate(place)).collect();
            for (&place, parts) in now.iter().zip(self.evaluate(&candidates, rows, posterior)) {
                window.know(place, parts);
                limit = limit.max(near_tie_limit(parts.score(noise)));
                out.push((window.candidate(place), parts.score(noise)));
            }
            (left, size) = (later, EVALUATED[1].min(2 * size));
        }
        out.retain(|(_, score)| *score >= limit);
        out.sort_unstable_by_key(|(candidate, _)| *candidate);
        out
    }

    /// Compute candidates. Consecutive ones with equal rows are computed once.
    fn evaluate(&mut self, candidates: &[usize], rows: &dyn Rows, posterior: &RunningPosterior) -> Vec<Parts> {
        let (mut row, mut last) = (vec![0.0; rows.dim()], vec![f64::NAN; rows.dim()]);
        let (mut different, mut which) = (Vec::new(), Vec::with_capacity(candidates.len()));
        for &candidate in candidates {
            rows.read(candidate, &mut row);
            if row != last {
                different.push(candidate);
                std::mem::swap(&mut row, &mut last);
            }
            which.push(different.len() - 1);
        }
        self.evaluated += different.len();
        let parts = self.seen_from(posterior).parts(posterior, rows, &different);
        which.into_iter().map(|k| parts[k]).collect()
    }

    /// The last observation of a posterior.
    pub(super) fn direction(&mut self, posterior: &RunningPosterior) -> Direction {
        let width = self.pool.sketch.width();
        Direction::new(posterior, self.seen_from(posterior), width)
    }

    fn seen_from(&mut self, posterior: &RunningPosterior) -> &Seen {
        let seen = self.seen.take().filter(|seen| seen.is_of(posterior));
        self.seen.insert(seen.unwrap_or_else(|| Seen::new(&self.target, &self.pool.posterior, posterior)))
    }

    /// Note how wide the interval of the best score is, and how much room a check should leave for errors of rounding.
    fn measure(&mut self, contenders: &[(usize, f64)], noise: f64) -> Slack {
        let Some(&(best, _)) = contenders.first() else { return Slack::default() };
        let score = self.now[best].score(&self.pool, best, noise);
        let width = (score.high - score.low) / score.high.max(f64::MIN_POSITIVE);
        self.width = [self.width[0].min(width), width];
        let (_, error) = self.pool.size(best);
        Slack::new(error, self.now[best].variance, self.now[best].numerator / self.pool.largest)
    }

    /// Round rows again if errors of rounding have grown, since variances fell, and cost as much time as rounding does.
    fn round_again(&mut self, rows: &dyn Rows, posterior: &RunningPosterior) {
        if 2 * self.evaluated > self.pool.len() && self.width[1] > GROWN * self.width[0] {
            self.restart(rows, posterior);
        }
    }

    /// Round rows under the present posterior.
    fn restart(&mut self, rows: &dyn Rows, posterior: &RunningPosterior) {
        let present = posterior.posterior();
        // The rows were finite before.
        let _ = self.pool.round(rows, &present, None);
        self.now = self.pool.start(&self.target, &present);
        self.seen = None;
        (self.evaluated, self.width) = (0, [f64::INFINITY, 0.0]);
        self.pending.clear();
        self.forget();
    }

    fn forget(&mut self) {
        self.steps.clear();
        self.later = None;
    }

    /// Record scores of the present posterior.
    fn know(&mut self, scores: impl Iterator<Item = (usize, f64)>) {
        for (candidate, score) in scores {
            self.scores[candidate] = score;
            self.known.push(candidate);
        }
        self.known.sort_unstable();
    }
}

fn best_of(contenders: &[(usize, f64)]) -> Option<f64> {
    contenders.iter().map(|(_, score)| *score).reduce(f64::max)
}

impl Informative for LookAhead {
    fn bounds(&self) -> &[f64] {
        &self.scores
    }

    fn may_rise(&self) -> bool {
        true
    }

    fn contenders(&mut self, pool: &Pool<'_>, posterior: &RunningPosterior, taken: &[bool]) -> Option<Vec<usize>> {
        if let Some(void) = self.steps.iter().position(|step| taken[step.pick]) {
            self.steps.truncate(void);
            self.later = None;
        }
        if self.steps.is_empty() {
            self.find(pool.structures(), posterior, taken);
        }
        let mut out: Vec<(usize, f64)> = self.steps.front().map_or_else(Vec::new, |step| step.contenders.clone());
        out.retain(|&(candidate, _)| !taken[candidate]);
        self.known.clear();
        self.know(out.iter().copied());
        Some(out.into_iter().map(|(candidate, _)| candidate).collect())
    }

    fn is_exact(&self, candidate: usize, _posterior: &RunningPosterior) -> bool {
        self.known.binary_search(&candidate).is_ok()
    }

    fn tighten(&mut self, pool: &Pool<'_>, posterior: &RunningPosterior, candidates: &[usize], _threshold: f64) {
        let noise = 1.0 / posterior.noise_precision();
        let parts = self.evaluate(candidates, pool.structures(), posterior);
        self.know(candidates.iter().copied().zip(parts.into_iter().map(|parts| parts.score(noise))));
    }

    fn foreseen(&self, pick: usize) -> Option<Observation> {
        self.steps.front().filter(|step| step.pick == pick).map(|step| step.observation.clone())
    }

    fn observed(&mut self, pool: &Pool<'_>, posterior: &RunningPosterior) {
        match (posterior.only_direction_since(self.count), self.steps.pop_front()) {
            (Some(w), Some(step)) if step.observation.direction() == w => {
                self.pending.push(step.direction);
                if self.steps.is_empty()
                    && let Some(later) = self.later.take()
                {
                    self.now = later;
                    self.pending.clear();
                }
            }
            (Some(_), _) => {
                self.forget();
                let direction = self.direction(posterior);
                self.pending.push(direction);
            }
            (None, _) => self.restart(pool.structures(), posterior),
        }
        self.count = posterior.count();
        self.known.clear();
    }

    // Scores are computed in one way.
    fn settle(&mut self, _pool: &Pool<'_>, _posterior: &RunningPosterior, _candidates: &[usize]) {}

    fn definition(&self, pool: &Pool<'_>, posterior: &Posterior) -> Vec<f64> {
        let (variances, numerators) = parts(&self.target, pool, posterior);
        combine(&variances, &numerators, 1.0 / posterior.noise_precision())
    }
}
