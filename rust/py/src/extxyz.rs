//! Frames of extended XYZ as numpy arrays.

use std::fs::File;
use std::path::PathBuf;

use mlipselect_extxyz::{Column, Data, Frame, FrameIndex, Value};
use numpy::{PyArray1, PyReadonlyArray1, ToPyArray};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

use crate::arrays::{index_array, indices};
use crate::door::{Threads, enter, enter_ok};
use crate::errors::invalid;

/// Offsets of the frames with the end of the last one, and their numbers of atoms.
type Places<'py> = (Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<i64>>);

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
    let starts = indices(&starts, "starts")?;
    if starts.windows(2).any(|pair| pair[0] > pair[1]) || starts.last().is_some_and(|&end| end > data.len()) {
        return Err(invalid("starts must ascend and lie within the data"));
    }
    let out = PyList::empty(py);
    for frame in enter_ok(py, n_threads, || Frame::parse_all(data, &starts))? {
        match frame {
            Some(frame) => out.append(as_tuple(py, frame)?)?,
            None => out.append(py.None())?,
        }
    }
    Ok(out)
}

fn as_tuple(py: Python<'_>, frame: Frame) -> PyResult<Bound<'_, PyTuple>> {
    let info = PyList::empty(py);
    for (key, value) in frame.info {
        info.append((key, value_object(py, value)?))?;
    }
    let columns = PyList::empty(py);
    for column in frame.columns {
        columns.append(column_tuple(py, column)?)?;
    }
    (frame.atoms, info, columns).into_pyobject(py)
}

fn value_object(py: Python<'_>, value: Value) -> PyResult<Bound<'_, PyAny>> {
    Ok(match value {
        Value::Integers(integers) => integers.to_pyarray(py).into_any(),
        Value::Floats(floats) => floats.to_pyarray(py).into_any(),
        Value::Bools(bools) => bools.into_pyobject(py)?.into_any(),
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
