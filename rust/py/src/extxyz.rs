//! Frames of extended XYZ as numpy arrays.

use std::fs::File;
use std::path::PathBuf;

use mlipselect_extxyz::{Column, Data, Frame, FrameIndex, Value};
use numpy::{PyArray1, PyArray2, PyArray3, PyArrayMethods, PyReadonlyArray1, ToPyArray};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

use crate::arrays::{index_array, indices};
use crate::door::{Threads, enter, enter_ok};
use crate::errors::invalid;

/// Offsets of the frames with the end of the last one, and their numbers of atoms.
type Places<'py> = (Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<i64>>);

/// Layout of each frame and whether it leaves its periodicity open; then positions, atomic numbers, cells, periodicity
/// and offsets.
type Geometries<'py> = (
    Bound<'py, PyArray1<i64>>,
    Bound<'py, PyArray1<bool>>,
    Bound<'py, PyArray2<f64>>,
    Bound<'py, PyArray1<i64>>,
    Bound<'py, PyArray3<f64>>,
    Bound<'py, PyArray2<bool>>,
    Bound<'py, PyArray1<i64>>,
);

/// The layout of a frame that has to be built to know what it holds.
const NOT_ORDINARY: i64 = -1;

/// How many of the last layouts a frame is compared with; frames that follow each other mostly have the same.
const LAYOUTS: usize = 16;

/// The offset of each frame of a file, followed by the end of the last one, and the number of atoms of each; None if
/// the file is not a plain sequence of whole frames.
#[pyfunction]
pub(crate) fn frame_index(py: Python<'_>, path: PathBuf) -> PyResult<Option<Places<'_>>> {
    let Some(index) = enter(py, None, || File::open(path).and_then(FrameIndex::read))? else { return Ok(None) };
    let array = |numbers: &[u64]| index_array(py, &numbers.iter().map(|&n| n as usize).collect::<Vec<_>>());
    Ok(Some((array(index.starts()), array(index.atoms()))))
}

/// The frames between consecutive offsets `starts` into `data`, parsed.
#[pyclass(module = "mlipselect._core")]
pub(crate) struct ParsedFrames {
    /// None for a frame with a rare construction, and for one that was taken.
    frames: Vec<Option<Frame>>,
}

#[pymethods]
impl ParsedFrames {
    #[new]
    #[pyo3(signature = (data, starts, *, n_threads=None))]
    fn new(
        py: Python<'_>,
        data: &[u8],
        starts: PyReadonlyArray1<'_, i64>,
        n_threads: Option<Threads>,
    ) -> PyResult<Self> {
        let starts = indices(&starts, "starts")?;
        if starts.windows(2).any(|pair| pair[0] > pair[1]) || starts.last().is_some_and(|&end| end > data.len()) {
            return Err(invalid("starts must ascend and lie within the data"));
        }
        Ok(Self { frames: enter_ok(py, n_threads, || Frame::parse_all(data, &starts))? })
    }

    fn __len__(&self) -> usize {
        self.frames.len()
    }

    /// Hand out a frame, once: its number of atoms, keys with values, and columns (name, width and entries). None if it
    /// has a rare construction or was handed out before.
    fn take<'py>(&mut self, py: Python<'py>, slot: usize) -> PyResult<Option<Bound<'py, PyTuple>>> {
        self.frames.get_mut(slot).and_then(Option::take).map(|frame| as_tuple(py, frame)).transpose()
    }

    /// The keys and values of a frame that was not handed out.
    fn items<'py>(&self, py: Python<'py>, slot: usize) -> PyResult<Bound<'py, PyList>> {
        items(py, self.frames.get(slot).and_then(Option::as_ref).map_or(&[], |frame| &frame.info))
    }

    /// The layout of each frame, which is the place of the first frame like it, or -1 for one that is not ordinary; where
    /// a frame with a lattice does not say which directions are periodic; and positions, atomic numbers, cells,
    /// periodicity and offsets of the ordinary ones. The others have no atoms there.
    fn geometry<'py>(&self, py: Python<'py>) -> PyResult<Geometries<'py>> {
        let n = self.frames.len();
        let (mut layouts, mut open) = (Vec::with_capacity(n), Vec::with_capacity(n));
        let (mut numbers, mut positions, mut offsets) = (Vec::new(), Vec::new(), vec![0_i64]);
        let (mut cells, mut periodic) = (Vec::with_capacity(9 * n), Vec::with_capacity(3 * n));
        let mut firsts: Vec<(usize, &Frame)> = Vec::new();
        for (place, frame) in self.frames.iter().enumerate() {
            let ordinary = frame.as_ref().and_then(|frame| Some((frame, frame.geometry()?)));
            let Some((frame, geometry)) = ordinary else {
                layouts.push(NOT_ORDINARY);
                open.push(false);
                cells.extend([0.0; 9]);
                periodic.extend([false; 3]);
                offsets.push(numbers.len() as i64);
                continue;
            };
            let mut recent = firsts.iter().rev().take(LAYOUTS);
            let known = recent.find(|(_, first)| frame.has_layout_of(first)).map(|&(first, _)| first);
            layouts.push(known.unwrap_or(place) as i64);
            if known.is_none() {
                firsts.push((place, frame));
            }
            open.push(geometry.cell.is_some() && geometry.pbc.is_none());
            numbers.extend_from_slice(geometry.numbers);
            positions.extend_from_slice(geometry.positions);
            cells.extend(geometry.cell.unwrap_or_default());
            periodic.extend(geometry.pbc.unwrap_or([geometry.cell.is_some(); 3]));
            offsets.push(numbers.len() as i64);
        }
        let atoms = numbers.len();
        Ok((
            PyArray1::from_vec(py, layouts),
            PyArray1::from_vec(py, open),
            PyArray1::from_vec(py, positions).reshape([atoms, 3])?,
            PyArray1::from_vec(py, numbers),
            PyArray1::from_vec(py, cells).reshape([n, 3, 3])?,
            PyArray1::from_vec(py, periodic).reshape([n, 3])?,
            PyArray1::from_vec(py, offsets),
        ))
    }
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
