//! Vector algebra for cells and neighbours.

pub(crate) type Vector = [f64; 3];

/// The indices of the components of a symmetric tensor in the order xx, yy, zz, yz, xz, xy.
pub(crate) const VOIGT: [[usize; 2]; 6] = [[0, 0], [1, 1], [2, 2], [1, 2], [0, 2], [0, 1]];

pub(crate) fn add(a: Vector, b: Vector) -> Vector {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

pub(crate) fn subtract(a: Vector, b: Vector) -> Vector {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

pub(crate) fn scale(a: Vector, factor: f64) -> Vector {
    a.map(|x| x * factor)
}

pub(crate) fn dot(a: Vector, b: Vector) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

pub(crate) fn norm(a: Vector) -> f64 {
    dot(a, a).sqrt()
}

pub(crate) fn cross(a: Vector, b: Vector) -> Vector {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

/// Σ_k numbers_k vectors_k.
pub(crate) fn combine(vectors: &[Vector; 3], numbers: Vector) -> Vector {
    std::array::from_fn(|k| numbers[0] * vectors[0][k] + numbers[1] * vectors[1][k] + numbers[2] * vectors[2][k])
}
