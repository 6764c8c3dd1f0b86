//! The live feed.

use super::Kind::{Channels, Duration, Path, Symbols, Web, WebSocket, Whole, Word};
use super::Preset::{Absent, Is};
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
        "Where the live feed is. The last part of the path, the cluster, is exchanged for that of the symbols (`stocks`, `crypto`); \
         each cluster has a connection of its own, and the vendor allows one per cluster and account.",
    ),
    open(
        "MASSIVE_BACKFILL",
        Word(&["false", "true"]),
        Is("false"),
        "Ask the vendor's REST interface for the trades (`T`, `XT`) that a lost connection has missed. Each is published once; live \
         trades of the symbol wait for it, at most half of `WATERMARK_DELAY`. The vendor's plan must hold trades; `*` is not filled.",
    ),
    open(
        "MASSIVE_REST_URL",
        Web,
        Is("https://api.massive.com"),
        "Where the vendor's REST interface is. The key is sent there; with `http://` anybody on the way can read it.",
    ),
    open(
        "MASSIVE_CALLS_PER_MINUTE",
        Whole { min: 0, max: 100_000, unit: "calls" },
        Is("5"),
        "Calls of the REST interface in any minute; the vendor's free plan allows 5. 0 = any number.",
    ),
    open(
        "COINBASE_WS_URL",
        WebSocket,
        Is("wss://ws-feed.exchange.coinbase.com"),
        "Where the live feed of `tape produce --source coinbase` is. It needs no key.",
    ),
    open(
        "RECONNECT_DELAY",
        Duration { min: 1, max: HOUR },
        Is("5s"),
        "Upper end of the first pause before the feed is opened again; it doubles from attempt to attempt. The pause itself is \
         drawn between a fraction of that and that.",
    ),
    open(
        "RECONNECT_DELAY_MAX",
        Duration { min: 1, max: HOUR },
        Is("60s"),
        "Longest pause before the feed is opened again; at least `RECONNECT_DELAY`.",
    ),
    open(
        "SYMBOLS",
        Symbols,
        Is("AAPL,TSLA,BTC-USD"),
        "What to follow: stocks (`AAPL`), crypto pairs (`BTC-USD`), `*` for all stocks. Case matters. Coinbase has the pairs only.",
    ),
    open(
        "SYMBOLS_FILE",
        Path,
        Absent,
        "A file with what to follow instead of `SYMBOLS`: symbols separated by commas or line breaks, `#` begins a comment. \
         `tape produce` reads it again when it changes and on SIGHUP, and keeps its connections.",
    ),
    open(
        "CHANNELS",
        Channels,
        Is("A"),
        "What to take of each symbol: trades (`T`, `XT`), second bars (`A`, `XAS`) or minute bars (`AM`, `XA`); one of \
         each market, because a symbol that is fed twice counts twice. A market that is not named gets the same kind. \
         Coinbase has trades only, whatever stands here.",
    ),
    open(
        "SALE_CONDITIONS_FILE",
        Path,
        Absent,
        "A table of sale conditions instead of the built-in one: which trades may set high and low, open and close, and count \
         in volumes. The shape is in docs/sources.md.",
    ),
    open(
        "INCLUDE_RAW",
        Word(&["false", "true"]),
        Is("false"),
        "Keep the vendor's event as it came in the field `raw` of each record.",
    ),
];
