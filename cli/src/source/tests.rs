use std::path::PathBuf;

use clap::Parser;
use tape_producer::{Pace, Source, SourceKind, SourceSpec};

use super::ProduceArgs;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: ProduceArgs,
}

/// The source that a command line asks for, or the text of its refusal.
fn spec(line: &str) -> Result<SourceSpec, String> {
    let line = Line::try_parse_from(std::iter::once("tape").chain(line.split(' ')));
    match line.map_err(|error| error.to_string())?.args.source() {
        Ok(Source::Recorded(spec)) => Ok(spec),
        Ok(Source::Live(venue)) => Err(format!("{venue:?}")),
        Err(failure) => Err(failure.to_string()),
    }
}

#[test]
fn options_reach_the_source() {
    let spec =
        spec("--source replay:a.csv,b.csv --resume --speed 2.5 --symbol A --columns price=close,size=qty")
            .expect("all of it is sound");
    assert!(spec.resume);
    let SourceKind::Replay(replay) = spec.kind else { panic!("a replay was asked for") };
    assert_eq!(replay.files, [PathBuf::from("a.csv"), PathBuf::from("b.csv")]);
    assert_eq!(replay.pace, Pace::Speed(2.5));
    assert_eq!(replay.layout.symbol.as_deref(), Some("A"));
    let columns = [("price", "close"), ("size", "qty")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    assert_eq!(replay.layout.columns, columns);
}

#[test]
fn a_simulation_keeps_its_defaults() {
    let spec =
        spec("--source simulate --seed 7 --disorder 500ms --start 2026-01-31T14:30:00Z --end 1769870000000");
    let SourceKind::Simulate(market) = spec.expect("all of it is sound").kind else {
        panic!("a simulation was asked for")
    };
    let default = tape_producer::simulate::Market::default();
    assert_eq!((market.seed, market.disorder_ms, market.rate), (7, 500, default.rate));
    assert_eq!((market.start, market.end), (Some(1_769_869_800_000), Some(1_769_870_000_000)));
}

#[test]
fn what_cannot_be_is_refused_with_its_name() {
    for (line, wanted) in [
        ("--source nothing", "--source nothing"),
        ("--source simulate --symbol A", "--symbol: not an option of a simulation"),
        ("--source replay:a.csv --seed 1", "--seed: not an option of a replay"),
        ("--source replay:a.csv --rate 0", "--rate 0"),
        ("--source replay:a.csv --rate 1 --speed 1", "cannot be used with"),
        ("--source simulate --late-share 2", "--late-share 2"),
        ("--source simulate --start yesterday", "milliseconds since 1970"),
        ("--source replay:a.csv --columns price", "write ours=theirs"),
    ] {
        let text = spec(line).expect_err(line);
        assert!(text.contains(wanted), "{line}: {text}");
    }
}

#[test]
fn every_misplaced_option_is_named() {
    let text = spec("--source replay:a.csv --seed 1 --end 5").expect_err("two options of a simulation");
    assert_eq!(text.lines().count(), 2, "{text}");
}
