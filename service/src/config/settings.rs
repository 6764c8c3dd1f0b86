//! The table of settings: the single source for reading, `tape config`, the reference page and "did you mean".
//!
//! A setting's limits stand in its [`Kind`] alone; the words of error messages and of the reference are made from
//! it. Rules that join several settings are in `rules.rs`.

mod database;
mod kafka;
mod other;
mod processing;
mod producer;
mod source;

use std::fmt;

pub(crate) use processing::WORKERS_MAX;

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Name in the environment; in the file the same, in upper or lower case.
    pub name: &'static str,
    /// An older name that stays valid.
    pub alias: Option<&'static str>,
    /// What may stand in it, with unit and limits.
    pub kind: Kind,
    /// What holds when nobody sets it.
    pub default: Preset,
    /// True: never shown, and `<name>_FILE` may name a file that holds it.
    pub secret: bool,
    /// What it does, in a sentence or two of Markdown.
    pub doc: &'static str,
}

/// Settings of one subject.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// Heading in the reference.
    pub title: &'static str,
    /// In the order of the reference.
    pub settings: &'static [Setting],
}

/// All settings, by subject.
pub static GROUPS: &[Group] = &[
    Group { title: "Source", settings: source::SETTINGS },
    Group { title: "Kafka", settings: kafka::SETTINGS },
    Group { title: "Topics", settings: kafka::TOPICS },
    Group { title: "Producer", settings: producer::SETTINGS },
    Group { title: "Windows and output", settings: processing::SETTINGS },
    Group { title: "Alerts", settings: processing::ALERTS },
    Group { title: "Processor", settings: processing::PROCESSOR },
    Group { title: "Database and sink", settings: database::SETTINGS },
    Group { title: "Logs, health, Grafana", settings: other::SETTINGS },
];

/// All settings in the order of the reference.
pub fn all() -> impl Iterator<Item = &'static Setting> {
    GROUPS.iter().flat_map(|group| group.settings)
}

/// The setting of that name or alias, in upper case.
pub(crate) fn find(name: &str) -> Option<&'static Setting> {
    all().find(|setting| setting.name == name || setting.alias == Some(name))
}

/// What holds when nobody sets a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// This text.
    Is(&'static str),
    /// Nothing: the thing is absent.
    Absent,
    /// It follows from other settings or from the machine, in these words.
    Derived(&'static str),
}

/// What may stand in a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A time with its unit, limits in milliseconds. `min` = 0 allows a plain `0`.
    Duration {
        /// Least, in ms.
        min: u64,
        /// Most, in ms.
        max: u64,
    },
    /// A whole number of `unit` (empty: a plain count).
    Whole {
        /// Least.
        min: u64,
        /// Most.
        max: u64,
        /// For people; empty = none.
        unit: &'static str,
    },
    /// A plain decimal ≥ 0 with at most nine digits behind the point.
    Decimal {
        /// Most, in whole units.
        max: u64,
        /// For people.
        unit: &'static str,
    },
    /// One of these words; case does not matter.
    Word(&'static [&'static str]),
    /// 1–64 of `A-Z a-z 0-9 . _ -`.
    Name,
    /// A Kafka topic name. `optional`: empty means none.
    Topic {
        /// May it be empty?
        optional: bool,
    },
    /// `host:port`, several separated by commas.
    Servers,
    /// Where a server is, without its port.
    Host,
    /// A `ws://` or `wss://` address.
    WebSocket,
    /// An `http://` or `https://` address.
    Web,
    /// `address:port` to listen on, or `off`.
    Bind,
    /// A folder or file.
    Path,
    /// Any text without control characters; says what it is.
    Text(&'static str),
    /// Symbols, separated by commas.
    Symbols,
    /// Channels of the vendor, separated by commas.
    Channels,
    /// A log level or filter directives.
    LogFilter,
}

impl fmt::Display for Kind {
    /// What is allowed, for error messages and the reference.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Duration { min, max } => {
                write!(f, "{} to {}, with its unit (250ms, 10s, 5m)", Span(min), Span(max))
            }
            Self::Whole { min, max, unit: "" } => write!(f, "a whole number from {min} to {max}"),
            Self::Whole { min, max, unit } => write!(f, "a whole number of {unit} from {min} to {max}"),
            Self::Decimal { max, unit } => {
                write!(f, "a decimal number of {unit} from 0 to {max}, at most nine digits behind the point")
            }
            Self::Word(words) => f.write_str(&words.join(", ")),
            Self::Name => f.write_str("1 to 64 of A-Z a-z 0-9 . _ -"),
            Self::Topic { optional } => {
                f.write_str("1 to 249 of A-Z a-z 0-9 . _ -")?;
                f.write_str(if optional { ", or empty for none" } else { "" })
            }
            Self::Servers => f.write_str("host:port, several separated by commas"),
            Self::Host => f.write_str("a host name, an IP address or the folder of a Unix socket"),
            Self::WebSocket => f.write_str("an address that begins with wss:// or ws://"),
            Self::Web => f.write_str("an address that begins with https:// or http://"),
            Self::Bind => f.write_str("an IP address with a port (127.0.0.1:9461), or off"),
            Self::Path => f.write_str("a path"),
            Self::Text(what) => f.write_str(what),
            Self::Symbols => f.write_str(
                "1 to 10000 symbols separated by commas, each 1 to 32 of A-Z a-z 0-9 . - : / _, or *",
            ),
            Self::Channels => write!(
                f,
                "one of each market, separated by commas: {} (stocks), {} (crypto)",
                super::parse::STOCKS.join(" "),
                super::parse::CRYPTO.join(" ")
            ),
            Self::LogFilter => f.write_str(
                "off, error, warn, info, debug or trace, or directives such as info,tape_kafka=debug",
            ),
        }
    }
}

/// Milliseconds as people write them: `5m`, `250ms`, `0`.
pub(crate) struct Span(pub(crate) u64);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("0"),
            ms if ms % DAY == 0 => write!(f, "{}d", ms / DAY),
            ms if ms % HOUR == 0 => write!(f, "{}h", ms / HOUR),
            ms if ms % MINUTE == 0 => write!(f, "{}m", ms / MINUTE),
            ms if ms % SECOND == 0 => write!(f, "{}s", ms / SECOND),
            ms => write!(f, "{ms}ms"),
        }
    }
}

/// Milliseconds of a second.
pub(crate) const SECOND: u64 = 1000;
/// Milliseconds of a minute.
pub(crate) const MINUTE: u64 = 60 * SECOND;
/// Milliseconds of an hour.
pub(crate) const HOUR: u64 = 60 * MINUTE;
/// Milliseconds of a day.
pub(crate) const DAY: u64 = 24 * HOUR;
/// Windows, delays and pauses beyond a month are typing errors (and `1M` is a month, not a minute).
pub(crate) const MONTH: u64 = 30 * DAY;
/// One year of 365 days, ms.
pub(crate) const YEAR: u64 = 365 * DAY;

/// A setting without alias that may be shown.
const fn open(name: &'static str, kind: Kind, default: Preset, doc: &'static str) -> Setting {
    Setting { name, alias: None, kind, default, secret: false, doc }
}

/// A setting that is never shown and is absent by default.
const fn secret(name: &'static str, what: &'static str, doc: &'static str) -> Setting {
    Setting { name, alias: None, kind: Kind::Text(what), default: Preset::Absent, secret: true, doc }
}

/// The same setting with an older name.
const fn aliased(setting: Setting, alias: &'static str) -> Setting {
    Setting { alias: Some(alias), ..setting }
}
