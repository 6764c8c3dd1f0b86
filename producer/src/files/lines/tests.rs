use std::io::{self, Read};

use proptest::prelude::*;

use super::*;

/// Gives at most `step` bytes a call, and is interrupted now and then.
struct Trickle {
    bytes: Vec<u8>,
    at: usize,
    step: usize,
    calls: usize,
}

impl Read for Trickle {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.calls += 1;
        if self.calls.is_multiple_of(5) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let length = self.step.min(out.len()).min(self.bytes.len() - self.at);
        out[..length].copy_from_slice(&self.bytes[self.at..self.at + length]);
        self.at += length;
        Ok(length)
    }
}

fn read(bytes: &[u8], step: usize) -> Vec<(Vec<u8>, bool)> {
    let mut lines = Lines::new(Box::new(Trickle { bytes: bytes.to_vec(), at: 0, step, calls: 0 }));
    let mut found = Vec::new();
    while lines.advance().unwrap() {
        found.push((lines.text().to_vec(), lines.is_too_long()));
    }
    assert_eq!(lines.position(), bytes.len() as u64, "all bytes were passed");
    assert!(!lines.advance().unwrap(), "the end stays the end");
    found
}

#[test]
fn splits_at_line_feeds() {
    let check = |text: &str, expected: &[&str]| {
        for step in [1, 3, 1 << 20] {
            let found: Vec<_> = read(text.as_bytes(), step)
                .into_iter()
                .map(|(line, _)| String::from_utf8(line).unwrap())
                .collect();
            assert_eq!(found, expected, "{text:?} in steps of {step}");
        }
    };
    check("", &[]);
    check("\n", &[""]);
    check("a", &["a"]);
    check("a\n", &["a"]);
    check("a\r\nb\r\n", &["a", "b"]);
    check("a\n\nb", &["a", "", "b"]);
    check("a\rb\n", &["a\rb"]);
}

#[test]
fn cuts_a_line_that_is_too_long_and_goes_on_behind_it() {
    for (length, is_too_long) in
        [(LINE_MAX_BYTES, false), (LINE_MAX_BYTES + 1, true), (3 * LINE_MAX_BYTES, true)]
    {
        let mut bytes = b"first\n".to_vec();
        bytes.resize(bytes.len() + length, b'x');
        bytes.extend_from_slice(b"\nlast");
        let found = read(&bytes, usize::MAX);
        let lengths: Vec<_> = found.iter().map(|(line, is_too_long)| (line.len(), *is_too_long)).collect();
        assert_eq!(lengths, [(5, false), (length.min(LINE_MAX_BYTES), is_too_long), (4, false)]);
    }
}

#[test]
fn cuts_an_unfinished_line_that_is_too_long() {
    let found = read(&vec![b'x'; 2 * LINE_MAX_BYTES], usize::MAX);
    assert_eq!(found.len(), 1);
    assert!(found[0].1);
}

proptest! {
    #[test]
    fn equals_the_plain_split(text in "[a-c\n]{0,200}", step in 1_usize..50) {
        let mut expected: Vec<_> = text.split('\n').map(|line| line.as_bytes().to_vec()).collect();
        if expected.last().is_some_and(Vec::is_empty) {
            expected.pop();
        }
        let found: Vec<_> = read(text.as_bytes(), step).into_iter().map(|(line, _)| line).collect();
        prop_assert_eq!(found, expected);
    }
}
