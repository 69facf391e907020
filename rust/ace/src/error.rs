//! What can be wrong with the parameters of a descriptor or with a structure.

use thiserror::Error;

/// Why a descriptor could not be built or evaluated.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum Error {
    /// Correlation orders other than 1, 2 and 3 have no closed-form couplings here.
    #[error("order must be 1, 2 or 3, but {given} was given")]
    Order {
        /// The order given.
        given: usize,
    },
    /// One total degree is needed per correlation order.
    #[error("totaldegree must hold one number per order ({expected}), but {given} were given")]
    TotalDegreeCount {
        /// The correlation order.
        expected: usize,
        /// Number of degrees given.
        given: usize,
    },
    /// A total degree below 1 leaves no function; beyond the largest, rows are too long to be of use.
    #[error("totaldegree must be between 1 and {most}, but {given} was given")]
    TotalDegree {
        /// The degree given.
        given: f64,
        /// The largest accepted degree.
        most: f64,
    },
    /// The descriptor would have too many features.
    #[error(
        "{n_elements} elements at order {order} make {length} features, more than the {most} that are \
         accepted: lower totaldegree, per order if need be"
    )]
    TooLong {
        /// Number of chemical elements.
        n_elements: usize,
        /// Correlation order.
        order: usize,
        /// Number of features that the parameters give.
        length: usize,
        /// Largest accepted number of features.
        most: usize,
    },
    /// The cutoff radius must be positive and finite.
    #[error("the cutoff radius must be positive and finite, but {given} was given")]
    Cutoff {
        /// The radius given, in Å.
        given: f64,
    },
    /// The elements must be a strictly ascending list of atomic numbers.
    #[error("elements must be distinct atomic numbers between 1 and 118 in ascending order, but {given:?} was given")]
    Elements {
        /// The atomic numbers given.
        given: Vec<i64>,
    },
    /// The length scales r0 must be a symmetric matrix of lengths within bounds that follow from the cutoff.
    #[error(
        "r0 must be a symmetric {expected} x {expected} matrix of lengths between {least} and {most} Å, 1/100 and 10 \
         times the cutoff, but {given}"
    )]
    LengthScale {
        /// Number of elements.
        expected: usize,
        /// The smallest accepted length in Å.
        least: f64,
        /// The largest accepted length in Å.
        most: f64,
        /// A description of the matrix given.
        given: String,
    },
    /// Species channels need a finite weight for each element and channel.
    #[error(
        "expected finite weights of {n_elements} elements in {count} channels, at least one, for neighbours and centres"
    )]
    Channels {
        /// Number of elements.
        n_elements: usize,
        /// Number of channels.
        count: usize,
    },
    /// The exponent of the smoothness prior must be positive.
    #[error("the power of the smoothness prior must be positive and finite, but {given} was given")]
    Power {
        /// The exponent given.
        given: f64,
    },
    /// A linear model has one weight per feature.
    #[error("expected one weight per feature ({expected}), but {given} were given")]
    WeightCount {
        /// Number of features.
        expected: usize,
        /// Number of weights given.
        given: usize,
    },
    /// A weight is NaN or infinite.
    #[error("expected finite weights, but that of feature {feature} is {given}")]
    Weight {
        /// 0-based index of the feature.
        feature: usize,
        /// Its weight.
        given: f64,
    },
    /// A structure among those given cannot be described.
    #[error("structure {index}: {problem}")]
    Structure {
        /// 0-based position of the structure among those given.
        index: usize,
        /// What is wrong with it.
        problem: StructureProblem,
    },
}

/// Why one structure cannot be described.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum StructureProblem {
    /// The structure has no atoms.
    #[error("expected at least one atom, but the structure is empty")]
    Empty,
    /// The numbers of positions and atomic numbers differ.
    #[error("expected one atomic number per position, but {numbers} came with {positions} positions")]
    AtomCount {
        /// Number of positions.
        positions: usize,
        /// Number of atomic numbers.
        numbers: usize,
    },
    /// An element that the descriptor does not have.
    #[error("atom {atom} has atomic number {given}, but the descriptor knows only {known:?}")]
    UnknownElement {
        /// 0-based index of the atom.
        atom: usize,
        /// Its atomic number.
        given: i64,
        /// The atomic numbers of the descriptor.
        known: Vec<i64>,
    },
    /// A coordinate is NaN or infinite.
    #[error("expected finite positions, but atom {atom} is at {position:?}")]
    Position {
        /// 0-based index of the atom.
        atom: usize,
        /// Its position.
        position: [f64; 3],
    },
    /// An entry of the cell is NaN or infinite.
    #[error("expected a finite cell, but it is {cell:?}")]
    Cell {
        /// The cell vectors, one a row.
        cell: [[f64; 3]; 3],
    },
    /// Periodicity needs as many independent cell vectors as periodic directions.
    #[error(
        "periodic along {pbc:?}, but without a cell for it: the vectors {cell:?} are zero or not independent there"
    )]
    SingularCell {
        /// The periodic directions.
        pbc: [bool; 3],
        /// The cell vectors, one a row.
        cell: [[f64; 3]; 3],
    },
    /// The cell is so thin that too many periodic images are within the cutoff.
    #[error("too many periodic images within {cutoff} Å of an atom: the cell {cell:?} is too thin")]
    TooDense {
        /// The cell vectors, one a row.
        cell: [[f64; 3]; 3],
        /// The cutoff radius in Å.
        cutoff: f64,
    },
    /// Two atoms, or an atom and a periodic image, share one place.
    #[error("atoms {first} and {second} are at one point: {distance:.1e} Å apart, expected at least {least:.0e} Å")]
    Coincident {
        /// 0-based index of an atom.
        first: usize,
        /// 0-based index of the other; the same where it is a periodic image.
        second: usize,
        /// Their distance in Å.
        distance: f64,
        /// The smallest accepted distance in Å.
        least: f64,
    },
}

impl StructureProblem {
    /// The error for this problem in the structure at a position.
    pub fn at(self, index: usize) -> Error {
        Error::Structure { index, problem: self }
    }
}
