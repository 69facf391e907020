//! The derivatives of all many-body functions by the one-particle sums A_znlm, without those that are zero.
//!
//! A function is multilinear in the sums of its two or three factors. Its derivative by the sums of the factor with
//! label (z, n, l) is a constant times the coupling of the other factors to l. This coupling does not depend on z and
//! n, so functions that differ only in z and n of one factor share it.
//!
//! For each l the couplings form a matrix: one row for each of the 2l + 1 real numbers of a harmonic, one column for
//! each choice of the other factors. Columns are sorted by the largest n that a function combines them with, largest
//! first. Therefore the functions that have the label (z, n, l) as a factor need the first few columns and no others.
//!
//! The matrices are stored in tiles of up to 16 columns. In memory the first tiles of all atoms of a chunk come first,
//! then their second tiles, and so on.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use crate::arithmetic::{Arithmetic, Kernel, LANES, Lanes, Number, Pack, QUAD, Row, WIDTH, transpose};
use crate::basis::{Basis, Channels, Coupling, Function, Label};
use crate::evaluate::{Combinations, Evaluator, LaneWeights, Tables, couple, multiply};

/// Number of atoms in a chunk. A chunk holds the first tile of each of its atoms, then the second tile of each, ….
pub(crate) const CHUNK: usize = 64;

/// The layout of the derivatives, and the products of sums that they are computed from.
#[derive(Debug, Clone)]
pub(crate) struct Jacobian {
    /// For each l, the tiles of the matrix of couplings; with channels, those of each channel after one another.
    pub(crate) tiles: Vec<Vec<Tile>>,
    /// Number of rows of all tiles of one atom, at least 1.
    pub(crate) len: usize,
    /// The labels, grouped by n and l; those of equal l follow one another.
    pub(crate) kinds: Vec<Kind>,
    /// Number of quads of all blocks: room for one number for each function and distinct factor of it.
    pub(crate) width: usize,
    /// For each function, its columns in the blocks of all elements.
    pub(crate) sources: Vec<Source>,
    /// For each element and function, its columns in the blocks of that element alone.
    pub(crate) sources_of_element: Vec<Vec<Source>>,
    singles: Vec<Single>,
    pairs: Vec<Pair>,
    combinations: Vec<Combinations>,
}

/// Up to `WIDTH` quads of columns of the matrix of one l.
#[derive(Debug, Clone)]
pub(crate) struct Tile {
    /// Number of rows, 2l + 1.
    size: usize,
    /// First column, counted in quads.
    pub(crate) column: usize,
    /// Number of rows of the tiles before this one, those of smaller l included.
    start: usize,
    /// The channel whose functions alone need the columns; `None` without channels.
    channel: Option<usize>,
}

/// The labels with the same n and l, which differ in the element of the neighbours.
#[derive(Debug, Clone)]
pub(crate) struct Kind {
    pub(crate) n: usize,
    pub(crate) l: usize,
    pub(crate) blocks: Vec<Block>,
}

/// The functions that have one label as a factor.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    /// Element of the neighbours, or channel.
    pub(crate) element: usize,
    /// For each of the first columns of the matrix, the function, and the constant that multiplies the coupling in its
    /// derivative.
    pub(crate) functions: Vec<(usize, f64)>,
    /// Number of quads of the blocks before this one.
    pub(crate) start: usize,
}

/// The columns of all blocks that contribute to one function, one for each distinct factor, and their constants.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) columns: [usize; 3],
    pub(crate) factors: [f64; 3],
}

/// A column whose only other factor is one label: the coupling is the sums of that label.
#[derive(Debug, Clone)]
struct Single {
    sums: Range<usize>,
    /// Element of the neighbours, or channel.
    set: usize,
    /// For each row of the column, its place among the numbers of one atom.
    places: Vec<usize>,
}

/// The columns whose other factors are the same two labels, for every l to which these couple.
#[derive(Debug, Clone)]
struct Pair {
    factors: [Range<usize>; 2],
    /// Element of the neighbours of the first factor, or channel of both.
    set: usize,
    /// For each l, the index of its combinations.
    couplings: Vec<usize>,
    /// For each row, of the first coupling, of the second, …, its place among the numbers of one atom.
    places: Vec<usize>,
}

/// Workspace of one thread for the derivatives by the sums.
#[derive(Debug, Clone)]
pub(crate) struct Couplings {
    /// The numbers of all tiles, one atom per lane.
    packs: Vec<Pack>,
    products: Vec<Pack>,
    coupled: Vec<Pack>,
    weights: LaneWeights,
}

/// A matrix of couplings: its l, and with channels the channel, whose functions need no other couplings.
type Matrix = (usize, Option<usize>);

/// The functions of one column: for n and element of the remaining factor, the index of the function, and the constant
/// that multiplies the coupling in its derivative.
type Functions = BTreeMap<[usize; 2], (usize, f64)>;

impl Jacobian {
    pub(crate) fn new(basis: &Basis, tables: &Tables) -> Self {
        // Maps sorted by key, so that the order of sums is the same in every run.
        let mut matrices: BTreeMap<Matrix, BTreeMap<Vec<Label>, Functions>> = BTreeMap::new();
        for (index, function) in basis.functions.iter().enumerate() {
            for (label, others, factor) in derivatives(function) {
                let matrix = (label.l, basis.channels.as_ref().map(|_| label.element));
                let columns = matrices.entry(matrix).or_default().entry(others).or_default();
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
        for (matrix @ (l, _), columns) in matrices {
            let mut columns: Vec<_> = columns.into_iter().collect();
            columns.sort_by_key(|(_, functions)| std::cmp::Reverse(functions.keys().last().map(|&[n, _]| n)));
            let first_tile = jacobian.tiles[l].len();
            jacobian.add_tiles(matrix, columns.len());
            jacobian.add_kinds(l, &columns);
            for (column, (others, _)) in columns.into_iter().enumerate() {
                let tile = &jacobian.tiles[l][first_tile + column / (WIDTH * QUAD)];
                let places = (0..2 * l + 1).map(|row| tile.place(row, column)).collect();
                match *others {
                    [other] => {
                        let sums = tables.sums.place(other);
                        jacobian.singles.push(Single { sums, set: other.element, places });
                    }
                    [a, b] => pairs.entry([a, b]).or_insert_with(Vec::new).push((l, places)),
                    _ => unreachable!("functions have two or three factors"),
                }
            }
        }
        let mut known = HashMap::new();
        for ([a, b], couplings) in pairs {
            let factors = [a, b].map(|label| tables.sums.place(label));
            let mut pair = Pair { factors, set: a.element, couplings: Vec::new(), places: Vec::new() };
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
        jacobian.sources_of_element = (0..basis.n_sets()).map(of_element).collect();
        jacobian.sources = Source::of(n_functions, blocks());
        // `par_chunks_mut` needs chunks of at least one row.
        jacobian.len = jacobian.len.max(1);
        jacobian
    }

    /// Adds the tiles of one matrix.
    fn add_tiles(&mut self, (l, channel): Matrix, n_columns: usize) {
        for column in (0..n_columns.div_ceil(QUAD)).step_by(WIDTH) {
            let tile = Tile { size: 2 * l + 1, column, start: self.len, channel };
            self.len += tile.size;
            self.tiles[l].push(tile);
        }
    }

    /// Adds the labels of one matrix, each with the functions of its columns.
    fn add_kinds(&mut self, l: usize, columns: &[(Vec<Label>, Functions)]) {
        let labels: BTreeSet<_> = columns.iter().flat_map(|(_, functions)| functions.keys().copied()).collect();
        for [n, element] in labels {
            let functions: Vec<_> =
                columns.iter().map_while(|(_, of_column)| of_column.get(&[n, element]).copied()).collect();
            let block = Block { element, start: self.width, functions };
            self.width += block.width();
            match self.kinds.iter_mut().find(|kind| [kind.n, kind.l] == [n, l]) {
                Some(kind) => kind.blocks.push(block),
                None => self.kinds.push(Kind { n, l, blocks: vec![block] }),
            }
        }
    }

    /// Number of rows that the derivatives of some atoms take, in whole chunks.
    pub(crate) fn rows(&self, n_atoms: usize) -> usize {
        n_atoms.next_multiple_of(CHUNK) * self.len
    }

    /// The place of the derivatives of an atom: the number of rows of the chunks before its own, and its index in its
    /// own.
    pub(crate) fn of_atom(&self, atom: usize) -> [usize; 2] {
        [(atom - atom % CHUNK) * self.len, atom % CHUNK]
    }

    /// A workspace for one thread.
    pub(crate) fn memory(&self, basis: &Basis) -> Couplings {
        let products = |pair: &Pair| pair.factors[0].len() * pair.factors[1].len();
        let packs = |n: usize| vec![Pack::ZERO; n];
        Couplings {
            packs: packs(self.len * WIDTH * QUAD),
            products: packs(self.pairs.iter().map(products).max().unwrap_or(0)),
            coupled: packs(self.pairs.iter().map(|pair| pair.places.len()).max().unwrap_or(0)),
            weights: LaneWeights::new(basis),
        }
    }
}

impl Tile {
    /// The row of a chunk where this tile of the first atom starts.
    #[inline(always)]
    pub(crate) fn first_row(&self) -> usize {
        self.start * CHUNK
    }

    /// The place of an entry of the matrix, in a column of this tile, among the numbers of one atom.
    fn place(&self, row: usize, column: usize) -> usize {
        (self.start + row) * WIDTH * QUAD + column % (WIDTH * QUAD)
    }

    /// Whether a block has columns in this tile.
    pub(crate) fn serves(&self, block: &Block) -> bool {
        self.column < block.width() && self.channel.is_none_or(|channel| channel == block.element)
    }
}

impl Source {
    /// For each function, its columns in the given blocks.
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
            // Functions with fewer distinct factors are padded with zero times a column that is computed anyway.
            let padding = (own.first().map_or(first, |&(column, _)| column), 0.0);
            let own: [_; 3] = std::array::from_fn(|k| own.get(k).copied().unwrap_or(padding));
            Self { columns: own.map(|(column, _)| column), factors: own.map(|(_, factor)| factor) }
        };
        sources.into_iter().map(padded).collect()
    }
}

impl Block {
    /// Number of quads that the columns take.
    pub(crate) fn width(&self) -> usize {
        self.functions.len().div_ceil(QUAD)
    }
}

/// For each distinct factor of a function, its label, the other labels, and the constant that multiplies the coupling
/// of the others in the derivative.
fn derivatives(function: &Function) -> impl Iterator<Item = (Label, Vec<Label>, f64)> {
    let mut first = 0;
    function.labels.chunk_by(|a, b| a == b).map(move |equal| {
        let mut others = function.labels.clone();
        let label = others.remove(first);
        first += equal.len();
        // Functions of order 2 have a factor 1/√(2l+1), which the 3j symbols contain at order 3.
        let norm = if others.len() == 1 { 1.0 / ((2 * label.l + 1) as f64).sqrt() } else { 1.0 };
        (label, others, function.root_sigma * equal.len() as f64 * norm)
    })
}

impl Evaluator {
    /// Computes the derivatives of all functions by the sums, for one centre per lane, given the elements of the
    /// centres and their sums.
    ///
    /// `places` has the index in the chunk of the atom in each lane; lanes without an atom are left out.
    pub(crate) fn differentiate_by_sums(
        &self,
        jacobian: &Jacobian,
        (elements, sums): (&[usize; LANES], &mut [Pack]),
        memory: &mut Couplings,
        places: &[usize],
        chunk: &mut [Row],
    ) {
        let channels = self.basis.channels.as_ref();
        self.instructions.run(BySums { channels, jacobian, elements, sums, memory, places, chunk });
    }
}

struct BySums<'a> {
    channels: Option<&'a Channels>,
    jacobian: &'a Jacobian,
    elements: &'a [usize; LANES],
    sums: &'a mut [Pack],
    memory: &'a mut Couplings,
    places: &'a [usize],
    chunk: &'a mut [Row],
}

impl Kernel for BySums<'_> {
    #[inline(always)]
    fn run<A: Arithmetic>(self) {
        let Self { channels, jacobian, elements, sums, memory, places, chunk } = self;
        if let Some(channels) = channels {
            memory.weights.load_centres::<A>(channels, elements);
        }
        let of_centres = &*Lanes::<A>::of(&mut memory.weights.centres);
        let sums = &*Lanes::<A>::of(sums);
        let out = Lanes::<A>::of(&mut memory.packs);
        let products = Lanes::<A>::of(&mut memory.products);
        let coupled = Lanes::<A>::of(&mut memory.coupled);
        for Single { sums: other, set, places } in &jacobian.singles {
            for (q, (sum, &place)) in sums[other.clone()].iter().zip(places).enumerate() {
                // For m > 0 the products with m and -m are equal, and the scalar product has both.
                let derivative = sum.scaled(if q == 0 { 1.0 } else { 2.0 });
                out[place] = of_centres.get(*set).map_or(derivative, |weight| *weight * derivative);
            }
        }
        for Pair { factors: [a, b], set, couplings, places } in &jacobian.pairs {
            multiply(&sums[a.clone()], &sums[b.clone()], products);
            couple(&jacobian.combinations, couplings, products, coupled);
            for (number, &place) in coupled.iter().zip(places) {
                out[place] = of_centres.get(*set).map_or(*number, |weight| *weight * *number);
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
