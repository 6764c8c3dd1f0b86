use tape_proto::decimal::NANOS_PER_UNIT;

use super::*;

fn open(name: &str, text: &[u8], layout: &Layout) -> Result<Reader, FileError> {
    Reader::new(Path::new(name), Box::new(io::Cursor::new(text.to_vec())), Some(text.len() as u64), layout)
}

/// Each line as `number/line symbol price size time` or `number/line code`.
fn read(name: &str, text: &[u8], layout: &Layout) -> Vec<String> {
    let mut reader = open(name, text, layout).unwrap();
    let mut found = Vec::new();
    while reader.advance().unwrap() {
        let line = reader.line();
        let what = match line.trade() {
            Ok(trade) => format!(
                "{} {} {} {}",
                trade.symbol,
                i128::from(trade.price) / NANOS_PER_UNIT,
                trade.size / NANOS_PER_UNIT,
                trade.event_time
            ),
            Err(reject) => reject.code().to_owned(),
        };
        found.push(format!("{}/{} {what}", line.number, line.line));
    }
    assert_eq!(reader.bytes_read(), text.len() as u64);
    found
}

#[test]
fn reads_trades_from_both_shapes_and_goes_on_behind_bad_lines() {
    let plain = Layout::default();
    let check = |name: &str, text: &str, layout: &Layout, expected: &[&str]| {
        assert_eq!(read(name, text.as_bytes(), layout), expected, "{name}: {text}");
    };
    check(
        "t.csv",
        "symbol,price,size,timestamp\nA,1,2,3\n\nB,x,2,3\r\nC,1,2\n\"D\",4,5,6",
        &plain,
        &["0/2 A 1 2 3", "1/4 bad_price", "2/5 bad_columns", "3/6 D 4 5 6"],
    );
    check(
        "t.jsonl",
        "{\"symbol\":\"A\",\"price\":1,\"volume\":2,\"timestamp\":3}\n \n{}\nnone\n{\"symbol\":\"B\",\"price\":\"4\",\"size\":5,\"timestamp\":6}\r\n",
        &plain,
        &["0/1 A 1 2 3", "1/3 missing_symbol", "2/4 bad_protobuf", "3/5 B 4 5 6"],
    );
    // Without a telling name the first byte decides.
    check("t", "{\"symbol\":\"A\",\"price\":1,\"size\":2,\"timestamp\":3}", &plain, &["0/1 A 1 2 3"]);
    check("-", "\n\nsymbol,price,size,timestamp\nA,1,2,3", &plain, &["0/4 A 1 2 3"]);
    check("t.csv", "symbol,price,size,timestamp\n", &plain, &[]);
    check("t.jsonl", "", &plain, &[]);
}

#[test]
fn a_layout_names_what_the_file_does_not() {
    let layout = Layout {
        symbol: Some("XBTUSD".to_owned()),
        columns: vec![("timestamp".to_owned(), "time".to_owned()), ("size".to_owned(), "qty".to_owned())],
        absolute_size: true,
        ..Layout::default()
    };
    let expected = ["0/2 XBTUSD 7 3 100", "1/3 XBTUSD 8 4 101", "2/4 size_range"];
    assert_eq!(read("t.csv", b"time,price,qty\n100,7,-3\n101,8,4\n102,8,--4\n", &layout), expected);
    let without = Layout { absolute_size: false, ..layout };
    assert_eq!(read("t.csv", b"time,price,qty\n100,7,-3\n", &without), ["0/2 size_range"]);
}

#[test]
fn optional_columns_may_be_empty() {
    let text = "symbol,price,volume,timestamp,open,high,low,vwap,price_eligibility,volume_eligible\n\
                A,5,1,9,4,6,3,5,price,false\nA,5,1,9,,,,,,\n";
    let mut reader = open("t.csv", text.as_bytes(), &Layout::default()).unwrap();
    assert!(reader.advance().unwrap());
    let bar = reader.line().trade().unwrap();
    assert_eq!((bar.open, bar.high, bar.low), (4_000_000_000, 6_000_000_000, 3_000_000_000));
    assert!(bar.price_eligibility.sets_price() && !bar.price_eligibility.sets_last() && !bar.volume_eligible);
    assert!(reader.advance().unwrap());
    assert_eq!(reader.line().trade().unwrap(), Trade::plain("A", 5_000_000_000, 1_000_000_000, 9));
}

#[test]
fn bytes_that_are_no_text_and_lines_that_are_too_long_cost_only_themselves() {
    let mut text = b"symbol,price,size,timestamp\nA\xff,1,2,3\nA,1,2,".to_vec();
    text.resize(text.len() + super::super::LINE_MAX_BYTES, b'3');
    text.extend_from_slice(b"\nB,1,2,3\n");
    assert_eq!(read("t.csv", &text, &Layout::default()), ["0/2 bad_utf8", "1/3 too_long", "2/4 B 1 2 3"]);

    let mut text = b"{\"symbol\":\"A\xff\"}\n{\"x\":\"".to_vec();
    text.resize(text.len() + super::super::LINE_MAX_BYTES, b'3');
    text.extend_from_slice(b"\"}\n{\"symbol\":\"B\",\"price\":1,\"size\":2,\"timestamp\":3}");
    assert_eq!(read("t.jsonl", &text, &Layout::default()), ["0/1 bad_utf8", "1/2 too_long", "2/3 B 1 2 3"]);
}

#[test]
fn positions_are_read_where_a_file_has_them() {
    /// Partition, offset and append time, or the code of the reason.
    type Found = Result<(Option<i32>, Option<i64>, Option<i64>), &'static str>;

    let check = |name: &str, text: &str, expected: &[Found]| {
        let mut reader = open(name, text.as_bytes(), &Layout::default()).unwrap();
        for expected in expected {
            assert!(reader.advance().unwrap(), "{text}");
            let position = reader.line().position();
            let found = position.as_ref().map(|found| (found.partition, found.offset, found.append_time));
            assert_eq!(found.map_err(|reject| reject.code()), *expected, "{text}");
        }
        assert!(!reader.advance().unwrap());
    };
    check(
        "t.csv",
        "symbol,price,size,timestamp,partition,offset,append_time\nA,1,2,3,0,7,1000\nA,1,2,3,,,\nA,1,2,3,-1,7,9\nA,1,2,3,+1,7,9\nA,1,2,3,3000000000,7,9\n",
        &[
            Ok((Some(0), Some(7), Some(1000))),
            Ok((None, None, None)),
            Err("bad_position"),
            Err("bad_position"),
            Err("bad_position"),
        ],
    );
    check("t.csv", "symbol,price,size,timestamp\nA,1,2,3\n", &[Ok((None, None, None))]);
    check(
        "t.jsonl",
        "{\"symbol\":\"A\",\"offset\":5,\"partition\":2,\"append_time\":9}\n{\"offset\":\"5\"}\n{\"raw\":\"{\\\"offset\\\":5}\"}\n{\"partition\":1}\n{\"offset\":-1,\"partition\":1}\n",
        &[
            Ok((Some(2), Some(5), Some(9))),
            Ok((None, None, None)),
            Ok((None, None, None)),
            Ok((Some(1), None, None)),
            Ok((Some(1), None, None)),
        ],
    );
}

#[test]
fn a_rejected_line_still_shows_its_symbol() {
    let check = |name: &str, text: &str, layout: &Layout, expected: &[Option<&str>]| {
        let mut reader = open(name, text.as_bytes(), layout).unwrap();
        for expected in expected {
            assert!(reader.advance().unwrap());
            assert_eq!(reader.line().symbol().as_deref(), *expected, "{text}");
        }
    };
    let plain = Layout::default();
    check("t.csv", "symbol,price,size,timestamp\nA,x,2,3\nA,1\n", &plain, &[Some("A"), None]);
    check(
        "t.jsonl",
        "{\"symbol\":\"A\",\"price\":-1}\n{\"symbol\":1}\n{\"sy\n",
        &plain,
        &[Some("A"), None, None],
    );
    let named = Layout { symbol: Some("X".to_owned()), ..plain };
    check("t.csv", "price,size,timestamp\nx,2,3\n1\n", &named, &[Some("X"), Some("X")]);
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let message = |path: &str| Reader::open(Path::new(path), &Layout::default()).err().unwrap().to_string();
    assert!(message("/nowhere/t.csv").contains("/nowhere/t.csv cannot be opened"));
    assert!(message("/").contains("/ cannot be opened"));
    let empty = open("empty.csv", b"", &Layout::default()).err().unwrap().to_string();
    assert!(empty.contains("empty.csv") && empty.contains("the file is empty"), "{empty}");
}

#[test]
fn compressed_files_are_read_as_what_is_in_them() {
    let text: String = (0..50_000).map(|time| format!("A,1,2,{time}\n")).collect();
    let text = format!("symbol,price,size,timestamp\n{text}");
    let bytes = zstd::encode_all(text.as_bytes(), 1).unwrap();
    let lines = read("t.csv.zst", &bytes, &Layout::default());
    assert_eq!((lines.len(), lines[49_999].as_str()), (50_000, "49999/50001 A 1 2 49999"));
    // By its content, whatever it is called; the ending in front of the compression's decides the shape.
    assert_eq!(read("-", &bytes, &Layout::default()).len(), 50_000);
    let json = zstd::encode_all(&b"{}"[..], 1).unwrap();
    assert_eq!(read("t.jsonl.zst", &json, &Layout::default()), ["0/1 missing_symbol"]);
    assert!(matches!(open("t.csv.zst", &json, &Layout::default()), Err(FileError::Header { .. })));

    let mut cut = open("t.csv.zst", &bytes[..bytes.len() - 9], &Layout::default()).unwrap();
    let mut count = 0;
    let error = loop {
        match cut.advance() {
            Ok(true) => count += 1,
            Ok(false) => panic!("a file that is cut short has no end"),
            Err(error) => break error,
        }
    };
    assert!(count < 50_000);
    let FileError::Read { file, position, .. } = error else { panic!("{error}") };
    assert_eq!((file.as_str(), position), ("t.csv.zst", bytes.len() as u64 - 9));
}
