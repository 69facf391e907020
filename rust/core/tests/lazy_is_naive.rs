//! Every greedy method makes the same picks with either engine, in any number of steps, from rows in any number of parts.

mod common;

use common::{DISTANCES, Matrix, SCORES, all_close, pool_and_core};
use mlipselect_core::{
    Bayesian, BayesianScore, Distance, Engine, Error, FacilityLocation, Fps, Groups, Parts, Pool, Posterior, Rows,
    Selection, View,
};
use proptest::prelude::*;

#[derive(Clone, Copy, Debug)]
enum Method {
    Bayesian(BayesianScore),
    Fps(Distance),
    FacilityLocation(Distance),
}

/// One of the methods, each with one of its scores or distances.
fn method() -> impl Strategy<Value = Method> {
    let methods = SCORES.map(Method::Bayesian).into_iter();
    let methods = methods.chain(DISTANCES.map(Method::Fps)).chain(DISTANCES.map(Method::FacilityLocation));
    prop::sample::select(methods.collect::<Vec<_>>())
}

impl Method {
    fn begin(self, pool: &Pool<'_>, engine: Engine) -> Box<dyn Selection> {
        match self {
            Self::Bayesian(score) => {
                let mut posterior = Posterior::isotropic(pool.dim(), 1e-3, 1.0).unwrap();
                posterior.update(pool.core()).unwrap();
                Box::new(Bayesian::new(posterior, &score, pool, engine).unwrap())
            }
            Self::Fps(distance) => Box::new(Fps::new(pool, distance, None, engine).unwrap()),
            Self::FacilityLocation(distance) => {
                Box::new(FacilityLocation::new(pool, distance, engine, usize::MAX).unwrap())
            }
        }
    }
}

/// Groups of one, two and three rows in turn, for a Bayesian pool to observe.
fn with_groups(rows: Matrix, seed: u64) -> Pool<'static> {
    let offsets: Vec<usize> = (0..=rows.len()).map(|i| i / 3 * 6 + [0, 1, 3][i % 3]).collect();
    let atoms = Matrix::decaying(offsets[rows.len()], rows.dim, seed, false);
    Pool::with_groups(rows, atoms, Groups::new(offsets).unwrap()).unwrap()
}

/// Candidates to leave out: every fourth one.
fn excluded(rows: &Matrix) -> Vec<usize> {
    (1..rows.len()).step_by(4).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn lazy_is_naive(
        method in method(), (rows, core) in pool_and_core(100, 16), grouped in any::<bool>(), exclude in any::<bool>(),
    ) {
        let excluded = if exclude { excluded(&rows) } else { Vec::new() };
        let n = (rows.len() - excluded.len()).min(2 * rows.dim + 5);
        let pool = if grouped { with_groups(rows, 77) } else { Pool::new(rows) }.with_core(core).unwrap();
        let [lazy, naive] = [Engine::Lazy, Engine::Naive].map(|engine| {
            let mut selection = method.begin(&pool, engine);
            selection.exclude(&excluded).unwrap();
            selection.advance(&pool, n).unwrap();
            selection
        });
        prop_assert_eq!(lazy.indices(), naive.indices());
        prop_assert!(lazy.indices().iter().all(|pick| !excluded.contains(pick)));
        prop_assert!(all_close(lazy.scores(), naive.scores(), 1e-8, 0.0), "{:?} {:?}", lazy.scores(), naive.scores());
        match (lazy.information(), naive.information()) {
            (Some(lazy), Some(naive)) => prop_assert!(all_close(lazy, naive, 1e-8, 0.0)),
            (lazy, naive) => prop_assert_eq!(lazy, naive),
        }
        match (lazy.loss(), naive.loss()) {
            (Some(lazy), Some(naive)) => prop_assert!(all_close(&[lazy], &[naive], 1e-8, 0.0)),
            (lazy, naive) => prop_assert_eq!(lazy, naive),
        }
    }

    #[test]
    fn parts_and_strides_are_the_whole(
        method in method(), (rows, core) in pool_and_core(60, 12), cut in 0_usize..60, gap in 0_usize..4,
    ) {
        let (count, dim, n) = (rows.len(), rows.dim, rows.len().min(20));
        let parts = Parts::new(rows.split(cut % count).to_vec(), dim).unwrap();
        let padding = vec![f64::NAN; gap];
        let padded: Vec<f64> = rows.rows().flat_map(|row| [row, &padding].concat()).collect();
        let strided = View::strided(&padded, count, dim, dim + gap).unwrap();
        let pools = [Pool::new(&rows), Pool::new(parts), Pool::new(strided)];
        let [whole, others @ ..] = pools.map(|pool| {
            let pool = pool.with_core(&core).unwrap();
            let mut selection = method.begin(&pool, Engine::Lazy);
            selection.advance(&pool, n).unwrap();
            selection
        });
        for other in others {
            prop_assert_eq!(whole.indices(), other.indices());
            prop_assert_eq!(whole.scores(), other.scores());
        }
    }

    #[test]
    fn steps_are_the_whole_and_accept_repeats(
        method in method(), (rows, core) in pool_and_core(60, 12), grouped in any::<bool>(),
    ) {
        let n = rows.len().min(20);
        let pool = if grouped { with_groups(rows, 78) } else { Pool::new(rows) }.with_core(core).unwrap();
        let [mut whole, mut steps, mut repeated] = [(); 3].map(|()| method.begin(&pool, Engine::Lazy));
        whole.advance(&pool, n).unwrap();
        for pick in 0..n {
            let proposed = steps.propose(&pool).unwrap();
            steps.advance(&pool, 1).unwrap();
            prop_assert_eq!(proposed, Some((steps.indices()[pick], steps.scores()[pick])));
            repeated.accept(&pool, whole.indices()[pick]).unwrap();
        }
        for other in [&steps, &repeated] {
            prop_assert_eq!(whole.indices(), other.indices());
            prop_assert_eq!(whole.scores(), other.scores());
            prop_assert_eq!(whole.information(), other.information());
            prop_assert_eq!(whole.loss(), other.loss());
            prop_assert_eq!(whole.remaining(), other.remaining());
        }
    }

    #[test]
    fn what_cannot_be_picked_is_refused(method in method(), (rows, core) in pool_and_core(30, 6)) {
        let (count, excluded) = (rows.len(), excluded(&rows));
        let left = count - excluded.len();
        let pool = Pool::new(rows).with_core(core).unwrap();
        let mut selection = method.begin(&pool, Engine::Lazy);
        prop_assert!(matches!(selection.exclude(&[0, count]), Err(Error::Shape(_))));
        prop_assert_eq!(selection.remaining(), count);
        selection.exclude(&excluded).unwrap();
        let too_many = matches!(selection.advance(&pool, left + 1), Err(Error::TooMany { .. }));
        prop_assert!(too_many);
        prop_assert!(selection.indices().is_empty());
        selection.advance(&pool, left).unwrap();
        prop_assert_eq!(selection.propose(&pool).unwrap(), None);
        for taken in excluded.into_iter().chain([selection.indices()[0], count]) {
            prop_assert!(matches!(selection.accept(&pool, taken), Err(Error::Shape(_))));
        }
    }
}

/// Variances of so many numbers are estimated from rounded rows before they are computed.
#[test]
fn lazy_is_naive_in_a_pool_that_is_large_enough_for_estimates() {
    let rows = Matrix::decaying(1 << 16, 64, 5, true);
    let pool = Pool::new(rows);
    for score in [BayesianScore::Energy, BayesianScore::LogDet] {
        let [lazy, naive] = [Engine::Lazy, Engine::Naive].map(|engine| {
            let mut selection = Method::Bayesian(score).begin(&pool, engine);
            selection.advance(&pool, 12).unwrap();
            selection
        });
        assert_eq!(lazy.indices(), naive.indices());
        assert!(all_close(lazy.scores(), naive.scores(), 1e-8, 0.0));
    }
}
