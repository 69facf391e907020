//! For candidates, the rows that may be nearer to them than to their nearest centre.
//!
//! Rows only come nearer to a centre as centres are added, so a row that is not in the list of a candidate never counts
//! in its gain again. A list is then enough to bound the gain anew, without a look at the other rows.

/// Most bytes of all lists for each row of the pool.
const BYTES_OF_A_ROW: usize = 1024;
/// Most bytes of all lists.
const MOST_BYTES: usize = 64 << 20;
/// Most entries of one list, so that a few long ones do not take the room of many.
const MOST_ENTRIES: usize = 8192;

/// A row, and a lower bound of its chord to the candidate, not below zero.
#[derive(Clone, Copy)]
pub(super) struct Near {
    pub(super) row: u32,
    lower: f32,
}

impl Near {
    pub(super) fn new(row: usize, lower: f64) -> Self {
        let lower = lower.max(0.0);
        let nearest = lower as f32;
        Self { row: row as u32, lower: if f64::from(nearest) > lower { nearest.next_down() } else { nearest } }
    }

    pub(super) fn lower(self) -> f64 {
        f64::from(self.lower)
    }
}

/// A list for some of the candidates.
pub(super) struct NearLists {
    lists: Vec<Option<Box<[Near]>>>,
    /// Number of entries for which there is room.
    free: usize,
}

impl NearLists {
    /// Largest number of bytes for a pool of `len` rows.
    pub(super) fn bytes(len: usize) -> usize {
        len * size_of::<Option<Box<[Near]>>>() + Self::bytes_of_entries(len)
    }

    fn bytes_of_entries(len: usize) -> usize {
        MOST_BYTES.min(len * BYTES_OF_A_ROW)
    }

    /// No list for any of `len` candidates.
    pub(super) fn new(len: usize) -> Self {
        Self { lists: vec![None; len], free: Self::bytes_of_entries(len) / size_of::<Near>() }
    }

    /// The list of a candidate, in the order of the rows, if it has one.
    pub(super) fn of(&self, candidate: usize) -> Option<&[Near]> {
        self.lists[candidate].as_deref()
    }

    /// Keep the list of a candidate if there is room.
    pub(super) fn keep(&mut self, candidate: usize, list: &[Near]) {
        self.forget(candidate);
        if list.len() <= self.free.min(MOST_ENTRIES) {
            self.free -= list.len();
            self.lists[candidate] = Some(list.into());
        }
    }

    /// Drop the rows of a list that do not satisfy `is_near` any more.
    pub(super) fn thin(&mut self, candidate: usize, is_near: impl Fn(Near) -> bool) {
        if let Some(list) = self.of(candidate) {
            let left: Vec<Near> = list.iter().copied().filter(|&near| is_near(near)).collect();
            self.keep(candidate, &left);
        }
    }

    /// Drop the list of a candidate.
    pub(super) fn forget(&mut self, candidate: usize) {
        if let Some(list) = self.lists[candidate].take() {
            self.free += list.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(rows: std::ops::Range<usize>) -> Vec<Near> {
        rows.map(|row| Near::new(row, row as f64 / 3.0)).collect()
    }

    #[test]
    fn lower_bounds_stay_below() {
        for lower in [-1.0, 0.0, 1e-300, 0.1, 1.0 / 3.0, 0.3, 7.7, 1e30] {
            let near = Near::new(5, lower);
            assert!(near.lower() <= lower.max(0.0));
            assert!((lower.max(0.0) - near.lower()) <= 1e-6 * lower.abs() + 1e-37);
        }
    }

    #[test]
    fn lists_are_kept_while_there_is_room() {
        let len = 100;
        let room = len * BYTES_OF_A_ROW / size_of::<Near>();
        let mut lists = NearLists::new(len);
        assert!(lists.of(7).is_none());
        lists.keep(7, &[]);
        assert_eq!(lists.of(7).map(<[Near]>::len), Some(0));
        lists.keep(8, &list(0..MOST_ENTRIES.min(room) + 1));
        assert!(lists.of(8).is_none());
        let each = room / 10;
        (0..12).for_each(|candidate| lists.keep(candidate, &list(0..each)));
        assert!((0..12).map(|candidate| lists.of(candidate).is_some()).eq((0..12).map(|candidate| candidate < 10)));
        lists.thin(0, |near| near.row % 2 == 1);
        assert!(lists.of(0).unwrap().iter().map(|near| near.row as usize).eq((1..each).step_by(2)));
        lists.keep(11, &list(0..each));
        assert!(lists.of(11).is_none(), "half a list has room now, and no whole one");
        lists.forget(1);
        lists.keep(11, &list(0..each));
        assert!(lists.of(1).is_none() && lists.of(11).is_some());
        lists.thin(1, |_| true);
        assert!(lists.of(1).is_none());
    }
}
