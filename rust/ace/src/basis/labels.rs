//! The labels of one-particle functions, and the blocks of labels that are many-body functions of the basis.

use crate::error::Error;

/// Largest accepted total degree. Beyond it couplings lose digits, and rows are too long to be of use.
pub const MAX_TOTALDEGREE: f64 = 40.0;

/// Largest accepted number of features.
pub const MAX_FEATURES: usize = 1_000_000;

/// The label of a one-particle function, and so of a factor of a many-body function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label {
    /// Index of the neighbours' element among the elements of the descriptor.
    pub element: usize,
    /// Number of the radial function, from 1.
    pub n: usize,
    /// Degree of the spherical harmonic.
    pub l: usize,
}

impl Label {
    /// Twice the degree, n + 1.5 l.
    fn doubled_degree(self) -> usize {
        2 * self.n + 3 * self.l
    }
}

/// Number of permutations that map a sorted tuple to itself.
pub(crate) fn n_symmetries<T: PartialEq>(sorted: &[T]) -> usize {
    let mut count = 1;
    let mut run = 1;
    for k in 1..sorted.len() {
        run = if sorted[k] == sorted[k - 1] { run + 1 } else { 1 };
        count *= run;
    }
    count
}

/// The checked total degrees of a basis, one per correlation order.
#[derive(Debug, Clone, PartialEq)]
pub struct Degrees {
    /// Twice the total degree of each order, rounded down: degrees of functions are multiples of a half.
    doubled: Vec<usize>,
}

impl Degrees {
    /// Degrees of order 1, 2, …
    ///
    /// # Errors
    ///
    /// The order is not 1, 2 or 3, there is not one degree per order, or a degree is out of range.
    pub fn new(order: usize, totaldegree: &[f64]) -> Result<Self, Error> {
        if !(1..=3).contains(&order) {
            return Err(Error::Order { given: order });
        }
        if totaldegree.len() != order {
            return Err(Error::TotalDegreeCount { expected: order, given: totaldegree.len() });
        }
        let most = MAX_TOTALDEGREE;
        match totaldegree.iter().find(|d| !(1.0..=most).contains(*d)) {
            Some(&given) => Err(Error::TotalDegree { given, most }),
            None => Ok(Self {
                // A half-integer that rounding made slightly too small still counts as one.
                doubled: totaldegree.iter().map(|d| (2.0 * d + 1e-9) as usize).collect(),
            }),
        }
    }

    /// Correlation order.
    pub fn order(&self) -> usize {
        self.doubled.len()
    }

    /// Number of pair functions: the largest degree of all orders.
    pub fn n_pair(&self) -> usize {
        self.doubled.iter().max().map_or(0, |d| d / 2)
    }

    /// The labels that occur in a block of order 2 or 3, ascending.
    pub fn labels(&self, n_elements: usize) -> Vec<Label> {
        // The smallest block with a label has the same l once more and n = 1 in all other factors.
        let occurs = |label: Label| {
            let least = label.doubled_degree() + 2 + 3 * label.l;
            (self.order() >= 2 && least <= self.doubled[1]) || (self.order() >= 3 && least + 2 <= self.doubled[2])
        };
        let most = self.n_pair();
        let mut labels = Vec::new();
        for element in 0..n_elements {
            for n in 1..=most {
                let label = |l| Label { element, n, l };
                labels.extend((0..=most).map(label).filter(|&label| occurs(label)));
            }
        }
        labels
    }

    /// The blocks of one order, ascending, as indices into `labels`.
    pub(crate) fn blocks(&self, order: usize, labels: &[Label]) -> Vec<Vec<usize>> {
        let mut blocks = Vec::new();
        let mut block = Vec::with_capacity(order);
        self.extend_block(order, labels, &mut block, &mut blocks);
        blocks
    }

    /// The blocks of one order, ascending.
    pub(crate) fn label_blocks(&self, order: usize, labels: &[Label]) -> Vec<Vec<Label>> {
        let blocks = self.blocks(order, labels);
        blocks.into_iter().map(|block| block.into_iter().map(|k| labels[k]).collect()).collect()
    }

    fn extend_block(&self, order: usize, labels: &[Label], block: &mut Vec<usize>, blocks: &mut Vec<Vec<usize>>) {
        let factors = |block: &[usize]| -> Vec<Label> { block.iter().map(|&k| labels[k]).collect() };
        let degree: usize = factors(block).iter().map(|label| label.doubled_degree()).sum();
        if degree > self.doubled[order - 1] {
            return;
        }
        if block.len() == order {
            if couples(&factors(block)) {
                blocks.push(block.clone());
            }
            return;
        }
        for next in block.last().copied().unwrap_or(0)..labels.len() {
            block.push(next);
            self.extend_block(order, labels, block, blocks);
            block.pop();
        }
    }

    /// Number of features for a number of species channels: that of one element, times the number of channels.
    ///
    /// # Errors
    ///
    /// More than [`MAX_FEATURES`].
    pub fn length_in_channels(&self, n_channels: usize) -> Result<usize, Error> {
        let length = self.length(1)?.saturating_mul(n_channels);
        if length > MAX_FEATURES {
            return Err(Error::TooLong { n_elements: n_channels, order: self.order(), length, most: MAX_FEATURES });
        }
        Ok(length)
    }

    /// Number of features for a number of elements.
    ///
    /// # Errors
    ///
    /// More than [`MAX_FEATURES`].
    pub fn length(&self, n_elements: usize) -> Result<usize, Error> {
        let z = n_elements as u128;
        let mut length = self.n_pair() as u128 * z * (z + 1) / 2;
        let labels = self.labels(1);
        for order in 2..=self.order() {
            // Each block of one element gives as many blocks as there are assignments of elements to its factors, where
            // equal factors are not ordered.
            for block in self.blocks(order, &labels) {
                let assignments = match (order, n_symmetries(&block)) {
                    (2, 2) => z * (z + 1) / 2,
                    (3, 6) => z * (z + 1) * (z + 2) / 6,
                    (3, 2) => z * z * (z + 1) / 2,
                    _ => z.pow(order as u32),
                };
                length += z * assignments;
            }
        }
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > MAX_FEATURES {
            return Err(Error::TooLong { n_elements, order: self.order(), length, most: MAX_FEATURES });
        }
        Ok(length)
    }
}

/// Whether the angular momenta of two or three labels couple to an invariant of rotations and reflections.
fn couples(block: &[Label]) -> bool {
    match *block {
        [a, b] => a.l == b.l,
        [a, b, c] => (a.l + b.l + c.l) % 2 == 0 && a.l.abs_diff(b.l) <= c.l && c.l <= a.l + b.l,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn degrees(totaldegree: f64) -> Degrees {
        Degrees::new(3, &[totaldegree; 3]).unwrap()
    }

    /// docs/design/ace.md section 5: total degree, order 2, order 3, total.
    #[test]
    fn lengths_of_one_element() {
        let table = [
            (6, 11, 8, 25),
            (8, 23, 23, 54),
            (10, 41, 59, 110),
            (12, 67, 132, 211),
            (14, 102, 267, 383),
            (16, 147, 505, 668),
            (18, 204, 897, 1119),
            (19, 237, 1173, 1429),
            (20, 274, 1515, 1809),
        ];
        for (degree, order_2, order_3, total) in table {
            let degrees = degrees(f64::from(degree));
            let labels = degrees.labels(1);
            assert_eq!(degrees.n_pair(), degree as usize);
            assert_eq!(degrees.blocks(2, &labels).len(), order_2);
            assert_eq!(degrees.blocks(3, &labels).len(), order_3);
            assert_eq!(degrees.length(1), Ok(total));
        }
    }

    /// docs/design/ace.md section 9: elements, total degree, pair, order 2, order 3.
    #[test]
    fn lengths_of_several_elements() {
        let table = [
            (2, 6, 18, 80, 92),
            (2, 8, 24, 170, 296),
            (2, 12, 36, 508, 1852),
            (3, 6, 36, 261, 411),
            (3, 8, 48, 558, 1383),
            (3, 12, 72, 1683, 8952),
        ];
        for (z, degree, pair, order_2, order_3) in table {
            let degrees = degrees(f64::from(degree));
            let labels = degrees.labels(z);
            assert_eq!(degrees.n_pair() * z * (z + 1) / 2, pair);
            assert_eq!(z * degrees.blocks(2, &labels).len(), order_2);
            assert_eq!(z * degrees.blocks(3, &labels).len(), order_3);
            assert_eq!(degrees.length(z), Ok(pair + order_2 + order_3));
        }
    }

    #[test]
    fn labels_are_sorted_and_all_occur() {
        for doubled in 2..40 {
            for order in 2..=3 {
                let degrees = Degrees::new(order, &vec![f64::from(doubled) / 2.0; order]).unwrap();
                let labels = degrees.labels(2);
                assert!(labels.is_sorted_by(|a, b| a < b));
                let mut occurs = vec![false; labels.len()];
                for order in 2..=order {
                    let blocks = degrees.blocks(order, &labels);
                    assert!(blocks.is_sorted_by(|a, b| a < b));
                    for block in blocks {
                        assert!(block.is_sorted());
                        assert_eq!(block.iter().map(|&k| labels[k].l).sum::<usize>() % 2, 0);
                        block.iter().for_each(|&k| occurs[k] = true);
                    }
                }
                assert!(occurs.iter().all(|&o| o));
            }
        }
    }

    #[test]
    fn sizes_of_the_paper() {
        for (degree, n_labels, n_numbers, lmax) in [(12.0, 26, 74, 3), (16.0, 45, 165, 4), (19.0, 63, 273, 5)] {
            let labels = degrees(degree).labels(1);
            assert_eq!(labels.len(), n_labels);
            assert_eq!(labels.iter().map(|label| 2 * label.l + 1).sum::<usize>(), n_numbers);
            assert_eq!(labels.iter().map(|label| label.l).max(), Some(lmax));
        }
    }

    #[test]
    fn degree_per_order() {
        let mixed = Degrees::new(3, &[5.0, 16.0, 8.0]).unwrap();
        assert_eq!(mixed.length(1), Ok(16 + 147 + 23));
        assert_eq!(Degrees::new(1, &[7.5]).unwrap().length(3), Ok(7 * 6));
    }

    #[test]
    fn refusals() {
        assert_eq!(Degrees::new(4, &[6.0; 4]), Err(Error::Order { given: 4 }));
        assert_eq!(Degrees::new(0, &[]), Err(Error::Order { given: 0 }));
        assert!(matches!(Degrees::new(3, &[6.0]), Err(Error::TotalDegreeCount { .. })));
        for wrong in [0.5, 41.0, f64::NAN, f64::INFINITY, -3.0] {
            assert!(matches!(Degrees::new(2, &[6.0, wrong]), Err(Error::TotalDegree { .. })));
        }
        assert!(matches!(degrees(30.0).length(40), Err(Error::TooLong { .. })));
    }
}
