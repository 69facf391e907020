//! The ACE descriptor and the neighbour list, for Python.

use mlipselect_ace as ace;
use numpy::{
    IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2, PyReadonlyArray3, ToPyArray,
};
use pyo3::prelude::*;

use crate::batch::Batch;
use crate::door::{Threads, enter, enter_ok};
use crate::errors::{Refusal, from_structure, invalid};

/// Site energies, energies, forces and virials.
type Predicted<'py> =
    (Bound<'py, PyArray1<f64>>, Bound<'py, PyArray1<f64>>, Bound<'py, PyArray2<f64>>, Bound<'py, PyArray2<f64>>);

/// The linear ACE basis.
#[pyclass(frozen, module = "mlipselect._core")]
pub(crate) struct AceBasis {
    inner: ace::AceBasis,
}

#[pymethods]
impl AceBasis {
    /// `weights` are those of species channels: of neighbours, then of centres, one row per element each.
    #[new]
    #[pyo3(signature = (atomic_numbers, order, totaldegree, rcut, r0, weights=None))]
    fn new(
        py: Python<'_>,
        atomic_numbers: PyReadonlyArray1<'_, i64>,
        order: usize,
        totaldegree: PyReadonlyArray1<'_, f64>,
        rcut: f64,
        r0: PyReadonlyArray2<'_, f64>,
        weights: Option<PyReadonlyArray3<'_, f64>>,
    ) -> PyResult<Self> {
        let parameters = ace::Parameters {
            elements: atomic_numbers.as_array().to_vec(),
            order,
            totaldegree: totaldegree.as_array().to_vec(),
            rcut,
            r0: r0.as_array().iter().copied().collect(),
        };
        let weights = weights.map(|weights| channel_weights(&weights)).transpose()?;
        let inner = enter(py, None, || match &weights {
            None => ace::AceBasis::new(&parameters),
            Some(weights) => ace::AceBasis::with_channels(&parameters, weights),
        })?;
        Ok(Self { inner })
    }

    #[getter]
    fn n_features(&self) -> usize {
        self.inner.n_features()
    }

    #[pyo3(signature = (positions, atomic_numbers, cells, pbc, offsets, n_threads=None))]
    #[expect(clippy::too_many_arguments, reason = "flat arrays of one batch")]
    fn site_features<'py>(
        &self,
        py: Python<'py>,
        positions: PyReadonlyArray2<'py, f64>,
        atomic_numbers: PyReadonlyArray1<'py, i64>,
        cells: PyReadonlyArray3<'py, f64>,
        pbc: PyReadonlyArray2<'py, bool>,
        offsets: PyReadonlyArray1<'py, i64>,
        n_threads: Option<Threads>,
    ) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let batch = Batch::new(&positions, &atomic_numbers, &cells, &pbc, &offsets)?;
        let n_rows = batch.positions.len();
        self.filled(py, n_threads, n_rows, |rows| self.inner.site_features_into(&batch.structures(), rows))
    }

    #[pyo3(signature = (positions, atomic_numbers, cells, pbc, offsets, n_threads=None))]
    #[expect(clippy::too_many_arguments, reason = "flat arrays of one batch")]
    fn structure_features<'py>(
        &self,
        py: Python<'py>,
        positions: PyReadonlyArray2<'py, f64>,
        atomic_numbers: PyReadonlyArray1<'py, i64>,
        cells: PyReadonlyArray3<'py, f64>,
        pbc: PyReadonlyArray2<'py, bool>,
        offsets: PyReadonlyArray1<'py, i64>,
        n_threads: Option<Threads>,
    ) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let batch = Batch::new(&positions, &atomic_numbers, &cells, &pbc, &offsets)?;
        let rows = enter(py, n_threads, || self.inner.structure_features(&batch.structures()))?;
        let shape = [batch.pbc.len(), self.inner.n_features()];
        rows.into_pyarray(py).reshape(shape)
    }

    /// Energy of each site and structure, forces and virials of the linear model with the given weights.
    #[pyo3(signature = (positions, atomic_numbers, cells, pbc, offsets, weights, n_threads=None))]
    #[expect(clippy::too_many_arguments, reason = "flat arrays of one batch")]
    fn predict<'py>(
        &self,
        py: Python<'py>,
        positions: PyReadonlyArray2<'py, f64>,
        atomic_numbers: PyReadonlyArray1<'py, i64>,
        cells: PyReadonlyArray3<'py, f64>,
        pbc: PyReadonlyArray2<'py, bool>,
        offsets: PyReadonlyArray1<'py, i64>,
        weights: PyReadonlyArray1<'py, f64>,
        n_threads: Option<Threads>,
    ) -> PyResult<Predicted<'py>> {
        let batch = Batch::new(&positions, &atomic_numbers, &cells, &pbc, &offsets)?;
        let weights = weights.as_array().to_vec();
        let found = enter(py, n_threads, || self.inner.predict(&batch.structures(), &weights))?;
        predicted(py, found)
    }

    /// Design rows of the energy, the forces and the virial of each structure, structure after structure.
    #[pyo3(signature = (positions, atomic_numbers, cells, pbc, offsets, n_threads=None))]
    #[expect(clippy::too_many_arguments, reason = "flat arrays of one batch")]
    fn designs<'py>(
        &self,
        py: Python<'py>,
        positions: PyReadonlyArray2<'py, f64>,
        atomic_numbers: PyReadonlyArray1<'py, i64>,
        cells: PyReadonlyArray3<'py, f64>,
        pbc: PyReadonlyArray2<'py, bool>,
        offsets: PyReadonlyArray1<'py, i64>,
        n_threads: Option<Threads>,
    ) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let batch = Batch::new(&positions, &atomic_numbers, &cells, &pbc, &offsets)?;
        let n_rows = batch.structures().iter().map(|structure| ace::AceBasis::n_design_rows(structure.len())).sum();
        self.filled(py, n_threads, n_rows, |rows| self.inner.designs_into(&batch.structures(), rows))
    }

    /// The forward pass of one structure, which is the only one of the batch.
    #[pyo3(signature = (positions, atomic_numbers, cells, pbc, offsets, n_threads=None))]
    #[expect(clippy::too_many_arguments, reason = "flat arrays of one batch")]
    fn forward(
        &self,
        py: Python<'_>,
        positions: PyReadonlyArray2<'_, f64>,
        atomic_numbers: PyReadonlyArray1<'_, i64>,
        cells: PyReadonlyArray3<'_, f64>,
        pbc: PyReadonlyArray2<'_, bool>,
        offsets: PyReadonlyArray1<'_, i64>,
        n_threads: Option<Threads>,
    ) -> PyResult<AceForward> {
        let batch = Batch::new(&positions, &atomic_numbers, &cells, &pbc, &offsets)?;
        let structures = batch.structures();
        let [structure] = &structures[..] else {
            return Err(invalid(format!("expected one structure, but {} were given", structures.len())));
        };
        Ok(AceForward { inner: enter(py, n_threads, || self.inner.forward(structure))? })
    }

    /// Site energies, energy, forces and virial of each of the linear models with the given rows of weights.
    #[pyo3(signature = (forward, weights, n_threads=None))]
    fn predict_from<'py>(
        &self,
        py: Python<'py>,
        forward: &AceForward,
        weights: PyReadonlyArray2<'py, f64>,
        n_threads: Option<Threads>,
    ) -> PyResult<Vec<Predicted<'py>>> {
        let weights: Vec<Vec<f64>> = weights.as_array().rows().into_iter().map(|row| row.to_vec()).collect();
        let found = enter(py, n_threads, || self.inner.predict_from(&forward.inner, &weights))?;
        found.into_iter().map(|found| predicted(py, found)).collect()
    }

    /// Bytes of the design of a structure and of its computation.
    fn design_bytes(&self, py: Python<'_>, n_atoms: usize) -> PyResult<usize> {
        enter_ok(py, None, || self.inner.design_bytes(n_atoms))
    }

    fn smoothness_prior<'py>(&self, py: Python<'py>, power: f64) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let diagonal = enter(py, None, || self.inner.smoothness_prior(power))?;
        Ok(diagonal.into_pyarray(py))
    }
}

impl AceBasis {
    /// A new matrix of `n_rows` rows of features, all of which `fill` writes.
    fn filled<'py>(
        &self,
        py: Python<'py>,
        n_threads: Option<Threads>,
        n_rows: usize,
        fill: impl FnOnce(&mut [f64]) -> Result<(), ace::Error> + Send,
    ) -> PyResult<Bound<'py, PyArray2<f64>>> {
        // numpy allocates huge pages, which saves more time than the calculation takes. SAFETY: no element is read
        // before all are written, and on an error the array is dropped.
        let rows = unsafe { PyArray2::<f64>::new(py, [n_rows, self.inner.n_features()], false) };
        {
            let mut rows = rows.readwrite();
            let rows = rows.as_slice_mut()?;
            enter(py, n_threads, || fill(rows))?;
        }
        Ok(rows)
    }
}

fn channel_weights(weights: &PyReadonlyArray3<'_, f64>) -> PyResult<ace::ChannelWeights> {
    let weights = weights.as_array();
    let (2, _, count) = weights.dim() else {
        return Err(invalid(format!(
            "expected weights of neighbours and centres, but the shape is {:?}",
            weights.dim()
        )));
    };
    let of = |side: usize| weights.index_axis(numpy::ndarray::Axis(0), side).iter().copied().collect();
    Ok(ace::ChannelWeights { count, neighbours: of(0), centres: of(1) })
}

/// The forward pass of one structure, for models of the basis that made it.
#[pyclass(frozen, module = "mlipselect._core")]
pub(crate) struct AceForward {
    inner: ace::Forward,
}

#[pymethods]
impl AceForward {
    /// The mean of the rows of the atoms, a new array.
    #[getter]
    fn row<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        self.inner.row().to_pyarray(py)
    }
}

fn predicted(py: Python<'_>, found: ace::Predictions) -> PyResult<Predicted<'_>> {
    let ace::Predictions { site_energies, energies, forces, virials } = found;
    let (n, s) = (forces.len(), virials.len());
    Ok((
        site_energies.into_pyarray(py),
        energies.into_pyarray(py),
        forces.into_flattened().into_pyarray(py).reshape([n, 3])?,
        virials.into_flattened().into_pyarray(py).reshape([s, 6])?,
    ))
}

/// Number of features of a basis, without computing the basis.
#[pyfunction]
pub(crate) fn ace_length(n_elements: usize, order: usize, totaldegree: PyReadonlyArray1<'_, f64>) -> PyResult<usize> {
    let degrees = ace::Degrees::new(order, &totaldegree.as_array().to_vec()).map_err(Refusal::exception)?;
    degrees.length(n_elements).map_err(Refusal::exception)
}

/// Index of the first atom, index of the second, and the periodic image of the second, for each pair.
type Pairs<'py> = (Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<i64>>, Bound<'py, PyArray2<i64>>);

/// All ordered pairs of atoms closer than the cutoff, sorted by first atom, second atom and image.
#[pyfunction]
pub(crate) fn neighbor_list<'py>(
    py: Python<'py>,
    positions: PyReadonlyArray2<'py, f64>,
    cell: PyReadonlyArray2<'py, f64>,
    pbc: [bool; 3],
    cutoff: f64,
) -> PyResult<Pairs<'py>> {
    let (positions, cell) = (positions.as_array(), cell.as_array());
    if positions.ncols() != 3 || cell.dim() != (3, 3) {
        return Err(invalid(format!(
            "expected positions (N, 3) and a cell (3, 3), but the shapes are {:?} and {:?}",
            positions.dim(),
            cell.dim(),
        )));
    }
    let positions: Vec<_> = positions.rows().into_iter().map(|r| [r[0], r[1], r[2]]).collect();
    let structure = ace::Structure {
        positions: &positions,
        atomic_numbers: &[],
        cell: [0, 1, 2].map(|i| [0, 1, 2].map(|j| cell[[i, j]])),
        pbc,
    };
    let pairs = enter_ok(py, None, || ace::neighbor_list(&structure, cutoff))?.map_err(|error| match error {
        ace::Error::Structure { problem, .. } => from_structure(&problem),
        other => other.exception(),
    })?;
    let n = pairs.len();
    let first: Vec<i64> = pairs.iter().map(|pair| pair.0 as i64).collect();
    let second: Vec<i64> = pairs.iter().map(|pair| pair.1.atom as i64).collect();
    let shifts: Vec<i64> = pairs.iter().flat_map(|pair| pair.1.shift).collect();
    Ok((first.into_pyarray(py), second.into_pyarray(py), shifts.into_pyarray(py).reshape([n, 3])?))
}
