//! The bytes of a segment: frames, and what they hold.
//!
//! | bytes | frame |
//! |---|---|
//! | 4 | length of the payload |
//! | 4 | CRC-32 of the payload |
//! | 4 | CRC-32 of the eight bytes before |
//! | | payload |
//!
//! The first frame of a segment holds [`MAGIC`], the format's version (1 byte) and the source id; each further one an entry:
//! number (8 bytes), length of the key (4), key, value. Numbers are little-endian.
//!
//! The length has a checksum of its own: so a frame that goes on behind the end of the file is one whose writing was cut
//! short, not one whose length is damaged. Only the first kind may be cut away without looking at what follows.

use super::error::Flaw;

const MAGIC: &[u8] = b"tape-spool";
/// Version of the format that is written, and the only one that is read.
pub(super) const VERSION: u8 = 1;

/// Length of a frame without its payload.
pub(super) const HEAD_BYTES: usize = 12;
/// Number and length of the key.
const ENTRY_FIXED_BYTES: usize = 12;

/// The largest payload of a frame, in bytes. Nothing larger is written, nor believed when read.
pub(super) const PAYLOAD_MAX_BYTES: usize = 4 << 20;

/// One record of the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    /// Its number in the source; grows strictly along the queue.
    pub(crate) number: u64,
    pub(crate) key: &'a [u8],
    pub(crate) value: &'a [u8],
}

impl<'a> Entry<'a> {
    /// Length of its payload in bytes.
    pub(super) fn payload_bytes(&self) -> usize {
        ENTRY_FIXED_BYTES + self.key.len() + self.value.len()
    }

    /// Appends its frame. The payload has at most [`PAYLOAD_MAX_BYTES`].
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let key_bytes = self.key.len() as u32;
        write_frame(out, &[&self.number.to_le_bytes(), &key_bytes.to_le_bytes(), self.key, self.value]);
    }

    pub(super) fn read(payload: &'a [u8]) -> Option<Self> {
        let (number, rest) = payload.split_first_chunk()?;
        let (key_bytes, rest) = rest.split_first_chunk()?;
        let (key, value) = rest.split_at_checked(u32::from_le_bytes(*key_bytes) as usize)?;
        Some(Self { number: u64::from_le_bytes(*number), key, value })
    }
}

/// What the first frame of a segment says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Header<'a> {
    /// The id of the source that numbered the entries.
    Source(&'a str),
    /// The segment is of another version of the format.
    Version(u8),
}

impl<'a> Header<'a> {
    pub(super) fn write(source: &str, out: &mut Vec<u8>) {
        write_frame(out, &[MAGIC, &[VERSION], source.as_bytes()]);
    }

    pub(super) fn read(payload: &'a [u8]) -> Option<Self> {
        match payload.strip_prefix(MAGIC)?.split_first()? {
            (&VERSION, source) => Some(Self::Source(std::str::from_utf8(source).ok()?)),
            (&version, _) => Some(Self::Version(version)),
        }
    }

    /// Length of the frame for this source, in bytes.
    pub(super) fn frame_bytes(source: &str) -> u64 {
        frame_bytes(MAGIC.len() + 1 + source.len())
    }
}

/// Length of the frame around a payload, in bytes.
pub(super) fn frame_bytes(payload_bytes: usize) -> u64 {
    (HEAD_BYTES + payload_bytes) as u64
}

/// The parts, one behind the other, are the payload.
fn write_frame(out: &mut Vec<u8>, parts: &[&[u8]]) {
    let start = out.len();
    out.extend_from_slice(&[0; HEAD_BYTES]);
    parts.iter().for_each(|part| out.extend_from_slice(part));
    let (head, payload) = out[start..].split_at_mut(HEAD_BYTES);
    head[..4].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    head[4..8].copy_from_slice(&crc32fast::hash(payload).to_le_bytes());
    let checksum = crc32fast::hash(&head[..8]);
    head[8..].copy_from_slice(&checksum.to_le_bytes());
}

/// What bytes that should begin with a frame begin with.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// A good frame of so many bytes, [`HEAD_BYTES`] and then the payload.
    Whole(usize),
    /// The beginning of one; so many bytes are needed at least to know more.
    Part(usize),
    Bad(Flaw),
}

pub(super) fn read_frame(bytes: &[u8]) -> Frame {
    let Some((head, rest)) = bytes.split_first_chunk::<HEAD_BYTES>() else { return Frame::Part(HEAD_BYTES) };
    let [length, payload_sum, head_sum] =
        [0, 4, 8].map(|at| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]));
    let length = length as usize;
    if crc32fast::hash(&head[..8]) != head_sum || length > PAYLOAD_MAX_BYTES {
        return Frame::Bad(Flaw::Length);
    }
    match rest.get(..length) {
        None => Frame::Part(HEAD_BYTES + length),
        Some(payload) if crc32fast::hash(payload) != payload_sum => Frame::Bad(Flaw::Payload),
        Some(_) => Frame::Whole(HEAD_BYTES + length),
    }
}

#[cfg(test)]
mod tests;
