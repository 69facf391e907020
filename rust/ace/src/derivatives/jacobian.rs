//! The derivatives of all many-body functions by the one-particle sums A_nlm, as far as they are not zero.
//!
//! A function is multilinear: its derivative by the sums of one factor (z, n, l) is the coupling to l of the other
//! factors, and that does not depend on z and n. So all couplings to one l are kept once, as a matrix with 2l + 1 rows
//! and a column for each choice of other factors, ordered by the largest n that goes with them: the derivatives by the
//! sums of one label are the first columns, as many as there are functions with this factor.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use crate::arithmetic::{Arithmetic, Kernel, Lanes, Number, Pack, QUAD, Row, WIDTH, transpose};
use crate::basis::{Basis, Coupling, Function, Label};
use crate::evaluate::{Combinations, Evaluator, Tables, couple, multiply};

/// Atoms whose derivatives lie together: a tile of the first, of the second, …, then the next tile of the first.
pub(crate) const CHUNK: usize = 64;

/// Where the derivatives are, and what they are made of.
#[derive(Debug, Clone)]
pub(crate) struct Jacobian {
    /// For each l, the matrix of couplings, cut into tiles.
    pub(crate) tiles: Vec<Vec<Tile>>,
    /// ForceRows of tiles of one centre, at least one.
    pub(crate) len: usize,
    /// The labels, those that differ in the element only one after the other.
    pub(crate) kinds: Vec<Kind>,
    /// Quads that hold one number for each function with each factor.
    pub(crate) width: usize,
    /// What each function is gathered from, if all elements are among the neighbours.
    pub(crate) sources: Vec<Source>,
    /// The same for each element of neighbours, if there is no other.
    pub(crate) sources_of_element: Vec<Vec<Source>>,
    singles: Vec<Single>,
    pairs: Vec<Pair>,
    combinations: Vec<Combinations>,
}

/// A few columns of the matrix of one l.
#[derive(Debug, Clone)]
pub(crate) struct Tile {
    /// Number of rows, 2l + 1.
    size: usize,
    /// First column, in quads.
    pub(crate) column: usize,
    /// ForceRows of the tiles before this one, of all l.
    start: usize,
}

/// The labels of one n and l.
#[derive(Debug, Clone)]
pub(crate) struct Kind {
    pub(crate) n: usize,
    pub(crate) l: usize,
    pub(crate) blocks: Vec<Block>,
}

/// The functions that have one label as a factor.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    /// Element of the neighbours.
    pub(crate) element: usize,
    /// For each column of the matrix, as far as they go, the function and the factor of the coupling.
    pub(crate) functions: Vec<(usize, f64)>,
    /// Quads of the blocks before this one.
    pub(crate) start: usize,
}

/// The columns that make up a function, one for each factor that is different from the others.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) columns: [usize; 3],
    pub(crate) factors: [f64; 3],
}

/// One other factor: its sums are the coupling.
#[derive(Debug, Clone)]
struct Single {
    sums: Range<usize>,
    /// Where the number of each row goes.
    places: Vec<usize>,
}

/// Two other factors, and where their couplings go.
#[derive(Debug, Clone)]
struct Pair {
    factors: [Range<usize>; 2],
    /// Which combinations.
    couplings: Vec<usize>,
    /// For all rows of one coupling after the other.
    places: Vec<usize>,
}

/// Memory of one evaluation, to be used again and again by one thread.
#[derive(Debug, Clone)]
pub(crate) struct Couplings {
    /// The numbers of the tiles, a pack each.
    packs: Vec<Pack>,
    products: Vec<Pack>,
    coupled: Vec<Pack>,
}

/// For each n and element of a factor, the function, and what its derivative has in front of the coupling of the others.
type Functions = BTreeMap<[usize; 2], (usize, f64)>;

impl Jacobian {
    pub(crate) fn new(basis: &Basis, tables: &Tables) -> Self {
        // Maps with an order of their own: the order of sums must not change from run to run.
        let mut by_l: BTreeMap<usize, BTreeMap<Vec<Label>, Functions>> = BTreeMap::new();
        for (index, function) in basis.functions.iter().enumerate() {
            for (label, others, factor) in derivatives(function) {
                let columns = by_l.entry(label.l).or_default().entry(others).or_default();
                columns.insert([label.n, label.element], (index, factor));
            }
        }
        let mut jacobian = Self {
            tiles: vec![Vec::new(); tables.sums.lmax + 1],
            len: 0,
            kinds: Vec::new(),
            width: 0,
            sources: Vec::new(),
            sources_of_element: Vec::new(),
            singles: Vec::new(),
            pairs: Vec::new(),
            combinations: Vec::new(),
        };
        let mut pairs = BTreeMap::new();
        for (l, columns) in by_l {
            let mut columns: Vec<_> = columns.into_iter().collect();
            columns.sort_by_key(|(_, functions)| std::cmp::Reverse(functions.keys().last().map(|&[n, _]| n)));
            jacobian.add_tiles(l, columns.len());
            jacobian.add_kinds(l, &columns);
            for (column, (others, _)) in columns.into_iter().enumerate() {
                let places = (0..2 * l + 1).map(|row| jacobian.place(l, row, column)).collect();
                match *others {
                    [other] => jacobian.singles.push(Single { sums: tables.sums.place(other), places }),
                    [a, b] => pairs.entry([a, b]).or_insert_with(Vec::new).push((l, places)),
                    _ => unreachable!("functions have two or three factors"),
                }
            }
        }
        let mut known = HashMap::new();
        for ([a, b], couplings) in pairs {
            let factors = [a, b].map(|label| tables.sums.place(label));
            let mut pair = Pair { factors, couplings: Vec::new(), places: Vec::new() };
            for (l, places) in couplings {
                let key = [a.l, b.l, l];
                pair.places.extend(places);
                pair.couplings.push(*known.entry(key).or_insert_with(|| {
                    jacobian.combinations.push(Combinations::new(&Coupling::new(key)));
                    jacobian.combinations.len() - 1
                }));
            }
            jacobian.pairs.push(pair);
        }
        let blocks = || jacobian.kinds.iter().flat_map(|kind| &kind.blocks);
        let n_functions = basis.functions.len();
        let of_element = |element| Source::of(n_functions, blocks().filter(move |block| block.element == element));
        jacobian.sources_of_element = (0..basis.elements.len()).map(of_element).collect();
        jacobian.sources = Source::of(n_functions, blocks());
        // So that there is something to cut into chunks.
        jacobian.len = jacobian.len.max(1);
        jacobian
    }

    /// Cuts the matrix of one l into tiles.
    fn add_tiles(&mut self, l: usize, n_columns: usize) {
        for column in (0..n_columns.div_ceil(QUAD)).step_by(WIDTH) {
            let tile = Tile { size: 2 * l + 1, column, start: self.len };
            self.len += tile.size;
            self.tiles[l].push(tile);
        }
    }

    /// Says which functions the columns belong to, for each n.
    fn add_kinds(&mut self, l: usize, columns: &[(Vec<Label>, Functions)]) {
        let labels: BTreeSet<_> = columns.iter().flat_map(|(_, functions)| functions.keys().copied()).collect();
        for [n, element] in labels {
            let functions: Vec<_> =
                columns.iter().map_while(|(_, of_column)| of_column.get(&[n, element]).copied()).collect();
            let block = Block { element, start: self.width, functions };
            self.width += block.width();
            match self.kinds.last_mut() {
                Some(kind) if [kind.n, kind.l] == [n, l] => kind.blocks.push(block),
                _ => self.kinds.push(Kind { n, l, blocks: vec![block] }),
            }
        }
    }

    /// Where a number of the matrix of one l is among those of one centre.
    fn place(&self, l: usize, row: usize, column: usize) -> usize {
        let tile = &self.tiles[l][column / (WIDTH * QUAD)];
        (tile.start + row) * WIDTH * QUAD + column % (WIDTH * QUAD)
    }

    /// ForceRows that hold the derivatives of a number of atoms.
    pub(crate) fn rows(&self, n_atoms: usize) -> usize {
        n_atoms.next_multiple_of(CHUNK) * self.len
    }

    /// Where the derivatives of an atom are: rows of the chunks before its own, and which of that it is.
    pub(crate) fn of_atom(&self, atom: usize) -> [usize; 2] {
        [(atom - atom % CHUNK) * self.len, atom % CHUNK]
    }

    pub(crate) fn memory(&self) -> Couplings {
        let products = |pair: &Pair| pair.factors[0].len() * pair.factors[1].len();
        let packs = |n: usize| vec![Pack::ZERO; n];
        Couplings {
            packs: packs(self.len * WIDTH * QUAD),
            products: packs(self.pairs.iter().map(products).max().unwrap_or(0)),
            coupled: packs(self.pairs.iter().map(|pair| pair.places.len()).max().unwrap_or(0)),
        }
    }
}

impl Tile {
    /// First row of the tiles of a chunk.
    #[inline(always)]
    pub(crate) fn first_row(&self) -> usize {
        self.start * CHUNK
    }
}

impl Source {
    /// What each function is gathered from, given the blocks that there are.
    fn of<'a>(n_functions: usize, blocks: impl Iterator<Item = &'a Block> + Clone) -> Vec<Self> {
        let mut sources = vec![Vec::new(); n_functions];
        let mut first = 0;
        for block in blocks {
            first = QUAD * block.start;
            for (column, &(function, factor)) in block.functions.iter().enumerate() {
                sources[function].push((first + column, factor));
            }
        }
        let padded = |own: Vec<(usize, f64)>| {
            // Nothing is as good as zero times a number that is there.
            let padding = (own.first().map_or(first, |&(column, _)| column), 0.0);
            let own: [_; 3] = std::array::from_fn(|k| own.get(k).copied().unwrap_or(padding));
            Self { columns: own.map(|(column, _)| column), factors: own.map(|(_, factor)| factor) }
        };
        sources.into_iter().map(padded).collect()
    }
}

impl Block {
    /// Quads of the columns.
    pub(crate) fn width(&self) -> usize {
        self.functions.len().div_ceil(QUAD)
    }
}

/// For each distinct factor of a function, the other factors, and the factor of their coupling in the derivative.
fn derivatives(function: &Function) -> impl Iterator<Item = (Label, Vec<Label>, f64)> {
    let mut first = 0;
    function.labels.chunk_by(|a, b| a == b).map(move |equal| {
        let mut others = function.labels.clone();
        let label = others.remove(first);
        first += equal.len();
        // Functions of order 2 have the norm of their coupling in front.
        let norm = if others.len() == 1 { 1.0 / ((2 * label.l + 1) as f64).sqrt() } else { 1.0 };
        (label, others, function.root_sigma * equal.len() as f64 * norm)
    })
}

impl Evaluator {
    /// The derivatives of all functions by the sums, one centre per lane; those of the first lanes are copied to the
    /// places of their atoms in a chunk.
    pub(crate) fn differentiate_by_sums(
        &self,
        jacobian: &Jacobian,
        sums: &mut [Pack],
        memory: &mut Couplings,
        places: &[usize],
        chunk: &mut [Row],
    ) {
        self.instructions.run(BySums { jacobian, sums, memory, places, chunk });
    }
}

struct BySums<'a> {
    jacobian: &'a Jacobian,
    sums: &'a mut [Pack],
    memory: &'a mut Couplings,
    places: &'a [usize],
    chunk: &'a mut [Row],
}

impl Kernel for BySums<'_> {
    #[inline(always)]
    fn run<A: Arithmetic>(self) {
        let Self { jacobian, sums, memory, places, chunk } = self;
        let sums = &*Lanes::<A>::of(sums);
        let out = Lanes::<A>::of(&mut memory.packs);
        let products = Lanes::<A>::of(&mut memory.products);
        let coupled = Lanes::<A>::of(&mut memory.coupled);
        for Single { sums: other, places } in &jacobian.singles {
            for (q, (sum, &place)) in sums[other.clone()].iter().zip(places).enumerate() {
                // Both m and -m for m > 0.
                out[place] = sum.scaled(if q == 0 { 1.0 } else { 2.0 });
            }
        }
        for Pair { factors: [a, b], couplings, places } in &jacobian.pairs {
            multiply(&sums[a.clone()], &sums[b.clone()], products);
            couple(&jacobian.combinations, couplings, products, coupled);
            for (number, &place) in coupled.iter().zip(places) {
                out[place] = *number;
            }
        }
        for tile in jacobian.tiles.iter().flatten() {
            let len = tile.size;
            let packs = memory.packs[tile.start * WIDTH * QUAD..][..len * WIDTH * QUAD].chunks_exact(QUAD);
            let out = &mut chunk[tile.start * CHUNK..][..CHUNK * len];
            for (k, packs) in packs.enumerate() {
                for (&place, quad) in places.iter().zip(transpose(packs)) {
                    out[place * len + k / WIDTH][k % WIDTH] = quad;
                }
            }
        }
    }
}
