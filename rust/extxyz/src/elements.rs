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
    let place = SYMBOLS.iter().position(|symbol| symbol.as_bytes().eq_ignore_ascii_case(word))?;
    i64::try_from(place).ok()
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
