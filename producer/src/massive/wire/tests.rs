use proptest::prelude::*;

use super::*;

fn statuses(frame: &[u8]) -> Vec<Status> {
    Massive.statuses(frame)
}

fn set<const COUNT: usize>(channels: [&str; COUNT]) -> BTreeSet<String> {
    channels.map(str::to_owned).into()
}

fn kinds(frame: &str) -> Vec<StatusKind> {
    statuses(frame.as_bytes()).into_iter().map(|status| status.kind).collect()
}

#[test]
fn messages_are_single_objects_with_a_list_between_commas() {
    assert_eq!(Massive.auth("k\"1").as_deref(), Some(r#"{"action":"auth","params":"k\"1"}"#));
    let channels = set(["T.AAPL", "T.BRK.B"]);
    assert_eq!(Massive.subscribe(&channels), [r#"{"action":"subscribe","params":"T.AAPL,T.BRK.B"}"#]);
    assert_eq!(Massive.unsubscribe(&channels), [r#"{"action":"unsubscribe","params":"T.AAPL,T.BRK.B"}"#]);
    assert_eq!(Massive.subscribe(&set([])), Vec::<String>::new());
}

#[test]
fn a_long_list_is_cut() {
    let channels: BTreeSet<String> = (0..2 * CHANNELS_PER_MESSAGE + 1).map(|i| format!("T.S{i}")).collect();
    let sent: Vec<Vec<String>> = Massive
        .subscribe(&channels)
        .iter()
        .map(|message| {
            let message: Value = serde_json::from_str(message).expect("JSON");
            message["params"].as_str().expect("a text").split(',').map(str::to_owned).collect()
        })
        .collect();
    assert_eq!(
        sent.iter().map(Vec::len).collect::<Vec<_>>(),
        [CHANNELS_PER_MESSAGE, CHANNELS_PER_MESSAGE, 1]
    );
    assert!(sent.concat().iter().eq(&channels));
}

#[test]
fn every_status_of_the_protocol_is_known() {
    let of = |word: &str| kinds(&format!(r#"[{{"ev":"status","status":"{word}","message":"m"}}]"#));
    for (word, kind) in [
        ("connected", StatusKind::Connected),
        ("auth_success", StatusKind::AuthSuccess),
        ("auth_failed", StatusKind::AuthFailed),
        ("auth_timeout", StatusKind::AuthTimeout),
        ("auth_required", StatusKind::AuthRequired),
        ("success", StatusKind::Success),
        ("error", StatusKind::Error),
        ("max_connections", StatusKind::MaxConnections),
        ("slow_consumer", StatusKind::SlowConsumer),
        ("force_disconnect", StatusKind::ForceDisconnect),
        ("tea_time", StatusKind::Other("tea_time".to_owned())),
    ] {
        assert_eq!(of(word), [kind], "{word}");
    }
}

#[test]
fn acknowledgements_name_their_channel() {
    let frame = r#"[{"ev":"status","status":"success","message":"subscribed to: T.BRK.B"},
                    {"ev":"status","status":"success","message":"unsubscribed to: XT.BTC-USD"}]"#;
    let expected =
        [StatusKind::Subscribed("T.BRK.B".to_owned()), StatusKind::Unsubscribed("XT.BTC-USD".to_owned())];
    assert_eq!(kinds(frame), expected);
}

#[test]
fn bad_neighbours_cost_themselves_only() {
    let good = r#"{"ev":"status","status":"connected","message":"hello"}"#;
    let bad = [
        "1",
        "null",
        "[]",
        "{}",
        "\"status\"",
        r#"{"status":"connected"}"#,
        r#"{"ev":7,"status":"error"}"#,
        r#"{"ev":"T","status":"error"}"#,
        r#"{"ev":"T","sym":"A","status":{"ev":"status"}}"#,
    ];
    for bad in bad {
        assert_eq!(kinds(&format!("[{bad},{good},{bad}]")), [StatusKind::Connected], "{bad}");
        assert_eq!(kinds(bad), [], "{bad}");
    }
    assert_eq!(kinds(good), [StatusKind::Connected], "an object without an array");
    let deep = format!(r#"[{{"ev":"status","status":{}{}}},{good}]"#, "[".repeat(9999), "]".repeat(9999));
    assert_eq!(kinds(&deep), [StatusKind::Connected]);
}

#[test]
fn fields_of_another_type_are_shown_as_they_came() {
    let found = statuses(br#"[{"ev":"status","status":5,"message":{"a":1}},{"ev":"status"}]"#);
    let status = |word: &str, message: &str| Status {
        kind: StatusKind::Other(word.to_owned()),
        message: message.to_owned(),
    };
    assert_eq!(found, [status("5", r#"{"a":1}"#), status("", "")]);
}

#[test]
fn bytes_that_are_no_text_and_endless_texts_do_no_harm() {
    let mut frame = br#"[{"ev":"status","status":"error","message":""#.to_vec();
    frame.extend([0xff, 0xfe]);
    frame.extend("é".repeat(100_000).bytes());
    frame.extend(br#""}]"#);
    let found = statuses(&frame);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].kind, StatusKind::Error);
    assert_eq!(found[0].message.chars().count(), 500);
}

proptest! {
    #[test]
    fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0..200_usize) {
        statuses(&bytes);
        let mut frame = br#"[{"ev":"status","status":"success","message":"subscribed to: T.A"}]"#.to_vec();
        frame.splice(cut.min(frame.len()).., bytes);
        statuses(&frame);
    }
}
