//! Frames of extended XYZ as numpy arrays.

use std::fs::File;
use std::path::PathBuf;

use mlipselect_extxyz::{Column, Data, Frame, FrameIndex, Scan, Value};
use numpy::{PyArray1, PyArray2, PyArray3, PyArrayMethods, PyReadonlyArray1, ToPyArray};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

use crate::arrays::{index_array, indices};
use crate::door::{Threads, enter, enter_ok};
use crate::errors::invalid;

/// Offsets of the frames with the end of the last one, and their numbers of atoms.
type Places<'py> = (Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<i64>>);

/// The first frame of the layout of each frame, -1 for one that is not ordinary; whether a frame leaves its periodicity
/// open; then positions, atomic numbers, cells, periodicity and offsets.
type Geometries<'py> = (
    Bound<'py, PyArray1<i64>>,
    Bound<'py, PyArray1<bool>>,
    Bound<'py, PyArray2<f64>>,
    Bound<'py, PyArray1<i64>>,
    Bound<'py, PyArray3<f64>>,
    Bound<'py, PyArray2<bool>>,
    Bound<'py, PyArray1<i64>>,
);

/// The offset of each frame of a file, followed by the end of the last one, and the number of atoms of each; None if
/// the file is not a plain sequence of whole frames.
#[pyfunction]
pub(crate) fn frame_index(py: Python<'_>, path: PathBuf) -> PyResult<Option<Places<'_>>> {
    let Some(index) = enter(py, None, || File::open(path).and_then(FrameIndex::read))? else { return Ok(None) };
    let array = |numbers: &[u64]| index_array(py, &numbers.iter().map(|&n| n as usize).collect::<Vec<_>>());
    Ok(Some((array(index.starts()), array(index.atoms()))))
}

/// Parse the frames between consecutive offsets `starts` into `data`. Each gives None if it has a rare construction, or
/// its number of atoms, keys with values, and columns: name, width and entries.
#[pyfunction]
#[pyo3(signature = (data, starts, *, n_threads=None))]
pub(crate) fn parse_frames<'py>(
    py: Python<'py>,
    data: &[u8],
    starts: PyReadonlyArray1<'py, i64>,
    n_threads: Option<Threads>,
) -> PyResult<Bound<'py, PyList>> {
    let starts = places(&starts, data)?;
    let out = PyList::empty(py);
    for frame in enter_ok(py, n_threads, || Frame::parse_all(data, &starts))? {
        match frame {
            Some(frame) => out.append(as_tuple(py, frame)?)?,
            None => out.append(py.None())?,
        }
    }
    Ok(out)
}

/// The keys and values of a frame, without `Properties`; None if one of them is a rare construction.
#[pyfunction]
pub(crate) fn parse_info<'py>(py: Python<'py>, text: &[u8]) -> PyResult<Option<Bound<'py, PyList>>> {
    Frame::parse_info(text).map(|info| items(py, &info)).transpose()
}

/// The layouts and the geometry of the frames between consecutive offsets `starts` into `data`. A frame that is not
/// ordinary has no atoms there.
#[pyfunction]
#[pyo3(signature = (data, starts, *, n_threads=None))]
pub(crate) fn scan_frames<'py>(
    py: Python<'py>,
    data: &[u8],
    starts: PyReadonlyArray1<'py, i64>,
    n_threads: Option<Threads>,
) -> PyResult<Geometries<'py>> {
    let starts = places(&starts, data)?;
    let found = enter_ok(py, n_threads, || Scan::of(data, &starts))?;
    let (frames, atoms) = (found.layouts.len(), found.numbers.len());
    let layouts = found.layouts.iter().map(|layout| layout.map_or(-1, |first| first as i64)).collect();
    Ok((
        PyArray1::from_vec(py, layouts),
        PyArray1::from_vec(py, found.leaves_pbc_open),
        PyArray1::from_vec(py, found.positions).reshape([atoms, 3])?,
        PyArray1::from_vec(py, found.numbers),
        PyArray1::from_vec(py, found.cells).reshape([frames, 3, 3])?,
        PyArray1::from_vec(py, found.pbc).reshape([frames, 3])?,
        index_array(py, &found.offsets),
    ))
}

/// Offsets into `data` that ascend.
fn places(starts: &PyReadonlyArray1<'_, i64>, data: &[u8]) -> PyResult<Vec<usize>> {
    let starts = indices(starts, "starts")?;
    if starts.windows(2).any(|pair| pair[0] > pair[1]) || starts.last().is_some_and(|&end| end > data.len()) {
        return Err(invalid("starts must ascend and lie within the data"));
    }
    Ok(starts)
}

fn as_tuple(py: Python<'_>, frame: Frame) -> PyResult<Bound<'_, PyTuple>> {
    let info = items(py, &frame.info)?;
    let columns = PyList::empty(py);
    for column in frame.columns {
        columns.append(column_tuple(py, column)?)?;
    }
    (frame.atoms, info, columns).into_pyobject(py)
}

fn items<'py>(py: Python<'py>, info: &[(String, Value)]) -> PyResult<Bound<'py, PyList>> {
    let out = PyList::empty(py);
    for (key, value) in info {
        out.append((key, value_object(py, value)?))?;
    }
    Ok(out)
}

fn value_object<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        Value::Integers(integers) => integers.to_pyarray(py).into_any(),
        Value::Floats(floats) => floats.to_pyarray(py).into_any(),
        Value::Bools(bools) => bools.as_slice().into_pyobject(py)?.into_any(),
        Value::Text(text) => text.into_pyobject(py)?.into_any(),
    })
}

fn column_tuple(py: Python<'_>, column: Column) -> PyResult<Bound<'_, PyTuple>> {
    let Column { name, width, data } = column;
    let entries = match data {
        Data::Reals(reals) => PyArray1::from_vec(py, reals).into_any(),
        Data::Integers(integers) => PyArray1::from_vec(py, integers).into_any(),
        Data::Bools(bools) => PyArray1::from_vec(py, bools).into_any(),
        Data::Elements(numbers) => PyArray1::from_vec(py, numbers).into_any(),
        Data::Words(words) => return (name, width, words).into_pyobject(py),
    };
    (name, width, entries).into_pyobject(py)
}
