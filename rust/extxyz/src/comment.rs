//! The second line of a frame: keys and values.

use crate::number::{float, integer, is_certainly_text};

/// The value of a key.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// One or several integers.
    Integers(Vec<i64>),
    /// One or several numbers, not all of them integers.
    Floats(Vec<f64>),
    /// One or several truth values.
    Bools(Vec<bool>),
    /// Any other value, as text.
    Text(String),
}

/// Keys and values in their order; `None` if one of them is rare.
pub(crate) fn parse(line: &[u8]) -> Option<Vec<(String, Value)>> {
    let mut out: Vec<(String, Value)> = Vec::new();
    let mut rest = line;
    loop {
        let blank = rest.iter().take_while(|byte| is_blank(**byte)).count();
        rest = &rest[blank..];
        if rest.is_empty() {
            return (!out.is_empty()).then_some(out);
        }
        let length = rest.iter().take_while(|byte| !is_blank(**byte) && **byte != b'=').count();
        let (key, after) = rest.split_at(length);
        if key.is_empty() || key.iter().any(|byte| b"'\"{}[]\\".contains(byte)) {
            return None;
        }
        let value = match after {
            [b'=', after @ ..] => {
                let (value, after) = raw_value(after)?;
                rest = after;
                value
            }
            _ => {
                rest = after;
                b"T"
            }
        };
        let key = std::str::from_utf8(key).ok()?;
        if out.iter().any(|(known, _)| known == key) || key.eq_ignore_ascii_case("uid") {
            return None;
        }
        out.push((key.to_owned(), convert(value)?));
    }
}

/// The first value, and the bytes after it.
fn raw_value(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let closing = match rest.first()? {
        b'"' => b'"',
        b'\'' => b'\'',
        b'{' => b'}',
        b'[' => b']',
        _ => {
            let length = rest.iter().take_while(|byte| !is_blank(**byte)).count();
            let (value, after) = rest.split_at(length);
            let is_plain = !value.is_empty() && !value.iter().any(|byte| b"'\"{}[]\\=".contains(byte));
            return is_plain.then_some((value, after));
        }
    };
    let length = rest[1..].iter().position(|&byte| byte == closing)?;
    let (value, after) = (&rest[1..=length], &rest[length + 2..]);
    let ends = after.first().is_none_or(|&byte| is_blank(byte));
    (ends && !value.contains(&b'\\')).then_some((value, after))
}

fn convert(value: &[u8]) -> Option<Value> {
    let tokens = || value.split(|&byte| is_blank(byte) || byte == b',').filter(|token| !token.is_empty());
    if tokens().next().is_none() || value.starts_with(b"_JSON ") {
        return None;
    }
    if let Some(integers) = tokens().map(integer).collect() {
        return Some(Value::Integers(integers));
    }
    if let Some(floats) = tokens().map(float).collect() {
        // Readers differ in integers that exceed 64 bits.
        let is_long = |token: &[u8]| token.len() > 18 && token.iter().skip(1).all(u8::is_ascii_digit);
        return (!tokens().any(is_long)).then_some(Value::Floats(floats));
    }
    if let Some(bools) = tokens().map(truth).collect() {
        return Some(Value::Bools(bools));
    }
    // A single word makes the whole value text.
    let is_text = tokens().any(is_certainly_text);
    is_text.then(|| String::from_utf8_lossy(value).into_owned()).map(Value::Text)
}

fn truth(token: &[u8]) -> Option<bool> {
    match token {
        b"T" | b"true" | b"True" | b"TRUE" => Some(true),
        b"F" | b"false" | b"False" | b"FALSE" => Some(false),
        _ => None,
    }
}

pub(crate) fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Option<Value> {
        let found = parse(text.as_bytes())?;
        assert_eq!(found.len(), 1);
        Some(found[0].1.clone())
    }

    #[test]
    fn values_have_types() {
        assert_eq!(one("a=1"), Some(Value::Integers(vec![1])));
        assert_eq!(one("a=\"1 2.5\""), Some(Value::Floats(vec![1.0, 2.5])));
        assert_eq!(one("a=\"T F\""), Some(Value::Bools(vec![true, false])));
        assert_eq!(one("a"), Some(Value::Bools(vec![true])));
        assert_eq!(one("a='two words'"), Some(Value::Text("two words".into())));
        assert_eq!(one("a=x:S:1"), Some(Value::Text("x:S:1".into())));
        assert_eq!(one("a={1, 2}"), Some(Value::Integers(vec![1, 2])));
        assert_eq!(one("a=[1 x]"), Some(Value::Text("1 x".into())));
    }

    #[test]
    fn what_is_rare_is_left_to_others() {
        for text in [
            "",
            "  ",
            "a=",
            "a=\"\"",
            "a=nan",
            "a=1_0",
            "a=\"b\\\"c\"",
            "a=\"1\"2",
            "a = 1",
            "=1",
            "a=1 a=2",
            "UID=1",
            "a=\"_JSON [1]\"",
            "a=b=c",
            "\"a b\"=1",
            "a=\"open",
            "a=12345678901234567890",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }
}
