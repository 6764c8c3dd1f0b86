//! A frame cut into its elements, and an element into its members.
//!
//! - What nobody looks into is cut out by the grammar of JSON, but that a bare word or a number may be spelled in any way.
//! - An element that cannot be read ends where the next one begins as the vendor writes it: `{"ev"`. So it costs itself,
//!   whatever was lost or put in; a good element is never searched.
//!
//! Invariant: the work is bounded by the length of the frame times [`JSON_DEPTH_MAX`], the memory by one element.

use std::ops::Range;

use memchr::memmem;
use tape_proto::trade::{JSON_DEPTH_MAX, Reject};

/// How the vendor begins an element.
const BEGIN: &[u8] = b"{\"ev\"";

macro_rules! names {
    ($($name:ident $text:literal),*) => {
        /// The members that mean something.
        #[derive(Debug, Clone, Copy)]
        pub(super) enum Name { $($name),* }

        impl Name {
            const ALL: [&[u8]; [$($text.len()),*].len()] = [$($text),*];

            fn find(text: &[u8]) -> Option<Self> {
                match text {
                    $($text => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

names!(
    Ev b"ev", Sym b"sym", Pair b"pair", I b"i", X b"x", P b"p", S b"s", Ds b"ds", C b"c", T b"t", Pt b"pt", Q b"q",
    Trfi b"trfi", O b"o", H b"h", L b"l", V b"v", Dv b"dv", Vw b"vw", E b"e"
);

/// One element: an object whose known members stand at most once.
pub(super) struct Object<'f> {
    pub(super) text: &'f str,
    members: Members,
}

/// Where the value of each known member stands in the text; empty = there is none.
type Members = [Range<usize>; Name::ALL.len()];

impl<'f> Object<'f> {
    fn new(bytes: &'f [u8], members: Members) -> Result<Self, Reject> {
        let text = std::str::from_utf8(bytes)
            .map_err(|error| Reject::BadUtf8 { valid_bytes: error.valid_up_to() })?;
        Ok(Self { text, members })
    }

    /// The value of a member as it stands there, a string with its quotes; `None` when it is absent or null.
    pub(super) fn get(&self, name: Name) -> Option<&'f str> {
        let value = self.text.get(self.members[name as usize].clone())?;
        if matches!(value, "" | "null") { None } else { Some(value) }
    }
}

/// What cannot be read, and why.
pub(super) struct Broken<'f> {
    /// `None`: the frame is neither an array nor an object.
    pub(super) reject: Option<Reject>,
    /// The bytes up to the first that is not UTF-8.
    pub(super) text: &'f str,
}

/// The elements of a frame in their order.
pub(super) struct Elements<'f> {
    scan: Scan<'f>,
    expected: Expected,
    is_array: bool,
}

enum Expected {
    Frame,
    /// An element, or the end of an array without one.
    First,
    Element,
    /// A comma or the end.
    Separator,
    /// Nothing but white space.
    End,
}

impl<'f> Elements<'f> {
    pub(super) const fn new(frame: &'f [u8]) -> Self {
        Self { scan: Scan { bytes: frame, at: 0 }, expected: Expected::Frame, is_array: false }
    }

    fn element(&mut self) -> Result<Object<'f>, Broken<'f>> {
        let start = self.scan.at;
        self.expected = Expected::Separator;
        self.scan.object().map_err(|reject| {
            let reject = reject.unwrap_or_else(|| self.not_an_object(start));
            self.broken(start, Some(reject))
        })
    }

    /// Passes what stands instead of an object: another value, or all until the next element.
    fn not_an_object(&mut self, start: usize) -> Reject {
        let detail = format!("byte {} is not what should stand there", self.scan.at - start);
        let next = self.next_begin(start + 1);
        let mut value = Scan { bytes: &self.scan.bytes[..next], at: start };
        if value.value(0).is_some() {
            self.scan.at = value.at;
        } else {
            self.skip_to(next);
        }
        Reject::BadJson { detail }
    }

    /// Something that is no element: all until the next one.
    fn garbage(&mut self) -> Broken<'f> {
        let start = self.scan.at;
        self.skip_to(self.next_begin(start));
        let detail = "neither a comma nor the end of the array stands behind an element".to_owned();
        self.broken(start, Some(Reject::BadJson { detail }))
    }

    /// Where the next element begins, or the frame's end.
    fn next_begin(&self, from: usize) -> usize {
        let rest = self.scan.bytes.get(from..).unwrap_or_default();
        memmem::find(rest, BEGIN).map_or(self.scan.bytes.len(), |offset| from + offset)
    }

    fn skip_to(&mut self, next: usize) {
        self.scan.at = next;
        self.expected = if next < self.scan.bytes.len() { Expected::Element } else { Expected::End };
    }

    fn broken(&self, start: usize, reject: Option<Reject>) -> Broken<'f> {
        let bytes = &self.scan.bytes[start..self.scan.at];
        let text = bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid());
        Broken { reject, text }
    }
}

impl<'f> Iterator for Elements<'f> {
    type Item = Result<Object<'f>, Broken<'f>>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.scan.space();
            match (&self.expected, self.scan.peek()) {
                (Expected::Frame, Some(b'[')) => {
                    self.scan.at += 1;
                    self.is_array = true;
                    self.expected = Expected::First;
                }
                (Expected::Frame, Some(b'{')) => return Some(self.element()),
                (Expected::Frame, _) => {
                    self.scan.at = self.scan.bytes.len();
                    self.expected = Expected::End;
                    return Some(Err(self.broken(0, None)));
                }
                (Expected::First | Expected::Separator, Some(b']')) if self.is_array => {
                    self.scan.at += 1;
                    self.expected = Expected::End;
                }
                (Expected::First | Expected::Element, _) => return Some(self.element()),
                (Expected::Separator, Some(b',')) if self.is_array => {
                    self.scan.at += 1;
                    self.expected = Expected::Element;
                }
                (Expected::Separator, None) if !self.is_array => return None,
                (Expected::End, None) => return None,
                (Expected::Separator | Expected::End, _) => return Some(Err(self.garbage())),
            }
        }
    }
}

struct Scan<'f> {
    bytes: &'f [u8],
    at: usize,
}

impl<'f> Scan<'f> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn byte(&mut self, byte: u8) -> Option<()> {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next.then_some(())
    }

    /// An object. `Err(None)`: it cannot be read from here on.
    fn object(&mut self) -> Result<Object<'f>, Option<Reject>> {
        let start = self.at;
        let mut members = Members::default();
        let mut twice = None;
        let bytes = self.bytes;
        self.members(1, |name, value| {
            let Some(name) = Name::find(&bytes[name]) else { return };
            let value = value.start - start..value.end - start;
            if !std::mem::replace(&mut members[name as usize], value).is_empty() {
                twice = Some(name);
            }
        })
        .ok_or(None)?;
        if let Some(name) = twice {
            let name = std::str::from_utf8(Name::ALL[name as usize]).unwrap_or_default();
            return Err(Some(Reject::DuplicateField { name }));
        }
        Object::new(&bytes[start..self.at], members).map_err(Some)
    }

    /// An object at this level: calls `each` with the places of a member's name, without quotes, and of its value.
    fn members(&mut self, level: usize, mut each: impl FnMut(Range<usize>, Range<usize>)) -> Option<()> {
        self.list(b'{', b'}', |scan| {
            let start = scan.at;
            scan.string()?;
            let name = start + 1..scan.at - 1;
            scan.space();
            scan.byte(b':')?;
            scan.space();
            let start = scan.at;
            scan.value(level)?;
            each(name, start..scan.at);
            Some(())
        })
    }

    /// Items with commas between them, in brackets.
    fn list(&mut self, opens: u8, closes: u8, mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.byte(opens)?;
        self.space();
        if self.byte(closes).is_some() {
            return Some(());
        }
        loop {
            item(self)?;
            self.space();
            if self.byte(closes).is_some() {
                return Some(());
            }
            self.byte(b',')?;
            self.space();
        }
    }

    /// A value inside of `level` others.
    fn value(&mut self, level: usize) -> Option<()> {
        match self.peek()? {
            b'"' => self.string(),
            b'[' | b'{' if level == JSON_DEPTH_MAX => None,
            b'[' => self.list(b'[', b']', |scan| scan.value(level + 1)),
            b'{' => self.members(level + 1, |_, _| {}),
            _ => self.word(),
        }
    }

    fn string(&mut self) -> Option<()> {
        self.byte(b'"')?;
        loop {
            match self.peek()? {
                b'"' => break,
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        Some(())
    }

    /// A number, or anything that is spelled like one, or like true.
    fn word(&mut self) -> Option<()> {
        let start = self.at;
        while let Some(b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'.' | b'-' | b'+') = self.peek() {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }
}
