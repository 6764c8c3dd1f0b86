//! Section "latency": a steady feed with the wall clock as event time; from produced to visible.
//!
//! - An alert carries the event time of its trade, so what it took is the wall clock less its timestamp (a millisecond too much at
//!   most, because event times are whole milliseconds).
//! - A trade is visible in rows once a row counts it, see `ledger`.
//! - The reader reads committed records only; producer and reader run in this process, on the same cores.

use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tape_kafka::{Isolation, Reader, Record};
use tape_proto::messages::AlertType;
use tape_proto::{aggregate, alert};

use crate::args::Args;
use crate::contender::Contender;
use crate::course::Figures;
use crate::database::{Poll, now_ms};
use crate::feed::{Feed, Source};
use crate::ledger::{Ledger, Sent, Shown};
use crate::peers::{self, Peer, Which};
use crate::results::{Run, percentile};
use crate::rig::{ASK, Rig};
use crate::rows::peer_row;
use crate::tape::Tape;
use crate::throughput::PARTITIONS;
use crate::{meter, screen};

const SYMBOLS: usize = 1_000;
const WINDOW_MS: i64 = 300_000;
/// Longest wait for the first result.
const BEGIN: Duration = Duration::from_secs(90);
/// What comes before is warm-up: a JVM needs as long until its code is compiled.
const WARM_UP: Duration = Duration::from_secs(8);
/// Runs at each rate while the broker warms up: in one run of twelve rounds p99 stopped falling after about three minutes.
const WARM_UPS: usize = 4;
/// How long results are waited for after the last trade.
const DRAIN_MIN: Duration = Duration::from_secs(1);
const DRAIN_MAX: Duration = Duration::from_secs(4);
const TURN: Duration = Duration::from_millis(5);

/// Names of results, which the report looks for.
pub(crate) const ALERTS: &str = "alerts";
pub(crate) const EACH_COMMIT: &str = "rows at each commit";
const EACH_SECOND: &str = "rows each second";
const DATABASE: &str = "alert → row in PostgreSQL";
/// tape's own `COMMIT_INTERVAL`, ms.
pub(crate) const DEFAULT_INTERVAL: u64 = 20;
/// That of Kafka Streams under exactly_once_v2, ms.
const STREAMS_INTERVAL: u64 = 100;

/// The name of a case.
pub(crate) fn name(result: &str, who: &str, interval: u64, rate: u64) -> String {
    let default = if (who, interval) == ("tape", DEFAULT_INTERVAL) { " (default)" } else { "" };
    format!("{result}, {rate}/s: {who}, commit {interval} ms{default}")
}

/// How tape is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Update rows each second, as by default.
    Default,
    /// Update rows at each commit.
    EachCommit,
    /// As by default, with a sink.
    Database,
}

impl Mode {
    /// What its results are called.
    fn result(self) -> &'static str {
        match self {
            Mode::Default => ALERTS,
            Mode::EachCommit => EACH_COMMIT,
            Mode::Database => DATABASE,
        }
    }
}

/// Runs the section.
pub(crate) fn run(rig: &Rig, args: &Args, keep: &mut dyn FnMut(Run) -> Result<()>) -> Result<()> {
    let (rates, intervals): (&[u64], &[u64]) = if args.quick {
        (&[5_000], &[DEFAULT_INTERVAL])
    } else {
        (&[5_000, 50_000], &[DEFAULT_INTERVAL, 50, 100])
    };
    let length = Duration::from_secs(if args.quick { 4 } else { 8 });
    let mut number = 0;
    let mut next = |round: usize, rate: u64| {
        number += 1;
        Scene { rig, app: format!("latency-{number}"), round, rate, length }
    };
    // A broker that has just started is slow until its code is compiled, which takes minutes: nobody's latency.
    for _ in 0..if args.quick { 0 } else { WARM_UPS } {
        for rate in rates {
            next(0, *rate).tape(Mode::EachCommit, DEFAULT_INTERVAL, &mut |_| Ok(()))?;
        }
    }
    for (round, &rate) in (1..=args.rounds()).flat_map(|round| rates.iter().map(move |rate| (round, rate))) {
        let tape = [Mode::Default, Mode::EachCommit].into_iter();
        let tape = tape.flat_map(|mode| intervals.iter().map(move |&interval| (mode, interval)));
        for (mode, interval) in tape.chain([(Mode::Database, DEFAULT_INTERVAL)]) {
            if args.takes(&name(mode.result(), "tape", interval, rate)) {
                next(round, rate).tape(mode, interval, keep)?;
            }
        }
        // Once: it cannot keep up, and takes longest to say so.
        let streams = args.takes(&name(EACH_COMMIT, "Kafka Streams", STREAMS_INTERVAL, rate));
        if round == 1 && streams && peers::is_built(rig, Which::Streams) {
            next(round, rate).streams(keep)?;
        }
    }
    Ok(())
}

/// One run at one rate.
struct Scene<'a> {
    rig: &'a Rig,
    app: String,
    round: usize,
    rate: u64,
    length: Duration,
}

/// Where results are read from.
struct Results<'a> {
    rows: String,
    alerts: Option<String>,
    row: &'a dyn Fn(&Record<'_>) -> Result<Counted>,
}

/// Symbol, start and trades of a window.
type Counted = (String, i64, u64);

impl Scene<'_> {
    fn tape(&self, mode: Mode, interval: u64, keep: &mut dyn FnMut(Run) -> Result<()>) -> Result<()> {
        let input = format!("{}-input", self.app);
        let interval_text = format!("{interval}ms");
        let trigger = if mode == Mode::EachCommit { "0" } else { "1s" };
        let settings = [
            ("COMMIT_INTERVAL", interval_text.as_str()),
            ("TRIGGER_INTERVAL", trigger),
            ("ALERT_COOLDOWN", "1ms"),
            ("ALERT_MIN_TRADES", "1"),
            ("HIGH_VOLUME_THRESHOLD", "1000000000000"),
        ];
        let tape = Tape::new(self.rig, &self.app, &input, &settings)?;
        tape.create_topics()?;
        let mut processor = tape.start("process")?;
        let database = mode == Mode::Database;
        let mut sink = None;
        if database {
            Contender::run(tape.recipe("migrate"))?;
            sink = Some(tape.start("sink")?);
        }
        let results = Results {
            rows: tape.topic("aggregates"),
            alerts: Some(tape.topic("alerts")),
            row: &|record| {
                let row = aggregate::decode(record.value.unwrap_or_default())?;
                Ok((row.symbol, row.window_start, row.trade_count))
            },
        };
        let seen = self.measure(&mut processor, &results, database)?;
        processor.stop()?;
        sink.map_or(Ok(()), |mut sink| sink.stop())?;
        tape.lose_state()?;
        self.rig.delete(&self.app)?;
        let mut tell = |result, latencies| {
            self.keep(&name(result, "tape", interval, self.rate), latencies, &seen.costs, keep)
        };
        match mode {
            Mode::Database => tell(mode.result(), seen.database.unwrap_or_default()),
            Mode::EachCommit => tell(mode.result(), seen.rows),
            Mode::Default => tell(mode.result(), seen.alerts).and_then(|()| tell(EACH_SECOND, seen.rows)),
        }
    }

    fn streams(&self, keep: &mut dyn FnMut(Run) -> Result<()>) -> Result<()> {
        let input = format!("{}-input", self.app);
        self.rig.create(&input, PARTITIONS)?;
        let peer = Peer::new(self.rig, Which::Streams, &self.app, &input, &[]);
        self.rig.create(&peer.output(), PARTITIONS)?;
        let mut contender = Contender::start(peer.recipe(self.rig)?)?;
        let results = Results {
            rows: peer.output(),
            alerts: None,
            row: &|record| peer_row(record).map(|((symbol, start), row)| (symbol, start, row.count)),
        };
        let seen = self.measure(&mut contender, &results, false)?;
        contender.stop()?;
        peer.lose_state()?;
        self.rig.delete(&self.app)?;
        let name = name(EACH_COMMIT, "Kafka Streams", STREAMS_INTERVAL, self.rate);
        if seen.rows.is_empty() {
            // It cannot keep up with the rate on this machine: that is an answer, too.
            screen::line(&format!("{name}: no row of the measured trades was seen in time"));
            return Ok(());
        }
        self.keep(&name, seen.rows, &seen.costs, keep)
    }

    fn keep(
        &self,
        name: &str,
        mut latencies: Vec<f64>,
        costs: &Figures,
        keep: &mut dyn FnMut(Run) -> Result<()>,
    ) -> Result<()> {
        if latencies.is_empty() {
            bail!("{name}: nothing was seen");
        }
        latencies.sort_by(f64::total_cmp);
        let mut figures = costs.clone();
        for (figure, share) in [("p50", 0.5), ("p99", 0.99), ("max", 1.0)] {
            figures.insert(figure.to_owned(), percentile(&latencies, share));
        }
        figures.insert("count".to_owned(), latencies.len() as f64);
        let (p50, p99, max) = (figures["p50"], figures["p99"], figures["max"]);
        screen::line(&format!("{name}: p50 {p50:.1}, p99 {p99:.1}, max {max:.1} ms of {}", latencies.len()));
        keep(Run { name: name.to_owned(), round: self.round, figures })
    }

    /// Feeds and reads.
    fn measure(&self, contender: &mut Contender, results: &Results<'_>, database: bool) -> Result<Seen> {
        let (told, heard) = mpsc::channel();
        let mut eye = Eye::new(self.rig, results, heard)?;
        let input = format!("{}-input", self.app);
        let (rate, partitions) = (self.rate, PARTITIONS);
        let source = Source { topic: input, partitions, rate, symbols: SYMBOLS, event_time: None };
        let feed = Feed::start(self.rig, source, told)?;
        screen::now(&format!("{}: waiting for the first result", self.app));
        eye.look_until(Instant::now() + BEGIN, &|eye| eye.results > 0)?;
        if eye.results == 0 {
            return Err(contender.failure("no result"));
        }
        eye.look_until(Instant::now() + WARM_UP, &|_| false)?;
        screen::now(&format!("{}: measuring for {} s", self.app, self.length.as_secs()));
        let poll = database.then(|| Poll::start(self.rig)).transpose()?;
        let cost = || {
            let client = meter::read(contender.pid()).context("it has ended")?;
            Ok::<_, anyhow::Error>((client, meter::read(self.rig.broker).unwrap_or_default().cpu))
        };
        let (before, from) = (cost()?, now_ms()?);
        eye.ledger.open(Instant::now());
        eye.look_until(Instant::now() + self.length, &|_| false)?;
        let (after, until) = (cost()?, now_ms()?);
        eye.ledger.close(Instant::now());
        feed.stop()?;
        eye.look_until(Instant::now() + DRAIN_MIN, &|_| false)?;
        eye.look_until(Instant::now() + DRAIN_MAX, &|eye| eye.ledger.is_complete())?;
        let trades = eye.ledger.counted.max(1) as f64;
        let mut costs = Figures::from([
            ("cpu".to_owned(), (after.0.cpu - before.0.cpu) / trades * 1e6),
            ("broker".to_owned(), (after.1 - before.1) / trades * 1e6),
            ("peak".to_owned(), after.0.peak),
            ("rate".to_owned(), trades / (until - from) * 1e3),
            ("unseen".to_owned(), trades - eye.ledger.latencies.len() as f64),
        ]);
        let counts = |alerts: Vec<(i64, f64)>| {
            let inside = alerts.into_iter().filter(|(at, _)| (from..until).contains(&(*at as f64)));
            inside.map(|(_, latency)| latency).collect::<Vec<f64>>()
        };
        let mut database = None;
        if let Some(answer) = poll.map(Poll::stop).transpose()? {
            costs.insert("question".to_owned(), answer.question_ms);
            database = Some(counts(answer.alerts));
        }
        Ok(Seen { rows: eye.ledger.latencies, alerts: counts(eye.alerts), database, costs })
    }
}

/// Latencies in ms, and what they cost.
struct Seen {
    rows: Vec<f64>,
    alerts: Vec<f64>,
    database: Option<Vec<f64>>,
    costs: Figures,
}

/// Reads results as they become visible.
struct Eye<'a> {
    reader: Reader,
    results_at: &'a Results<'a>,
    heard: Receiver<Sent>,
    ledger: Ledger,
    /// Event time and latency, ms.
    alerts: Vec<(i64, f64)>,
    results: u64,
}

impl<'a> Eye<'a> {
    fn new(rig: &Rig, results_at: &'a Results<'a>, heard: Receiver<Sent>) -> Result<Self> {
        let mut reader = rig.clients.reader(Isolation::ReadCommitted)?;
        for topic in std::iter::once(&results_at.rows).chain(&results_at.alerts) {
            let parts = rig.parts(topic)?;
            reader.assign(&parts.into_iter().map(|part| (part, 0)).collect::<Vec<_>>(), ASK)?;
        }
        let ledger = Ledger::new(WINDOW_MS);
        Ok(Eye { reader, results_at, heard, ledger, alerts: Vec::new(), results: 0 })
    }

    /// Reads until then, or until it has seen enough.
    fn look_until(&mut self, end: Instant, enough: &dyn Fn(&Self) -> bool) -> Result<()> {
        while Instant::now() < end && !enough(self) {
            self.look()?;
        }
        Ok(())
    }

    fn look(&mut self) -> Result<()> {
        let Eye { reader, results_at, alerts, .. } = self;
        let (mut shown, mut failure) = (Vec::new(), Ok(()));
        let count = reader.poll(10_000, TURN, &mut |record| {
            let taken = if results_at.alerts.as_deref() == Some(record.topic) {
                breakout(&record).map(|found| alerts.extend(found))
            } else {
                row(results_at, &record).map(|row| shown.push(row))
            };
            if failure.is_ok() {
                failure = taken;
            }
        })?;
        failure?;
        self.results += count as u64;
        // A trade is told before it is sent, so by now all of those that rows can show are known.
        self.heard.try_iter().for_each(|sent| self.ledger.sent(sent));
        shown.into_iter().for_each(|row| self.ledger.shown(row));
        Ok(())
    }
}

fn row(results: &Results<'_>, record: &Record<'_>) -> Result<Shown> {
    let (symbol, start, trades) = (results.row)(record)?;
    let symbol = symbol.strip_prefix('S').and_then(|number| number.parse().ok()).context("not our symbol")?;
    Ok(Shown { symbol, start, trades, at: Instant::now() })
}

/// Crosses carry the end of a window, so they tell nothing here.
fn breakout(record: &Record<'_>) -> Result<Option<(i64, f64)>> {
    let alert = alert::decode(record.value.unwrap_or_default())?;
    let is_breakout = alert.r#type() == AlertType::Breakout;
    let now = now_ms()?;
    Ok(is_breakout.then_some((alert.timestamp, now - alert.timestamp as f64)))
}
