//! Times of ACE features, and of designs with their derivatives, on bulk silicon with displaced atoms.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use mlipselect_ace::{AceBasis, Parameters, Structure};

/// Cubic cells along each edge of the crystal: 64 atoms.
const CELLS: usize = 2;
const LATTICE_CONSTANT: f64 = 5.43;
const TOTALDEGREES: [f64; 2] = [8.0, 12.0];

/// Diamond silicon with every atom displaced by up to 0.1 Å along each axis: the same on every call.
fn silicon() -> Vec<[f64; 3]> {
    let face_centred = [[0.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]];
    let mut state = 1_u64;
    let mut displacement = || {
        state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
        0.1 * ((state >> 11) as f64 * 2_f64.powi(-52) - 1.0)
    };
    let mut positions = Vec::new();
    for cell in 0..CELLS.pow(3) {
        let corner = [cell % CELLS, cell / CELLS % CELLS, cell / CELLS.pow(2)];
        for site in face_centred {
            for basis in [0.0, 0.25] {
                let place = |axis: usize| LATTICE_CONSTANT * (corner[axis] as f64 + site[axis] + basis);
                positions.push([0, 1, 2].map(|axis| place(axis) + displacement()));
            }
        }
    }
    positions
}

fn ace(c: &mut Criterion) {
    let positions = silicon();
    let (edge, n_atoms) = (LATTICE_CONSTANT * CELLS as f64, positions.len());
    let structures = [Structure {
        positions: &positions,
        atomic_numbers: &vec![14; n_atoms],
        cell: [[edge, 0.0, 0.0], [0.0, edge, 0.0], [0.0, 0.0, edge]],
        pbc: [true; 3],
    }];
    let mut group = c.benchmark_group("ace");
    group.throughput(Throughput::Elements(n_atoms as u64));
    for totaldegree in TOTALDEGREES {
        let basis = AceBasis::new(&Parameters {
            elements: vec![14],
            order: 3,
            totaldegree: vec![totaldegree; 3],
            rcut: 5.5,
            r0: vec![2.35],
        })
        .unwrap();
        let id = |name| BenchmarkId::new(name, format!("{n_atoms} atoms x {} features", basis.n_features()));
        let mut rows = vec![0.0; n_atoms * basis.n_features()];
        group.bench_function(id("values"), |b| b.iter(|| basis.site_features_into(&structures, &mut rows).unwrap()));
        let mut rows = vec![0.0; AceBasis::n_design_rows(n_atoms) * basis.n_features()];
        group.bench_function(id("design"), |b| b.iter(|| basis.designs_into(&structures, &mut rows).unwrap()));
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = ace
}
criterion_main!(benches);
