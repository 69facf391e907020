//! Times of the kernels of selection, through the public functions that spend their time in them.

use std::hint::black_box;

use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use mlipselect_core::{
    Bayesian, BayesianScore, Distance, Element, Engine, FacilityLocation, Fps, Leverage, Metric, Pool, Posterior,
    Result, Rows, Scale, Selection, View, leverage,
};

type Group<'a> = BenchmarkGroup<'a, WallTime>;

const WIDTHS: [usize; 2] = [64, 256];
/// Rows that products are measured on, and candidates of a selection.
const ROWS: usize = 8192;
/// Rows by which a posterior is updated, and picks of a selection.
const PICKS: usize = 32;

/// Rows with a decaying spectrum: the same on every call.
fn rows(count: usize, dim: usize) -> Vec<f64> {
    let mut state = 1_u64;
    let mut uniform = || {
        state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
        (state >> 11) as f64 * 2_f64.powi(-52) - 1.0
    };
    (0..count * dim).map(|k| uniform() / (1.0 + (k % dim) as f64)).collect()
}

fn view<T: Element>(data: &[T], dim: usize) -> View<'_, T> {
    View::new(data, data.len() / dim, dim).unwrap()
}

/// A posterior that knows as many rows as it has features.
fn posterior(data: &[f64], dim: usize) -> Posterior {
    let mut posterior = Posterior::isotropic(dim, 1e-3, 1.0).unwrap();
    posterior.update(&view(&data[..dim * dim], dim)).unwrap();
    // What is computed once is no part of a product.
    posterior.variance(&view(&data[..dim], dim)).unwrap();
    posterior
}

fn id(name: &str, count: usize, dim: usize) -> BenchmarkId {
    BenchmarkId::new(name, format!("{count}x{dim}"))
}

/// Products of rows with the panels of a triangular matrix, and the update of that triangle.
fn posteriors(c: &mut Criterion) {
    let mut group = c.benchmark_group("posterior");
    for dim in WIDTHS {
        let data = rows(ROWS, dim);
        let single: Vec<f32> = data.iter().map(|&x| x as f32).collect();
        let posterior = posterior(&data, dim);
        group.throughput(Throughput::Elements(ROWS as u64));
        let matrices: [(&str, &dyn Rows); 2] =
            [("variance of float64", &view(&data, dim)), ("variance of float32", &view(&single, dim))];
        for (name, rows) in matrices {
            group.bench_function(id(name, ROWS, dim), |b| b.iter(|| posterior.variance(black_box(rows)).unwrap()));
        }
        group.throughput(Throughput::Elements(PICKS as u64));
        group.bench_function(id("update", PICKS, dim), |b| {
            let rows = view(&data[..PICKS * dim], dim);
            b.iter_batched_ref(
                || posterior.clone(),
                |posterior| posterior.update(&rows).unwrap(),
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

/// Gram matrices: the larger part of leverages with a ridge. So many float32 rows are multiplied in float32.
fn grams(c: &mut Criterion) {
    let mut group = c.benchmark_group("gram");
    let (count, dim) = (1 << 17, 64);
    let data = rows(count, dim);
    let single: Vec<f32> = data.iter().map(|&x| x as f32).collect();
    group.throughput(Throughput::Elements(count as u64));
    let matrices: [(&str, &dyn Rows); 2] =
        [("leverage of float64", &view(&data, dim)), ("leverage of float32", &view(&single, dim))];
    for (name, rows) in matrices {
        group.bench_function(id(name, count, dim), |b| {
            b.iter(|| leverage(black_box(rows), None, None, Leverage::Ridge(1.0), Scale::None).unwrap());
        });
    }
    group.finish();
}

/// The start of a selection, and its picks.
fn selection<S: Selection>(group: &mut Group<'_>, name: &str, pool: &Pool<'_>, begin: impl Fn() -> Result<S>) {
    let begin = || begin().unwrap();
    group.throughput(Throughput::Elements(pool.len() as u64));
    group.bench_function(id(&format!("{name}, start"), pool.len(), pool.dim()), |b| b.iter(begin));
    group.throughput(Throughput::Elements(PICKS as u64));
    group.bench_function(id(&format!("{name}, {PICKS} picks"), pool.len(), pool.dim()), |b| {
        b.iter_batched_ref(begin, |selection| selection.advance(pool, PICKS).unwrap(), BatchSize::PerIteration);
    });
}

/// Greedy selection. In the larger pool variances are estimated from rows rounded to 16 bits: the start rounds them, and picks
/// are products of these.
fn selections(c: &mut Criterion) {
    let mut group = c.benchmark_group("selection");
    let distance = Distance { metric: Metric::Euclidean, scale: Scale::Standard };
    let dim = WIDTHS[0];
    let data = rows(8 * ROWS, dim);
    let posterior = posterior(&data, dim);
    let [small, large] = [ROWS, 8 * ROWS].map(|count| Pool::new(view(&data[..count * dim], dim)));
    for pool in [&small, &large] {
        selection(&mut group, "energy", pool, || {
            Bayesian::new(posterior.clone(), &BayesianScore::Energy, pool, Engine::Lazy)
        });
    }
    selection(&mut group, "fps", &small, || Fps::new(&small, distance, None, Engine::Lazy));
    selection(&mut group, "facility location", &small, || {
        FacilityLocation::new(&small, distance, Engine::Lazy, usize::MAX)
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = posteriors, grams, selections
}
criterion_main!(benches);
