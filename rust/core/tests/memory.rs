//! What every method keeps beside the rows of the pool: at most what the page on choosing a method states.
//!
//! All memory is counted as it is asked for, so the numbers are the same on every run and every machine. The methods run
//! in one thread, one after the other.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use mlipselect_core::{
    Bayesian, BayesianScore, Distance, Engine, FacilityLocation, Fps, KMedoids, Leverage, Metric, Pool, Posterior,
    Scale, Selection, Start, View, leverage, shuffled,
};

struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the allocator of the system as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(now, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `dealloc`, and `pointer` came from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Most bytes that were in use at one time while `work` ran, beside those before, and what it returns.
fn peak<T>(work: impl FnOnce() -> T) -> (usize, T) {
    let before = NOW.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let result = work();
    (PEAK.load(Ordering::Relaxed) - before, result)
}

/// Rows in five clusters, with a decaying spectrum.
fn rows(count: usize, dim: usize) -> Vec<f32> {
    let value = |k: usize| (((k as f64 * 12.9898).sin() * 43758.5453).fract() + (k / dim % 5) as f64) as f32;
    (0..count * dim).map(|k| value(k) / (1.0 + (k % dim) as f32)).collect()
}

const PICKS: usize = 10;
/// Rows of the sample that `pool_std` judges candidates by.
const TARGET: usize = 2048;
/// Largest number of bytes of blocks of rows, whatever the size of the pool.
const BLOCKS: usize = 2 << 20;
/// Rows and features of pools with more than 2^22 numbers, of which rounded copies are kept.
const LARGE: [(usize, usize); 2] = [(140_000, 32), (40_000, 128)];
/// For methods whose time grows with the square of the number of rows.
const SMALL: [(usize, usize); 2] = [(4_000, 32), (6_000, 128)];
const POOL_VARIANCE: BayesianScore = BayesianScore::PoolVariance { max_memory: usize::MAX };
const POOL_STD: BayesianScore = BayesianScore::PoolStd { max_memory: usize::MAX };
const DISTANCE: Distance = Distance { metric: Metric::Euclidean, scale: Scale::None };

struct Method {
    name: &'static str,
    sizes: [(usize, usize); 2],
    /// Runs the method; returns the bytes of what depends on the data, if it states them itself.
    work: fn(&Pool<'_>) -> usize,
    /// The most bytes for so many rows and features.
    stated: fn(usize, usize) -> usize,
}

fn select(mut selection: impl Selection, pool: &Pool<'_>) -> usize {
    selection.advance(pool, PICKS).unwrap();
    0
}

fn prior(pool: &Pool<'_>) -> Posterior {
    Posterior::isotropic(pool.dim(), 1e-3, 1.0).unwrap()
}

fn bayesian(pool: &Pool<'_>, score: BayesianScore) -> usize {
    select(Bayesian::new(prior(pool), &score, pool, Engine::Lazy).unwrap(), pool)
}

fn pool_std(pool: &Pool<'_>) -> usize {
    let target = rows(TARGET, pool.dim());
    let target = View::new(&target, TARGET, pool.dim()).unwrap();
    select(Bayesian::with_target(prior(pool), &POOL_STD, pool, &target, Engine::Lazy).unwrap(), pool)
        + size_of::<f32>() * TARGET * pool.dim()
}

fn k_medoids(pool: &Pool<'_>) -> usize {
    let mut search = KMedoids::new(pool, PICKS, &[], Scale::None, Start::PlusPlus { seed: 0 }, usize::MAX).unwrap();
    let mut lists = 0;
    while !search.is_done() {
        search.advance(1000).unwrap();
        lists = lists.max(search.list_bytes().unwrap_or(0));
    }
    search.medoids(pool).unwrap();
    // The lists are as long as expected, more or less.
    lists + lists / 10
}

fn main() {
    let methods = [
        Method {
            name: "energy",
            sizes: LARGE,
            work: |pool| bayesian(pool, BayesianScore::Energy),
            stated: |rows, dim| rows * (2 * dim + 120) + 320 * dim * dim,
        },
        Method {
            name: "pool_variance",
            sizes: LARGE,
            work: |pool| bayesian(pool, POOL_VARIANCE),
            stated: |rows, dim| POOL_VARIANCE.pool_bytes(rows, rows, dim),
        },
        Method {
            name: "pool_std",
            sizes: LARGE,
            work: pool_std,
            stated: |rows, dim| POOL_STD.pool_bytes(rows, TARGET, dim),
        },
        Method {
            name: "fps",
            sizes: LARGE,
            work: |pool| select(Fps::new(pool, DISTANCE, None, Engine::Lazy).unwrap(), pool),
            stated: |rows, dim| rows * (2 * dim + 130),
        },
        Method {
            name: "facility_location",
            sizes: SMALL,
            work: |pool| select(FacilityLocation::new(pool, DISTANCE, Engine::Lazy, usize::MAX).unwrap(), pool),
            stated: |rows, dim| FacilityLocation::bytes(rows, 0, dim),
        },
        Method {
            name: "k_medoids",
            sizes: SMALL,
            work: k_medoids,
            stated: |rows, dim| KMedoids::row_bytes(rows, 0, dim, PICKS),
        },
        Method {
            name: "cur",
            sizes: LARGE,
            work: |pool| {
                leverage(pool.structures(), None, None, Leverage::EffectiveRank, Scale::None).unwrap();
                0
            },
            stated: |rows, dim| 8 * rows + 64 * dim * dim,
        },
        Method {
            name: "random",
            sizes: LARGE,
            work: |pool| {
                shuffled(&(0..pool.len()).collect::<Vec<_>>(), 0);
                0
            },
            stated: |rows, _| 24 * rows,
        },
    ];
    let threads = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let mut wrong = 0;
    for Method { name, sizes, work, stated } in methods {
        for (count, dim) in sizes {
            let data = rows(count, dim);
            let pool = Pool::new(View::new(&data, count, dim).unwrap());
            let (used, of_data) = threads.install(|| peak(|| work(&pool)));
            let most = stated(count, dim) + of_data;
            // A statement far above what is used says nothing; that of `pool_std` counts two blocks of a store.
            let is_right = (most / 5..=most + BLOCKS).contains(&used);
            wrong += usize::from(!is_right);
            let verdict = if is_right { "ok" } else { "WRONG" };
            println!("{name}, {count} x {dim}: {used} bytes, at most {most} stated: {verdict}");
        }
    }
    assert_eq!(wrong, 0, "statements that do not hold");
}
