use proptest::prelude::*;

use super::*;

fn header(line: &str, renamed: &[(&str, &str)], has_symbol: bool) -> Result<Header, String> {
    let renamed: Vec<_> =
        renamed.iter().map(|(ours, theirs)| ((*ours).to_owned(), (*theirs).to_owned())).collect();
    Header::read("f.csv", line.as_bytes(), &renamed, has_symbol).map_err(|error| error.to_string())
}

fn price_time_size(line: &str, header: &Header) -> Result<[Option<String>; 3], Reject> {
    let mut row = Row::default();
    row.read(line, header)?;
    Ok([Column::Price, Column::Timestamp, Column::Size]
        .map(|column| row.get(line, column).map(str::to_owned)))
}

#[test]
fn a_header_says_what_is_missing_or_wrong() {
    let check = |line: &str, renamed: &[(&str, &str)], has_symbol: bool, expected: Option<&str>| {
        let result = header(line, renamed, has_symbol);
        match expected {
            None => assert!(result.is_ok(), "{line}: {result:?}"),
            Some(part) => {
                let message = result.unwrap_err();
                assert!(message.contains(part) && message.contains("f.csv"), "{line}: {message}");
            }
        }
    };
    check("symbol,price,size,timestamp", &[], false, None);
    check("timestamp,volume,price,symbol,whatever,raw", &[], false, None);
    check("\u{feff}symbol, price ,size,\"timestamp\"", &[], false, None);
    check("price,size,timestamp", &[], true, None);
    check("time,price,amount", &[("timestamp", "time"), ("size", "amount")], true, None);
    // A renamed column is not known by its own name, so the file's own `size` is another thing.
    check("symbol,price,size,timestamp,notional", &[("size", "notional")], false, None);
    check("symbol,price,volume,timestamp,size", &[], false, Some("both size and volume"));
    check("symbol,price,size,timestamp,price", &[], false, Some("price stands 2 times"));
    check("price,size,timestamp", &[], false, Some("--symbol"));
    check("symbol,size,timestamp", &[], false, Some("no column price, only symbol, size, timestamp"));
    check("symbol,price,timestamp", &[], false, Some("no column size"));
    check("symbol,price,size", &[], false, Some("--columns timestamp=NAME"));
    check("Symbol,price,size,timestamp", &[], false, Some("no column symbol"));
    check("symbol,price,size,timestamp", &[("when", "timestamp")], false, Some("no such column"));
    check("symbol,price,size,timestamp", &[("timestamp", "when")], false, Some("it has no \"when\""));
    check("symbol,\"price", &[], false, Some("quote"));
    check(&"x,".repeat(2000), &[], false, Some("more than 1000"));
}

#[test]
fn a_header_that_is_no_text_is_refused() {
    let result = Header::read("f.csv", b"symbol,\xff", &[], false);
    assert!(result.unwrap_err().to_string().contains("UTF-8"));
}

#[test]
fn rows_are_cut_into_cells() {
    let header = header("price,other,timestamp,size", &[], true).unwrap();
    let check = |line: &str, expected: Result<[&str; 3], Reject>| {
        let expected = expected.map(|cells| cells.map(|cell| Some(cell.to_owned())));
        assert_eq!(price_time_size(line, &header), expected, "{line}");
    };
    check("1,x,2,3", Ok(["1", "2", "3"]));
    check(",,,", Ok(["", "", ""]));
    check(" 1 ,x,2 ,\t3", Ok([" 1 ", "2 ", "\t3"]));
    check("\"1\",\"x,y\",\"2\",\"3\"", Ok(["1", "2", "3"]));
    check("\"a\"\"b\",x,\"\"\"\",\"\"", Ok(["a\"b", "\"", ""]));
    check("1,x\"y,2,3", Ok(["1", "2", "3"]));
    check("1,x,2", Err(Reject::Columns { found: 3, expected: 4 }));
    check("1,x,2,3,4", Err(Reject::Columns { found: 5, expected: 4 }));
    check("1,\"x,2,3", Err(Reject::Quote));
    check("1,\"x\"y,2,3", Err(Reject::Quote));
    check("1,x,2,\"", Err(Reject::Quote));
}

proptest! {
    /// Whatever is written by the rules is read back.
    #[test]
    fn reads_what_was_quoted(cells in proptest::collection::vec("[a\", é]{0,6}", 3)) {
        let header = header("price,timestamp,size", &[], true).unwrap();
        let quoted: Vec<_> = cells.iter().map(|cell| format!("\"{}\"", cell.replace('"', "\"\""))).collect();
        let found = price_time_size(&quoted.join(","), &header).unwrap();
        prop_assert_eq!(found.map(Option::unwrap).to_vec(), cells);
    }

    /// Any text ends in cells or a reason; without quotes both ways of cutting agree.
    #[test]
    fn any_row_is_cut_or_refused(line in "[a,\"é]{0,30}") {
        let header = header("price,timestamp,size", &[], true).unwrap();
        let found = price_time_size(&line, &header);
        if !line.contains('"') {
            let cells: Vec<_> = line.split(',').collect();
            match found {
                Ok(found) => prop_assert_eq!(found.map(Option::unwrap).to_vec(), cells),
                Err(reject) => prop_assert_eq!(reject, Reject::Columns { found: cells.len(), expected: 3 }),
            }
        }
    }
}
