//! The numbers that an independent prototype gave, and those that the original implementation published.

use mlipselect_ace::{AceBasis, Parameters, Structure};

fn silicon(totaldegree: f64) -> AceBasis {
    AceBasis::new(&Parameters {
        elements: vec![14],
        order: 3,
        totaldegree: vec![totaldegree; 3],
        rcut: 5.0,
        r0: vec![2.4],
    })
    .unwrap()
}

fn close(value: f64, expected: f64, tolerance: f64) {
    assert!((value - expected).abs() <= tolerance, "{value} is not {expected}");
}

const CENTRE_AND_THREE: [[f64; 3]; 4] = [[0.0, 0.0, 0.0], [2.0, 0.3, -0.4], [-0.7, 2.1, 1.0], [0.5, -1.5, 2.6]];

fn centre_row(positions: &[[f64; 3]]) -> Vec<f64> {
    let basis = silicon(12.0);
    let cluster =
        Structure { positions, atomic_numbers: &vec![14; positions.len()], cell: [[0.0; 3]; 3], pbc: [false; 3] };
    basis.site_features(&[cluster]).unwrap()[..basis.n_features()].to_vec()
}

/// Column, value, gradient with respect to the first neighbour (where printed), prior at p = 4.
type Line = (usize, f64, Option<[f64; 3]>, f64);

#[rustfmt::skip]
const LINES: [Line; 13] = [
    (0, 7.87144638835e-01, None, 2.0),
    (1, 3.85214697016e-01, None, 17.0),
    (12, 1.088838115079e+00, Some([9.4622800690e-01, 1.4193420103e-01, -1.8924560138e-01]), 13.40510168),
    (13, -3.713705233904e-01, Some([-7.4193238867e-02, -1.1128985830e-02, 1.4838647773e-02]), 35.76103581),
    (23, -2.650451809024e-01, Some([-2.0581470953e-01, 6.5253638157e-02, 3.6686228183e-01]), 24.33080174),
    (33, 1.683636627432e-03, Some([9.4187988782e-01, 9.3703157325e-02, -2.2649221146e-01]), 216.668935),
    (37, -2.494077000092e-01, Some([-7.6548236677e-02, 2.0042637854e-01, 3.1152004352e-01]), 258.5195279),
    (79, 2.736983123055e+00, Some([3.3262611015e+00, 4.9893916522e-01, -6.6525222030e-01]), 28.31676395),
    (89, -4.065155263187e-01, Some([-4.4342703835e-01, -1.7066165525e-01, -2.6419372234e-01]), 29.97479812),
    (132, -6.361291445663e-01, Some([-6.8083914600e-01, -1.0402226000e-01, 2.1229537386e-01]), 61.87920706),
    (142, 3.089736018090e-01, Some([3.2952172603e-01, 1.0506101383e-01, 3.7113890571e-02]), 146.9941088),
    (164, 1.054922627983e+00, Some([4.6264284070e-01, 6.0022200364e-03, -2.6803277501e-01]), 379.9552329),
    (210, -1.930085211805e-02, Some([2.4273209248e-02, 3.6409813873e-03, -4.8546418497e-03]), 4065.724309),
];

/// Half a unit of the last digit printed, for a number printed with so many digits after the first.
fn last_digit(value: f64, digits: i32) -> f64 {
    0.51 * 10f64.powi(value.abs().log10().floor() as i32 - digits)
}

#[test]
fn values_of_a_centre_with_three_neighbours() {
    let row = centre_row(&CENTRE_AND_THREE);
    for (column, value, _, _) in LINES {
        // Column 33 nearly cancels, so its last digits are rounding of terms of order one.
        let digits = if column < 12 { 11 } else { 12 };
        close(row[column], value, last_digit(value, digits).max(2e-15));
    }
}

/// The gradients are printed to 11 digits; central differences of the values reach 9.
#[test]
fn differences_of_the_values_are_the_gradients() {
    let h = 1e-4;
    for axis in 0..3 {
        let shifted = |h: f64| {
            let mut positions = CENTRE_AND_THREE;
            positions[1][axis] += h;
            centre_row(&positions)
        };
        let (far, near) = ([shifted(-2.0 * h), shifted(2.0 * h)], [shifted(-h), shifted(h)]);
        for (column, _, gradient, _) in LINES {
            if let Some(gradient) = gradient {
                // Fourth order in h.
                let slope =
                    (8.0 * (near[1][column] - near[0][column]) - (far[1][column] - far[0][column])) / (12.0 * h);
                close(slope, gradient[axis], 2e-10);
            }
        }
    }
}

#[test]
fn prior_of_silicon() {
    let prior = silicon(12.0).smoothness_prior(4.0).unwrap();
    for (column, _, _, expected) in LINES {
        close(prior[column], expected, last_digit(expected, 9));
    }
}

#[test]
fn ideal_diamond() {
    let a = 5.43 / 2.0;
    let diamond = Structure {
        positions: &[[0.0; 3], [a / 2.0; 3]],
        atomic_numbers: &[14, 14],
        cell: [[0.0, a, a], [a, 0.0, a], [a, a, 0.0]],
        pbc: [true; 3],
    };
    let row = silicon(12.0).structure_features(&[diamond]).unwrap();
    for (column, expected, tolerance) in [
        (0, 1.502264412282, 6e-13),
        (1, 0.1589353085206, 6e-14),
        (12, 21.65933488908, 6e-12),
        (13, 15.82146601036, 6e-12),
        (79, 160.2617053377, 6e-11),
        (210, 1575.200389754, 6e-10),
    ] {
        close(row[column], expected, tolerance);
    }

    let norm = |numbers: &[f64]| numbers.iter().map(|x| x * x).sum::<f64>().sqrt();
    let logs = |prior: &[f64]| prior.iter().map(|p| p.ln()).sum::<f64>();
    for (degree, all, pair, logs_4, largest, logs_5) in [
        (12.0, (2358.30207163, 6e-9), (3.27925932339, 6e-12), (1407.43848, 6e-6), 20737.0, (1820.94827, 6e-6)),
        (16.0, (2705.98676532, 6e-9), (3.9257719538, 6e-11), (5029.84885, 6e-6), 65537.0, (6468.11885, 6e-6)),
        (19.0, (3177.70544146, 6e-9), (4.20345966336, 6e-12), (11524.1454, 6e-5), 130322.0, (14772.4733, 6e-5)),
    ] {
        let basis = silicon(degree);
        let row = basis.site_features(&[diamond]).unwrap();
        close(norm(&row[..basis.n_features()]), all.0, all.1);
        close(norm(&row[..degree as usize]), pair.0, pair.1);
        let prior = basis.smoothness_prior(4.0).unwrap();
        close(logs(&prior), logs_4.0, logs_4.1);
        close(prior.iter().copied().fold(0.0, f64::max), largest, 1e-9);
        close(logs(&basis.smoothness_prior(5.0).unwrap()), logs_5.0, logs_5.1);
    }
}

/// Length and prior that the original's documentation shows for Al and Ti.
#[test]
fn aluminium_and_titanium() {
    let basis = AceBasis::new(&Parameters {
        elements: vec![13, 22],
        order: 3,
        totaldegree: vec![6.0; 3],
        rcut: 5.5,
        r0: vec![2.9; 4],
    })
    .unwrap();
    assert_eq!(basis.n_features(), 190);
    let prior = basis.smoothness_prior(4.0).unwrap();
    for (value, expected) in prior.iter().zip([2.0, 17.0, 82.0, 257.0, 626.0, 1297.0]) {
        close(*value, expected, 1e-12);
    }
    let last = [(29.9748, 6e-5), (101.908, 6e-4), (154.616, 6e-4), (331.982, 6e-4)];
    for (value, (expected, tolerance)) in prior[186..].iter().zip(last) {
        close(*value, expected, tolerance);
    }
}
