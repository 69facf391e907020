//! Derivatives against differences of the values, and against each other.

use mlipselect_ace::{AceBasis, Parameters, Structure};

fn oxide() -> AceBasis {
    AceBasis::new(&Parameters {
        elements: vec![8, 14],
        order: 3,
        totaldegree: vec![9.0, 9.0, 7.0],
        rcut: 5.0,
        r0: vec![1.3, 1.8, 1.8, 2.4],
    })
    .unwrap()
}

/// A distorted crystal, smaller than the cutoff, or a large one.
fn crystal(n: usize) -> (Vec<[f64; 3]>, Vec<i64>, [[f64; 3]; 3]) {
    let place = |k: usize| [k % n, (k / n) % n, k / (n * n)];
    let position =
        |k: usize| [0, 1, 2].map(|axis| 2.1 * place(k)[axis] as f64 + 0.25 * ((1.3 + axis as f64) * k as f64).sin());
    let a = 2.1 * n as f64;
    let cell = [[a, 0.0, 0.0], [0.3, a + 0.1, 0.0], [-0.2, 0.4, a - 0.1]];
    let elements = (0..n * n * n).map(|k| if k % 3 == 0 { 8 } else { 14 }).collect();
    ((0..n * n * n).map(position).collect(), elements, cell)
}

fn weights(n: usize) -> Vec<f64> {
    (0..n).map(|k| (0.7 * k as f64).sin()).collect()
}

#[test]
fn predictions_are_the_model_and_its_slopes() {
    let basis = oxide();
    let (positions, atomic_numbers, cell) = crystal(2);
    let w = weights(basis.n_features());
    let at = |positions: &[[f64; 3]], cell: [[f64; 3]; 3]| {
        let structure = Structure { positions, atomic_numbers: &atomic_numbers, cell, pbc: [true, true, false] };
        (basis.predict(&[structure], &w).unwrap(), basis.site_features(&[structure]).unwrap())
    };
    let (predicted, rows) = at(&positions, cell);
    let model: Vec<f64> = rows.chunks_exact(w.len()).map(|row| row.iter().zip(&w).map(|(b, w)| b * w).sum()).collect();
    let largest = model.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
    for (value, expected) in predicted.site_energies.iter().zip(&model) {
        assert!((value - expected).abs() < 1e-12 * largest);
    }
    let h = 1e-4;
    let slope = |shifted: &dyn Fn(f64) -> f64| {
        (8.0 * (shifted(h) - shifted(-h)) - (shifted(2.0 * h) - shifted(-2.0 * h))) / (12.0 * h)
    };
    let largest = predicted.forces.iter().flatten().fold(0.0, |m: f64, x| m.max(x.abs()));
    for (atom, force) in predicted.forces.iter().enumerate() {
        for axis in 0..3 {
            let expected = -slope(&|h| {
                let mut moved = positions.clone();
                moved[atom][axis] += h;
                at(&moved, cell).0.energies[0]
            });
            assert!((force[axis] - expected).abs() < 1e-9 * largest, "{} is not {expected}", force[axis]);
        }
    }
    for (value, [a, b]) in predicted.virials[0].iter().zip([[0, 0], [1, 1], [2, 2], [1, 2], [0, 2], [0, 1]]) {
        let expected = -slope(&|h| {
            let strain = |v: [f64; 3]| {
                let mut strained = v;
                strained[a] += 0.5 * h * v[b];
                strained[b] += 0.5 * h * v[a];
                strained
            };
            let moved: Vec<_> = positions.iter().map(|&x| strain(x)).collect();
            at(&moved, cell.map(strain)).0.energies[0]
        });
        assert!((value - expected).abs() < 1e-9 * largest, "{value} is not {expected}");
    }
}

#[test]
fn designs_times_weights_are_predictions() {
    let basis = oxide();
    let d = basis.n_features();
    let w = weights(d);
    for (n, pbc) in [(2, [true, true, false]), (3, [true; 3]), (4, [false; 3])] {
        let (positions, atomic_numbers, cell) = crystal(n);
        let structure = Structure { positions: &positions, atomic_numbers: &atomic_numbers, cell, pbc };
        let mut rows = vec![0.0; AceBasis::n_design_rows(positions.len()) * d];
        basis.designs_into(&[structure], &mut rows).unwrap();
        let predicted = basis.predict(&[structure], &w).unwrap();
        let products: Vec<f64> = rows.chunks_exact(d).map(|row| row.iter().zip(&w).map(|(b, w)| b * w).sum()).collect();
        let expected: Vec<f64> = predicted
            .energies
            .iter()
            .chain(predicted.forces.as_flattened())
            .chain(&predicted.virials[0])
            .copied()
            .collect();
        let largest = expected.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
        for (k, (value, expected)) in products.iter().zip(&expected).enumerate() {
            assert!((value - expected).abs() < 1e-12 * largest, "row {k}: {value} is not {expected}");
        }
    }
}
