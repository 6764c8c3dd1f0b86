//! Shape of lines, and the limiter. The process-wide parts are in `tests/process.rs`.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::{Value, json};
use tracing_subscriber::Registry;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt;

use super::{LogLimiter, Suppressed, filter, layer};
use crate::config::LogFormat;

#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("not poisoned").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What `act` logs at `level`.
fn logged(level: &str, format: LogFormat, act: impl FnOnce()) -> String {
    let memory = Memory::default();
    let writer = BoxMakeWriter::new({
        let memory = memory.clone();
        move || memory.clone()
    });
    let subscriber =
        Registry::default().with(filter(level).expect("a filter")).with(layer(format, writer, false));
    tracing::subscriber::with_default(subscriber, act);
    let bytes = memory.0.lock().expect("not poisoned").clone();
    String::from_utf8(bytes).expect("UTF-8")
}

/// The one JSON line that `act` logs, its time taken out.
fn line(act: impl FnOnce()) -> Value {
    let text = logged("trace", LogFormat::Json, act);
    assert_eq!((text.lines().count(), text.ends_with('\n')), (1, true), "{text}");
    let mut value: Value = serde_json::from_str(&text).expect("JSON");
    let time = value.as_object_mut().and_then(|object| object.remove("time")).expect("a time");
    let time = time.as_str().expect("text").to_owned();
    assert!(time.len() == 27 && time.ends_with('Z') && time.as_bytes()[10] == b'T', "{time}");
    value
}

const HERE: &str = "tape_service::logs::tests";

#[test]
fn json_lines_are_flat() {
    let found = line(|| {
        tracing::warn!(
            partition = 3,
            offset = -1i64,
            ok = true,
            ratio = 0.5,
            topic = "raw",
            "it {}",
            "is \"so\"\n"
        )
    });
    let expected = json!({
        "level": "WARN", "target": HERE, "message": "it is \"so\"\n",
        "partition": 3, "offset": -1, "ok": true, "ratio": 0.5, "topic": "raw",
    });
    assert_eq!(found, expected);
}

#[test]
fn json_values_are_always_json() {
    let error = anyhow::anyhow!("cause").context("effect");
    let error: &(dyn std::error::Error + 'static) = error.as_ref();
    let found = line(
        || tracing::info!(nan = f64::NAN, big = i128::MAX, debug = ?Some("x"), error, level = 1, time = 2, r#type = "t"),
    );
    let expected = json!({
        "level": "INFO", "target": HERE, "message": "", "nan": "NaN", "big": i128::MAX.to_string(),
        "debug": "Some(\"x\")", "error": "effect: cause", "level_": 1, "time_": 2, "type": "t",
    });
    assert_eq!(found, expected);
}

#[test]
fn fields_of_spans_stand_beside_those_of_the_event() {
    let found = line(|| {
        let _outer = tracing::info_span!("outer", task = 1, worker = 7).entered();
        let _inner = tracing::info_span!("inner", task = 2).entered();
        tracing::info!(offset = 5, "x");
    });
    let expected =
        json!({"level": "INFO", "target": HERE, "message": "x", "task": 2, "worker": 7, "offset": 5});
    assert_eq!(found, expected);
}

#[test]
fn json_begins_with_the_four_names_in_order() {
    let text = logged("info", LogFormat::Json, || tracing::info!(a = 1, "x"));
    let places: Vec<_> = ["{\"time\":", ",\"level\":", ",\"target\":", ",\"message\":", ",\"a\":"]
        .map(|name| text.find(name))
        .into();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{text}");
}

#[test]
fn text_is_for_people() {
    let text = logged("info", LogFormat::Text, || tracing::info!(partition = 3, "hello"));
    assert!(text.contains("INFO") && text.contains("hello") && text.contains("partition=3"), "{text}");
    assert!(!text.contains('\u{1b}'), "colours without a terminal: {text:?}");
}

#[test]
fn levels_and_directives_filter() {
    let all = || {
        tracing::debug!("fine");
        tracing::info!("usual");
        tracing::error!("bad");
    };
    let check = |level: &str, lines: usize| {
        assert_eq!(logged(level, LogFormat::Text, all).lines().count(), lines, "{level}");
    };
    check("off", 0);
    check("error", 1);
    check("INFO", 2);
    check("debug", 3);
    check("error,tape_service=debug", 3);
    check("debug,tape_service=error", 1);
}

#[test]
fn a_filter_that_is_none_is_refused() {
    let log = crate::config::Log { level: "tape=loud".to_owned(), format: None };
    let failure = super::init(&log).expect_err("not a filter");
    assert_eq!(failure.exit_code(), 64);
    assert!(failure.to_string().starts_with("LOG_LEVEL=\"tape=loud\": not a filter"), "{failure}");
}

#[test]
fn the_suppressed_are_told_in_words() {
    let words =
        [(0, ""), (1, " (1 more like it was not logged)"), (17, " (17 more like it were not logged)")];
    for (count, text) in words {
        assert_eq!(Suppressed(count).to_string(), text);
    }
}

proptest! {
    /// Lines are at least an interval apart, and every call is either a line or counted in the next one.
    #[test]
    fn the_limiter_forgets_nothing(steps_ms in prop::collection::vec(0u64..3000, 1..200), interval_ms in 0u64..5000) {
        let limiter = LogLimiter::new(Duration::from_millis(interval_ms));
        let mut now = Instant::now();
        let (mut last, mut accounted) = (None, 0);
        for step in &steps_ms {
            now += Duration::from_millis(*step);
            if let Some(Suppressed(count)) = limiter.allow_at(now) {
                accounted += count + 1;
                if let Some(last) = last {
                    prop_assert!(now - last >= Duration::from_millis(interval_ms));
                }
                last = Some(now);
            }
        }
        now += Duration::from_millis(interval_ms);
        let Some(Suppressed(rest)) = limiter.allow_at(now) else { panic!("an interval later a line is allowed") };
        prop_assert_eq!(accounted + rest, steps_ms.len() as u64);
    }
}

#[test]
fn the_limiter_works_with_the_clock() {
    let limiter = LogLimiter::new(Duration::from_secs(3600));
    assert_eq!(limiter.allow(), Some(Suppressed(0)));
    assert_eq!(limiter.allow(), None);
    let eager = LogLimiter::new(Duration::ZERO);
    assert!((0..10).all(|_| eager.allow() == Some(Suppressed(0))));
}
