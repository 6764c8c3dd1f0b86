//! From text to value, one setting at a time. An error is the problem in words ("unknown unit \"x\""); name,
//! value and what is allowed are put around it by the caller.

use std::net::{Ipv6Addr, SocketAddr};

use super::settings::{Kind, Span};
use super::shown;

/// Longest text of a setting in bytes: ten thousand symbols of 32 bytes fit.
pub(crate) const TEXT_MAX: usize = 512 * 1024;
/// Most entries of a list.
const LIST_MAX: usize = 10_000;
/// Longest symbol, from the contract.
const SYMBOL_MAX: usize = 32;
/// Longest `APP_ID` and `INSTANCE_ID`: with a worker's number behind them they stay far below Kafka's limits.
const NAME_MAX: usize = 64;
/// Longest topic name of Kafka.
const TOPIC_MAX: usize = 249;
/// Digits behind the point: volumes are counted in 1e-9.
const DECIMALS: usize = 9;

/// Channels of the stocks cluster: trades, second bars, minute bars.
pub(crate) const STOCKS: &[&str] = &["T", "A", "AM"];
/// The same of the crypto cluster.
pub(crate) const CRYPTO: &[&str] = &["XT", "XAS", "XA"];
/// Channels of minute bars.
pub(crate) const MINUTE_BARS: &[&str] = &["AM", "XA"];

/// Words that mean another one, as other systems call it.
const SYNONYMS: &[(&str, &str)] = &[("exactly_once_v2", "exactly_once"), ("-1", "all")];
/// Topics that belong to Kafka itself.
const KAFKAS_OWN: &[&str] =
    &["__consumer_offsets", "__transaction_state", "__cluster_metadata", "__share_group_state"];

/// A checked value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// A duration in ms.
    Ms(u64),
    /// A whole number.
    Whole(u64),
    /// In 1e-9.
    Nanos(i128),
    /// As the table spells it.
    Word(&'static str),
    /// Anything else that stays text.
    Text(String),
    /// Where to listen; `None` = off.
    Bind(Option<SocketAddr>),
    /// Entries in the order given, without repetitions.
    List(Vec<String>),
}

/// Reads `text` as `kind` says.
pub(crate) fn value(kind: Kind, text: &str) -> Result<Value, String> {
    if text.len() > TEXT_MAX {
        return Err(format!("{} bytes long, more than {TEXT_MAX}", text.len()));
    }
    if text.contains(char::REPLACEMENT_CHARACTER) {
        return Err("not valid UTF-8".to_owned());
    }
    if text.contains(|c: char| c.is_control()) {
        return Err("contains a control character (a line break?)".to_owned());
    }
    match kind {
        Kind::Duration { min, max } => duration(text, min, max).map(Value::Ms),
        Kind::Whole { min, max, .. } => whole(text, min, max).map(Value::Whole),
        Kind::Decimal { max, .. } => decimal(text, max).map(Value::Nanos),
        Kind::Word(words) => word(text, words).map(Value::Word),
        Kind::Name => name(text).map(|()| Value::Text(text.to_owned())),
        Kind::Topic { optional: true } if text.is_empty() => Ok(Value::Text(String::new())),
        Kind::Topic { .. } => topic(text).map(|()| Value::Text(text.to_owned())),
        Kind::Servers => servers(text).map(Value::Text),
        Kind::WebSocket => {
            address(text, ["wss://", "ws://"], "WebSocket").map(|()| Value::Text(text.to_owned()))
        }
        Kind::Web => address(text, ["https://", "http://"], "web").map(|()| Value::Text(text.to_owned())),
        Kind::Bind => bind(text).map(Value::Bind),
        Kind::Host => host(text).map(|()| Value::Text(text.to_owned())),
        Kind::Path | Kind::Text(_) => Ok(Value::Text(text.to_owned())),
        Kind::Symbols => list(text, symbol).map(Value::List),
        Kind::Channels => channels(text).map(Value::List),
        Kind::LogFilter => log_filter(text).map(|()| Value::Text(text.to_owned())),
    }
}

fn duration(text: &str, min: u64, max: u64) -> Result<u64, String> {
    if min > 0 && text == "0" {
        return Err("zero is not allowed".to_owned());
    }
    let duration = humantime::parse_duration(text).map_err(|error| match error {
        _ if text.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("a unit is missing: write {text}s or {text}ms")
        }
        humantime::DurationError::UnknownUnit { unit, .. } => format!("unknown unit {}", shown(&unit)),
        humantime::DurationError::NumberOverflow => "too large or too fine".to_owned(),
        _ => "not a duration".to_owned(),
    })?;
    if duration.subsec_nanos() % 1_000_000 != 0 {
        return Err("finer than a millisecond".to_owned());
    }
    let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    match ms {
        _ if ms < min => Err(format!("shorter than {}", Span(min))),
        _ if ms > max => Err(format!("longer than {}", Span(max))),
        _ => Ok(ms),
    }
}

fn whole(text: &str, min: u64, max: u64) -> Result<u64, String> {
    // Kubernetes sets <SERVICE>_PORT=tcp://address:port for a service called db or grafana.
    if text.starts_with("tcp://") {
        return Err(
            "Kubernetes set it for a service of that name (enableServiceLinks: false stops that)".to_owned()
        );
    }
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("not a whole number in plain digits".to_owned());
    }
    match text.parse::<u64>() {
        Ok(number) if number < min => Err(format!("less than {min}")),
        Ok(number) if number <= max => Ok(number),
        _ => Err(format!("more than {max}")),
    }
}

fn decimal(text: &str, max: u64) -> Result<i128, String> {
    let (units, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(units) || !digits(fraction) {
        return Err("not a plain decimal number (digits, a point, no sign, no exponent)".to_owned());
    }
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > DECIMALS {
        return Err(format!("more than {DECIMALS} digits behind the point"));
    }
    let nanos = format!("{units}{fraction:0<DECIMALS$}").parse::<i128>().unwrap_or(i128::MAX);
    if nanos > i128::from(max) * 1_000_000_000 { Err(format!("more than {max}")) } else { Ok(nanos) }
}

fn word(text: &str, words: &'static [&'static str]) -> Result<&'static str, String> {
    let same = |left: &str| left.eq_ignore_ascii_case(text);
    let meant = SYNONYMS.iter().find(|(synonym, _)| same(synonym)).map_or(text, |(_, meant)| meant);
    if let Some(word) = words.iter().find(|word| word.eq_ignore_ascii_case(meant)) {
        return Ok(word);
    }
    let near = |word: &&&str| {
        strsim::damerau_levenshtein(&word.to_ascii_lowercase(), &text.to_ascii_lowercase()) <= 2
    };
    // One letter is near to every short word.
    Err(match words.iter().filter(|word| word.len() > 3).find(near) {
        Some(word) => format!("unknown; did you mean {word}?"),
        None => "unknown".to_owned(),
    })
}

fn is_name(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

fn name(text: &str) -> Result<(), String> {
    match text.len() {
        _ if !is_name(text) => Err("contains a character that is not allowed".to_owned()),
        length if length > NAME_MAX => Err(format!("{length} characters long, more than {NAME_MAX}")),
        _ => Ok(()),
    }
}

pub(crate) fn topic(text: &str) -> Result<(), String> {
    match text.len() {
        _ if !is_name(text) => {
            Err("contains a character that Kafka does not allow in a topic name".to_owned())
        }
        length if length > TOPIC_MAX => Err(format!("{length} characters long, more than {TOPIC_MAX}")),
        _ if matches!(text, "." | "..") => Err("not a topic name for Kafka".to_owned()),
        _ if KAFKAS_OWN.contains(&text) => Err("a topic of Kafka itself".to_owned()),
        _ => Ok(()),
    }
}

fn servers(text: &str) -> Result<String, String> {
    let servers = list(text, |server| {
        if server.contains("://") {
            let server = shown(server);
            return Err(format!("{server} has a protocol in front, which KAFKA_SECURITY_PROTOCOL sets"));
        }
        let (host, port) = server.rsplit_once(':').ok_or_else(|| format!("{} has no port", shown(server)))?;
        if !port.bytes().all(|byte| byte.is_ascii_digit()) || !port.parse::<u16>().is_ok_and(|port| port > 0)
        {
            return Err(format!("{} has no port from 1 to 65535", shown(server)));
        }
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let fine = match bracketed {
            Some(address) => address.parse::<Ipv6Addr>().is_ok(),
            None => !host.is_empty() && is_name(host),
        };
        if fine { Ok(server.to_owned()) } else { Err(format!("{} has no valid host name", shown(server))) }
    })?;
    Ok(servers.join(","))
}

fn address(text: &str, schemes: [&str; 2], what: &str) -> Result<(), String> {
    let rest = schemes.iter().find_map(|scheme| text.strip_prefix(scheme));
    let rest = rest.ok_or_else(|| format!("not a {what} address"))?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err("contains a user or password: the key goes into MASSIVE_API_KEY".to_owned());
    }
    if text.contains(char::is_whitespace) || text.contains('?') {
        return Err("contains white space or a question mark".to_owned());
    }
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    if host.is_empty() { Err("has no host".to_owned()) } else { Ok(()) }
}

fn host(text: &str) -> Result<(), String> {
    if text.contains("://") || text.contains('@') {
        return Err("an address with protocol or user: set host, port, user and password apart".to_owned());
    }
    let port =
        text.rsplit_once(':').is_some_and(|(_, port)| text.matches(':').count() == 1 && !port.is_empty());
    match text {
        _ if text.contains(char::is_whitespace) => Err("contains white space".to_owned()),
        _ if port && !text.starts_with('/') => Err("contains a port: set DB_PORT".to_owned()),
        _ => Ok(()),
    }
}

fn bind(text: &str) -> Result<Option<SocketAddr>, String> {
    if text.eq_ignore_ascii_case("off") {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| "not an IP address with a port".to_owned())
}

/// Entries separated by commas, white space around them ignored, repetitions dropped.
fn list(text: &str, check: impl Fn(&str) -> Result<String, String>) -> Result<Vec<String>, String> {
    let mut entries = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for entry in text.split(',').map(str::trim) {
        if entry.is_empty() {
            return Err("has an empty entry (a comma too many?)".to_owned());
        }
        let entry = check(entry)?;
        if seen.insert(entry.clone()) {
            entries.push(entry);
        }
    }
    if entries.len() > LIST_MAX { Err(format!("more than {LIST_MAX} entries")) } else { Ok(entries) }
}

fn symbol(text: &str) -> Result<String, String> {
    let fine = |byte: u8| byte.is_ascii_alphanumeric() || b".-:/_".contains(&byte);
    match text.len() {
        // All of a market; alone, or behind a channel or a market.
        _ if !text.strip_suffix('*').unwrap_or(text).bytes().all(fine) => {
            Err(format!("{} contains a character that is not allowed", shown(text)))
        }
        length if length > SYMBOL_MAX => Err(format!("{} is longer than {SYMBOL_MAX}", shown(text))),
        _ => Ok(text.to_owned()),
    }
}

fn channels(text: &str) -> Result<Vec<String>, String> {
    let markets = [STOCKS, CRYPTO];
    let channels = list(text, |channel| {
        let channel = channel.to_ascii_uppercase();
        let known = markets.iter().any(|market| market.contains(&channel.as_str()));
        if known {
            Ok(channel)
        } else {
            Err(format!("{} is not a channel of trades or bars", shown(&channel)))
        }
    })?;
    for market in markets {
        let chosen: Vec<_> = channels.iter().filter(|channel| market.contains(&channel.as_str())).collect();
        if let [first, second, ..] = chosen[..] {
            return Err(format!(
                "{first} and {second} both feed the same symbols, so each trade would count twice"
            ));
        }
    }
    Ok(channels)
}

/// A bare word that is no level would silently become the name of a module, at the finest level.
fn log_filter(text: &str) -> Result<(), String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    for directive in text.split(',').map(str::trim) {
        let level = directive.rsplit_once('=').map_or(directive, |(_, level)| level);
        if !LEVELS.iter().any(|known| known.eq_ignore_ascii_case(level)) {
            return Err(format!("{} is not a level", shown(level)));
        }
    }
    crate::logs::filter(text).map(drop)
}
