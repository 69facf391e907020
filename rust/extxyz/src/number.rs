//! Numbers that all readers of the format parse alike.

/// Powers of ten. Numbers of fewer digits than there are entries are exact, and so are the entries.
const POWERS: [f64; 16] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// Parse an integer of at most 18 digits, with or without a sign.
pub(crate) fn integer(token: &[u8]) -> Option<i64> {
    let digits = unsigned(token);
    if digits.is_empty() || digits.len() > 18 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0'));
    Some(if token[0] == b'-' { -value } else { value })
}

/// Parse a decimal number with or without a point and an exponent; no other form of number.
pub(crate) fn float(token: &[u8]) -> Option<f64> {
    let Decimal { mantissa, fraction, is_short } = decimal(token)?;
    if is_short {
        // Both numbers are exact, so the quotient is the number that is nearest to the decimal one.
        let size = mantissa as f64 / POWERS[fraction];
        return Some(if token[0] == b'-' { -size } else { size });
    }
    std::str::from_utf8(token).ok()?.parse().ok()
}

/// Whether a token is a [`float`].
pub(crate) fn is_float(token: &[u8]) -> bool {
    decimal(token).is_some()
}

/// The digits of a decimal number.
struct Decimal {
    /// All digits as one number, which has a meaning if the number is short.
    mantissa: u64,
    /// How many of the digits follow the point.
    fraction: usize,
    /// Whether there are few digits and no exponent.
    is_short: bool,
}

fn decimal(token: &[u8]) -> Option<Decimal> {
    let mut rest = unsigned(token);
    let (whole, mut mantissa) = digits(&mut rest, 0);
    let mut fraction = 0;
    if let [b'.', after @ ..] = rest {
        rest = after;
        (fraction, mantissa) = digits(&mut rest, mantissa);
    }
    if whole + fraction == 0 {
        return None;
    }
    let is_short = rest.is_empty() && whole + fraction < POWERS.len();
    if let [b'e' | b'E', after @ ..] = rest {
        rest = unsigned(after);
        if digits(&mut rest, 0).0 == 0 {
            return None;
        }
    }
    rest.is_empty().then_some(Decimal { mantissa, fraction, is_short })
}

/// Whether every reader takes a token for text: it is no [`float`], and no form that some take for a number, such as
/// `nan`, `inf` and `1_000`.
pub(crate) fn is_certainly_text(token: &[u8]) -> bool {
    let size = unsigned(token);
    let begins_with = |word: &[u8]| size.get(..3).is_some_and(|three| three.eq_ignore_ascii_case(word));
    let is_numeral = size.first().is_none_or(|&first| first.is_ascii_digit() || first == b'.');
    let may_be_number = begins_with(b"nan") || begins_with(b"inf") || (is_numeral && token.contains(&b'_'));
    !may_be_number && !is_float(token)
}

fn unsigned(token: &[u8]) -> &[u8] {
    match token {
        [b'+' | b'-', rest @ ..] => rest,
        _ => token,
    }
}

/// Skip leading digits; return how many there are, and the number that they continue. Beyond 19 digits it has no
/// meaning.
fn digits(rest: &mut &[u8], mut number: u64) -> (usize, u64) {
    let mut count = 0;
    while let Some(digit) = rest.get(count).map(|byte| byte.wrapping_sub(b'0')).filter(|&digit| digit < 10) {
        number = number.wrapping_mul(10).wrapping_add(u64::from(digit));
        count += 1;
    }
    *rest = &rest[count..];
    (count, number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_are_those_of_the_standard_library(
            sign in "[-+]?", whole in "[0-9]{0,20}", fraction in "[0-9]{0,20}", exponent in "([eE][-+]?[0-9]{1,3})?",
        ) {
            let token = format!("{sign}{whole}.{fraction}{exponent}");
            let expected = (!whole.is_empty() || !fraction.is_empty()).then(|| token.parse::<f64>().unwrap().to_bits());
            prop_assert_eq!(float(token.as_bytes()).map(f64::to_bits), expected);
        }
    }

    #[test]
    fn what_is_a_number_and_what_is_not() {
        assert_eq!(
            ["7", "-007", "+3", "", "-", "1.", "1_0", "x"].map(|t| integer(t.as_bytes())),
            [Some(7), Some(-7), Some(3), None, None, None, None, None]
        );
        assert_eq!(integer(b"999999999999999999"), Some(999_999_999_999_999_999));
        assert_eq!(integer(b"1000000000000000000"), None);
        for token in ["1", "-1.5", ".5", "5.", "+1e3", "1.5E-10", "1e999"] {
            assert_eq!(float(token.as_bytes()), Some(token.parse().unwrap()), "{token}");
        }
        for token in ["", ".", "e5", "1e", "1e+", "nan", "inf", "0x1", "1d5", "1_0", "--1", "1 "] {
            assert_eq!(float(token.as_bytes()), None, "{token}");
        }
        for token in ["T", "abc", "0x10", "1d5", "--1", "-", "infant_"] {
            assert_eq!(is_certainly_text(token.as_bytes()), !token.starts_with("inf"), "{token}");
        }
        for token in ["nan", "-Infinity", "1_0", "+NaN", ".5_0", "3"] {
            assert!(!is_certainly_text(token.as_bytes()), "{token}");
        }
    }
}
