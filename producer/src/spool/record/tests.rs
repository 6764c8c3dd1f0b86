use super::*;

fn framed(entry: Entry<'_>) -> Vec<u8> {
    let mut out = b"before".to_vec();
    entry.write(&mut out);
    out.split_off(6)
}

const ENTRY: Entry<'_> = Entry { number: 0x0102_0304_0506_0708, key: b"AAPL", value: b"{\"price\":1}" };

#[test]
fn an_entry_is_read_as_it_was_written() {
    let entries = [
        ENTRY,
        Entry { number: 0, key: b"", value: b"" },
        Entry { number: u64::MAX, key: b"key only", value: b"" },
        Entry { number: 1, key: b"", value: &[0xff; 70_000] },
    ];
    for entry in entries {
        let bytes = framed(entry);
        assert_eq!(bytes.len() as u64, frame_bytes(entry.payload_bytes()));
        let with_next = [&bytes[..], b"next"].concat();
        assert_eq!(read_frame(&with_next), Frame::Whole(bytes.len()));
        assert_eq!(Entry::read(&bytes[HEAD_BYTES..]), Some(entry));
    }
}

#[test]
fn the_bytes_are_the_documented_ones() {
    let bytes = framed(Entry { number: 258, key: b"k", value: b"v" });
    assert_eq!(bytes[..4], [14, 0, 0, 0]);
    assert_eq!(bytes[4..8], crc32fast::hash(&bytes[12..]).to_le_bytes());
    assert_eq!(bytes[8..12], crc32fast::hash(&bytes[..8]).to_le_bytes());
    assert_eq!(bytes[12..], *b"\x02\x01\0\0\0\0\0\0\x01\0\0\0kv");
    // The check value of CRC-32: the table of another polynomial would still agree with itself.
    assert_eq!(crc32fast::hash(b"123456789"), 0xcbf4_3926);
}

#[test]
fn a_beginning_says_how_much_is_missing_and_no_changed_byte_goes_unseen() {
    let bytes = framed(ENTRY);
    for length in 0..bytes.len() {
        let least = if length < HEAD_BYTES { HEAD_BYTES } else { bytes.len() };
        assert_eq!(read_frame(&bytes[..length]), Frame::Part(least), "{length}");
    }
    for at in 0..bytes.len() {
        for mask in 1..=255 {
            let mut changed = bytes.clone();
            changed[at] ^= mask;
            let flaw = if at < HEAD_BYTES { Flaw::Length } else { Flaw::Payload };
            assert_eq!(read_frame(&changed), Frame::Bad(flaw), "{at} {mask}");
        }
    }
}

#[test]
fn a_length_beyond_the_limit_is_not_believed() {
    let mut head = Vec::new();
    head.extend_from_slice(&(PAYLOAD_MAX_BYTES as u32 + 1).to_le_bytes());
    head.extend_from_slice(&[0; 4]);
    head.extend_from_slice(&crc32fast::hash(&head.clone()).to_le_bytes());
    assert_eq!(read_frame(&head), Frame::Bad(Flaw::Length));
}

#[test]
fn a_payload_that_is_none_is_refused() {
    let fixed = b"\0\0\0\0\0\0\0\0\x02\0\0\0";
    assert_eq!(Entry::read(&fixed[..11]), None);
    assert_eq!(Entry::read(&[&fixed[..], b"k"].concat()), None);
    assert!(Entry::read(&[&fixed[..], b"kk"].concat()).is_some());
    assert_eq!(Header::read(b"tape-spool"), None);
    assert_eq!(Header::read(b"tape-spool\x01\xff"), None);
    assert_eq!(Header::read(b"tape-queue\x01id"), None);
    assert_eq!(Header::read(b"tape-spool\x01id"), Some(Header::Source("id")));
    assert_eq!(Header::read(b"tape-spool\x02\xff"), Some(Header::Version(2)));
}
