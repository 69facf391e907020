//! Random orders from a seed: uniform, by weight, or with strata in proportion.
//!
//! Every row has a random key that depends only on the seed and its index, and the lowest key comes first. The first n
//! of an order are a sample without replacement. Rows that are added or removed do not reorder the others.

use crate::data::splitmix::nth;
use crate::error::{Error, Result};

/// The candidates in a uniformly random order.
pub fn shuffled(candidates: &[usize], seed: u64) -> Vec<usize> {
    by_key(candidates, |index| waiting_time(seed, index))
}

/// The candidates in the order of draws without replacement, with probabilities proportional to the weights of the
/// candidates left. Candidates of weight 0 come last, in a uniformly random order.
///
/// Candidate `i` has weight `weights[i]`.
///
/// # Errors
/// [`Error::Shape`] if a candidate has no weight, [`Error::Parameter`] if a weight is negative or not finite.
pub fn shuffled_by_weight(candidates: &[usize], weights: &[f64], seed: u64) -> Result<Vec<usize>> {
    for &index in candidates {
        match weights.get(index) {
            None => return Err(Error::Shape(format!("candidate {index} has no weight: {} are given", weights.len()))),
            Some(&weight) if !(weight >= 0.0 && weight.is_finite()) => {
                let given = format!("{weight} for candidate {index}");
                return Err(Error::Parameter { name: "weights", expected: "0 or positive numbers", given });
            }
            Some(_) => {}
        }
    }
    let (weighty, rest): (Vec<usize>, Vec<usize>) = candidates.iter().partition(|&&index| weights[index] > 0.0);
    // The logarithm keeps the keys of the smallest weights in range.
    let mut order = by_key(&weighty, |index| waiting_time(seed, index) - weights[index].ln());
    order.extend(shuffled(&rest, seed));
    Ok(order)
}

/// The candidates in an order whose every beginning holds the strata in proportion to their sizes. The strata take
/// turns as parties get seats by Webster's method (Sainte-Laguë); members of a stratum come in random order.
///
/// Candidate `i` belongs to stratum `strata[i]`, any number. If several strata have the same turn, their order is
/// random.
///
/// # Errors
/// [`Error::Shape`] if a candidate has no stratum.
pub fn shuffled_by_stratum(candidates: &[usize], strata: &[usize], seed: u64) -> Result<Vec<usize>> {
    if let Some(index) = candidates.iter().find(|&&index| index >= strata.len()) {
        return Err(Error::Shape(format!("candidate {index} has no stratum: {} are given", strata.len())));
    }
    let shuffled = shuffled(candidates, seed);
    let mut by_stratum: Vec<usize> = (0..shuffled.len()).collect();
    by_stratum.sort_by_key(|&place| strata[shuffled[place]]);
    // Member k of s, counted from 0, has its turn at (2 k + 1) / s: with as many seats as members, each has one.
    let mut turns: Vec<(u128, u128, usize)> = by_stratum
        .chunk_by(|&a, &b| strata[shuffled[a]] == strata[shuffled[b]])
        .flat_map(|members| {
            let size = members.len() as u128;
            members.iter().enumerate().map(move |(k, &place)| (2 * k as u128 + 1, size, place))
        })
        .collect();
    turns.sort_unstable_by(|a, b| (a.0 * b.1).cmp(&(b.0 * a.1)).then(a.2.cmp(&b.2)));
    Ok(turns.into_iter().map(|(.., place)| shuffled[place]).collect())
}

/// The candidates by their keys, lowest first; of equal keys, the lowest index.
fn by_key(candidates: &[usize], key: impl Fn(usize) -> f64) -> Vec<usize> {
    let mut keyed: Vec<(f64, usize)> = candidates.iter().map(|&index| (key(index), index)).collect();
    keyed.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    keyed.into_iter().map(|(_, index)| index).collect()
}

/// The logarithm of an exponential variate for each row. If a row of weight w waits `exp(variate) / w`, it is first
/// with a probability proportional to w, and likewise among the rows left (Efraimidis and Spirakis 2006).
fn waiting_time(seed: u64, index: usize) -> f64 {
    // The seed is scrambled, so that seeds that differ by the increment do not give one shifted sequence.
    let bits = nth(nth(seed, 0), index as u64);
    // With 52 bits the added half is exact, and the number is neither 0 nor 1.
    let uniform = ((bits >> 12) as f64 + 0.5) / (1_u64 << 52) as f64;
    (-uniform.ln()).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [usize; 6] = [0, 1, 2, 3, 4, 5];

    #[test]
    fn rows_that_are_left_out_move_no_others() {
        for seed in 0..20 {
            let whole: Vec<usize> = shuffled(&ALL, seed).into_iter().filter(|&i| i != 2).collect();
            assert_eq!(shuffled(&[5, 0, 1, 3, 4], seed), whole);
        }
    }

    #[test]
    fn heavy_rows_come_first_and_rows_without_weight_last() {
        let weights = [0.0, 1e-300, 1e300, 0.0, 1.0];
        for seed in 0..20 {
            assert_eq!(shuffled_by_weight(&ALL[..5], &weights, seed).unwrap()[..3], [2, 4, 1]);
        }
        for bad in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(shuffled_by_weight(&[0], &[bad], 0).is_err());
        }
        assert!(shuffled_by_weight(&[1], &[1.0], 0).is_err());
    }

    #[test]
    fn strata_take_turns_in_proportion() {
        let strata = [7, 9, 9, 7, 9, 9];
        for seed in 0..20 {
            let order = shuffled_by_stratum(&ALL, &strata, seed).unwrap();
            // The turns are 1/2 and 3/2 of the two, and 1/4, 3/4, 5/4 and 7/4 of the four.
            assert_eq!(order.iter().map(|&i| strata[i]).collect::<Vec<_>>(), [9, 7, 9, 9, 7, 9]);
        }
        let alone = shuffled_by_stratum(&ALL, &ALL, 3).unwrap();
        assert_eq!(alone, shuffled(&ALL, 3));
        assert!(shuffled_by_stratum(&[6], &strata, 0).is_err());
    }
}
