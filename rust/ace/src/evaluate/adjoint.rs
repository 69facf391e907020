//! Reverse mode: a linear model of the features, and its derivatives by the vectors to all neighbours.
//!
//! Three passes: the one-particle sums A, as for the values; the derivative of the model by each A, from the last
//! product back to the first; for each neighbour, the scalar product of these derivatives with those of R_n Y_lm. The
//! gradients of single features are never formed, so the cost is a small multiple of that of the values.

use super::linear_model::CentreModel;
use super::tables::{Combinations, Double, Tables, Triples};
use super::values::{Evaluator, Slot, couple, multiply};
use crate::arithmetic::{Arithmetic, Dual, Kernel, Lanes, Number, Pack};
use crate::basis::n_harmonics;
use crate::geometry::VOIGT;

/// Workspace of one thread for the reverse mode; `by_x` holds the derivatives of the model by `x`.
#[derive(Debug, Clone)]
pub(crate) struct Reverse {
    /// Result: the model at each centre.
    pub(crate) value: Pack,
    /// Result: the derivatives by the vectors to the neighbours, in the order of the slots, element after element.
    pub(crate) gradients: Vec<[Pack; 3]>,
    /// Result: the sums over neighbours of the products of gradient and vector: xx, yy, zz, yz, xz, xy.
    pub(crate) moments: [Pack; 6],
    sums: Vec<Pack>,
    by_sums: Vec<Pack>,
    harmonics: Vec<Pack>,
    by_harmonics: Vec<Pack>,
    /// The gradients of the solid harmonics.
    solids: Vec<[Pack; 3]>,
    products: Vec<Pack>,
    by_products: Vec<Pack>,
    coupled: Vec<Pack>,
    by_coupled: Vec<Pack>,
}

impl Reverse {
    pub(crate) fn new(evaluator: &Evaluator) -> Self {
        let Evaluator { basis, tables, .. } = evaluator;
        let packs = |n: usize| vec![Pack::ZERO; n];
        let sums = packs(basis.elements.len() * tables.sums.len);
        let harmonics = packs(n_harmonics(tables.sums.lmax));
        let products = packs(tables.triples.most_products());
        let coupled = packs(tables.triples.most_coupled());
        Self {
            value: Pack::ZERO,
            gradients: Vec::new(),
            moments: [Pack::ZERO; 6],
            by_sums: sums.clone(),
            sums,
            by_harmonics: harmonics.clone(),
            solids: vec![[Pack::ZERO; 3]; harmonics.len()],
            harmonics,
            by_products: products.clone(),
            products,
            by_coupled: coupled.clone(),
            coupled,
        }
    }
}

impl Evaluator {
    /// Evaluates a model and its derivatives for one centre per lane, all of one element.
    ///
    /// `slots` has, for each element, the neighbours of that element.
    pub(crate) fn differentiate(&self, centre: usize, model: &CentreModel, slots: &[Vec<Slot>], reverse: &mut Reverse) {
        self.instructions.run(Adjoint { evaluator: self, centre, model, slots, known: None, reverse });
    }

    /// [`Self::differentiate`] where the one-particle sums are known.
    pub(crate) fn differentiate_from(
        &self,
        centre: usize,
        model: &CentreModel,
        slots: &[Vec<Slot>],
        sums: &[Pack],
        reverse: &mut Reverse,
    ) {
        self.instructions.run(Adjoint { evaluator: self, centre, model, slots, known: Some(sums), reverse });
    }
}

struct Adjoint<'a> {
    evaluator: &'a Evaluator,
    centre: usize,
    model: &'a CentreModel,
    slots: &'a [Vec<Slot>],
    /// The one-particle sums, if they are known.
    known: Option<&'a [Pack]>,
    reverse: &'a mut Reverse,
}

impl Kernel for Adjoint<'_> {
    #[inline(always)]
    fn run<A: Arithmetic>(self) {
        let Self { evaluator, centre, model, slots, known, reverse } = self;
        let Tables { doubles, triples, .. } = &evaluator.tables;
        reverse.by_sums.fill(Pack::ZERO);
        if let Some(sums) = known {
            reverse.sums.copy_from_slice(sums);
        } else {
            reverse.sums.fill(Pack::ZERO);
            for (element, slots) in slots.iter().enumerate() {
                evaluator.sum_products::<A>([centre, element], slots, reverse);
            }
        }

        let sums = &*Lanes::<A>::of(&mut reverse.sums);
        let by_sums = Lanes::<A>::of(&mut reverse.by_sums);
        let (of_two, of_three) = model.functions.split_at(doubles.len());
        pull_back_two(doubles, of_two, sums, by_sums);
        // Functions of order p are homogeneous of degree p in the sums, so A · ∂f/∂A = p f.
        let twice = dot(sums, by_sums);
        pull_back_three(
            triples,
            of_three,
            sums,
            by_sums,
            [&mut reverse.products, &mut reverse.by_products].map(|packs| Lanes::<A>::of(packs)),
            [&mut reverse.coupled, &mut reverse.by_coupled].map(|packs| Lanes::<A>::of(packs)),
        );
        let three_times = dot(sums, by_sums) - twice;
        reverse.value = (twice.scaled(0.5) + three_times.scaled(1.0 / 3.0)).0;

        reverse.moments = [Pack::ZERO; 6];
        reverse.gradients.clear();
        for (element, slots) in slots.iter().enumerate() {
            evaluator.pull_back_neighbours::<A>([centre, element], model, slots, reverse);
        }
    }
}

impl Evaluator {
    /// Adds R_n Y_lm at the neighbours of one element to the one-particle sums.
    #[inline(always)]
    fn sum_products<A: Arithmetic>(&self, [centre, element]: [usize; 2], slots: &[Slot], reverse: &mut Reverse) {
        let Self { basis, tables, .. } = self;
        let coordinate = &basis.pair(centre, element).coordinate;
        let sums = Lanes::<A>::of(&mut reverse.sums[tables.sums.of_element(element)]);
        let harmonics = Lanes::<A>::of(&mut reverse.harmonics);
        for slot in slots {
            let (r, _, u) = slot.polar::<A>();
            self.harmonics.evaluate(u, harmonics);
            let radial = basis.envelope.terms(coordinate.evaluate(r), Lanes::<A>::from(slot.present));
            for (shell, radial) in tables.sums.shells.iter().zip(radial) {
                for (sum, harmonic) in sums[shell.first..][..shell.size].iter_mut().zip(&*harmonics) {
                    *sum = radial.mul_add(*harmonic, *sum);
                }
            }
        }
    }

    /// Computes the derivatives by the vectors to the neighbours of one element, and adds pair functions and self parts
    /// to the value.
    #[inline(always)]
    fn pull_back_neighbours<A: Arithmetic>(
        &self,
        [centre, element]: [usize; 2],
        model: &CentreModel,
        slots: &[Slot],
        reverse: &mut Reverse,
    ) {
        let Self { basis, tables, .. } = self;
        let pair = basis.pair(centre, element);
        let of_pair = &model.pair[element * basis.n_pair..][..basis.n_pair];
        let of_radial = &model.radial[element * basis.n_radial..][..basis.n_radial];
        let by_sums = &*Lanes::<A>::of(&mut reverse.by_sums[tables.sums.of_element(element)]);
        let harmonics = Lanes::<A>::of(&mut reverse.harmonics);
        let by_harmonics = Lanes::<A>::of(&mut reverse.by_harmonics);
        let solids = Lanes::<A>::triples(&mut reverse.solids);
        let mut value = Lanes::<A>::from(reverse.value);
        let mut moments = reverse.moments.map(Lanes::<A>::from);
        for slot in slots {
            let (r, inverse_r, u) = slot.polar::<A>();
            let distance = Dual::variable(r);
            let present = Dual::constant(Lanes::<A>::from(slot.present));
            self.harmonics.evaluate(u, harmonics);

            // Pair functions and self parts, which depend on the distance alone.
            let mut alone = Dual::constant(Lanes::<A>::splat(0.0));
            let inverse = Dual { value: inverse_r, slope: (inverse_r * inverse_r).scaled(-1.0) };
            for (&factor, p) in of_pair.iter().zip(pair.radial.terms(distance, inverse, present)) {
                alone = alone.plus_scaled(factor, p);
            }
            let mut shells = tables.sums.shells.iter();
            let mut slope = Lanes::<A>::splat(0.0);
            by_harmonics.fill(slope);
            let terms = basis.envelope.terms(pair.coordinate.evaluate(distance), present);
            for (&factor, radial) in of_radial.iter().zip(terms) {
                alone = alone.plus_scaled(factor, radial);
                let Some(shell) = shells.next() else { continue };
                let mut by_radial = Lanes::<A>::splat(0.0);
                let weights = &by_sums[shell.first..][..shell.size];
                for ((weight, harmonic), by_harmonic) in weights.iter().zip(&*harmonics).zip(&mut *by_harmonics) {
                    by_radial = weight.mul_add(*harmonic, by_radial);
                    *by_harmonic = weight.mul_add(radial.value, *by_harmonic);
                }
                slope = by_radial.mul_add(radial.slope, slope);
            }
            value = value + alone.value;
            slope = slope + alone.slope;

            let mut solid = [Lanes::<A>::splat(0.0); 3];
            self.harmonics.gradients(harmonics, solids);
            for (by_harmonic, gradient) in by_harmonics.iter().zip(&*solids) {
                for (sum, derivative) in solid.iter_mut().zip(gradient) {
                    *sum = by_harmonic.mul_add(*derivative, *sum);
                }
            }
            // Tangential part from the gradient of the solid harmonics, radial part from the slopes of R_n.
            let [x, y, z] = u;
            let along = x.mul_add(solid[0], y.mul_add(solid[1], z * solid[2]));
            let radial = slope - along * inverse_r;
            let gradient = [0, 1, 2].map(|k| solid[k].mul_add(inverse_r, u[k] * radial));
            let vector = slot.vector.map(Lanes::<A>::from);
            for (moment, [a, b]) in moments.iter_mut().zip(VOIGT) {
                *moment = gradient[a].mul_add(vector[b], *moment);
            }
            reverse.gradients.push(gradient.map(|lanes| lanes.0));
        }
        reverse.value = value.0;
        reverse.moments = moments.map(|lanes| lanes.0);
    }
}

#[inline(always)]
fn dot<T: Number>(a: &[T], b: &[T]) -> T {
    let mut sum = T::splat(0.0);
    for (a, b) in a.iter().zip(b) {
        sum = a.mul_add(*b, sum);
    }
    sum
}

/// Adds the derivatives of the functions of order 2, Σ factor [ A_0 B_0 + 2 Σ_{m>0} Re(A_m B*_m) ], by the sums.
#[inline(always)]
fn pull_back_two<T: Number>(doubles: &[Double], factors: &[f64], sums: &[T], by_sums: &mut [T]) {
    for (double, &factor) in doubles.iter().zip(factors) {
        for q in 0..double.size {
            let factor = T::splat(if q == 0 { factor } else { 2.0 * factor });
            let (a, b) = (double.a + q, double.b + q);
            by_sums[a] = factor.mul_add(sums[b], by_sums[a]);
            by_sums[b] = factor.mul_add(sums[a], by_sums[b]);
        }
    }
}

/// Adds the derivatives of the functions of order 3, Σ factor Σ (l1 l2 l3; m1 m2 m3) A B C, by the sums.
#[inline(always)]
fn pull_back_three<T: Number>(
    triples: &Triples,
    factors: &[f64],
    sums: &[T],
    by_sums: &mut [T],
    [products, by_products]: [&mut [T]; 2],
    [coupled, by_coupled]: [&mut [T]; 2],
) {
    for group in &triples.groups {
        multiply(&sums[group.a.clone()], &sums[group.b.clone()], products);
        let couplings = &triples.couplings[group.couplings.clone()];
        let n_coupled = couple(&triples.combinations, couplings, products, coupled);

        let by_coupled = &mut by_coupled[..n_coupled];
        by_coupled.fill(T::splat(0.0));
        let functions = group.functions.clone();
        for (triple, &factor) in triples.functions[functions.clone()].iter().zip(&factors[functions]) {
            let factor = T::splat(factor);
            let c = triple.c..triple.c + triple.size;
            let z = triple.coupled..triple.coupled + triple.size;
            let pairs = sums[c.clone()].iter().zip(&mut by_sums[c]);
            for ((c, by_c), (z, by_z)) in pairs.zip(coupled[z.clone()].iter().zip(&mut by_coupled[z])) {
                *by_c = factor.mul_add(*z, *by_c);
                *by_z = factor.mul_add(*c, *by_z);
            }
        }

        let by_products = &mut by_products[..group.a.len() * group.b.len()];
        by_products.fill(T::splat(0.0));
        let mut rows = by_coupled.iter();
        for &index in couplings {
            let Combinations { ends, factors, products } = &triples.combinations[index];
            let mut start = 0;
            for (&end, row) in ends.iter().zip(&mut rows) {
                for (&factor, &product) in factors[start..end].iter().zip(&products[start..end]) {
                    by_products[product] = T::splat(factor).mul_add(*row, by_products[product]);
                }
                start = end;
            }
        }
        for (p, row) in by_products.chunks_exact(group.b.len()).enumerate() {
            let a = sums[group.a.start + p];
            by_sums[group.a.start + p] = by_sums[group.a.start + p] + dot(row, &sums[group.b.clone()]);
            for (by_b, by_product) in by_sums[group.b.clone()].iter_mut().zip(row) {
                *by_b = a.mul_add(*by_product, *by_b);
            }
        }
    }
}
