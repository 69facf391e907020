//! Seconds of a product of matrices and of eigenvectors in faer and nalgebra, on one thread: a line of JSON for each.
//!
//!     linear-algebra ROWS DIM

use std::hint::black_box;
use std::time::Instant;

use faer::{Mat, Side};
use nalgebra::{DMatrix, SymmetricEigen};

/// The shortest time of a few.
fn seconds<T>(work: impl Fn() -> T) -> f64 {
    let time = || {
        let began = Instant::now();
        black_box(work());
        began.elapsed().as_secs_f64()
    };
    (0..5).map(|_| time()).fold(f64::INFINITY, f64::min)
}

fn print(library: &str, work: &str, seconds: f64) {
    println!(r#"{{"library": "{library}", "work": "{work}", "seconds": {seconds}}}"#);
}

fn main() {
    let mut sizes = std::env::args().skip(1).map(|size| size.parse::<usize>().expect("sizes are whole numbers"));
    let (rows, dim) = (sizes.next().expect("ROWS is missing"), sizes.next().expect("DIM is missing"));
    faer::set_global_parallelism(faer::Par::Seq);
    let value = |i: usize, j: usize| ((i * dim + j) as f64 * 12.9898).sin();
    let (tall, square) = (Mat::from_fn(rows, dim, value), Mat::from_fn(dim, dim, value));
    let gram = square.transpose() * &square;
    print("faer", "product", seconds(|| &tall * &square));
    print("faer", "eigenvectors", seconds(|| gram.self_adjoint_eigen(Side::Lower)));
    let (tall, square) = (DMatrix::from_fn(rows, dim, value), DMatrix::from_fn(dim, dim, value));
    let gram = square.transpose() * &square;
    print("nalgebra", "product", seconds(|| &tall * &square));
    print("nalgebra", "eigenvectors", seconds(|| SymmetricEigen::new(gram.clone())));
}
