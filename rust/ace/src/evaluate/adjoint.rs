//! Reverse mode: a linear model of the features, and its derivatives by the vectors to all neighbours.
//!
//! Three passes: the one-particle sums A, as for the values; the derivative of the model by each A, from the last
//! product back to the first; for each neighbour, the scalar product of these derivatives with those of R_n Y_lm. The
//! gradients of single features are never formed, so the cost is a small multiple of that of the values.

use super::channels::{LaneWeights, add_scaled, scale};
use super::linear_model::CentreModel;
use super::tables::{Combinations, Double, Tables, Triples};
use super::values::{Evaluator, Neighbourhoods, Slot, couple, multiply};
use crate::arithmetic::{Arithmetic, Dual, Kernel, Lanes, Number, Pack};
use crate::basis::{Channels, Distances, n_harmonics};
use crate::geometry::VOIGT;

/// Largest number of models that are differentiated together.
pub(crate) const MODELS: usize = 2;

/// Workspace of one thread for the reverse mode, of up to [`MODELS`] models of the same features.
#[derive(Debug, Clone)]
pub(crate) struct Reverse {
    /// Results, and what differs between models.
    pub(crate) models: [ModelReverse; MODELS],
    sums: Vec<Pack>,
    harmonics: Vec<Pack>,
    /// The gradients of the solid harmonics.
    solids: Vec<[Pack; 3]>,
    products: Vec<Pack>,
    coupled: Vec<Pack>,
    weights: LaneWeights,
}

/// The part of one model; `by_x` holds the derivatives of the model by `x`.
#[derive(Debug, Clone)]
pub(crate) struct ModelReverse {
    /// Result: the model at each centre.
    pub(crate) value: Pack,
    /// Result: the derivatives by the vectors to the neighbours, in the order of the slots, element after element.
    pub(crate) gradients: Vec<[Pack; 3]>,
    /// Result: the sums over neighbours of the products of gradient and vector: xx, yy, zz, yz, xz, xy.
    pub(crate) moments: [Pack; 6],
    by_sums: Vec<Pack>,
    by_harmonics: Vec<Pack>,
    by_products: Vec<Pack>,
    by_coupled: Vec<Pack>,
    own: Own,
}

/// A model as a function of one neighbour per lane: the factors of P_n, R_n and R_n Y_lm.
#[derive(Debug, Clone)]
struct Own {
    pair: Vec<Pack>,
    radial: Vec<Pack>,
    sums: Vec<Pack>,
}

impl Reverse {
    pub(crate) fn new(evaluator: &Evaluator) -> Self {
        let Evaluator { basis, tables, .. } = evaluator;
        let packs = |n: usize| vec![Pack::ZERO; n];
        let sums = packs(basis.n_sets() * tables.sums.len);
        let harmonics = packs(n_harmonics(tables.sums.lmax));
        let products = packs(tables.triples.most_products());
        let coupled = packs(tables.triples.most_coupled());
        let model = ModelReverse {
            value: Pack::ZERO,
            gradients: Vec::new(),
            moments: [Pack::ZERO; 6],
            by_sums: sums.clone(),
            by_harmonics: harmonics.clone(),
            by_products: products.clone(),
            by_coupled: coupled.clone(),
            own: Own { pair: packs(basis.n_pair), radial: packs(basis.n_radial), sums: packs(tables.sums.len) },
        };
        let solids = vec![[Pack::ZERO; 3]; harmonics.len()];
        let weights = LaneWeights::new(basis);
        Self { models: [model.clone(), model], sums, harmonics, solids, products, coupled, weights }
    }
}

impl Evaluator {
    /// Evaluates models and their derivatives for one centre per lane, all of one kind.
    ///
    /// `known` has the one-particle sums, if they are known.
    pub(crate) fn differentiate<const K: usize>(
        &self,
        centre: usize,
        models: [&CentreModel; K],
        neighbourhoods: &Neighbourhoods,
        known: Option<&[Pack]>,
        reverse: &mut Reverse,
    ) {
        const { assert!(K <= MODELS) };
        self.instructions.run(Adjoint { evaluator: self, centre, models, neighbourhoods, known, reverse });
    }
}

struct Adjoint<'a, const K: usize> {
    evaluator: &'a Evaluator,
    centre: usize,
    models: [&'a CentreModel; K],
    neighbourhoods: &'a Neighbourhoods,
    known: Option<&'a [Pack]>,
    reverse: &'a mut Reverse,
}

impl<const K: usize> Kernel for Adjoint<'_, K> {
    #[inline(always)]
    fn run<A: Arithmetic>(self) {
        let Self { evaluator, centre, models, neighbourhoods, known, reverse } = self;
        let Tables { doubles, triples, .. } = &evaluator.tables;
        let channels = evaluator.basis.channels.as_ref();
        if let Some(sums) = known {
            reverse.sums.copy_from_slice(sums);
        } else {
            reverse.sums.fill(Pack::ZERO);
            evaluator.sum_products::<A>(centre, neighbourhoods, reverse);
        }
        if let Some(channels) = channels {
            reverse.weights.load_centres::<A>(channels, &neighbourhoods.elements);
        }

        let of_centres = &*Lanes::<A>::of(&mut reverse.weights.centres);
        let sums = &*Lanes::<A>::of(&mut reverse.sums);
        let mut twice = [Lanes::<A>::splat(0.0); K];
        let of_three = models.map(|model| &model.functions[doubles.len()..]);
        for k in 0..K {
            let by_sums = &mut reverse.models[k].by_sums;
            by_sums.fill(Pack::ZERO);
            let by_sums = Lanes::<A>::of(by_sums);
            pull_back_two(doubles, &models[k].functions[..doubles.len()], sums, by_sums);
            // Functions of order p are homogeneous of degree p in the sums, so A · ∂f/∂A = p f.
            twice[k] = weighted_dot(of_centres, sums, by_sums);
        }
        pull_back_three(
            triples,
            of_three,
            sums,
            [&mut reverse.products, &mut reverse.coupled].map(|packs| Lanes::<A>::of(packs)),
            &mut reverse.models,
        );
        for k in 0..K {
            let model = &mut reverse.models[k];
            let by_sums = Lanes::<A>::of(&mut model.by_sums);
            let three_times = weighted_dot(of_centres, sums, by_sums) - twice[k];
            for (&weight, by_sums) in of_centres.iter().zip(by_sums.chunks_exact_mut(evaluator.tables.sums.len.max(1)))
            {
                scale(weight, by_sums);
            }
            model.value = (twice[k].scaled(0.5) + three_times.scaled(1.0 / 3.0)).0;
            model.moments = [Pack::ZERO; 6];
            model.gradients.clear();
        }
        for (kind, slots) in neighbourhoods.slots.iter().enumerate() {
            let Some(channels) = channels else {
                evaluator.pull_back_neighbours::<A, K>([centre, kind], models, slots, reverse);
                continue;
            };
            for slot in slots {
                evaluator.mix_channels::<A, K>(channels, models, slot, reverse);
                let distances = channels.distances::<A>(&neighbourhoods.elements, &slot.elements);
                evaluator.pull_back_slot::<A, K>(&distances, slot, reverse);
            }
        }
    }
}

impl Evaluator {
    /// Sums R_n Y_lm over the neighbours.
    #[inline(always)]
    fn sum_products<A: Arithmetic>(&self, centre: usize, neighbourhoods: &Neighbourhoods, reverse: &mut Reverse) {
        let Self { basis, tables, .. } = self;
        let Reverse { sums, harmonics, weights, .. } = reverse;
        let [sums, harmonics] = [sums, harmonics].map(|packs| Lanes::<A>::of(packs));
        for (element, slots) in neighbourhoods.slots.iter().enumerate() {
            for slot in slots {
                let (r, _, u) = slot.polar::<A>();
                self.harmonics.evaluate(u, harmonics);
                let present = Lanes::<A>::from(slot.present);
                let Some(channels) = &basis.channels else {
                    let sums = &mut sums[tables.sums.of_element(element)];
                    let x = basis.pair(centre, element).coordinate.evaluate(r);
                    for (shell, radial) in tables.sums.shells.iter().zip(basis.envelope.terms(x, present)) {
                        add_scaled(radial, harmonics, &mut sums[shell.first..][..shell.size]);
                    }
                    continue;
                };
                weights.load_neighbours::<A>(channels, &slot.elements);
                let weights = &Lanes::<A>::of(&mut weights.powers)[..channels.count];
                let x = channels.distances::<A>(&neighbourhoods.elements, &slot.elements).coordinate(r);
                for (shell, radial) in tables.sums.shells.iter().zip(basis.envelope.terms(x, present)) {
                    for (weight, sums) in weights.iter().zip(sums.chunks_exact_mut(tables.sums.len)) {
                        add_scaled(*weight * radial, harmonics, &mut sums[shell.first..][..shell.size]);
                    }
                }
            }
        }
    }

    /// Computes the derivatives by the vectors to the neighbours of one element.
    #[inline(always)]
    fn pull_back_neighbours<A: Arithmetic, const K: usize>(
        &self,
        [centre, element]: [usize; 2],
        models: [&CentreModel; K],
        slots: &[Slot],
        reverse: &mut Reverse,
    ) {
        let Self { basis, tables, .. } = self;
        for (model, ModelReverse { own, by_sums, .. }) in models.iter().zip(&mut reverse.models) {
            let of_pair = &model.pair[element * basis.n_pair..][..basis.n_pair];
            let of_radial = &model.radial[element * basis.n_radial..][..basis.n_radial];
            let factors = own.pair.iter_mut().zip(of_pair).chain(own.radial.iter_mut().zip(of_radial));
            for (pack, &factor) in factors {
                *pack = Lanes::<A>::splat(factor).0;
            }
            own.sums.copy_from_slice(&by_sums[tables.sums.of_element(element)]);
        }
        for slot in slots {
            self.pull_back_slot::<A, K>(basis.pair(centre, element), slot, reverse);
        }
    }

    /// Adds the models of all channels up to those of the neighbours in one slot.
    #[inline(always)]
    fn mix_channels<A: Arithmetic, const K: usize>(
        &self,
        channels: &Channels,
        models: [&CentreModel; K],
        slot: &Slot,
        reverse: &mut Reverse,
    ) {
        let Self { basis, tables, .. } = self;
        let Reverse { weights, models: reverse, .. } = reverse;
        weights.load_neighbours::<A>(channels, &slot.elements);
        let of_centres = &*Lanes::<A>::of(&mut weights.centres);
        let (first, higher) = Lanes::<A>::of(&mut weights.powers).split_at(channels.count);
        for (model, ModelReverse { own: Own { pair, radial, sums }, by_sums, .. }) in models.iter().zip(reverse) {
            for packs in [&mut *pair, &mut *radial, &mut *sums] {
                packs.fill(Pack::ZERO);
            }
            let [pair, radial, sums, by_sums] = [pair, radial, sums, by_sums].map(|packs| Lanes::<A>::of(packs));
            for (channel, (&weight, &of_centre)) in first.iter().zip(of_centres).enumerate() {
                let factors = &model.pair[channel * basis.n_pair..][..basis.n_pair];
                add_constants(of_centre * weight, factors, pair);
                add_scaled(weight, &by_sums[tables.sums.of_element(channel)], sums);
            }
            for (set, &weight) in higher.iter().enumerate() {
                let factors = &model.radial[set * basis.n_radial..][..basis.n_radial];
                add_constants(of_centres[set % channels.count] * weight, factors, radial);
            }
        }
    }

    /// Computes the derivatives by the vectors to one neighbour per lane, and adds pair functions and self parts to the
    /// values.
    #[inline(always)]
    fn pull_back_slot<A: Arithmetic, const K: usize>(
        &self,
        distances: &impl Distances<A>,
        slot: &Slot,
        reverse: &mut Reverse,
    ) {
        let Self { basis, tables, .. } = self;
        let Reverse { models, harmonics, solids, .. } = reverse;
        let harmonics = Lanes::<A>::of(harmonics);
        let solids = Lanes::<A>::triples(solids);
        let (r, inverse_r, u) = slot.polar::<A>();
        let distance = Dual::variable(r);
        let present = Dual::constant(Lanes::<A>::from(slot.present));
        self.harmonics.evaluate(u, harmonics);

        // Pair functions and self parts, which depend on the distance alone.
        let mut alone = [Dual::constant(Lanes::<A>::splat(0.0)); K];
        let inverse = Dual { value: inverse_r, slope: (inverse_r * inverse_r).scaled(-1.0) };
        for (n, p) in (0..basis.n_pair).zip(distances.pair_terms(distance, inverse, present)) {
            for k in 0..K {
                alone[k] = alone[k].plus_scaled(Lanes::from(models[k].own.pair[n]), p);
            }
        }
        let mut shells = tables.sums.shells.iter();
        let mut slope = [Lanes::<A>::splat(0.0); K];
        for model in models.iter_mut().take(K) {
            model.by_harmonics.fill(Pack::ZERO);
        }
        let terms = basis.envelope.terms(distances.coordinate(distance), present);
        for (n, radial) in (0..basis.n_radial).zip(terms) {
            for k in 0..K {
                alone[k] = alone[k].plus_scaled(Lanes::from(models[k].own.radial[n]), radial);
            }
            let Some(shell) = shells.next() else { continue };
            for k in 0..K {
                let mut by_radial = Lanes::<A>::splat(0.0);
                let ModelReverse { own, by_harmonics, .. } = &mut models[k];
                let weights = &Lanes::<A>::of(&mut own.sums)[shell.first..][..shell.size];
                let by_harmonics = Lanes::<A>::of(by_harmonics);
                for ((weight, harmonic), by_harmonic) in weights.iter().zip(&*harmonics).zip(by_harmonics) {
                    by_radial = weight.mul_add(*harmonic, by_radial);
                    *by_harmonic = weight.mul_add(radial.value, *by_harmonic);
                }
                slope[k] = by_radial.mul_add(radial.slope, slope[k]);
            }
        }

        self.harmonics.gradients(harmonics, solids);
        let [x, y, z] = u;
        let vector = slot.vector.map(Lanes::<A>::from);
        for k in 0..K {
            let model = &mut models[k];
            model.value = (Lanes::<A>::from(model.value) + alone[k].value).0;
            let mut solid = [Lanes::<A>::splat(0.0); 3];
            for (by_harmonic, gradient) in Lanes::<A>::of(&mut model.by_harmonics).iter().zip(&*solids) {
                for (sum, derivative) in solid.iter_mut().zip(gradient) {
                    *sum = by_harmonic.mul_add(*derivative, *sum);
                }
            }
            // Tangential part from the gradient of the solid harmonics, radial part from the slopes of R_n.
            let along = x.mul_add(solid[0], y.mul_add(solid[1], z * solid[2]));
            let radial = slope[k] + alone[k].slope - along * inverse_r;
            let gradient = [0, 1, 2].map(|c| solid[c].mul_add(inverse_r, u[c] * radial));
            for (moment, [a, b]) in model.moments.iter_mut().zip(VOIGT) {
                *moment = gradient[a].mul_add(vector[b], Lanes::<A>::from(*moment)).0;
            }
            model.gradients.push(gradient.map(|lanes| lanes.0));
        }
    }
}

/// `sums += factor * constants`
#[inline(always)]
fn add_constants<T: Number>(factor: T, constants: &[f64], sums: &mut [T]) {
    for (sum, &constant) in sums.iter_mut().zip(constants) {
        *sum = factor.mul_add(T::splat(constant), *sum);
    }
}

/// The scalar product, where each channel has a weight; without channels, as it is.
#[inline(always)]
fn weighted_dot<T: Number>(weights: &[T], a: &[T], b: &[T]) -> T {
    if weights.is_empty() || a.is_empty() {
        return dot(a, b);
    }
    let mut sum = T::splat(0.0);
    let n = a.len() / weights.len();
    for ((weight, a), b) in weights.iter().zip(a.chunks_exact(n)).zip(b.chunks_exact(n)) {
        sum = weight.mul_add(dot(a, b), sum);
    }
    sum
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

/// Adds the derivatives of the functions of order 3, Σ factor Σ (l1 l2 l3; m1 m2 m3) A B C, by the sums, for each model.
/// What the models share is loaded once for all of them.
#[inline(always)]
fn pull_back_three<A: Arithmetic, const K: usize>(
    triples: &Triples,
    factors: [&[f64]; K],
    sums: &[Lanes<A>],
    [products, coupled]: [&mut [Lanes<A>]; 2],
    models: &mut [ModelReverse],
) {
    let Some(models) = models.first_chunk_mut::<K>() else { return };
    let mut by = models.each_mut().map(|model| {
        let ModelReverse { by_sums, by_products, by_coupled, .. } = model;
        [by_sums, by_products, by_coupled].map(|packs| Lanes::<A>::of(packs))
    });
    for group in &triples.groups {
        multiply(&sums[group.a.clone()], &sums[group.b.clone()], products);
        let couplings = &triples.couplings[group.couplings.clone()];
        let n_coupled = couple(&triples.combinations, couplings, products, coupled);
        let (n_a, n_b) = (group.a.len(), group.b.len());
        for [_, by_products, by_coupled] in &mut by {
            by_products[..n_a * n_b].fill(Lanes::splat(0.0));
            by_coupled[..n_coupled].fill(Lanes::splat(0.0));
        }
        for (index, triple) in group.functions.clone().zip(&triples.functions[group.functions.clone()]) {
            let factors = factors.map(|factors| Lanes::splat(factors[index]));
            let c = &sums[triple.c..triple.c + triple.size];
            let z = &coupled[triple.coupled..triple.coupled + triple.size];
            let mut by = by.each_mut().map(|[by_sums, _, by_coupled]| {
                let by_z = &mut by_coupled[triple.coupled..triple.coupled + triple.size];
                (&mut by_sums[triple.c..triple.c + triple.size], by_z)
            });
            for (i, (c, z)) in c.iter().zip(z).enumerate() {
                for ((by_c, by_z), factor) in by.iter_mut().zip(factors) {
                    by_c[i] = factor.mul_add(*z, by_c[i]);
                    by_z[i] = factor.mul_add(*c, by_z[i]);
                }
            }
        }

        let mut place = 0;
        for &index in couplings {
            let Combinations { ends, factors, products } = &triples.combinations[index];
            let mut start = 0;
            for &end in ends {
                let rows: [Lanes<A>; K] = std::array::from_fn(|k| by[k][2][place]);
                for (&factor, &product) in factors[start..end].iter().zip(&products[start..end]) {
                    let factor = Lanes::splat(factor);
                    for ([_, by_products, _], row) in by.iter_mut().zip(rows) {
                        by_products[product] = factor.mul_add(row, by_products[product]);
                    }
                }
                start = end;
                place += 1;
            }
        }
        for [by_sums, by_products, _] in &mut by {
            for (p, row) in by_products[..n_a * n_b].chunks_exact(n_b).enumerate() {
                let a = sums[group.a.start + p];
                by_sums[group.a.start + p] = by_sums[group.a.start + p] + dot(row, &sums[group.b.clone()]);
                for (by_b, by_product) in by_sums[group.b.clone()].iter_mut().zip(row) {
                    *by_b = a.mul_add(*by_product, *by_b);
                }
            }
        }
    }
}
