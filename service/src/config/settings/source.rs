//! The live feed.

use super::Kind::{Channels, Duration, Symbols, WebSocket};
use super::Preset::Is;
use super::{HOUR, Setting, open, secret};

pub(super) static SETTINGS: &[Setting] = &[
    secret(
        "MASSIVE_API_KEY",
        "the key as the vendor shows it",
        "The vendor's key. Only `tape produce --source massive` needs it.",
    ),
    open(
        "MASSIVE_WS_URL",
        WebSocket,
        Is("wss://socket.massive.com/stocks"),
        "Where the live feed is, cluster included. The vendor allows one connection per cluster and account.",
    ),
    open(
        "RECONNECT_DELAY",
        Duration { min: 1, max: HOUR },
        Is("5s"),
        "First pause before the feed is opened again; it doubles from attempt to attempt, with jitter.",
    ),
    open(
        "RECONNECT_DELAY_MAX",
        Duration { min: 1, max: HOUR },
        Is("60s"),
        "Longest pause before the feed is opened again; at least `RECONNECT_DELAY`.",
    ),
    open("SYMBOLS", Symbols, Is("AAPL,TSLA,BTC-USD"), "What to follow. Case matters."),
    open(
        "CHANNELS",
        Channels,
        Is("A"),
        "What to take of each symbol: trades (`T`, `XT`), second bars (`A`, `XAS`, `CAS`) or minute bars (`AM`, `XA`, \
         `CA`); one of each market, because a symbol that is fed twice counts twice.",
    ),
];
