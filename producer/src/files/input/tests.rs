use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn zstd(text: &[u8]) -> Vec<u8> {
    zstd::encode_all(text, 1).unwrap()
}

fn read(bytes: Vec<u8>) -> (io::Result<Vec<u8>>, Option<u64>) {
    let mut input = Input::new(Box::new(Cursor::new(bytes)));
    let mut text = Vec::new();
    let result = input.read_to_end(&mut text);
    (result.map(|_| text), input.compressed_bytes())
}

fn sample() -> Vec<u8> {
    (0..20_000).flat_map(|number| format!("A,{number},1,{number}\n").into_bytes()).collect()
}

#[test]
fn the_first_bytes_say_how_to_read() {
    let skippable = [&[0x5a, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 1, 2][..], &zstd(b"ab")].concat();
    for (bytes, text) in [
        (gzip(b"ab"), &b"ab"[..]),
        ([gzip(b"a"), gzip(b""), gzip(b"b")].concat(), b"ab"),
        (zstd(b"ab"), b"ab"),
        ([zstd(b"a"), zstd(b""), zstd(b"b")].concat(), b"ab"),
        (skippable, b"ab"),
    ] {
        let length = bytes.len() as u64;
        let (read, count) = read(bytes);
        assert_eq!((read.unwrap(), count), (text.to_vec(), Some(length)));
    }
    for text in [&b""[..], b"a", b"\x1f", b"symbol,price", b"{}", b"P*M,"] {
        let (read, count) = read(text.to_vec());
        assert_eq!((read.unwrap(), count), (text.to_vec(), None));
    }
}

#[test]
fn what_is_cut_short_is_an_error() {
    for whole in [gzip(&sample()), zstd(&sample())] {
        for length in [whole.len() - 1, whole.len() / 2, 20] {
            let error = read(whole[..length].to_vec()).0.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{length} of {}", whole.len());
        }
    }
}
