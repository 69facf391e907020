//! Names in Python, converted to enums of the core.

use mlipselect_core::{BayesianScore, Distance, Engine, Metric, Scale};
use pyo3::PyResult;

use crate::errors::invalid;

pub(crate) fn engine(name: &str) -> PyResult<Engine> {
    match name {
        "lazy" => Ok(Engine::Lazy),
        "naive" => Ok(Engine::Naive),
        other => Err(invalid(format!("engine must be 'lazy' or 'naive', given '{other}'"))),
    }
}

/// A score of Bayesian selection; `max_memory` applies to those with a target.
pub(crate) fn score(name: &str, max_memory: usize) -> PyResult<BayesianScore> {
    match name {
        "energy" => Ok(BayesianScore::Energy),
        "logdet" => Ok(BayesianScore::LogDet),
        "pool_variance" => Ok(BayesianScore::PoolVariance { max_memory }),
        "pool_std" => Ok(BayesianScore::PoolStd { max_memory }),
        other => {
            Err(invalid(format!("score must be 'energy', 'logdet', 'pool_variance' or 'pool_std', given '{other}'")))
        }
    }
}

pub(crate) fn distance(metric: &str, scale: &str) -> PyResult<Distance> {
    Ok(Distance { metric: self::metric(metric)?, scale: self::scale(scale)? })
}

pub(crate) fn metric(name: &str) -> PyResult<Metric> {
    match name {
        "euclidean" => Ok(Metric::Euclidean),
        "cosine" => Ok(Metric::Cosine),
        other => Err(invalid(format!("metric must be 'euclidean' or 'cosine', given '{other}'"))),
    }
}

pub(crate) fn scale(name: &str) -> PyResult<Scale> {
    match name {
        "standard" => Ok(Scale::Standard),
        "none" => Ok(Scale::None),
        other => Err(invalid(format!("scale must be 'standard' or 'none', given '{other}'"))),
    }
}
