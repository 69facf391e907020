//! The second line of a frame: keys and values.

use std::iter;

use crate::number::{float, integer, is_certainly_text, is_float};

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

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Integers,
    Floats,
    Bools,
    Text,
}

/// Keys and values in their order; `None` if one of them is rare.
pub(crate) fn parse(line: &[u8]) -> Option<Vec<(String, Value)>> {
    let mut out: Vec<(String, Value)> = Vec::new();
    for pair in pairs(line) {
        let (key, value) = pair?;
        if out.iter().any(|(known, _)| known.as_bytes() == key) {
            return None;
        }
        out.push((std::str::from_utf8(key).ok()?.to_owned(), convert(value)?));
    }
    (!out.is_empty()).then_some(out)
}

/// Keys and values as they are spelled, without the quotes of a value; `None` once one of them is rare.
pub(crate) fn pairs(line: &[u8]) -> impl Iterator<Item = Option<(&[u8], &[u8])>> {
    let mut rest = line;
    iter::from_fn(move || {
        let blank = rest.iter().take_while(|byte| is_blank(**byte)).count();
        rest = &rest[blank..];
        if rest.is_empty() {
            return None;
        }
        let found = first_pair(rest);
        rest = found.map_or(&[], |(_, after)| after);
        Some(found.map(|(pair, _)| pair))
    })
}

/// A key with its value.
type Pair<'a> = (&'a [u8], &'a [u8]);

/// The key and the value at the beginning of a text, and what follows them.
fn first_pair(text: &[u8]) -> Option<(Pair<'_>, &[u8])> {
    let length = text.iter().take_while(|byte| !is_blank(**byte) && **byte != b'=').count();
    let (key, after) = text.split_at(length);
    if key.is_empty() || key.iter().any(|byte| b"'\"{}[]\\".contains(byte)) || key.eq_ignore_ascii_case(b"uid") {
        return None;
    }
    let [b'=', after @ ..] = after else { return Some(((key, b"T"), after)) };
    let (value, after) = raw_value(after)?;
    Some(((key, value), after))
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
    Some(match kind_of(value)?.0 {
        Kind::Integers => Value::Integers(tokens(value).map(integer).collect::<Option<_>>()?),
        Kind::Floats => Value::Floats(tokens(value).map(float).collect::<Option<_>>()?),
        Kind::Bools => Value::Bools(tokens(value).map(truth).collect::<Option<_>>()?),
        Kind::Text => Value::Text(String::from_utf8_lossy(value).into_owned()),
    })
}

/// The type of a value and its number of entries; `None` if the value is rare. A text is one entry.
pub(crate) fn kind_of(value: &[u8]) -> Option<(Kind, usize)> {
    let count = tokens(value).count();
    if count == 0 || value.starts_with(b"_JSON ") {
        return None;
    }
    if tokens(value).all(|token| integer(token).is_some()) {
        return Some((Kind::Integers, count));
    }
    if tokens(value).all(is_float) {
        // Readers differ in integers that exceed 64 bits.
        let is_long = |token: &[u8]| token.len() > 18 && token.iter().skip(1).all(u8::is_ascii_digit);
        return (!tokens(value).any(is_long)).then_some((Kind::Floats, count));
    }
    if tokens(value).all(|token| truth(token).is_some()) {
        return Some((Kind::Bools, count));
    }
    // A single word makes the whole value text.
    tokens(value).any(is_certainly_text).then_some((Kind::Text, 1))
}

/// The entries of a value, separated by blanks or commas.
pub(crate) fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| is_blank(byte) || byte == b',').filter(|token| !token.is_empty())
}

pub(crate) fn truth(token: &[u8]) -> Option<bool> {
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
