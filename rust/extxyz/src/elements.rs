//! Atomic numbers of chemical symbols.

/// The symbols, by atomic number; X stands for no element.
const SYMBOLS: [&str; 119] = [
    "X", "H", "He", "Li", "Be", "B", "C", "N", "O", "F", "Ne", "Na", "Mg", "Al", "Si", "P", "S", "Cl", "Ar", "K", "Ca",
    "Sc", "Ti", "V", "Cr", "Mn", "Fe", "Co", "Ni", "Cu", "Zn", "Ga", "Ge", "As", "Se", "Br", "Kr", "Rb", "Sr", "Y",
    "Zr", "Nb", "Mo", "Tc", "Ru", "Rh", "Pd", "Ag", "Cd", "In", "Sn", "Sb", "Te", "I", "Xe", "Cs", "Ba", "La", "Ce",
    "Pr", "Nd", "Pm", "Sm", "Eu", "Gd", "Tb", "Dy", "Ho", "Er", "Tm", "Yb", "Lu", "Hf", "Ta", "W", "Re", "Os", "Ir",
    "Pt", "Au", "Hg", "Tl", "Pb", "Bi", "Po", "At", "Rn", "Fr", "Ra", "Ac", "Th", "Pa", "U", "Np", "Pu", "Am", "Cm",
    "Bk", "Cf", "Es", "Fm", "Md", "No", "Lr", "Rf", "Db", "Sg", "Bh", "Hs", "Mt", "Ds", "Rg", "Cn", "Nh", "Fl", "Mc",
    "Lv", "Ts", "Og",
];

/// The atomic number of a symbol, in upper or lower case.
pub(crate) fn atomic_number(word: &[u8]) -> Option<i64> {
    let number = NUMBERS[place(word)?];
    (number != NONE).then_some(i64::from(number))
}

/// What stands in [`NUMBERS`] where there is no symbol.
const NONE: u8 = u8::MAX;

/// The atomic number of each word of one or two letters, by its [`place`].
const NUMBERS: [u8; 26 * 27] = {
    let mut numbers = [NONE; 26 * 27];
    let mut number = 0;
    while number < SYMBOLS.len() {
        if let Some(place) = place(SYMBOLS[number].as_bytes()) {
            numbers[place] = number as u8;
        }
        number += 1;
    }
    numbers
};

/// The place of a word of one or two letters among all such words, in upper or lower case.
const fn place(word: &[u8]) -> Option<usize> {
    let (first, second) = match word {
        [first] => (*first, None),
        [first, second] => (*first, Some(*second)),
        _ => return None,
    };
    if !first.is_ascii_alphabetic() {
        return None;
    }
    let row = 27 * (first.to_ascii_lowercase() - b'a') as usize;
    match second {
        None => Some(row),
        Some(second) if second.is_ascii_alphabetic() => Some(row + 1 + (second.to_ascii_lowercase() - b'a') as usize),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_have_their_numbers() {
        assert_eq!(["X", "H", "si", "FE", "Og"].map(|s| atomic_number(s.as_bytes())), [0, 1, 14, 26, 118].map(Some));
        assert_eq!(["", "Q", "Si1", "Hh"].map(|s| atomic_number(s.as_bytes())), [None; 4]);
    }
}
