//! Picks are those of the selection in memory, for any guess and any sizes of windows and blocks.

use proptest::prelude::*;

use super::bounded::BoundedRows;
use super::variances::Guess;
use super::*;
use crate::data::rows::View;
use crate::greedy::Engine;
use crate::methods::bayesian::Bayesian;
use crate::methods::fps::Fps;

/// Clustered rows whose features differ in size, with duplicates and perhaps a row of zeros.
fn rows(len: usize, dim: usize, seed: u32) -> Vec<f32> {
    let noise = |k: usize| ((f64::from(seed) * 0.61 + k as f64 * 12.9898).sin() * 43758.5453).fract();
    let mut out: Vec<f32> = (0..len * dim)
        .map(|k| (noise(k % dim + 7 * (k / dim % 5)) + noise(k + 1000)) as f32 / (1 + k % dim) as f32)
        .collect();
    for i in (4..len).step_by(7) {
        out.copy_within((i - 3) * dim..(i - 2) * dim, i * dim);
    }
    if seed.is_multiple_of(3) {
        let zeros = seed as usize % len;
        out[zeros * dim..(zeros + 1) * dim].fill(0.0);
    }
    out
}

/// Sizes of blocks and windows, and guesses that expect too many or too few rows to reach the limit.
fn small() -> impl Strategy<Value = (Sizes, Guess)> {
    let sizes = (1_usize..80, 1_usize..40).prop_map(|(block, window)| Sizes {
        block,
        window,
        largest: usize::MAX / 4,
        bytes: 0,
    });
    let margin = prop::sample::select(vec![0.02, 0.5, 1.25, 5.0]);
    let guess =
        (1_usize..60, 1_usize..60, margin).prop_map(|(sample, census, margin)| Guess { sample, census, margin });
    (sizes, guess)
}

fn bayesian(pool: &Pool<'_>, prior: &Posterior, score: BayesianScore, (sizes, guess): (Sizes, Guess)) -> Windowed {
    let windows = BoundedRows::with_guess(pool.structures(), sizes.block, guess);
    Windowed::bayesian_with(pool, prior.clone(), score, Box::new(windows), sizes).unwrap()
}

fn variances(posterior: &Posterior, rows: &dyn Rows) -> Vec<f64> {
    posterior.variance(rows).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn bayesian_picks_are_those_in_memory(
        len in 1_usize..200, dim in 1_usize..20, seed in 0_u32..1000, small in small(), logdet in any::<bool>(),
        scale in prop::sample::select(vec![1e-25_f32, 1.0, 1e15]), steps in prop::collection::vec(1_usize..30, 1..6),
    ) {
        let data: Vec<f32> = rows(len, dim, seed).iter().map(|x| x * scale).collect();
        let pool = Pool::new(View::new(&data, len, dim).unwrap());
        let prior = Posterior::isotropic(dim, 1e-3 * f64::from(scale).powi(2), 1.0).unwrap();
        let score = if logdet { BayesianScore::LogDet } else { BayesianScore::Energy };
        let mut memory = Bayesian::new(prior.clone(), &score, &pool, Engine::Lazy).unwrap();
        let mut disk = bayesian(&pool, &prior, score, small);
        // Some candidates are excluded before the first pick, and one after each step.
        let excluded: Vec<usize> = (0..len).filter(|i| i % 11 == 5).collect();
        memory.exclude(&excluded).unwrap();
        disk.exclude(&excluded).unwrap();
        for step in steps {
            let step = step.min(disk.remaining());
            memory.advance(&pool, step).unwrap();
            disk.advance(&pool, step).unwrap();
            prop_assert_eq!(disk.indices(), memory.indices());
            prop_assert_eq!(disk.scores(), memory.scores());
            prop_assert_eq!(disk.information(), memory.information());
            let passed = disk.propose(&pool).unwrap();
            prop_assert_eq!(passed, memory.propose(&pool).unwrap());
            if let Some((passed, _)) = passed {
                memory.exclude(&[passed]).unwrap();
                disk.exclude(&[passed]).unwrap();
            }
        }
        let (here, there) = (variances(&disk.posterior().unwrap(), pool.structures()), memory.posterior().unwrap());
        for (here, there) in here.iter().zip(variances(&there, pool.structures())) {
            prop_assert!((here - there).abs() <= 1e-9 * there);
        }
    }

    #[test]
    fn fps_picks_are_those_in_memory(
        len in 1_usize..200, dim in 1_usize..20, seed in 0_u32..1000, small in small(), cosine in any::<bool>(),
        scaled in any::<bool>(), start in 0_usize..4, picks in 1_usize..60, found in 1_usize..100, core in 1_usize..100,
    ) {
        // The cosine is defined for nonzero rows only.
        let data: Vec<f32> = rows(len, dim, seed).iter().map(|x| x + if cosine { 3.0 } else { 0.0 }).collect();
        let (metric, scale) = (
            if cosine { Metric::Cosine } else { Metric::Euclidean },
            if scaled { Scale::Standard } else { Scale::None },
        );
        let core: Vec<f64> = data[..len.min(core) * dim].iter().map(|&x| 1.1 * f64::from(x)).collect();
        let (core, initialize) = match start {
            0 => (core, None),
            1 => (Vec::new(), Some(seed as usize % len)),
            _ => (Vec::new(), None),
        };
        let core = View::new(&core, core.len() / dim, dim).unwrap();
        let pool = Pool::new(View::new(&data, len, dim).unwrap()).with_core(core).unwrap();
        let distance = Distance { metric, scale };
        let mut memory = Fps::new(&pool, distance, initialize, Engine::Lazy).unwrap();
        let mut disk = Windowed::fps(&pool, distance, initialize, 1 << 30).unwrap();
        let Sizes { block, window, .. } = small.0;
        let factors = (scale == Scale::Standard).then(|| {
            let both: [(&str, &dyn Rows); 2] = [("the pool", pool.structures()), ("the core", pool.core())];
            standard_scales(&both[..if core.is_empty() { 1 } else { 2 }]).unwrap()
        });
        disk.windows = Box::new(BoundedRows::with_found(pool.structures(), block, metric, factors, found));
        disk.size = window;
        let picks = picks.min(len);
        memory.advance(&pool, picks).unwrap();
        disk.advance(&pool, picks / 2).unwrap();
        disk.advance(&pool, picks - picks / 2).unwrap();
        prop_assert_eq!(disk.indices(), memory.indices());
        prop_assert_eq!(disk.scores(), memory.scores());
        // Again, with the first picks given.
        let mut again = Windowed::fps(&pool, distance, initialize, 1 << 30).unwrap();
        memory.indices()[..picks / 2].iter().for_each(|&pick| again.accept(&pool, pick).unwrap());
        again.advance(&pool, picks - picks / 2).unwrap();
        prop_assert_eq!(again.indices(), memory.indices());
        prop_assert_eq!(again.scores(), memory.scores());
    }

    #[test]
    fn contenders_are_about_as_many_as_asked_for_and_all_others_are_bounded(
        len in 1_usize..200, dim in 1_usize..20, seed in 0_u32..1000, small in small(), size in 1_usize..60,
        picks in 1_usize..40, sharp in any::<bool>(),
    ) {
        let data = rows(len, dim, seed);
        let pool = Pool::new(View::new(&data, len, dim).unwrap());
        let prior = Posterior::isotropic(dim, 1e-3, 1.0).unwrap();
        let mut bounded = BoundedRows::with_guess(pool.structures(), small.0.block, small.1);
        bounded.survey(&Known::Posterior(prior.clone())).unwrap();
        while bounded.go_on(pool.structures()).unwrap() {}
        let mut memory = Bayesian::new(prior.clone(), &BayesianScore::Energy, &pool, Engine::Lazy).unwrap();
        memory.advance(&pool, picks.min(len)).unwrap();
        bounded.exclude(memory.indices());
        let posterior = memory.posterior().unwrap();
        bounded.observe(&News::Picks { directions: memory.directions(), posterior: posterior.clone() }).unwrap();
        let Window { members, bounds, outside, .. } = bounded.window(pool.structures(), size, sharp).unwrap();
        let left: Vec<usize> = (0..len).filter(|i| !memory.indices().contains(i)).collect();
        prop_assert!(size.min(left.len()) / 2 <= members.len() && members.len() <= size);
        prop_assert!(members.iter().all(|i| left.contains(i)) && members.is_sorted());
        prop_assert!(bounds.iter().all(|&bound| bound >= outside));
        let slack = 1e-6 * variances(&prior, pool.structures()).into_iter().fold(0.0, f64::max);
        let now = variances(&posterior, pool.structures());
        prop_assert!(left.iter().filter(|i| !members.contains(i)).all(|&i| now[i] <= outside + slack));
    }
}

#[test]
fn few_rows_are_read_again_where_few_can_win() {
    let (len, dim) = (20_000, 40);
    let mut data = rows(len, dim, 1);
    data[1000 * dim..].iter_mut().for_each(|x| *x *= 0.01);
    let pool = Pool::new(View::new(&data, len, dim).unwrap());
    let prior = Posterior::isotropic(dim, 1e-3, 1.0).unwrap();
    let sizes = Sizes { block: 1000, window: 1024, largest: len, bytes: 0 };
    let mut disk = bayesian(&pool, &prior, BayesianScore::Energy, (sizes, Guess::default()));
    let mut memory = Bayesian::new(prior, &BayesianScore::Energy, &pool, Engine::Lazy).unwrap();
    disk.advance(&pool, 25).unwrap();
    memory.advance(&pool, 25).unwrap();
    assert_eq!(disk.indices(), memory.indices());
    let Reading { windows, rows_read } = disk.reading().unwrap();
    assert!(windows > 0 && rows_read < len / 3, "{windows} {rows_read}");
}

#[test]
fn bounds_are_sharpened_where_they_are_too_coarse() {
    // Nearly the same variance everywhere, and a window with few places: rounded bounds cannot tell rows apart.
    let (len, dim) = (3000, 30);
    let mut data: Vec<f64> = rows(len, dim, 1).into_iter().map(f64::from).collect();
    for row in data.chunks_exact_mut(dim) {
        let length = row.iter().map(|x| x * x).sum::<f64>().sqrt();
        row.iter_mut().for_each(|x| *x /= length);
    }
    let view = View::new(&data, len, dim).unwrap();
    let pool = Pool::new(view);
    let mut prior = Posterior::isotropic(dim, 1e-4, 1.0).unwrap();
    prior.update(&View::new(&data[..200 * dim], 200, dim).unwrap()).unwrap();
    let sizes = Sizes { block: 400, window: 40, largest: 40, bytes: 0 };
    // Duplicates, of which more than a window holds may tie, do not appear in so few picks.
    let mut disk = bayesian(&pool, &prior, BayesianScore::Energy, (sizes, Guess::default()));
    let mut memory = Bayesian::new(prior, &BayesianScore::Energy, &pool, Engine::Lazy).unwrap();
    disk.advance(&pool, 60).unwrap();
    memory.advance(&pool, 60).unwrap();
    assert_eq!(disk.indices(), memory.indices());
    assert_eq!(disk.scores(), memory.scores());
}

#[test]
fn more_ties_than_there_is_memory_for_are_refused() {
    let data = vec![1.0; 5000 * 3];
    let pool = Pool::new(View::new(&data, 5000, 3).unwrap());
    let prior = Posterior::isotropic(3, 1.0, 1.0).unwrap();
    let sizes = Sizes { block: 100, window: 30, largest: 100, bytes: 0 };
    let mut disk = bayesian(&pool, &prior, BayesianScore::Energy, (sizes, Guess::default()));
    assert!(matches!(disk.advance(&pool, 1), Err(Error::Ties { rows: 100 })));
}

#[test]
fn rows_that_have_no_score_are_named() {
    let mut data = rows(500, 4, 1);
    data[333 * 4] = f32::NAN;
    let pool = Pool::new(View::new(&data, 500, 4).unwrap());
    let prior = Posterior::isotropic(4, 1.0, 1.0).unwrap();
    let sizes = Sizes { block: 100, window: 30, largest: 100, bytes: 0 };
    let mut disk = bayesian(&pool, &prior, BayesianScore::Energy, (sizes, Guess::default()));
    assert!(matches!(disk.advance(&pool, 1), Err(Error::NotFinite { what: "the pool", row: 333 })));
    for scale in [Scale::None, Scale::Standard] {
        let distance = Distance { metric: Metric::Euclidean, scale };
        let disk = Windowed::fps(&pool, distance, None, 1 << 30);
        let refused = disk.and_then(|mut disk| disk.advance(&pool, 1));
        assert!(matches!(refused, Err(Error::NotFinite { what: "the pool", row: 333 })));
    }
    let huge = vec![1e200; 50 * 3];
    let pool = Pool::new(View::new(&huge, 50, 3).unwrap());
    let prior = Posterior::isotropic(3, 1.0, 1.0).unwrap();
    let mut disk = bayesian(&pool, &prior, BayesianScore::Energy, (sizes, Guess::default()));
    assert!(matches!(disk.advance(&pool, 1), Err(Error::TooLarge { what: "the pool", row: 0 })));
}

#[test]
fn what_cannot_be_done_is_refused() {
    let data = rows(50, 3, 1);
    let pool = Pool::new(View::new(&data, 50, 3).unwrap());
    let prior = Posterior::isotropic(3, 1.0, 1.0).unwrap();
    let refused =
        Windowed::bayesian(&pool, prior.clone(), BayesianScore::PoolVariance { max_memory: 1 << 30 }, 1 << 30).err();
    assert!(matches!(refused, Some(Error::Parameter { .. })));
    let mut disk = Windowed::bayesian(&pool, prior, BayesianScore::Energy, 1 << 30).unwrap();
    disk.exclude(&[0, 1]).unwrap();
    assert!(matches!(disk.advance(&pool, 49), Err(Error::TooMany { asked: 49, available: 48 })));
    disk.advance(&pool, 2).unwrap();
    assert!(disk.accept(&pool, 0).is_err() && disk.accept(&pool, disk.indices()[0]).is_err());
    assert!(disk.accept(&pool, 50).is_err() && disk.exclude(&[50]).is_err());
    let distance = Distance::default();
    assert!(Windowed::fps(&pool, distance, Some(50), 1 << 30).is_err());
    let mut disk = Windowed::fps(&pool, distance, Some(3), 1 << 30).unwrap();
    assert!(disk.exclude(&[3]).is_err());
    disk.advance(&pool, 1).unwrap();
    assert!(disk.exclude(&[4]).is_ok() && disk.indices() == [3]);
    let mut rows = BoundedRows::variances(pool.structures(), 10);
    assert!(rows.survey(&Known::Centres(OwnedRows::none_of(pool.structures()))).is_err());
}
