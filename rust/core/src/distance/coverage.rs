//! The sum over the pool of the distance to the nearest centre, and the gain of one more centre.
//!
//! With `m(y)` the distance of a row `y` to its nearest centre, a candidate `x` gains `sum_y max(0, m(y) - d(y, x))`.
//! Gains never rise as centres are added, so earlier gains are upper bounds. A bound that is too high is lowered in
//! steps: from the screen's lower bounds on distances, if many rows are near; from those of rounded points, for pairs
//! that the screen does not rule out; and from distances in float64, for pairs that these do not rule out either. The
//! pairs that are left are kept: later bounds come from them, without a look at the others.

use std::ops::Range;

use rayon::prelude::*;

use super::near_lists::{Near, NearLists};
use super::points::{Points, Space};
use super::rounded::Rounded;
use crate::data::rows::Rows;
use crate::data::scratch::Place;
use crate::distance::screen::{LANES, Packed, Radii, Screen};
use crate::error::Result;
use crate::greedy::near_tie_limit;
use crate::linalg::DIRECTIONS;

/// Number of rows in a partial sum: fixed, so that the sums do not depend on the number of threads.
const CHUNK: usize = 1024;
/// Number of candidates whose bounds the screen lowers together.
const SCREENED: usize = 4 * LANES;
/// The screen lowers bounds first if the last batch had a near pair for every so many rows.
const CROWDED: usize = 8;
/// Most pairs of a batch that are kept, for each row.
const PAIRS_OF_A_ROW: usize = 3;
/// Relative rounding errors of float64 in sums of bounds.
const ROUNDING: f64 = 1e-10;
/// Added to radii, since the square of a smaller radius may be zero in float32.
const TINY: f64 = 1e-18;

pub(crate) struct Coverage {
    space: Space,
    rounded: Rounded,
    screen: Screen,
    /// Power of two by which points are divided for the screen.
    unit: f64,
    /// Chord from each row to its nearest centre, infinite without any.
    nearest: Vec<f64>,
    bounds: Vec<f64>,
    /// Number of picks at which each bound was the exact gain; `None` if it never was.
    exact: Vec<Option<usize>>,
    lists: NearLists,
    picks: usize,
    /// Whether so many rows are near to a candidate that the screen lowers its bound first.
    is_crowded: bool,
}

impl Coverage {
    /// Nearest centre, bound, whether it is exact, ceiling, and near pairs.
    const BYTES_OF_A_ROW: usize =
        2 * size_of::<f64>() + size_of::<Option<usize>>() + size_of::<f32>() + PAIRS_OF_A_ROW * size_of::<Pair>();

    /// Largest number of bytes for `len` rows.
    pub(crate) fn bytes(len: usize, dim: usize) -> usize {
        Rounded::bytes(len, dim) + Screen::bytes(len, dim) + Self::bytes_of_rows(len)
    }

    /// Bytes of that which are in memory where the points are in a file.
    pub(crate) fn bytes_beside_file(len: usize, dim: usize) -> usize {
        Rounded::bytes_beside_file(len) + Screen::bytes_beside_file(len, dim) + Self::bytes_of_rows(len)
    }

    fn bytes_of_rows(len: usize) -> usize {
        len * Self::BYTES_OF_A_ROW + NearLists::bytes(len)
    }

    /// The pool, the chord of each row to the nearest of the core, and the lengths of the points around `origin`; what is
    /// made of the pool is kept in `place`.
    ///
    /// # Errors
    /// [`crate::Error::File`] if there is no room for it.
    pub(crate) fn new(
        space: Space,
        rounded: Rounded,
        pool: &dyn Rows,
        nearest: Vec<f64>,
        origin: &[f64],
        lengths: &[f64],
        place: Place,
    ) -> Result<Self> {
        let longest = lengths.iter().copied().fold(0.0, f64::max);
        let unit = if longest > 0.0 { longest.log2().ceil().exp2() } else { 1.0 };
        let screen = Screen::new(&Centred { points: space.points(pool), origin, unit }, place)?;
        let (exact, lists) = (vec![None; nearest.len()], NearLists::new(nearest.len()));
        let mut out = Self {
            space,
            rounded,
            screen,
            unit,
            bounds: Vec::new(),
            nearest,
            exact,
            lists,
            picks: 0,
            is_crowded: false,
        };
        out.bound_all(2.0 * longest);
        Ok(out)
    }

    pub(crate) fn space(&self) -> &Space {
        &self.space
    }

    /// Whether there is neither a core nor a pick.
    pub(crate) fn is_bare(&self) -> bool {
        self.nearest[0] == f64::INFINITY
    }

    /// Sum over the pool of the distance to the nearest centre.
    pub(crate) fn loss(&self) -> f64 {
        let sums = self.nearest.chunks(CHUNK).map(|m| m.iter().map(|&m| self.space.reported(m)).sum::<f64>());
        sums.sum()
    }

    /// An upper bound of the gain of each candidate. Without a centre, the gain is minus the loss with the candidate as
    /// the only centre.
    pub(crate) fn bounds(&self) -> &[f64] {
        &self.bounds
    }

    /// Whether the bound of a candidate is its exact gain.
    pub(crate) fn is_exact(&self, candidate: usize) -> bool {
        self.exact[candidate] == Some(self.picks)
    }

    /// Make a candidate a centre.
    pub(crate) fn observe(&mut self, pool: &dyn Rows, candidate: usize) {
        let was_bare = self.is_bare();
        let shorter: Vec<Vec<(usize, f64)>> = self.chunks(pool, &[candidate], |rows, ruler| {
            let mut shorter = Vec::new();
            ruler.measure(rows, |row, _, chord| {
                if chord < self.nearest[row] {
                    shorter.push((row, chord));
                }
            });
            shorter
        });
        for (row, chord) in shorter.into_iter().flatten() {
            self.nearest[row] = chord;
        }
        self.picks += 1;
        self.lists.forget(candidate);
        if was_bare {
            // The gains so far were minus the losses of single centres, which do not bound gains beside a centre.
            self.bound_all(0.0);
        }
    }

    /// Lower the bounds of candidates until each is its gain, below `threshold`, or too low to tie with the best.
    pub(crate) fn tighten(&mut self, pool: &dyn Rows, candidates: &[usize], threshold: f64) {
        let (mut listed, mut order): (Vec<usize>, Vec<usize>) =
            candidates.iter().partition(|&&candidate| self.lists.of(candidate).is_some());
        let mut limit = threshold;
        self.lower_by_lists(&mut listed);
        for batch in listed.chunks(LANES) {
            if self.bounds[batch[0]] < limit {
                break;
            }
            let near = self.listed_pairs(batch);
            limit = self.compute_gains(pool, batch, &near, limit);
        }
        self.sort(&mut order);
        for group in order.chunks(SCREENED) {
            if self.bounds[group[0]] < limit {
                break;
            }
            let mut group = group.to_vec();
            if self.is_crowded {
                self.lower_by_screen(pool, &mut group);
            }
            for batch in group.chunks(LANES) {
                if self.bounds[batch[0]] < limit {
                    break;
                }
                limit = self.tighten_batch(pool, batch, limit);
            }
        }
    }

    /// The same for up to `LANES` candidates without lists; returns the limit that follows from their gains.
    fn tighten_batch(&mut self, pool: &dyn Rows, batch: &[usize], limit: f64) -> f64 {
        let (gains, near) = self.gain_bounds(pool, batch);
        for (&candidate, gain) in batch.iter().zip(gains) {
            self.bounds[candidate] = self.bounds[candidate].min(gain);
        }
        let pairs: usize = near.iter().map(|pairs| pairs.as_ref().map_or(CHUNK, Vec::len)).sum();
        self.is_crowded = !self.is_bare() && pairs * CROWDED > self.nearest.len();
        self.keep_lists(batch, &near);
        let mut left = batch.to_vec();
        self.sort(&mut left);
        self.compute_gains(pool, &left, &near, limit)
    }

    /// Compute the gains of up to `LANES` candidates from the largest bound down, until a bound is below the limit;
    /// returns the limit that follows from the gains. `near` has all pairs of these candidates that may count.
    fn compute_gains(
        &mut self,
        pool: &dyn Rows,
        candidates: &[usize],
        near: &[Option<Vec<Pair>>],
        mut limit: f64,
    ) -> f64 {
        // The best bound is checked alone first: its gain may rule out the others.
        let (mut rest, mut size) = (candidates, 1);
        while !rest.is_empty() && self.bounds[rest[0]] >= limit {
            let (now, later) = rest.split_at(size.min(rest.len()));
            for (&candidate, gain) in now.iter().zip(self.gains(pool, now, near)) {
                self.bounds[candidate] = gain;
                self.exact[candidate] = Some(self.picks);
                limit = limit.max(near_tie_limit(gain));
            }
            (rest, size) = (later, LANES);
        }
        limit
    }

    /// Lower the bounds of candidates that have lists, and sort these candidates by them.
    fn lower_by_lists(&mut self, candidates: &mut [usize]) {
        let lowered = candidates.par_iter().with_min_len(LANES).map(|&candidate| {
            let list = self.lists.of(candidate).unwrap_or_default();
            let gains = list.iter().map(|near| self.gain(near.row as usize, near.lower()));
            let (mut bound, mut counting) = (0.0, 0);
            for gain in gains {
                bound += gain;
                counting += usize::from(gain > 0.0);
            }
            (bound * (1.0 + ROUNDING), 2 * counting < list.len())
        });
        for (&candidate, (bound, is_thin)) in candidates.iter().zip(lowered.collect::<Vec<_>>()) {
            self.bounds[candidate] = self.bounds[candidate].min(bound);
            if is_thin {
                let nearest = &self.nearest;
                self.lists.thin(candidate, |near| near.lower() < nearest[near.row as usize]);
            }
        }
        self.sort(candidates);
    }

    /// The pairs of up to `LANES` candidates that have lists, for each chunk.
    fn listed_pairs(&self, candidates: &[usize]) -> Vec<Option<Vec<Pair>>> {
        let mut pairs = vec![Vec::new(); self.ranges().count()];
        for &candidate in candidates {
            for &near in self.lists.of(candidate).unwrap_or_default() {
                pairs[near.row as usize / CHUNK].push(Pair { candidate: candidate as u32, near });
            }
        }
        // A row is read once for all its pairs.
        pairs.iter_mut().for_each(|pairs| pairs.sort_by_key(|pair| pair.near.row));
        pairs.into_iter().map(Some).collect()
    }

    /// Keep the lists of candidates whose pairs are all known.
    fn keep_lists(&mut self, candidates: &[usize], near: &[Option<Vec<Pair>>]) {
        if self.is_bare() || near.iter().any(Option::is_none) {
            return;
        }
        let mut lists = vec![Vec::new(); candidates.len()];
        for pair in near.iter().flatten().flatten() {
            if let Some(position) = candidates.iter().position(|&candidate| candidate == pair.candidate as usize) {
                lists[position].push(pair.near);
            }
        }
        for (&candidate, list) in candidates.iter().zip(lists) {
            self.lists.keep(candidate, &list);
        }
    }

    /// Lower the bounds of up to `SCREENED` candidates by the screen alone, and sort these by them.
    fn lower_by_screen(&mut self, pool: &dyn Rows, candidates: &mut [usize]) {
        let (ceilings, unit) = (self.ceilings(0.0), self.screen_unit());
        let sums = self.chunks(pool, candidates, |rows, ruler| {
            let first = rows.start;
            let sums = self.screen.shortfalls(&ruler.packed, first, &ceilings[rows], self.space.is_cosine());
            let mut out = [0.0; SCREENED];
            out[..sums.len()].copy_from_slice(&sums);
            out
        });
        for (&candidate, shortfall) in candidates.iter().zip(totals(&sums, candidates.len())) {
            self.bounds[candidate] = self.bounds[candidate].min(shortfall * unit);
        }
        self.sort(candidates);
    }

    /// Every candidate's gain, from all distances.
    pub(crate) fn definition(&self, pool: &dyn Rows) -> Vec<f64> {
        let (dim, points) = (self.space.dim(), self.space.points(pool));
        let read = |index: usize| {
            let mut point = vec![0.0; dim];
            points.read(index, &mut point);
            point
        };
        (0..self.nearest.len())
            .into_par_iter()
            .map(|candidate| {
                let x = read(candidate);
                let sum = |rows: Range<usize>| -> f64 {
                    rows.map(|row| self.gain(row, self.space.between(&read(row), &x))).sum()
                };
                self.ranges().map(sum).sum()
            })
            .collect()
    }

    /// Larger bounds first; of equal bounds, the lower index.
    fn sort(&self, candidates: &mut [usize]) {
        candidates.sort_unstable_by(|&a, &b| self.bounds[b].total_cmp(&self.bounds[a]).then(a.cmp(&b)));
    }

    /// The contribution of one row to the gain of a candidate that is `chord` away.
    #[inline]
    fn gain(&self, row: usize, chord: f64) -> f64 {
        let (nearest, distance) = (self.nearest[row], self.space.reported(chord));
        if nearest == f64::INFINITY { -distance } else { (self.space.reported(nearest) - distance).max(0.0) }
    }

    /// Bounds for every candidate from the screen alone. Without a centre, `longest` bounds the distance of any two
    /// rows.
    fn bound_all(&mut self, longest: f64) {
        let (ceilings, unit) = (self.ceilings(longest), self.screen_unit());
        let total: f64 = match self.space.is_cosine() {
            true => ceilings.iter().map(|&c| f64::from(c).powi(2)).sum(),
            false => ceilings.iter().map(|&c| f64::from(c)).sum(),
        };
        // A loss is the sum of the ceilings less the sum of the amounts by which distances are below them.
        let excess = if self.is_bare() { total * (1.0 - ROUNDING) } else { 0.0 };
        let indices: Vec<u32> = (0..ceilings.len()).map(|i| i as u32).collect();
        let groups = indices.par_chunks(4 * LANES).map(|group| {
            let packed = self.screen.pack(group.to_vec());
            self.screen.shortfalls(&packed, 0, &ceilings, self.space.is_cosine())
        });
        let shortfalls: Vec<Vec<f64>> = groups.collect();
        self.bounds = shortfalls.into_iter().flatten().map(|shortfall| (shortfall - excess) * unit).collect();
    }

    /// The chord of each row to its nearest centre in units of the screen, rounded up; without a centre, `longest`.
    fn ceilings(&self, longest: f64) -> Vec<f32> {
        let finite = |nearest: f64| if nearest == f64::INFINITY { longest } else { nearest };
        self.nearest.iter().map(|&m| ((finite(m) / self.unit) * (1.0 + 1e-6)) as f32).collect()
    }

    /// The distance that a shortfall of one stands for.
    fn screen_unit(&self) -> f64 {
        if self.space.is_cosine() { 0.5 * self.unit * self.unit } else { self.unit }
    }

    fn ranges(&self) -> impl Iterator<Item = Range<usize>> {
        let len = self.nearest.len();
        (0..len).step_by(CHUNK).map(move |first| first..len.min(first + CHUNK))
    }

    /// Upper bounds of the gains of up to `LANES` candidates, and for each chunk the pairs that they come from. A chunk
    /// with very many pairs keeps none, which limits the memory.
    fn gain_bounds(&self, pool: &dyn Rows, candidates: &[usize]) -> (Vec<f64>, Vec<Option<Vec<Pair>>>) {
        let chunks = self.chunks(pool, candidates, |rows, ruler| {
            let (mut sums, mut pairs) = ([0.0; LANES], Some(Vec::new()));
            let most = PAIRS_OF_A_ROW * rows.len();
            ruler.bound(rows, |row, candidate, chord| {
                sums[candidate] += self.gain(row, chord.max(0.0));
                match &mut pairs {
                    Some(pairs) if pairs.len() < most => {
                        pairs.push(Pair { candidate: candidates[candidate] as u32, near: Near::new(row, chord) });
                    }
                    _ => pairs = None,
                }
            });
            (sums, pairs)
        });
        let (sums, pairs): (Vec<_>, Vec<_>) = chunks.into_iter().unzip();
        let mut bounds = totals(&sums, candidates.len());
        bounds.iter_mut().for_each(|bound| *bound += ROUNDING * bound.abs());
        (bounds, pairs)
    }

    /// The gains of up to `LANES` candidates, given the pairs of these and others that may count.
    fn gains(&self, pool: &dyn Rows, candidates: &[usize], near: &[Option<Vec<Pair>>]) -> Vec<f64> {
        let sums = self.chunks(pool, candidates, |rows, ruler| {
            let mut sums = [0.0; LANES];
            let found = |row, candidate, chord| sums[candidate] += self.gain(row, chord);
            match &near[rows.start / CHUNK] {
                Some(pairs) => {
                    let place = |pair: &Pair| {
                        Some((pair.near.row as usize, candidates.iter().position(|&c| c == pair.candidate as usize)?))
                    };
                    ruler.measure_pairs(pairs.iter().filter_map(place), found);
                }
                None => ruler.measure(rows, found),
            }
            sums
        });
        totals(&sums, candidates.len())
    }

    /// Run `work` on all rows of the pool, a chunk at a time.
    fn chunks<T: Send>(
        &self,
        pool: &dyn Rows,
        candidates: &[usize],
        work: impl Fn(Range<usize>, &mut Ruler<'_>) -> T + Sync,
    ) -> Vec<T> {
        let ranges: Vec<Range<usize>> = self.ranges().collect();
        ranges
            .into_par_iter()
            .map_init(
                || Ruler::new(self, pool, candidates),
                |ruler, rows| {
                    let done = work(rows.clone(), ruler);
                    self.rounded.release(rows.clone());
                    self.screen.release(rows.clone());
                    pool.release(rows);
                    done
                },
            )
            .collect()
    }
}

/// A row and a candidate that may be nearer to each other than the row is to its nearest centre.
#[derive(Clone, Copy)]
struct Pair {
    candidate: u32,
    near: Near,
}

/// The sum over the chunks of the first `count` numbers of each.
fn totals<const N: usize>(sums: &[[f64; N]], count: usize) -> Vec<f64> {
    (0..count).map(|candidate| sums.iter().map(|sums| sums[candidate]).sum()).collect()
}

/// Finds the rows that are nearer to one of a few candidates than to their nearest centre.
struct Ruler<'a> {
    coverage: &'a Coverage,
    points: Points<'a>,
    candidates: &'a [usize],
    packed: Packed,
    /// Pairs of a row and the position of a candidate that the screen does not rule out.
    near: Vec<(usize, usize)>,
    /// Points of the candidates, read when they are first needed.
    centres: Vec<f64>,
    point: Vec<f64>,
}

impl<'a> Ruler<'a> {
    fn new(coverage: &'a Coverage, pool: &'a dyn Rows, candidates: &'a [usize]) -> Self {
        let indices = candidates.iter().map(|&i| i as u32).collect();
        Self {
            coverage,
            points: coverage.space.points(pool),
            candidates,
            packed: coverage.screen.pack(indices),
            near: Vec::new(),
            centres: Vec::new(),
            point: vec![0.0; coverage.space.dim()],
        }
    }

    /// Call `found` with a row, the position of a candidate and a lower bound on their chord, for every pair that may
    /// be near enough, in the order of the rows.
    fn bound(&mut self, rows: Range<usize>, mut found: impl FnMut(usize, usize, f64)) {
        let coverage = self.coverage;
        let radius = |m: &f64| (m / coverage.unit * (1.0 + 1e-6) + TINY) as f32;
        let radii: Vec<f32> = coverage.nearest[rows.clone()].iter().map(radius).collect();
        let indices: Vec<u32> = rows.clone().map(|row| row as u32).collect();
        self.near.clear();
        let near = &mut self.near;
        coverage.screen.within(&indices, &self.packed, Radii::OfRows(&radii), |row, candidate| {
            near.push((rows.start + row, candidate));
        });
        for pairs in self.near.chunk_by(|(row, _), (next, _)| row == next) {
            let row = pairs[0].0;
            for few in pairs.chunks(DIRECTIONS) {
                let others = std::array::from_fn(|k| self.candidates[few[k.min(few.len() - 1)].1]);
                let bounds = coverage.rounded.between(row, &coverage.rounded, others);
                for (&(_, candidate), bounds) in few.iter().zip(bounds) {
                    if bounds.lower < coverage.nearest[row] {
                        found(row, candidate, bounds.lower);
                    }
                }
            }
        }
    }

    /// As `bound`, with the chord itself.
    fn measure(&mut self, rows: Range<usize>, found: impl FnMut(usize, usize, f64)) {
        let mut pairs = Vec::new();
        self.bound(rows, |row, candidate, _| pairs.push((row, candidate)));
        self.measure_pairs(pairs.into_iter(), found);
    }

    /// Call `found` with the row, the position of the candidate and the chord of every pair.
    fn measure_pairs(&mut self, pairs: impl Iterator<Item = (usize, usize)>, mut found: impl FnMut(usize, usize, f64)) {
        let dim = self.coverage.space.dim();
        let mut last = usize::MAX;
        for (row, candidate) in pairs {
            if self.centres.is_empty() {
                self.centres.resize(self.candidates.len() * dim, 0.0);
                for (centre, &candidate) in self.centres.chunks_exact_mut(dim).zip(self.candidates) {
                    self.points.read(candidate, centre);
                }
            }
            if row != last {
                self.points.read(row, &mut self.point);
                last = row;
            }
            let centre = &self.centres[candidate * dim..(candidate + 1) * dim];
            found(row, candidate, self.coverage.space.between(&self.point, centre));
        }
    }
}

/// Points relative to an origin, in units of a power of two.
struct Centred<'a> {
    points: Points<'a>,
    origin: &'a [f64],
    unit: f64,
}

impl Rows for Centred<'_> {
    fn len(&self) -> usize {
        self.points.len()
    }

    fn dim(&self) -> usize {
        self.points.dim()
    }

    fn read(&self, index: usize, out: &mut [f64]) {
        self.points.read(index, out);
        out.iter_mut().zip(self.origin).for_each(|(x, origin)| *x = (*x - origin) / self.unit);
    }

    fn expect(&self, rows: Range<usize>) {
        self.points.expect(rows);
    }

    fn release(&self, rows: Range<usize>) {
        self.points.release(rows);
    }
}
