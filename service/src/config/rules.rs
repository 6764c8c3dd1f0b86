//! Rules that join several settings. A rule is silent where one of its settings is wrong already.

use std::net::IpAddr;

use super::check::Values;
use super::parse::MINUTE_BARS;
use super::settings::{DAY, MINUTE, Span};

/// Windows that one record may fall in: the ring of panes of a symbol is that long.
const WINDOWS_MAX: u64 = 1_440;

/// Topic settings and the order in which a clash is reported.
const TOPICS: [&str; 7] = [
    "KAFKA_TOPIC_RAW_TRADES",
    "KAFKA_TOPIC_AGGREGATES",
    "KAFKA_TOPIC_ALERTS",
    "KAFKA_TOPIC_LATE",
    "KAFKA_TOPIC_DEAD_LETTERS",
    "KAFKA_TOPIC_CHANGELOG",
    "KAFKA_TOPIC_SINK_DEAD_LETTERS",
];
const SASL: [&str; 3] = ["KAFKA_SASL_MECHANISM", "KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD"];
const SSL: [&str; 4] = [
    "KAFKA_SSL_CA_LOCATION",
    "KAFKA_SSL_CERTIFICATE_LOCATION",
    "KAFKA_SSL_KEY_LOCATION",
    "KAFKA_SSL_KEY_PASSWORD",
];

/// Ages at which something is deleted from the database.
const RETENTIONS: [&str; 2] = ["DB_RETENTION", "DB_ROLLUP_RETENTION"];

/// Judges all rules and writes down what breaks them.
pub(crate) fn judge(values: &mut Values) {
    let refused = [windows(values), future(values), pauses(values), commits(values), buffers(values)];
    let mut errors: Vec<String> = refused.into_iter().flatten().collect();
    errors.extend(RETENTIONS.iter().filter_map(|name| retention(values, name)));
    errors.extend(security(values));
    errors.extend(topics(values));
    let doubted = [
        bars(values),
        acks(values),
        takeover(values),
        open_password(values),
        open_key(values, "MASSIVE_WS_URL", ["ws://", "wss://"]),
        open_key(values, "MASSIVE_REST_URL", ["http://", "https://"]),
        lost_state(values),
    ];
    values.errors.extend(errors);
    values.warnings.extend(doubted.into_iter().flatten());
}

fn windows(values: &Values) -> Option<String> {
    let (window, slide) = (values.ms("WINDOW_DURATION")?, values.ms("SLIDE_DURATION")?);
    let both = || format!("{} with {}", values.quote("WINDOW_DURATION"), values.quote("SLIDE_DURATION"));
    if !window.is_multiple_of(slide) {
        return Some(format!(
            "{}: the window is not a multiple of the slide. Change one of them, for example WINDOW_DURATION={}",
            both(),
            Span(window.div_ceil(slide) * slide)
        ));
    }
    (window / slide > WINDOWS_MAX).then(|| {
        format!(
            "{}: a record would fall in {} windows, more than {WINDOWS_MAX}. Make the slide longer or the window \
             shorter, for example SLIDE_DURATION={}",
            both(),
            window / slide,
            Span(shortest_slide(window))
        )
    })
}

/// The shortest slide that divides the window and keeps within the limit.
fn shortest_slide(window: u64) -> u64 {
    (1..=WINDOWS_MAX).rev().find(|count| window.is_multiple_of(*count)).map_or(window, |count| window / count)
}

fn future(values: &Values) -> Option<String> {
    let (future, delay) = (values.ms("MAX_FUTURE")?, values.ms("WATERMARK_DELAY")?);
    (future > delay).then(|| {
        format!(
            "{} with {}: it may not be longer than the watermark's delay, or a wrong clock could close windows. Make \
             it at most {}, or remove it for the default",
            values.quote("MAX_FUTURE"),
            values.quote("WATERMARK_DELAY"),
            Span(delay)
        )
    })
}

fn pauses(values: &Values) -> Option<String> {
    (values.ms("RECONNECT_DELAY")? > values.ms("RECONNECT_DELAY_MAX")?).then(|| {
        format!(
            "{} with {}: the first pause is longer than the longest. Make RECONNECT_DELAY_MAX at least as long",
            values.quote("RECONNECT_DELAY"),
            values.quote("RECONNECT_DELAY_MAX")
        )
    })
}

fn commits(values: &Values) -> Option<String> {
    (values.ms("COMMIT_INTERVAL")? >= values.ms("KAFKA_TRANSACTION_TIMEOUT")?).then(|| {
        format!(
            "{} with {}: the broker would give up every transaction before its commit. Make COMMIT_INTERVAL shorter, \
             for example 20ms",
            values.quote("COMMIT_INTERVAL"),
            values.quote("KAFKA_TRANSACTION_TIMEOUT")
        )
    })
}

fn buffers(values: &Values) -> Option<String> {
    (values.whole("BATCH_SIZE")? > values.whole("BUFFER_MEMORY")?).then(|| {
        format!(
            "{} with {}: one batch does not fit into the buffer. Make BATCH_SIZE smaller or BUFFER_MEMORY larger",
            values.quote("BATCH_SIZE"),
            values.quote("BUFFER_MEMORY")
        )
    })
}

/// What is rolled up hour by hour must not be deleted within hours.
fn retention(values: &Values, name: &str) -> Option<String> {
    let age = values.ms(name)?;
    (age > 0 && age < DAY).then(|| {
        format!(
            "{}: rows would be deleted before they are rolled up. Make it at least 1d, or 0 to keep everything",
            values.quote(name)
        )
    })
}

fn security(values: &Values) -> Vec<String> {
    let Some(protocol) = values.text("KAFKA_SECURITY_PROTOCOL") else { return Vec::new() };
    let mut errors = Vec::new();
    let chosen = values.quote("KAFKA_SECURITY_PROTOCOL");
    let mut refuse = |name: &str, problem: &str, remedy: &str| {
        errors.push(format!("{} with {chosen}: {problem}. {remedy}", values.quote(name)));
    };
    let logs_in = protocol.starts_with("sasl");
    for name in SASL {
        match values.is_given(name) {
            true if !logs_in => {
                refuse(
                    name,
                    "this protocol does not log in",
                    "Choose sasl_ssl (or sasl_plaintext), or remove it",
                );
            }
            false if logs_in && !values.is_wrong(name) => {
                refuse(name, "not set, and this protocol logs in", "Set it, or choose plaintext or ssl");
            }
            _ => {}
        }
    }
    let encrypts = protocol.ends_with("ssl");
    for name in SSL.into_iter().filter(|name| !encrypts && values.is_given(name)) {
        refuse(name, "this protocol does not encrypt", "Choose ssl or sasl_ssl, or remove it");
    }
    let pairs = [
        ("KAFKA_SSL_CERTIFICATE_LOCATION", "KAFKA_SSL_KEY_LOCATION"),
        ("KAFKA_SSL_KEY_LOCATION", "KAFKA_SSL_CERTIFICATE_LOCATION"),
        ("KAFKA_SSL_KEY_PASSWORD", "KAFKA_SSL_KEY_LOCATION"),
    ];
    for (name, needed) in pairs {
        if values.is_given(name) && !values.is_given(needed) && !values.is_wrong(needed) {
            errors
                .push(format!("{}: {needed} is not set. Set it too, or remove this one", values.quote(name)));
        }
    }
    errors
}

/// Kafka itself refuses two names that differ only in `.` and `_`: they would share metrics.
fn topics(values: &Values) -> Vec<String> {
    let named: Vec<(&str, String)> = TOPICS
        .into_iter()
        .filter_map(|name| Some((name, values.text(name)?.replace('.', "_"))))
        .filter(|(_, topic)| !topic.is_empty())
        .collect();
    let mut errors = Vec::new();
    for (at, (name, topic)) in named.iter().enumerate() {
        if let Some((first, _)) = named[..at].iter().find(|(_, earlier)| earlier == topic) {
            errors.push(format!(
                "{} and {}: two topics need two names (. and _ count as the same). Change one of them",
                values.quote(first),
                values.quote(name)
            ));
        }
    }
    errors
}

/// The contract: minute bars give a window at most K prices. (Fewer, where the slide is shorter than a minute.)
fn bars(values: &Values) -> Option<String> {
    let (window, slide) = (values.ms("WINDOW_DURATION")?, values.ms("SLIDE_DURATION")?);
    let needed = values.whole("ALERT_MIN_TRADES")?;
    let minute_bars = values.list("CHANNELS")?.iter().any(|channel| MINUTE_BARS.contains(&channel.as_str()));
    let prices = window / slide.max(MINUTE);
    (minute_bars && needed > prices).then(|| {
        format!(
            "{} with {}: with minute bars and these windows ({} every {}) it must be at most {}, or only high_volume \
             can alert",
            values.quote("ALERT_MIN_TRADES"),
            values.quote("CHANNELS"),
            Span(window),
            Span(slide),
            prices.max(1)
        )
    })
}

/// A successor may not read on before the transaction of the dead one is decided, whatever its session says.
fn takeover(values: &Values) -> Option<String> {
    (values.ms("KAFKA_TRANSACTION_TIMEOUT")? > values.ms("KAFKA_SESSION_TIMEOUT")?).then(|| {
        format!(
            "{} with {}: after a crash the partitions wait for the dead process's transaction, longer than for its \
             session. Make KAFKA_TRANSACTION_TIMEOUT the shorter one",
            values.quote("KAFKA_TRANSACTION_TIMEOUT"),
            values.quote("KAFKA_SESSION_TIMEOUT")
        )
    })
}

fn acks(values: &Values) -> Option<String> {
    (values.text("ACKS_CONFIG")? != "all").then(|| {
        format!(
            "{}: the producer may lose or repeat trades when a broker fails, and a repeated trade counts twice. Set \
             ACKS_CONFIG=all for idempotent writing",
            values.quote("ACKS_CONFIG")
        )
    })
}

fn open_password(values: &Values) -> Option<String> {
    let plain = values.text("KAFKA_SASL_MECHANISM")? == "PLAIN";
    (plain && values.text("KAFKA_SECURITY_PROTOCOL")? == "sasl_plaintext").then(|| {
        format!(
            "{} with {}: the password travels readable. Choose sasl_ssl, or a SCRAM mechanism",
            values.quote("KAFKA_SASL_MECHANISM"),
            values.quote("KAFKA_SECURITY_PROTOCOL")
        )
    })
}

/// The vendor's key over a connection that is not encrypted, to another machine.
fn open_key(values: &Values, name: &str, [open, safe]: [&str; 2]) -> Option<String> {
    let authority = values.text(name)?.strip_prefix(open)?.split('/').next()?;
    let host = authority
        .strip_prefix('[')
        .map_or_else(|| authority.split(':').next(), |address| address.split(']').next())?;
    let here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    (!here && values.is_given("MASSIVE_API_KEY"))
        .then(|| format!("{}: the key travels readable. Use {safe}", values.quote(name)))
}

fn lost_state(values: &Values) -> Option<String> {
    values.path("STATE_DIR")?.starts_with("/tmp").then(|| {
        format!(
            "{}: the system may empty this folder, and the state is then rebuilt from Kafka at the next start. Choose \
             a folder that stays, for example /var/lib/tape",
            values.quote("STATE_DIR")
        )
    })
}
