//! Numbers that all readers of the format parse alike.

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
    let mut rest = unsigned(token);
    let whole = digits(&mut rest);
    let mut fraction = 0;
    if let [b'.', after @ ..] = rest {
        rest = after;
        fraction = digits(&mut rest);
    }
    if whole + fraction == 0 {
        return None;
    }
    if let [b'e' | b'E', after @ ..] = rest {
        rest = unsigned(after);
        if digits(&mut rest) == 0 {
            return None;
        }
    }
    if !rest.is_empty() {
        return None;
    }
    std::str::from_utf8(token).ok()?.parse().ok()
}

/// Whether every reader takes a token for text: it is no [`float`], and no form that some take for a number, such as
/// `nan`, `inf` and `1_000`.
pub(crate) fn is_certainly_text(token: &[u8]) -> bool {
    let lower: Vec<u8> = unsigned(token).iter().take(3).map(u8::to_ascii_lowercase).collect();
    let first = lower.first().copied().unwrap_or(b'.');
    let may_be_number =
        lower == b"nan" || lower == b"inf" || ((first.is_ascii_digit() || first == b'.') && token.contains(&b'_'));
    !may_be_number && float(token).is_none()
}

fn unsigned(token: &[u8]) -> &[u8] {
    match token {
        [b'+' | b'-', rest @ ..] => rest,
        _ => token,
    }
}

/// Skip leading digits and count them.
fn digits(rest: &mut &[u8]) -> usize {
    let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    *rest = &rest[count..];
    count
}

#[cfg(test)]
mod tests {
    use super::*;

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
