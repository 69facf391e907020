//! Derivatives against the numbers of an independent prototype, against differences of the values, and against each
//! other.

use mlipselect_ace::{AceBasis, Error, Parameters, Structure, StructureProblem};

const VOIGT: [[usize; 2]; 6] = [[0, 0], [1, 1], [2, 2], [1, 2], [0, 2], [0, 1]];

fn basis(elements: &[i64], totaldegree: f64, r0: f64) -> AceBasis {
    AceBasis::new(&Parameters {
        elements: elements.to_vec(),
        order: 3,
        totaldegree: vec![totaldegree; 3],
        rcut: 5.0,
        r0: vec![r0; elements.len() * elements.len()],
    })
    .unwrap()
}

/// Two elements that differ, and degrees that do too.
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

/// A distorted crystal of n³ atoms in a skewed cell, a little under twice that wide.
struct Crystal {
    positions: Vec<[f64; 3]>,
    atomic_numbers: Vec<i64>,
    cell: [[f64; 3]; 3],
    pbc: [bool; 3],
}

impl Crystal {
    fn new(n: usize, pbc: [bool; 3]) -> Self {
        let place = |k: usize| [k % n, (k / n) % n, k / (n * n)];
        let position = |k: usize| {
            [0, 1, 2].map(|axis| 2.1 * place(k)[axis] as f64 + 0.25 * ((1.3 + axis as f64) * k as f64).sin())
        };
        let a = 2.1 * n as f64;
        Self {
            positions: (0..n * n * n).map(position).collect(),
            atomic_numbers: (0..n * n * n).map(|k| if k % 3 == 0 { 8 } else { 14 }).collect(),
            cell: [[a, 0.0, 0.0], [0.3, a + 0.1, 0.0], [-0.2, 0.4, a - 0.1]],
            pbc,
        }
    }

    fn structure(&self) -> Structure<'_> {
        let Self { positions, atomic_numbers, cell, pbc } = self;
        Structure { positions, atomic_numbers, cell: *cell, pbc: *pbc }
    }

    fn strained(&self, component: usize, h: f64) -> Self {
        let [a, b] = VOIGT[component];
        let strain = |v: [f64; 3]| {
            let mut strained = v;
            strained[a] += 0.5 * h * v[b];
            strained[b] += 0.5 * h * v[a];
            strained
        };
        Self {
            positions: self.positions.iter().map(|&x| strain(x)).collect(),
            atomic_numbers: self.atomic_numbers.clone(),
            cell: self.cell.map(strain),
            pbc: self.pbc,
        }
    }

    fn moved(&self, atom: usize, axis: usize, h: f64) -> Self {
        let mut positions = self.positions.clone();
        positions[atom][axis] += h;
        Self { positions, atomic_numbers: self.atomic_numbers.clone(), ..*self }
    }
}

fn design(basis: &AceBasis, structures: &[Structure<'_>]) -> Vec<f64> {
    let n_rows: usize = structures.iter().map(|structure| AceBasis::n_design_rows(structure.len())).sum();
    // What was there must not matter.
    let mut rows = vec![f64::NAN; n_rows * basis.n_features()];
    basis.designs_into(structures, &mut rows).unwrap();
    rows
}

/// The sum of the features of all atoms.
fn summed(basis: &AceBasis, crystal: &Crystal) -> Vec<f64> {
    let mean = basis.structure_features(&[crystal.structure()]).unwrap();
    mean.iter().map(|x| x * crystal.positions.len() as f64).collect()
}

/// Slopes at zero, of fourth order in the step.
fn slopes(f: impl Fn(f64) -> Vec<f64>) -> Vec<f64> {
    let h = 3e-5;
    let [far_down, down, up, far_up] = [-2.0 * h, -h, h, 2.0 * h].map(f);
    (0..up.len()).map(|k| (8.0 * (up[k] - down[k]) - (far_up[k] - far_down[k])) / (12.0 * h)).collect()
}

fn largest(numbers: &[f64]) -> f64 {
    numbers.iter().fold(0.0, |m: f64, x| m.max(x.abs()))
}

fn assert_close(values: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(values.len(), expected.len());
    for (k, (value, expected)) in values.iter().zip(expected).enumerate() {
        assert!((value - expected).abs() <= tolerance, "number {k}: {value} is not {expected} to {tolerance:e}");
    }
}

fn weights(n: usize) -> Vec<f64> {
    (0..n).map(|k| (0.7 * k as f64).sin()).collect()
}

/// Gradients by the first neighbour, of one element alone; index and block as in one element with total degree 12.
#[rustfmt::skip]
const GRADIENTS: [(usize, [f64; 3]); 11] = [
    (12, [9.4622800690e-01, 1.4193420103e-01, -1.8924560138e-01]),
    (13, [-7.4193238867e-02, -1.1128985830e-02, 1.4838647773e-02]),
    (23, [-2.0581470953e-01, 6.5253638157e-02, 3.6686228183e-01]),
    (33, [9.4187988782e-01, 9.3703157325e-02, -2.2649221146e-01]),
    (37, [-7.6548236677e-02, 2.0042637854e-01, 3.1152004352e-01]),
    (79, [3.3262611015e+00, 4.9893916522e-01, -6.6525222030e-01]),
    (89, [-4.4342703835e-01, -1.7066165525e-01, -2.6419372234e-01]),
    (132, [-6.8083914600e-01, -1.0402226000e-01, 2.1229537386e-01]),
    (142, [3.2952172603e-01, 1.0506101383e-01, 3.7113890571e-02]),
    (164, [4.6264284070e-01, 6.0022200364e-03, -2.6803277501e-01]),
    (210, [2.4273209248e-02, 3.6409813873e-03, -4.8546418497e-03]),
];

/// The centre is of an element of its own, so that its functions see the neighbours and no other centre has them.
#[test]
fn reference_gradients() {
    let basis = basis(&[13, 14], 12.0, 2.4);
    let positions = [[0.0, 0.0, 0.0], [2.0, 0.3, -0.4], [-0.7, 2.1, 1.0], [0.5, -1.5, 2.6]];
    let atomic_numbers = [13, 14, 14, 14];
    let cluster =
        Structure { positions: &positions, atomic_numbers: &atomic_numbers, cell: [[0.0; 3]; 3], pbc: [false; 3] };
    let d = basis.n_features();
    let rows = design(&basis, &[cluster]);
    // Functions of the second element alone come last in each order: 67 of 254 and 132 of 926.
    let column = |index: usize| if index < 79 { 36 + 254 - 67 + index - 12 } else { 36 + 254 + 926 - 132 + index - 79 };
    for (index, gradient) in GRADIENTS {
        let force: Vec<f64> = (0..3).map(|axis| rows[(1 + 3 + axis) * d + column(index)]).collect();
        for (force, gradient) in force.iter().zip(gradient) {
            let last_digit = 10f64.powi(gradient.abs().log10().floor() as i32 - 10);
            assert!((force + gradient).abs() < 0.51 * last_digit.max(4e-15), "{index}: {force} is not -{gradient}");
        }
    }
}

#[test]
fn designs_are_slopes_of_the_values() {
    let basis = oxide();
    let d = basis.n_features();
    for pbc in [[true, true, false], [true; 3], [false; 3]] {
        let crystal = Crystal::new(2, pbc);
        let rows = design(&basis, &[crystal.structure()]);
        let (energy, rows) = rows.split_at(d);
        let expected = summed(&basis, &crystal);
        assert_close(energy, &expected, 1e-13 * largest(&expected));
        let (forces, virial) = rows.split_at(3 * 8 * d);
        let tolerance = 1e-9 * largest(forces);
        for (k, row) in forces.chunks_exact(d).enumerate() {
            let expected = slopes(|h| summed(&basis, &crystal.moved(k / 3, k % 3, -h)));
            assert_close(row, &expected, tolerance);
        }
        let tolerance = 1e-9 * largest(virial);
        for (component, row) in virial.chunks_exact(d).enumerate() {
            let expected = slopes(|h| summed(&basis, &crystal.strained(component, -h)));
            assert_close(row, &expected, tolerance);
        }
    }
}

#[test]
fn designs_times_weights_are_predictions() {
    let w = |basis: &AceBasis| weights(basis.n_features());
    for basis in [oxide(), basis(&[1, 8, 14], 6.0, 1.7), basis(&[8, 14], 13.5, 2.0)] {
        for crystal in [Crystal::new(2, [true, true, false]), Crystal::new(5, [true; 3]), Crystal::new(3, [false; 3])] {
            let structure = crystal.structure();
            let product = |row: &[f64]| -> f64 { row.iter().zip(w(&basis)).map(|(b, w)| b * w).sum() };
            let rows = design(&basis, &[structure]);
            let products: Vec<f64> = rows.chunks_exact(basis.n_features()).map(product).collect();
            let predicted = basis.predict(&[structure], &w(&basis)).unwrap();
            let sites: Vec<f64> =
                basis.site_features(&[structure]).unwrap().chunks_exact(basis.n_features()).map(product).collect();
            assert_close(&predicted.site_energies, &sites, 1e-12 * largest(&sites));
            let n_forces = 3 * structure.len();
            let (energy, rest) = products.split_at(1);
            let (forces, virial) = rest.split_at(n_forces);
            assert_close(&predicted.energies, energy, 1e-11 * largest(&sites));
            assert_close(predicted.forces.as_flattened(), forces, 1e-12 * largest(forces));
            assert_close(&predicted.virials[0], virial, 1e-12 * largest(virial));
        }
    }
}

/// Orders below three, where whole parts of the tables are empty.
#[test]
fn low_orders() {
    for (order, totaldegree) in [(1, vec![7.5]), (2, vec![5.0, 9.0])] {
        let parameters = Parameters { elements: vec![8, 14], order, totaldegree, rcut: 4.5, r0: vec![1.8; 4] };
        let basis = AceBasis::new(&parameters).unwrap();
        let crystal = Crystal::new(2, [true; 3]);
        let d = basis.n_features();
        let rows = design(&basis, &[crystal.structure()]);
        let tolerance = 1e-9 * largest(&rows[d..]);
        let expected = slopes(|h| summed(&basis, &crystal.moved(3, 1, -h)));
        assert_close(&rows[(1 + 3 * 3 + 1) * d..][..d], &expected, tolerance);
        let expected = slopes(|h| summed(&basis, &crystal.strained(4, -h)));
        assert_close(&rows[(1 + 3 * 8 + 4) * d..][..d], &expected, tolerance);
        let predicted = basis.predict(&[crystal.structure()], &weights(d)).unwrap();
        let force: f64 = rows[(1 + 3 * 3 + 1) * d..][..d].iter().zip(weights(d)).map(|(b, w)| b * w).sum();
        assert!((predicted.forces[3][1] - force).abs() < 1e-11 * largest(&rows));
    }
}

/// Bit for bit, over structures smaller and larger than what one thread takes at a time.
#[test]
fn threads_and_neighbouring_structures_change_nothing() {
    let basis = oxide();
    let crystals = [Crystal::new(2, [true; 3]), Crystal::new(6, [true; 3]), Crystal::new(1, [false; 3])];
    let structures: Vec<_> = crystals.iter().map(Crystal::structure).collect();
    let w = weights(basis.n_features());
    let on = |n: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap();
        pool.install(|| (design(&basis, &structures), basis.predict(&structures, &w).unwrap()))
    };
    let one = on(1);
    assert!(one == on(2) && one == on(5));
    let alone: Vec<f64> = structures.iter().flat_map(|&structure| design(&basis, &[structure])).collect();
    assert!(alone == one.0);
}

#[test]
fn what_is_wrong_is_named() {
    let basis = oxide();
    let crystal = Crystal::new(2, [true; 3]);
    let d = basis.n_features();
    let mut rows = vec![0.0; (AceBasis::n_design_rows(8) + AceBasis::n_design_rows(0)) * d];
    let empty = Structure { positions: &[], atomic_numbers: &[], ..crystal.structure() };
    let problem = Error::Structure { index: 1, problem: StructureProblem::Empty };
    let structures = [crystal.structure(), empty];
    assert_eq!(basis.designs_into(&structures, &mut rows), Err(problem.clone()));
    assert_eq!(basis.predict(&structures, &weights(d)), Err(problem));
    let refused = |weights: &[f64]| basis.predict(&[crystal.structure()], weights).unwrap_err();
    assert_eq!(refused(&[1.0]), Error::WeightCount { expected: d, given: 1 });
    let mut w = weights(d);
    w[5] = f64::INFINITY;
    assert_eq!(refused(&w), Error::Weight { feature: 5, given: f64::INFINITY });
}
