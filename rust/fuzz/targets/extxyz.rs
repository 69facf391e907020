//! Any bytes as a file of extended XYZ: nothing panics, and the three readers agree on frames and atoms.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mlipselect_extxyz::{Frame, FrameIndex, Scan};

fuzz_target!(|text: &[u8]| {
    let frame = Frame::parse(text);
    let index = FrameIndex::read(text).expect("bytes in memory can be read");
    let Some(index) = index else {
        let _ = Scan::of(text, &[0, text.len()]);
        return;
    };
    let starts: Vec<usize> = index.starts().iter().map(|&start| start as usize).collect();
    assert_eq!(starts.len(), index.len() + 1);
    assert!(starts.windows(2).all(|pair| pair[0] <= pair[1]));
    assert!(*starts.last().unwrap_or(&0) <= text.len());
    if let (Some(frame), 1) = (&frame, index.len()) {
        assert_eq!(frame.atoms as u64, index.atoms()[0]);
    }
    let scan = Scan::of(text, &starts);
    assert_eq!(scan.layouts.len(), index.len());
    if scan.layouts.iter().all(Option::is_some) {
        assert_eq!(scan.numbers.len() as u64, index.atoms().iter().sum::<u64>());
    }
    for (pair, layout) in starts.windows(2).zip(&scan.layouts) {
        let own = Frame::parse(&text[pair[0]..pair[1]]);
        assert!(layout.is_none() || own.is_some());
    }
});
