//! A scan of many frames against the frames themselves, parsed one by one.

use mlipselect_extxyz::{Column, Data, Frame, Scan, Value};
use proptest::prelude::*;

/// Species, positions, cell and periodicity of an ordinary frame, by its content.
#[derive(Debug, PartialEq)]
struct Geometry {
    numbers: Vec<i64>,
    positions: Vec<f64>,
    cell: Option<Vec<f64>>,
    pbc: Option<Vec<bool>>,
}

fn geometry(frame: &Frame) -> Option<Geometry> {
    let is_odd = |column: &Column| {
        matches!(column.data, Data::Words(_)) || ["Z", "numbers", "positions", "symbols"].contains(&&*column.name)
    };
    let is_fortran = |text: &str| {
        let text: Vec<char> = text.chars().collect();
        text.windows(3).any(|three| {
            (three[0].is_ascii_digit() || three[0] == '.')
                && "dD".contains(three[1])
                && (three[2].is_ascii_digit() || "+-".contains(three[2]))
        })
    };
    let holds_text = |value: &Value| matches!(value, Value::Text(text) if is_fortran(text));
    let column = |name: &str| frame.columns.iter().find(|column| column.name == name);
    let value = |name: &str| frame.info.iter().find(|(key, _)| key == name).map(|(_, value)| value);
    if frame.columns.iter().any(is_odd) || frame.info.iter().any(|(_, value)| holds_text(value)) {
        return None;
    }
    let Data::Elements(numbers) = &column("species")?.data else { return None };
    let Data::Reals(positions) = &column("pos").filter(|column| column.width == 3)?.data else { return None };
    if numbers.is_empty() || numbers.contains(&0) {
        return None;
    }
    let cell = match value("Lattice") {
        None => None,
        Some(Value::Floats(entries)) if entries.len() == 9 => Some(entries.clone()),
        Some(Value::Integers(entries)) if entries.len() == 9 => {
            Some(entries.iter().map(|&entry| entry as f64).collect())
        }
        Some(_) => return None,
    };
    let pbc = match value("pbc") {
        None => None,
        Some(Value::Bools(values)) if values.len() == 1 => Some(vec![values[0]; 3]),
        Some(Value::Bools(values)) if values.len() == 3 => Some(values.clone()),
        Some(_) => return None,
    };
    Some(Geometry { numbers: numbers.clone(), positions: positions.clone(), cell, pbc })
}

/// Whether keys, columns, and the types and lengths of all values are those of another frame.
fn same_layout(a: &Frame, b: &Frame) -> bool {
    let layout = |value: &Value| match value {
        Value::Integers(entries) => (0, entries.len()),
        Value::Floats(entries) => (1, entries.len()),
        Value::Bools(entries) => (2, entries.len()),
        Value::Text(_) => (3, 1),
    };
    let keys =
        |frame: &Frame| -> Vec<_> { frame.info.iter().map(|(key, value)| (key.clone(), layout(value))).collect() };
    let columns = |frame: &Frame| -> Vec<_> {
        let kind = |column: &Column| std::mem::discriminant(&column.data);
        frame.columns.iter().map(|column| (column.name.clone(), column.width, kind(column))).collect()
    };
    keys(a) == keys(b) && columns(a) == columns(b)
}

/// Compare a scan of texts with the frames that they hold.
fn check(texts: &[String]) {
    let (mut text, mut places) = (String::new(), vec![0]);
    for one in texts {
        text += one;
        places.push(text.len());
    }
    let found = Scan::of(text.as_bytes(), &places);
    let frames: Vec<Option<Frame>> = texts.iter().map(|text| Frame::parse(text.as_bytes())).collect();
    for (k, frame) in frames.iter().enumerate() {
        let expected = frame.as_ref().and_then(geometry);
        assert_eq!(found.layouts[k].is_some(), expected.is_some(), "{}", texts[k]);
        let atoms = found.offsets[k]..found.offsets[k + 1];
        let Some(expected) = expected else {
            assert!(atoms.is_empty());
            continue;
        };
        assert_eq!(found.numbers[atoms.clone()], expected.numbers);
        assert_eq!(found.positions[3 * atoms.start..3 * atoms.end], expected.positions);
        assert_eq!(found.leaves_pbc_open[k], expected.cell.is_some() && expected.pbc.is_none());
        let pbc = expected.pbc.unwrap_or_else(|| vec![expected.cell.is_some(); 3]);
        assert_eq!(found.pbc[3 * k..3 * k + 3], pbc);
        assert_eq!(found.cells[9 * k..9 * k + 9], expected.cell.unwrap_or_else(|| vec![0.0; 9]));
        let frame = frame.as_ref().unwrap();
        let first = found.layouts[k].unwrap();
        assert!(first <= k && same_layout(frames[first].as_ref().unwrap(), frame), "{}", texts[k]);
        assert_eq!(found.layouts[first], Some(first));
        let info = Frame::parse_info(texts[k].as_bytes()).unwrap();
        assert_eq!(info, frame.info);
    }
}

fn frame(comment: &str) -> String {
    format!("1\n{comment}\nSi 0 0.5 1\n")
}

#[test]
fn ordinary_frames_have_a_geometry() {
    let text = frame("Lattice=\"4 0 0 1 5 0 0 0 6\" pbc=\"T F T\" a=x");
    let found = Scan::of(text.as_bytes(), &[0, text.len()]);
    assert_eq!((found.numbers, found.positions), (vec![14], vec![0.0, 0.5, 1.0]));
    assert_eq!(found.cells, [4.0, 0.0, 0.0, 1.0, 5.0, 0.0, 0.0, 0.0, 6.0]);
    assert_eq!((found.pbc, found.layouts), (vec![true, false, true], vec![Some(0)]));
}

#[test]
fn what_is_not_ordinary_has_no_atoms() {
    for comment in [
        "Lattice=\"1 2 3\"",
        "Lattice=cubic",
        "pbc=\"1 1 1\"",
        "pbc=\"T F\"",
        "a=\"at 1.5D+03\"",
        "Properties=species:S:1:pos:R:2",
        "Properties=species:S:1:shift:R:3",
        "a=1 a=2",
        "uid=1",
        "",
    ] {
        let text = frame(comment);
        let found = Scan::of(text.as_bytes(), &[0, text.len()]);
        assert_eq!((found.layouts, found.numbers.len()), (vec![None], 0), "{comment}");
    }
    assert_eq!(Scan::of(b"1\n", &[0, 9]).layouts, [None]);
    assert_eq!(Scan::of(b"", &[]).offsets, [0]);
}

/// Parts of comments, some of them rare.
fn comment() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("Lattice=\"4 0 0 0 4 0 0 0 4\"".to_owned()),
        Just("Lattice=\"4.5 0 0 1 5 0 0 0 6\"".to_owned()),
        Just("pbc=\"T F T\"".to_owned()),
        Just("pbc=T".to_owned()),
        Just("pbc=\"1 1 0\"".to_owned()),
        Just("Properties=species:S:1:pos:R:3".to_owned()),
        Just("Properties=pos:R:3:species:S:1".to_owned()),
        Just("note=\"1.5D+03 eV\"".to_owned()),
        Just("flag".to_owned()),
        (-99_i64..99).prop_map(|n| format!("n={n}")),
        (-9.0..9.0).prop_map(|x: f64| format!("energy={x}")),
        "[a-c]{1,2}=[a-z0-9.]{1,4}",
    ];
    prop::collection::vec(part, 1..5).prop_map(|parts| parts.join(" "))
}

proptest! {
    #[test]
    fn scans_are_what_frames_hold(
        comments in prop::collection::vec((comment(), 0_usize..4, any::<bool>()), 1..300), place: usize, byte: u8,
    ) {
        let mut texts: Vec<String> = comments.iter().map(|(comment, atoms, is_other)| {
            let lines: String = (0..*atoms).map(|k| {
                if *is_other { format!("Ge {k} 0.25 -1e-3\n") } else { format!("0.{k} 1 2 Si\n") }
            }).collect();
            format!("{atoms}\n{comment}\n{lines}")
        }).collect();
        check(&texts);
        // One byte of one frame is another.
        let changed = place % texts.len();
        let mut bytes = texts[changed].clone().into_bytes();
        let at = place % bytes.len();
        bytes[at] = byte & 0x7f;
        texts[changed] = String::from_utf8(bytes).unwrap();
        check(&texts);
    }
}
