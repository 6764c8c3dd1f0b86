use super::*;

#[test]
fn sources_are_read_from_text() {
    let files = |text: &str| match text.parse::<SourceKind>().unwrap() {
        SourceKind::Replay(replay) => replay.files,
        SourceKind::Simulate(_) => panic!("{text} is a replay"),
    };
    assert_eq!(files("replay:a.csv"), [PathBuf::from("a.csv")]);
    assert_eq!(files("replay:a.csv,b/c.jsonl"), [PathBuf::from("a.csv"), PathBuf::from("b/c.jsonl")]);
    assert_eq!("simulate".parse(), Ok(SourceKind::Simulate(Market::default())));
    for wrong in ["", "replay", "replay:", "massive", "coinbase", "simulate:5"] {
        let message = wrong.parse::<SourceKind>().unwrap_err().to_string();
        assert!(message.contains("replay:FILE") && message.contains("--source"), "{message}");
    }
}

#[test]
fn venues_have_names_and_are_no_recorded_sources() {
    assert_eq!(Venue::from_name("massive"), Some(Venue::Massive));
    assert_eq!(Venue::from_name("coinbase"), Some(Venue::Coinbase));
    assert_eq!(Venue::from_name("simulate"), None);
}

#[test]
fn a_file_with_a_comma_in_its_name_can_be_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a,b.csv");
    std::fs::write(&path, "").unwrap();
    let kind: SourceKind = format!("replay:{}", path.display()).parse().unwrap();
    assert_eq!(kind, SourceKind::Replay(Replay { files: vec![path], ..Replay::default() }));
}

#[test]
fn mistakes_name_the_option_and_the_remedy() {
    let replay = |change: &dyn Fn(&mut Replay)| {
        let mut replay = Replay { files: vec!["a.csv".into()], ..Replay::default() };
        change(&mut replay);
        SourceKind::Replay(replay)
    };
    let market = |change: &dyn Fn(&mut Market)| {
        let mut market = Market::default();
        change(&mut market);
        SourceKind::Simulate(market)
    };
    let check = |kind: SourceKind, resume: bool, expected: Option<&str>| {
        let result = SourceSpec { kind, resume }.check();
        match expected {
            None => assert_eq!(result, Ok(())),
            Some(part) => {
                let message = result.unwrap_err().to_string();
                assert!(message.contains(part), "{message}");
            }
        }
    };
    check(replay(&|_| ()), true, None);
    check(replay(&|replay| replay.files.clear()), false, Some("give 1 to"));
    check(replay(&|replay| replay.pace = Pace::Rate(0)), false, Some("--rate 0"));
    check(replay(&|replay| replay.pace = Pace::Speed(0.0)), false, Some("--speed 0"));
    check(replay(&|replay| replay.pace = Pace::Speed(f64::NAN)), false, Some("--speed NaN"));
    check(replay(&|replay| replay.layout.symbol = Some("a b".to_owned())), false, Some("\"a b\""));
    check(replay(&|replay| replay.files = vec!["-".into()]), true, Some("--resume"));
    check(replay(&|replay| replay.files = vec!["-".into()]), false, None);
    check(market(&|_| ()), true, None);
    check(market(&|market| market.rate = 0), false, Some("--rate 0"));
    check(market(&|market| market.disorder_ms = -1), false, Some("--disorder"));
    check(market(&|market| market.late_share = 1.5), false, Some("--late-share 1.5"));
    check(market(&|market| market.poison_share = f64::NAN), false, Some("--poison-share"));
    check(market(&|market| market.start = Some(-1)), false, Some("--start"));
    check(market(&|market| market.symbols = vec![String::new()]), false, Some("symbol \"\""));
}
