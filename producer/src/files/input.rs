//! Bytes of a file, decompressed if they are compressed.
//!
//! - The first bytes decide, whatever the file is called: gzip (any number of members) and zstd (any number of frames).
//!   Everything else is taken as it is.
//! - Compressed data that ends inside a member or frame is an error, not an end.
//!
//! Invariant: memory is bounded by the format's window: 32 KiB for gzip, 128 MiB for zstd (a frame that asks for more is an
//! error), and one chunk.

use std::io::{self, BufReader, Chain, Cursor, ErrorKind, Read};

use flate2::bufread::MultiGzDecoder;
use zstd::stream::read::Decoder as ZstdDecoder;

/// How much compressed data is read at a time.
const CHUNK_BYTES: usize = 64 << 10;

/// The longest mark by which a format is known.
const MARK_BYTES: u64 = 4;

/// A file being read. Nothing is asked of it before the first read.
pub(crate) struct Input(Stage);

enum Stage {
    Unknown(Box<dyn Read + Send>),
    Plain(Counted),
    Gzip(MultiGzDecoder<BufReader<Counted>>),
    Zstd(ZstdDecoder<'static, BufReader<Counted>>),
}

impl Input {
    pub(crate) fn new(input: Box<dyn Read + Send>) -> Self {
        Self(Stage::Unknown(input))
    }

    /// Bytes read of a compressed file, as they lie on disk; `None` if it is not compressed.
    pub(crate) fn compressed_bytes(&self) -> Option<u64> {
        match &self.0 {
            Stage::Unknown(_) | Stage::Plain(_) => None,
            Stage::Gzip(decoder) => Some(decoder.get_ref().get_ref().count),
            Stage::Zstd(decoder) => Some(decoder.get_ref().get_ref().count),
        }
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Stage::Unknown(input) = &mut self.0 {
            self.0 = recognise(std::mem::replace(input, Box::new(io::empty())))?;
        }
        let read = match &mut self.0 {
            Stage::Unknown(input) => return input.read(buffer),
            Stage::Plain(input) => return input.read(buffer),
            Stage::Gzip(decoder) => decoder.read(buffer),
            Stage::Zstd(decoder) => decoder.read(buffer),
        };
        read.map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => io::Error::new(error.kind(), "the compressed data is cut short"),
            _ => error,
        })
    }
}

fn recognise(mut input: Box<dyn Read + Send>) -> io::Result<Stage> {
    let mut mark = Vec::new();
    input.by_ref().take(MARK_BYTES).read_to_end(&mut mark)?;
    let format = match mark[..] {
        [0x1f, 0x8b, ..] => Stage::gzip,
        // A frame, or a skippable one in front of it.
        [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => Stage::zstd,
        _ => Stage::plain,
    };
    format(Counted { input: Cursor::new(mark).chain(input), count: 0 })
}

impl Stage {
    fn plain(input: Counted) -> io::Result<Self> {
        Ok(Self::Plain(input))
    }

    fn gzip(input: Counted) -> io::Result<Self> {
        Ok(Self::Gzip(MultiGzDecoder::new(BufReader::with_capacity(CHUNK_BYTES, input))))
    }

    fn zstd(input: Counted) -> io::Result<Self> {
        ZstdDecoder::with_buffer(BufReader::with_capacity(CHUNK_BYTES, input)).map(Self::Zstd)
    }
}

/// Counts what is read.
struct Counted {
    input: Chain<Cursor<Vec<u8>>, Box<dyn Read + Send>>,
    count: u64,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.count += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests;
