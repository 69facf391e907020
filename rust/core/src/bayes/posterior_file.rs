//! A posterior on disk, as a safetensors file that any reader of that format can open.
//!
//! It is written under a temporary name and renamed, so the target is always a whole file, old or new.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use faer::Mat;
use safetensors::tensor::{Dtype, SafeTensors, TensorView, View as TensorData};

use crate::bayes::posterior::Posterior;
use crate::bayes::prior::Prior;
use crate::error::{Error, Result};

const FORMAT: &str = "mlipselect-posterior-1";

struct Array {
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Array {
    fn new(shape: Vec<usize>, values: impl IntoIterator<Item = f64>) -> Self {
        Self { shape, bytes: values.into_iter().flat_map(f64::to_le_bytes).collect() }
    }
}

impl TensorData for Array {
    fn dtype(&self) -> Dtype {
        Dtype::F64
    }
    fn shape(&self) -> &[usize] {
        &self.shape
    }
    fn data(&self) -> Cow<'_, [u8]> {
        (&self.bytes).into()
    }
    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

impl Posterior {
    /// Write the posterior to a file; an existing one is replaced in one step.
    ///
    /// # Errors
    /// [`Error::File`] if the file cannot be written; an existing file is then unchanged.
    pub fn save(&self, path: &Path) -> Result<()> {
        let fail = |problem: String| Error::File { path: path.to_path_buf(), problem };
        let bytes = self.to_bytes().map_err(&fail)?;
        let name = path.file_name().ok_or_else(|| fail("not the name of a file".into()))?;
        let temporary = path.with_file_name(format!(".{}.{}.part", name.to_string_lossy(), std::process::id()));
        let written = File::create(&temporary)
            .and_then(|mut file| file.write_all(&bytes).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&temporary, path));
        written.map_err(|e| {
            // The temporary file may not exist, so a failure to remove it is ignored.
            let _ = fs::remove_file(&temporary);
            fail(format!("cannot be written: {e}"))
        })
    }

    /// The bytes that [`Posterior::save`] writes.
    ///
    /// # Errors
    /// The problem in words, if the format refuses the data.
    pub fn to_bytes(&self) -> std::result::Result<Vec<u8>, String> {
        let dim = self.dim();
        let factor = Array::new(vec![dim, dim], (0..dim * dim).map(|k| self.factor()[(k / dim, k % dim)]));
        let prior = match self.prior() {
            Prior::Isotropic(alpha) => Array::new(vec![], [*alpha]),
            Prior::Diagonal(alphas) => Array::new(vec![dim], alphas.iter().copied()),
            Prior::Full(matrix) => Array::new(vec![dim, dim], matrix.iter().copied()),
        };
        let noise = Array::new(vec![], [self.noise_precision()]);
        let header = HashMap::from([("format".to_owned(), FORMAT.to_owned())]);
        let tensors = [("precision_factor", factor), ("prior_precision", prior), ("noise_precision", noise)];
        safetensors::serialize(tensors, Some(header)).map_err(|e| e.to_string())
    }

    /// Read a posterior that [`Posterior::save`] wrote.
    ///
    /// # Errors
    /// [`Error::File`] if the file cannot be read or is not a posterior.
    pub fn load(path: &Path) -> Result<Self> {
        let fail = |problem: String| Error::File { path: path.to_path_buf(), problem };
        let bytes = fs::read(path).map_err(|e| fail(format!("cannot be read: {e}")))?;
        Self::from_bytes(&bytes).map_err(fail)
    }

    /// Read the result of [`Posterior::to_bytes`].
    ///
    /// # Errors
    /// The problem in words, if the bytes are not a posterior.
    pub fn from_bytes(bytes: &[u8]) -> std::result::Result<Self, String> {
        let broken = |e: String| format!("not a posterior written by mlipselect: {e}");
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| broken(e.to_string()))?;
        let format = header.metadata().as_ref().and_then(|m| m.get("format"));
        if format.map(String::as_str) != Some(FORMAT) {
            return Err(broken(format!("expected the format {FORMAT}, found {format:?}")));
        }
        let tensors = SafeTensors::deserialize(bytes).map_err(|e| broken(e.to_string()))?;
        let tensor = |name: &str| tensors.tensor(name).map_err(|e| broken(format!("{name}: {e}")));
        let factor = tensor("precision_factor")?;
        let prior = tensor("prior_precision")?;
        let noise = tensor("noise_precision")?;
        let [dim, columns] = *factor.shape() else {
            return Err(broken("precision_factor is not a matrix".into()));
        };
        if dim == 0 || dim != columns {
            return Err(broken(format!("precision_factor is {dim} x {columns}, not square")));
        }
        let values = values(&factor).map_err(&broken)?;
        let triangle = Mat::from_fn(dim, dim, |i, j| if i <= j { values[i * dim + j] } else { 0.0 });
        let numbers = self::values(&prior).map_err(&broken)?;
        let prior = match prior.shape() {
            [] => Prior::Isotropic(numbers[0]),
            [_] => Prior::Diagonal(numbers),
            _ => Prior::Full(numbers),
        };
        let noise = match self::values(&noise).map_err(&broken)?[..] {
            [noise] => noise,
            _ => return Err(broken("noise_precision is not one number".into())),
        };
        Self::from_parts(prior, noise, triangle).map_err(|e| broken(e.to_string()))
    }
}

fn values(tensor: &TensorView<'_>) -> std::result::Result<Vec<f64>, String> {
    if tensor.dtype() != Dtype::F64 {
        return Err(format!("expected float64, found {:?}", tensor.dtype()));
    }
    let words = tensor.data().chunks_exact(size_of::<f64>());
    Ok(words.map(|word| f64::from_le_bytes(word.try_into().unwrap_or_default())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::rows::View;

    #[test]
    fn what_is_saved_is_what_is_loaded() {
        let folder = std::env::temp_dir().join(format!("mlipselect-posterior-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("p.safetensors");
        let full = vec![2.0, 0.5, 0.5, 1.0];
        for prior in [Prior::Isotropic(0.1), Prior::Diagonal(vec![0.1, 3.0]), Prior::Full(full)] {
            let mut posterior = Posterior::new(2, prior, 4.0).unwrap();
            posterior.update(&View::new(&[1.0, 2.0, -0.3, 0.4], 2, 2).unwrap()).unwrap();
            posterior.save(&path).unwrap();
            let loaded = Posterior::load(&path).unwrap();
            assert_eq!(loaded.covariance(), posterior.covariance());
            assert_eq!(loaded.information(), posterior.information());
            assert_eq!(loaded.prior(), posterior.prior());
        }
        let whole = fs::read(&path).unwrap();
        for length in [0, 7, 40, whole.len() - 1] {
            fs::write(&path, &whole[..length]).unwrap();
            assert!(matches!(Posterior::load(&path), Err(Error::File { .. })));
        }
        let missing = folder.join("nowhere").join("p");
        assert!(matches!(Posterior::load(&missing), Err(Error::File { .. })));
        let posterior = Posterior::isotropic(2, 1.0, 1.0).unwrap();
        assert!(matches!(posterior.save(&missing), Err(Error::File { .. })));
        fs::remove_dir_all(&folder).unwrap();
    }
}
