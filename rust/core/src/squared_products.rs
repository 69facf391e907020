//! What some directions take off the variance of every row.

use faer::MatRef;

use crate::error::{Error, Result};
use crate::linalg::{Panels, quadratic_forms};
use crate::rows::Rows;

/// For each row x the sum of `(w.x)^2` over directions w, which stand one after the other in `directions`.
///
/// # Errors
/// [`Error::Shape`] if the directions are not as long as the rows.
pub fn squared_products(rows: &dyn Rows, directions: &[f64]) -> Result<Vec<f64>> {
    let dim = rows.dim();
    if dim == 0 || directions.len() % dim != 0 {
        return Err(Error::Shape(format!("directions of rows of {dim} features have {} elements", directions.len())));
    }
    let columns = MatRef::from_column_major_slice(directions, dim, directions.len() / dim);
    Ok(quadratic_forms(rows, &Panels::dense(columns)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::View;

    #[test]
    fn sums_of_squares() {
        let rows = [1.0, 2.0, 3.0, -1.0, 0.5, 0.0_f64];
        let view = View::new(&rows, 2, 3).unwrap();
        let found = squared_products(&view, &[1.0, 0.0, 0.0, 0.0, 2.0, -1.0]).unwrap();
        assert_eq!(found, [1.0 + 1.0, 1.0 + 1.0]);
        assert!(squared_products(&view, &[1.0, 2.0]).is_err());
    }
}
