use std::io::{Cursor, Write};
use std::path::Path;

use super::*;
use crate::files::Reader;

const STOCKS_HEADER: &str = "ticker,conditions,correction,exchange,id,participant_timestamp,price,sequence_number,sip_timestamp,size,tape,trf_id,trf_timestamp";
const CRYPTO_HEADER: &str = "ticker,conditions,exchange,id,participant_timestamp,price,size";

/// 1970-01-06, 11:00 in New York: regular hours.
const NOON: i64 = 489_600_000;

/// A row of stocks; the time in ns behind [`NOON`].
fn row(ticker: &str, conditions: &str, correction: &str, size: &str, nanos: i64) -> String {
    let time = NOON * 1_000_000 + nanos;
    format!("{ticker},{conditions},{correction},4,71,{},12.345,55,{time},{size},3,202,{time}\n", time - 9)
}

fn open(bytes: Vec<u8>, layout: &Layout) -> Result<Reader, FileError> {
    Reader::new(Path::new("day.csv.gz"), Box::new(Cursor::new(bytes)), None, layout)
}

/// Each row as `number/line symbol size time eligibility` or `number/line code`.
fn read(bytes: Vec<u8>, layout: &Layout) -> Vec<String> {
    let mut reader = open(bytes, layout).unwrap();
    let mut found = Vec::new();
    while reader.advance().unwrap() {
        let line = reader.line();
        let what = match line.trade() {
            Err(reject) => reject.code().to_owned(),
            Ok(trade) => format!(
                "{} {} {} {} {}",
                trade.symbol,
                trade.size,
                trade.event_time - NOON,
                trade.price_eligibility.text(),
                trade.volume_eligible
            ),
        };
        found.push(format!("{}/{} {what}", line.number, line.line));
    }
    found
}

fn stocks(rows: &[String]) -> Vec<u8> {
    format!("{STOCKS_HEADER}\n{}", rows.concat()).into_bytes()
}

#[test]
fn stocks_come_by_time_with_the_vendors_rules() {
    let rows = [
        row("AAA", "\"12,37\"", "0", "7.25", 2_999_999),
        row("AAA", "", "", "1", 3_000_000),
        row("BRK.B", "10", "0", "0", 0),
        row("BRK.B", "\"15\"", "0", "2", 2_999_998),
    ];
    let expected = [
        "0/4 BRK.B 0 0 price true",
        "1/5 BRK.B 2000000000 2 none false",
        "2/2 AAA 7250000000 2 none true",
        "3/3 AAA 1000000000 3 last true",
    ];
    let text = stocks(&rows);
    assert_eq!(read(text.clone(), &Layout::default()), expected);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&text).unwrap();
    assert_eq!(read(gzip.finish().unwrap(), &Layout::default()), expected);
    assert_eq!(read(zstd::encode_all(&text[..], 1).unwrap(), &Layout::default()), expected);
}

#[test]
fn a_corrected_trade_counts_once_and_the_rest_is_named() {
    let codes = [
        ("0", "A 1000000000 0 last true"),
        ("1", "corrected"),
        ("7", "erroneous"),
        ("8", "cancelled"),
        ("10", "cancel_record"),
        ("11", "cancel_record"),
        ("12", "A 1000000000 0 last true"),
        ("2", "bad_correction"),
        ("x", "bad_correction"),
    ];
    let rows: Vec<_> = codes.iter().map(|(correction, _)| row("A", "", correction, "1", 0)).collect();
    let expected: Vec<_> =
        codes.iter().enumerate().map(|(at, (_, what))| format!("{at}/{} {what}", at + 2)).collect();
    assert_eq!(read(stocks(&rows), &Layout::default()), expected);
}

#[test]
fn a_row_that_cannot_be_read_stays_behind_the_one_before_it() {
    let rows = [
        row("A", "", "0", "1", 2_000_000),
        "A,1\n".to_owned(),
        row("A", "x", "0", "1", 1_000_000),
        row("A", "", "0", "-1", 0),
    ];
    let expected =
        ["0/5 size_range", "1/4 bad_conditions", "2/2 A 1000000000 2 last true", "3/3 bad_columns"];
    assert_eq!(read(stocks(&rows), &Layout::default()), expected);
}

#[test]
fn crypto_has_pairs_as_the_feed_spells_them_and_sides() {
    let time = NOON * 1_000_000;
    let text = format!(
        "{CRYPTO_HEADER}\nX:BTC-USD,2,1,a,{},50000.5,1.5e-05\nX:ETHUSDT,1,1,b,{time},2,3\nX:BTCXYZ,1,1,c,{time},2,3\n",
        time + 1_999_999
    );
    let expected = ["0/3 ETH-USDT 3000000000 0 last true", "1/4 bad_ticker", "2/2 BTC-USD 15000 1 last true"];
    assert_eq!(read(text.into_bytes(), &Layout::default()), expected);
}

#[test]
fn only_files_with_all_the_columns_are_flat_files() {
    assert_eq!(market(STOCKS_HEADER.as_bytes()), Some(Cluster::Stocks));
    assert_eq!(market(CRYPTO_HEADER.as_bytes()), Some(Cluster::Crypto));
    assert_eq!(market(format!("new,{STOCKS_HEADER}").as_bytes()), Some(Cluster::Stocks));
    for other in [
        "",
        "symbol,price,size,timestamp",
        "ticker,volume,open,close,high,low,window_start,transactions",
        "ticker,conditions,correction,exchange,price,sip_timestamp,size",
        &STOCKS_HEADER.replace("correction", "price"),
        &CRYPTO_HEADER.replace("conditions", "side"),
    ] {
        assert_eq!(market(other.as_bytes()), None, "{other}");
    }
    let layout = Layout { columns: vec![("symbol".to_owned(), "ticker".to_owned())], ..Layout::default() };
    let error = open(stocks(&[]), &layout).err().unwrap().to_string();
    assert!(error.contains("no column timestamp"), "who names columns says how to read: {error}");
}

#[test]
fn another_table_of_conditions_replaces_the_published_one() {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("conditions.csv");
    let layout = Layout { sale_conditions: Some(table.clone()), ..Layout::default() };
    let header = "id,name,updates_high_low,updates_last,updates_volume,source";
    std::fs::write(&table, format!("{header}\n37,Odd lot,yes,yes,yes,own\n")).unwrap();
    let rows = [row("A", "37", "0", "1", 0)];
    assert_eq!(read(stocks(&rows), &layout), ["0/2 A 1000000000 0 last true"]);
    std::fs::write(&table, "none").unwrap();
    assert!(matches!(open(stocks(&rows), &layout), Err(FileError::Conditions { .. })));
}
