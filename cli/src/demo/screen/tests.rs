use std::collections::BTreeMap;
use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use tape_producer::Snapshot;

use super::super::board::{Board, Newest};
use super::super::view;
use super::{Scene, line, seconds};

fn board() -> Board {
    let newest = |symbol: &str, last, side| Newest {
        symbol: symbol.to_owned(),
        last,
        average: Some(231.5),
        moving_average: None,
        volume: 1_234_567.9,
        side,
        end: 1_700_000_000_000,
    };
    Board {
        symbols: vec![
            newest("AAPL", Some(230.125), 1),
            newest("PENNY", Some(0.012_345), -1),
            newest("NONE", None, 0),
        ],
        processor_lag: Some(1_200),
        sink_lag: None,
        processed: 45_678,
        rate: 5_100.4,
        commit: Some(0.0075),
        to_windows: Some(0.05),
        to_tables: Some(0.25),
        windows: 321,
        alerts: BTreeMap::from([("breakout".to_owned(), 7), ("golden_cross".to_owned(), 2)]),
        ..Board::empty()
    }
}

fn scene(board: &Board) -> Scene<'_> {
    let source = Snapshot { acknowledged: 46_878, event_time: 1_700_000_000_000, ..Snapshot::default() };
    Scene { phase: "running", elapsed: Duration::from_secs(3_725), source, board }
}

fn drawn(width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal in memory");
    let board = board();
    terminal.draw(|frame| view::draw(frame, &scene(&board))).expect("memory can be drawn on");
    terminal.backend().to_string()
}

#[test]
fn the_view_shows_windows_pipeline_and_alerts() {
    let text = drawn(120, 24);
    for wanted in [
        "tape demo  01:02:05  running",
        "q or Ctrl-C: stop in order",
        "AAPL",
        "230.12",
        "0.012345",
        "1,234,567",
        "▲ bullish",
        "▼ bearish",
        "22:13:20",
        "2023-11-14 22:13:20 UTC",
        "46,878 trades",
        "45,678 trades, 5,100 per second",
        "processor 1,200, sink ?",
        "≤ 7.5 ms",
        "≤ 300 ms",
        "golden cross          2",
        "high volume           0",
    ] {
        assert!(text.contains(wanted), "{wanted:?} is missing:\n{text}");
    }
}

#[test]
fn a_small_terminal_is_no_fault() {
    for (width, height) in [(1, 1), (20, 5), (79, 12)] {
        drawn(width, height);
    }
}

#[test]
fn a_line_says_the_same() {
    assert_eq!(
        line(&scene(&board())),
        "3725 s  running: 46,878 written, 45,678 processed (5,100/s), lag 1,200 + ?, 321 windows closed, 9 alerts, \
         commit ≤ 7.5 ms, end to end ≤ 300 ms"
    );
}

#[test]
fn times_are_shown_in_the_unit_that_reads_best() {
    for (value, text) in [
        (None, "-"),
        (Some(0.0005), "≤ 0.5 ms"),
        (Some(0.25), "≤ 250 ms"),
        (Some(2.5), "≤ 2.5 s"),
        (Some(f64::INFINITY), "> 5 min"),
    ] {
        assert_eq!(seconds(value), text);
    }
}
