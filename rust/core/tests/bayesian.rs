//! Bayesian selection and the posterior against the covariance of the weights, inverted anew before every pick.

mod common;

use common::{Matrix, SCORES, Square, add_outer, all_close, close, dot, first_best, invert, scalar, times};
use mlipselect_core::{Bayesian, BayesianScore, Engine, Groups, Pool, Posterior, Prior, Rows, Selection, mean_square};
use proptest::prelude::*;

/// Precision of the prior, and that of the noise.
const ALPHA: f64 = 1e-2;
const BETA: f64 = 2.0;

/// What the candidate `x` is worth, which adds the rows `added`.
fn value(score: BayesianScore, sigma: &Square, x: &[f64], added: &[&[f64]], target: &Matrix) -> f64 {
    let u = times(sigma, x);
    let v = 1.0 / BETA + dot(x, &u);
    let variance = |t: &[f64]| dot(t, &times(sigma, t));
    let fall = |t: &[f64]| dot(t, &u).powi(2) / v;
    let mean = |of: &dyn Fn(&[f64]) -> f64| target.rows().map(of).sum::<f64>() / target.len() as f64;
    match score {
        BayesianScore::Energy => dot(x, &u),
        BayesianScore::LogDet => {
            let mut inner = scalar(added.len(), 1.0);
            for (row, r) in inner.iter_mut().zip(added) {
                row.iter_mut().zip(added).for_each(|(sum, s)| *sum += BETA * dot(r, &times(sigma, s)));
            }
            invert(inner).1
        }
        BayesianScore::PoolVariance { .. } => mean(&fall),
        BayesianScore::PoolStd { .. } => mean(&|t| variance(t).sqrt() - (variance(t) - fall(t)).max(0.0).sqrt()),
    }
}

/// Picks, their scores, and the information after each, where candidate `i` adds the rows `added(i)`.
fn brute_force<'a>(
    pool: &Matrix,
    added: impl Fn(usize) -> Vec<&'a [f64]>,
    score: BayesianScore,
    target: &Matrix,
    count: usize,
) -> (Vec<usize>, Vec<f64>, Vec<f64>) {
    let mut precision = scalar(pool.dim, ALPHA);
    let before = invert(precision.clone()).1;
    let (mut picks, mut scores, mut information) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..count {
        let (sigma, _) = invert(precision.clone());
        let values: Vec<f64> = (0..pool.len()).map(|i| value(score, &sigma, pool.row(i), &added(i), target)).collect();
        let pick = first_best(&values, &picks);
        picks.push(pick);
        scores.push(values[pick]);
        added(pick).iter().for_each(|row| add_outer(&mut precision, BETA, row));
        information.push(0.5 * (invert(precision.clone()).1 - before));
    }
    (picks, scores, information)
}

fn prior(dim: usize) -> Posterior {
    Posterior::isotropic(dim, ALPHA, BETA).unwrap()
}

proptest! {
    #[test]
    fn picks_scores_and_information_are_those_of_the_definition(
        count in 1_usize..30, dim in 1_usize..8, seed in 0_u64..1000, in_float32 in any::<bool>(),
        grouped in any::<bool>(), other_target in any::<bool>(), naive in any::<bool>(), which in 0_usize..4,
    ) {
        let rows = Matrix::decaying(count, dim, seed, in_float32);
        // Groups of one, two and three rows in turn.
        let offsets: Vec<usize> = (0..=count).map(|i| i / 3 * 6 + [0, 1, 3][i % 3]).collect();
        let atoms = Matrix::decaying(offsets[count], dim, seed + 1000, in_float32);
        let target = if other_target { Matrix::decaying(9, dim, seed + 2000, in_float32) } else { rows.clone() };
        let added = |i: usize| match grouped {
            true => (offsets[i]..offsets[i + 1]).map(|atom| atoms.row(atom)).collect(),
            false => vec![rows.row(i)],
        };
        let n = count.min(2 * dim);
        let (picks, scores, information) = brute_force(&rows, added, SCORES[which], &target, n);

        let pool = match grouped {
            true => Pool::with_groups(&rows, &atoms, Groups::new(offsets.clone()).unwrap()).unwrap(),
            false => Pool::new(&rows),
        };
        let engine = if naive { Engine::Naive } else { Engine::Lazy };
        let mut selection = Bayesian::with_target(prior(dim), &SCORES[which], &pool, &target, engine).unwrap();
        selection.advance(&pool, n).unwrap();
        prop_assert_eq!(selection.indices(), picks);
        prop_assert!(all_close(selection.scores(), &scores, 1e-8, 0.0), "{:?} {scores:?}", selection.scores());
        prop_assert!(all_close(selection.information().unwrap(), &information, 1e-8, 0.0));
    }

    #[test]
    fn the_posterior_is_that_of_plain_covariances(
        count in 1_usize..20, dim in 1_usize..8, seed in 0_u64..1000, kind in 0_usize..3,
    ) {
        let (rows, others) = (Matrix::decaying(count, dim, seed, true), Matrix::decaying(5, dim, seed + 1, false));
        let mut precision = scalar(dim, ALPHA);
        let prior = match kind {
            0 => Prior::Isotropic(ALPHA),
            1 => {
                (0..dim).for_each(|i| precision[i][i] += i as f64);
                Prior::Diagonal((0..dim).map(|i| precision[i][i]).collect())
            }
            _ => {
                others.rows().for_each(|row| add_outer(&mut precision, 1.0, row));
                Prior::Full(precision.concat())
            }
        };
        let (prior_sigma, prior_log_det) = invert(precision.clone());
        let mut posterior = Posterior::new(dim, prior, BETA).unwrap();
        prop_assert!(all_close(&posterior.covariance(), &prior_sigma.concat(), 1e-9, 1.0 / ALPHA));
        posterior.update(&rows).unwrap();
        rows.rows().for_each(|row| add_outer(&mut precision, BETA, row));
        let (sigma, log_det) = invert(precision);
        let variances: Vec<f64> = others.rows().map(|x| dot(x, &times(&sigma, x))).collect();
        let determined: f64 = rows.rows().map(|x| BETA * dot(x, &times(&sigma, x))).sum();
        prop_assert!(all_close(&posterior.covariance(), &sigma.concat(), 1e-9, 1.0 / ALPHA));
        prop_assert!(all_close(&posterior.variance(&others).unwrap(), &variances, 1e-9, 0.0));
        prop_assert!(close(posterior.log_det(), -log_det, 1e-9, 1.0));
        prop_assert!(close(posterior.information(), 0.5 * (log_det - prior_log_det), 1e-9, 1.0));
        prop_assert!(close(posterior.effective_dimension(), determined, 1e-9, 1.0));
    }

    /// The scores `pool_variance` and `pool_std` are what observing a pick takes off a mean over the target, and the
    /// directions of the picks are what they took off each variance.
    #[test]
    fn scores_and_directions_are_falls_of_the_variance(
        count in 2_usize..40, dim in 1_usize..8, seed in 0_u64..1000, as_root in any::<bool>(),
    ) {
        let rows = Matrix::decaying(count, dim, seed, false);
        let pool = Pool::new(&rows);
        let mut selection =
            Bayesian::new(prior(dim), &SCORES[if as_root { 3 } else { 2 }], &pool, Engine::Lazy).unwrap();
        let start = prior(dim).variance(&rows).unwrap();
        let mean = |variances: &[f64]| -> f64 {
            variances.iter().map(|v| if as_root { v.sqrt() } else { *v }).sum::<f64>() / count as f64
        };
        let mut before = start.clone();
        for pick in 0..count.min(dim) {
            selection.advance(&pool, 1).unwrap();
            let now = selection.posterior().unwrap().variance(&rows).unwrap();
            prop_assert!(close(selection.scores()[pick], mean(&before) - mean(&now), 1e-8, 1e-3 * mean(&start)));
            before = now;
        }
        let directions = Matrix::new(selection.directions().unwrap(), dim);
        for ((x, start), now) in rows.rows().zip(start).zip(before) {
            let fall: f64 = directions.rows().map(|w| dot(w, x).powi(2)).sum();
            prop_assert!(close(start - fall, now, 1e-9, start));
        }
    }

    #[test]
    fn the_mean_square_is_that_of_all_elements(count in 1_usize..20, dim in 1_usize..8, seed in 0_u64..1000) {
        let [a, b] = [Matrix::decaying(count, dim, seed, false), Matrix::decaying(3, dim, seed, true)];
        let expected = (dot(&a.values, &a.values) + dot(&b.values, &b.values)) / ((count + 3) * dim) as f64;
        prop_assert!(close(mean_square(&[("a", &a), ("b", &b)]).unwrap(), expected, 1e-12, 0.0));
    }
}

#[test]
fn ties_go_to_the_lowest_index_and_duplicates_are_picked_too() {
    let rows = Matrix::new(vec![0.0, 1.0, 2.0, 0.0, 0.0, 2.0, 2.0, 0.0, 0.0, 2.0], 2);
    let pool = Pool::new(rows);
    for (score, engine) in SCORES.iter().flat_map(|score| [(score, Engine::Lazy), (score, Engine::Naive)]) {
        let mut selection = Bayesian::new(prior(2), score, &pool, engine).unwrap();
        selection.advance(&pool, 5).unwrap();
        let mut sorted = selection.indices().to_vec();
        sorted.sort_unstable();
        assert_eq!(sorted, [0, 1, 2, 3, 4]);
        let position = |pick| selection.indices().iter().position(|&i| i == pick).unwrap();
        assert!(position(1) < position(3) && position(2) < position(4), "{score:?} {:?}", selection.indices());
        if matches!(score, BayesianScore::Energy | BayesianScore::LogDet) {
            assert_eq!(selection.indices(), [1, 2, 3, 4, 0]);
        }
    }
}
