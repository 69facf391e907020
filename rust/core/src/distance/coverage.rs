//! The sum over the pool of the distance to the nearest centre, and the gain of one more centre.
//!
//! With `m(y)` the distance of a row `y` to its nearest centre, a candidate `x` gains `sum_y max(0, m(y) - d(y, x))`.
//! Gains never rise as centres are added, so earlier gains are upper bounds. A bound that is too high is lowered in two
//! steps: first from lower bounds on the distances of pairs that the screen does not rule out, then from distances in
//! float64.

use std::ops::Range;

use rayon::prelude::*;

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
    picks: usize,
}

impl Coverage {
    /// Largest number of bytes for `len` rows.
    pub(crate) fn bytes(len: usize, dim: usize) -> usize {
        Rounded::bytes(len, dim) + Screen::bytes(len, dim) + len * (2 * size_of::<f64>() + size_of::<Option<usize>>())
    }

    /// Bytes of that which are in memory where the points are in a file.
    pub(crate) fn bytes_beside_file(len: usize, dim: usize) -> usize {
        let each = 2 * size_of::<f64>() + size_of::<Option<usize>>();
        Rounded::bytes_beside_file(len) + Screen::bytes_beside_file(len, dim) + len * each
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
        let exact = vec![None; nearest.len()];
        let mut out = Self { space, rounded, screen, unit, bounds: Vec::new(), nearest, exact, picks: 0 };
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
        if was_bare {
            // The gains so far were minus the losses of single centres, which do not bound gains beside a centre.
            self.bound_all(0.0);
        }
    }

    /// Lower the bounds of candidates until each is its gain, below `threshold`, or too low to tie with the best.
    pub(crate) fn tighten(&mut self, pool: &dyn Rows, candidates: &[usize], threshold: f64) {
        let mut order = candidates.to_vec();
        self.sort(&mut order);
        let mut limit = threshold;
        for batch in order.chunks(LANES) {
            if self.bounds[batch[0]] < limit {
                break;
            }
            for (&candidate, gain) in batch.iter().zip(self.gains(pool, batch, Accuracy::Bound)) {
                self.bounds[candidate] = self.bounds[candidate].min(gain);
            }
            let mut left = batch.to_vec();
            self.sort(&mut left);
            // The best bound is checked alone first: its gain may rule out the others.
            let (mut rest, mut size) = (&left[..], 1);
            while !rest.is_empty() && self.bounds[rest[0]] >= limit {
                let (now, later) = rest.split_at(size.min(rest.len()));
                for (&candidate, gain) in now.iter().zip(self.gains(pool, now, Accuracy::Exact)) {
                    self.bounds[candidate] = gain;
                    self.exact[candidate] = Some(self.picks);
                    limit = limit.max(near_tie_limit(gain));
                }
                (rest, size) = (later, LANES);
            }
        }
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
        let finite = |nearest: f64| if nearest == f64::INFINITY { longest } else { nearest };
        let ceiling = |nearest: f64| ((finite(nearest) / self.unit) * (1.0 + 1e-6)) as f32;
        let ceilings: Vec<f32> = self.nearest.iter().map(|&m| ceiling(m)).collect();
        let (unit, total) = match self.space.is_cosine() {
            true => (0.5 * self.unit * self.unit, ceilings.iter().map(|&c| f64::from(c).powi(2)).sum::<f64>()),
            false => (self.unit, ceilings.iter().map(|&c| f64::from(c)).sum::<f64>()),
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

    fn ranges(&self) -> impl Iterator<Item = Range<usize>> {
        let len = self.nearest.len();
        (0..len).step_by(CHUNK).map(move |first| first..len.min(first + CHUNK))
    }

    /// The gains of up to `LANES` candidates.
    fn gains(&self, pool: &dyn Rows, candidates: &[usize], accuracy: Accuracy) -> Vec<f64> {
        let chunks = self.chunks(pool, candidates, |rows, ruler| {
            let mut sums = [0.0; LANES];
            match accuracy {
                Accuracy::Bound => ruler.bound(rows, |row, candidate, chord| {
                    sums[candidate] += self.gain(row, chord.max(0.0));
                }),
                Accuracy::Exact => ruler.measure(rows, |row, candidate, chord| {
                    sums[candidate] += self.gain(row, chord);
                }),
            }
            sums
        });
        let mut total = vec![0.0; candidates.len()];
        for sums in chunks {
            total.iter_mut().zip(sums).for_each(|(total, sum)| *total += sum);
        }
        if accuracy == Accuracy::Bound {
            total.iter_mut().for_each(|total| *total += ROUNDING * total.abs());
        }
        total
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

/// The distances from which a gain is computed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Accuracy {
    /// Lower bounds on the distances.
    Bound,
    /// Distances.
    Exact,
}

/// Finds the rows that are nearer to one of a few candidates than to their nearest centre.
struct Ruler<'a> {
    coverage: &'a Coverage,
    points: Points<'a>,
    candidates: &'a [usize],
    packed: Packed,
    /// Near rows of each candidate.
    near: Vec<Vec<usize>>,
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
            near: vec![Vec::new(); candidates.len()],
            centres: Vec::new(),
            point: vec![0.0; coverage.space.dim()],
        }
    }

    /// Call `found` with a row, the position of a candidate and a lower bound on their chord, for every pair that may
    /// be near enough. The rows of a candidate come in order.
    fn bound(&mut self, rows: Range<usize>, mut found: impl FnMut(usize, usize, f64)) {
        let coverage = self.coverage;
        let radius = |m: &f64| (m / coverage.unit * (1.0 + 1e-6) + TINY) as f32;
        let radii: Vec<f32> = coverage.nearest[rows.clone()].iter().map(radius).collect();
        let indices: Vec<u32> = rows.clone().map(|row| row as u32).collect();
        self.near.iter_mut().for_each(Vec::clear);
        let near = &mut self.near;
        coverage.screen.within(&indices, &self.packed, Radii::OfRows(&radii), |row, candidate| {
            near[candidate].push(rows.start + row);
        });
        for (position, (near, &candidate)) in self.near.iter().zip(self.candidates).enumerate() {
            for group in near.chunks(DIRECTIONS) {
                let others = std::array::from_fn(|k| group[k.min(group.len() - 1)]);
                let bounds = coverage.rounded.between(candidate, &coverage.rounded, others);
                for (&row, bounds) in group.iter().zip(bounds) {
                    if bounds.lower < coverage.nearest[row] {
                        found(row, position, bounds.lower);
                    }
                }
            }
        }
    }

    /// As `bound`, with the chord itself.
    fn measure(&mut self, rows: Range<usize>, mut found: impl FnMut(usize, usize, f64)) {
        let dim = self.coverage.space.dim();
        if self.centres.is_empty() {
            self.centres.resize(self.candidates.len() * dim, 0.0);
            for (centre, &candidate) in self.centres.chunks_exact_mut(dim).zip(self.candidates) {
                self.points.read(candidate, centre);
            }
        }
        let mut pairs = Vec::new();
        self.bound(rows, |row, candidate, _| pairs.push((row, candidate)));
        pairs.sort_unstable();
        let mut last = usize::MAX;
        for (row, candidate) in pairs {
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
