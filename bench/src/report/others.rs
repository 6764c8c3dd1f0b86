//! Latency, recovery, growth, sink and live.

use std::fmt::Write as _;

use super::tables::{Column, Promise, head, promises, table};
use crate::results::Section;
use crate::{growth, latency, live, recovery, sink};

const LATENCY: &[Column] = &[
    ("p50 ms", "p50", 1),
    ("p99 ms", "p99", 1),
    ("max ms", "max", 1),
    ("of", "count", 0),
    ("never seen", "unseen", 0),
    ("trades/s", "rate", 0),
    ("client µs/trade", "cpu", 2),
    ("broker µs/trade", "broker", 2),
    ("peak MiB", "peak", 0),
    ("a question ms", "question", 2),
];
const READ_LATENCY: &str = "\
Interleaved rounds, median (smallest–largest); Kafka Streams once. A steady feed of 1,000 symbols with the wall clock as event \
time; from the moment before a trade is handed to the producer (linger 1 ms) until its result is visible to a read_committed \
reader. Alerts: breakouts, about 200 a second, in the default mode. Rows: every trade, until the first row that counts it. \
PostgreSQL: until a connection that asks every 2 ms sees the row of the alert; `a question ms` is what that takes, and `tape \
sink` waits 200 ms for a full batch by default. Producer and reader run on the same cores; the cost of a trade is that of `tape \
process` (or Kafka Streams) and of the broker at this rate, the first seconds left out.";

const RECOVERY: &[Column] = &[
    ("first commit s", "first", 2),
    ("all partitions s", "all", 2),
    ("records restored", "restored", 0),
    ("phases, s after the start: main", "phase_start", 2),
    ("partitions assigned", "phase_assigned", 2),
    ("restored", "phase_restored", 2),
    ("running", "phase_running", 2),
];
const READ_RECOVERY: &str = "\
SIGKILL in the midst of a trickle of 1,000 trades/s, restart at once, with the local state kept or deleted. Seconds from the start of the new process until the \
committed offset of the group moves beyond where it was, in some partition and in all. Both sides have the same history: a trade of each symbol in each of ten \
minutes, 10 min / 1 min windows that are all still open. Both have a static member with a session of 45 s. Kafka Streams under \
exactly_once_v2 cannot use its stores after a crash and reads the changelog in either case.";

const GROWTH: &[Column] = &[
    ("µs/trade", "cpu", 2),
    ("whole run: µs/trade", "cpu_whole", 2),
    ("broker µs/trade", "broker_whole", 2),
    ("M/s", "rate_whole", 3),
    ("peak MiB", "peak", 0),
    ("changelog records/trade", "changelog", 4),
    ("changelog bytes/trade", "changelog_bytes", 1),
    ("state on disk MiB", "state", 1),
    ("rows", "rows", 0),
    ("rows/s", "rows_rate", 0),
    ("rows/trade", "rows_per_trade", 3),
];
const READ_GROWTH: &str = "\
tape alone, a backlog, default settings but for the window and the output mode. Update rows are written once a second for each open window that changed.";

const SINK: &[Column] = &[
    ("records/s", "rate", 0),
    ("client µs/record", "cpu", 2),
    ("first commit s", "first", 2),
    ("seconds", "seconds", 2),
    ("peak MiB", "peak", 0),
    ("rows in the table", "rows", 0),
];
const READ_SINK: &str = "\
Rows of windows (protobuf, three partitions) that wait in Kafka, into an empty table of a PostgreSQL on the same cores. The bare loop holds the same rows as \
arrays, ready made, and upserts them by UNNEST, 5,000 a transaction, on one connection, with the sink's conflict rule. The sink's rate is taken from its first commit to its last. The \
backlog: each of 1,000 symbols has a window that is rewritten 300 times before the next; the sink reads all of it and writes the newest of each batch.";

const LIVE: &[Column] = &[
    ("records/s", "rate", 0),
    ("µs/record", "cpu", 2),
    ("records/s and core", "core_rate", 0),
    ("delay p50 ≤ ms", "p50", 0),
    ("delay p99 ≤ ms", "p99", 0),
    ("dropped", "dropped", 0),
    ("peak MiB", "peak", 0),
];
const READ_LIVE: &str = "\
Trades of 1,000 symbols from `tape fake-massive` over loopback; the records hold the vendor's event (about 220 bytes), lz4, `BATCH_SIZE=1000000` for both. The bare producer sends the \
same records, with the same header, from memory. Processor time is that of `tape produce` or of the bare producer alone, from the first record in the log to the last; server, \
producer and broker share the cores, so the rates are bounded by all of them. The burst is a simulated market as fast as time goes, event time = wall clock; \
delay: from the exchange's time, up to 27 ms before the event is sent, to the hand-over to the Kafka client, bounds of buckets.";

pub(super) fn live(out: &mut String, section: &Section) {
    head(out, "Live feed", section);
    let ratio = Promise {
        what: "records/s and core, tape produce : bare producer".to_owned(),
        figure: "core_rate",
        of: live::LIVE.to_owned(),
        to: Some(live::BARE.to_owned()),
        wanted: "",
    };
    let burst = Promise {
        what: "records/s in the burst".to_owned(),
        figure: "rate",
        of: live::BURST.to_owned(),
        to: None,
        wanted: "100,000",
    };
    promises(out, section, &[ratio, burst]);
    let _ = writeln!(out, "{READ_LIVE}\n");
    table(out, section, &section.names(), LIVE);
}

pub(super) fn latency(out: &mut String, section: &Section) {
    head(out, "Latency", section);
    let value = |what: &str, figure, result, wanted| Promise {
        what: format!("{what}, 5,000 trades/s, ms"),
        figure,
        of: latency::name(result, "tape", latency::DEFAULT_INTERVAL, 5_000),
        to: None,
        wanted,
    };
    let promised = [
        value("alerts, p50", "p50", latency::ALERTS, "≤ 40"),
        value("alerts, p99", "p99", latency::ALERTS, "≤ 75"),
        value("rows at each commit, p50", "p50", latency::EACH_COMMIT, "≤ 40"),
        value("rows at each commit, p99", "p99", latency::EACH_COMMIT, "≤ 75"),
    ];
    promises(out, section, &promised);
    let _ = writeln!(out, "{READ_LATENCY}\n");
    table(out, section, &section.names(), LATENCY);
}

pub(super) fn recovery(out: &mut String, section: &Section) {
    head(out, "Recovery", section);
    let mut promised = Vec::new();
    for (panes, state, wanted) in [
        (1_000, "kept", "≥ 3"),
        (1_000, "lost", "≥ 2, aim 5"),
        (1_000_000, "kept", "≥ 10"),
        (1_000_000, "lost", "≥ 2, aim 5"),
    ] {
        let name = |who| recovery::name(panes, state, who);
        if state == "kept" {
            let what = format!("first commit of tape, {panes} panes, state kept, s");
            promised.push(Promise {
                what,
                figure: "first",
                of: name(recovery::TAPE),
                to: None,
                wanted: "≤ 1",
            });
        }
        promised.push(Promise {
            what: format!("Kafka Streams : tape, {panes} panes, state {state}"),
            figure: "first",
            of: name(recovery::STREAMS),
            to: Some(name(recovery::TAPE)),
            wanted,
        });
    }
    promises(out, section, &promised);
    let _ = writeln!(out, "{READ_RECOVERY}\n");
    table(out, section, &section.names(), RECOVERY);
}

pub(super) fn growth(out: &mut String, section: &Section) {
    head(out, "Growth", section);
    let base = growth::name("append", 1_000, 3, "5m/1m");
    let ratio = |what: &str, of, wanted| Promise {
        what: format!("append, cost of a trade, {what}"),
        figure: "cpu_whole",
        of,
        to: Some(base.clone()),
        wanted,
    };
    let promised = [
        ratio("100,000 : 1,000 symbols", growth::name("append", 100_000, 3, "5m/1m"), "≤ 3"),
        ratio("1 h/1 m : 5 m/1 m windows", growth::name("append", 1_000, 3, "1h/1m"), "≤ 1.3"),
    ];
    promises(out, section, &promised);
    let _ = writeln!(out, "{READ_GROWTH}\n");
    table(out, section, &section.names(), GROWTH);
}

pub(super) fn sink(out: &mut String, section: &Section) {
    head(out, "Sink", section);
    let ratio = Promise {
        what: "rows/s, tape sink : bare loop".to_owned(),
        figure: "rate",
        of: sink::SINK.to_owned(),
        to: Some(sink::BARE.to_owned()),
        wanted: "≥ 0.8",
    };
    promises(out, section, &[ratio]);
    let _ = writeln!(out, "{READ_SINK}\n");
    table(out, section, &section.names(), SINK);
}
