//! A linear model of the features, w · b(i), with its weights in the order in which they are used.

use super::tables::Tables;
use crate::basis::Basis;

/// One weight per feature, sorted by kind of the centre.
#[derive(Debug, Clone)]
pub(crate) struct LinearModel {
    pub(crate) centres: Vec<CentreModel>,
}

/// The weights of the features that are not zero for centres of one kind.
#[derive(Debug, Clone)]
pub(crate) struct CentreModel {
    /// For each element of the neighbour or channel, the factors of P_1, P_2, ….
    pub(crate) pair: Vec<f64>,
    /// For each set of radial sums, the factors of R_1, R_2, …: the sum of the self parts of all functions.
    pub(crate) radial: Vec<f64>,
    /// For each function of order 2, then 3, its weight times its scale.
    pub(crate) functions: Vec<f64>,
}

impl LinearModel {
    /// The model with one weight per feature.
    pub(crate) fn new(basis: &Basis, tables: &Tables, weights: &[f64]) -> Self {
        let centre = |centre: usize| {
            let pair = (0..basis.n_sets())
                .flat_map(|element| &weights[basis.pair_column(centre, element)..][..basis.n_pair])
                .map(|w| 0.5 * w)
                .collect();
            let many_body = &weights[basis.many_body_column(centre)..][..basis.functions.len()];
            let mut radial = vec![0.0; basis.n_radial_sets() * basis.n_radial];
            for (w, function) in many_body.iter().zip(&basis.functions) {
                if let Some((set, expansion)) = &function.self_part {
                    let factors = radial[set * basis.n_radial + expansion.first - 1..].iter_mut().step_by(2);
                    for (factor, coefficient) in factors.zip(&expansion.coefficients) {
                        *factor -= w * coefficient;
                    }
                }
            }
            let scales = tables.doubles.iter().map(|f| f.scale).chain(tables.triples.functions.iter().map(|f| f.scale));
            let functions = many_body.iter().zip(scales).map(|(w, scale)| w * scale).collect();
            CentreModel { pair, radial, functions }
        };
        Self { centres: (0..basis.n_kinds()).map(centre).collect() }
    }
}
