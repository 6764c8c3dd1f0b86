//! The numbers of a running demo, sampled in the background: a slow answer of a server delays numbers, never the view.
//!
//! Invariant: everything on a board was asked for after [`Board::taken`]. Who waits for a lag of zero waits for a board that
//! was taken after the last record was written.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tape_db::Pool;
use tape_kafka::{Admin, Clients, Error};
use tape_service::{Config, Failure, Shutdown, metrics};
use tokio::sync::watch;

use crate::gauges::Gauges;

/// Distance of two samples; windows are shown once a second.
const EVERY: Duration = Duration::from_secs(1);
/// How long a server may take to answer; meanwhile its numbers are unknown.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);
/// Rates and quantiles are over so many samples.
const SAMPLES: usize = 10;
/// More symbols than any screen has lines.
const SYMBOLS_MAX: i64 = 200;

const NEWEST: &str = "SELECT a.symbol, a.close_price, a.avg_price, a.ma_5min, a.total_volume, a.side, \
     (extract(epoch FROM a.window_end) * 1000)::bigint \
     FROM latest_prices l JOIN stock_aggregates a USING (symbol, window_start) ORDER BY a.symbol LIMIT $1";

/// The numbers at one moment. `None`: not known yet, or the server did not answer.
#[derive(Clone, Debug)]
pub(crate) struct Board {
    /// When the sampling began.
    pub(crate) taken: Instant,
    /// Newest window of each symbol, as PostgreSQL has it.
    pub(crate) symbols: Vec<Newest>,
    /// Records that the processor has not committed.
    pub(crate) processor_lag: Option<i64>,
    /// Records of rows and alerts that the sink has not committed.
    pub(crate) sink_lag: Option<i64>,
    /// Records processed by this run.
    pub(crate) processed: u64,
    /// Records processed per second, lately.
    pub(crate) rate: f64,
    /// Time of a commit, lately: median, s.
    pub(crate) commit: Option<f64>,
    /// From the broker's time of a trade to the commit of its windows, lately: median, s.
    pub(crate) to_windows: Option<f64>,
    /// From the broker's time of a window's row to PostgreSQL, lately: median, s.
    pub(crate) to_tables: Option<f64>,
    /// Windows closed by this run.
    pub(crate) windows: u64,
    /// Records dropped as late.
    pub(crate) late: u64,
    /// Records rejected.
    pub(crate) rejected: u64,
    /// Alerts of this run, by type.
    pub(crate) alerts: BTreeMap<String, u64>,
}

/// The newest window of a symbol.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Newest {
    pub(crate) symbol: String,
    pub(crate) last: Option<f64>,
    pub(crate) average: Option<f64>,
    pub(crate) moving_average: Option<f64>,
    pub(crate) volume: f64,
    /// +1 bullish, −1 bearish, 0 neutral.
    pub(crate) side: i16,
    /// End of the window, ms.
    pub(crate) end: i64,
}

impl Board {
    /// Nothing known.
    pub(crate) fn empty() -> Self {
        Self::from_gauges(Instant::now(), &Gauges::default(), &Gauges::default(), Duration::ZERO)
    }

    /// What the process's own metrics say; `before` is `span` older.
    fn from_gauges(taken: Instant, now: &Gauges, before: &Gauges, span: Duration) -> Self {
        let count = |name: &str| now.sum(name) as u64;
        let processed = now.sum("tape_processor_records_total");
        let grown = processed - before.sum("tape_processor_records_total");
        let median = |name: &str| now.quantile_since(before, name, 0.5);
        let alerts = now.by_label("tape_processor_alerts_total", "type");
        Self {
            taken,
            symbols: Vec::new(),
            processor_lag: None,
            sink_lag: None,
            processed: processed as u64,
            rate: if span.is_zero() { 0.0 } else { grown / span.as_secs_f64() },
            commit: median("tape_processor_commit_seconds"),
            to_windows: median("tape_processor_end_to_end_seconds"),
            to_tables: median("tape_sink_latency_seconds"),
            windows: count("tape_processor_final_rows_total"),
            late: count("tape_processor_late_records_total"),
            rejected: count("tape_processor_rejected_records_total"),
            alerts: alerts.into_iter().map(|(kind, count)| (kind, count as u64)).collect(),
        }
    }
}

/// Starts sampling until the stop is requested. Must be called inside a tokio runtime.
pub(crate) fn sample(config: &Config, stop: Shutdown) -> Result<watch::Receiver<Board>, Failure> {
    let name = format!("{}-demo", config.app_id);
    let sampler = Sampler {
        admin: Arc::new(Clients::new(&config.kafka, &name).admin()?),
        pool: Pool::new(&config.db, &name)?,
        groups: Arc::new(groups(config)),
        history: VecDeque::new(),
    };
    let (sender, receiver) = watch::channel(Board::empty());
    tokio::spawn(sampler.run(sender, stop));
    Ok(receiver)
}

/// A consumer group and the topics whose lag is its own.
struct Group {
    name: String,
    topics: Vec<String>,
}

/// The processor's, then the sink's.
fn groups(config: &Config) -> [Group; 2] {
    let topics = &config.topics;
    [
        Group { name: tape_processor::group(config), topics: vec![topics.raw_trades.clone()] },
        Group {
            name: tape_sink::group(config),
            topics: vec![topics.aggregates.clone(), topics.alerts.clone()],
        },
    ]
}

struct Sampler {
    admin: Arc<Admin>,
    pool: Pool,
    groups: Arc<[Group; 2]>,
    /// The last [`SAMPLES`] readings of the metrics, oldest first.
    history: VecDeque<(Instant, Gauges)>,
}

impl Sampler {
    async fn run(mut self, boards: watch::Sender<Board>, stop: Shutdown) {
        loop {
            boards.send_replace(self.board().await);
            if !stop.pause(EVERY).await {
                return;
            }
        }
    }

    async fn board(&mut self) -> Board {
        let taken = Instant::now();
        let (lags, symbols) = tokio::join!(self.lags(), self.symbols());
        let gauges = Gauges::parse(&metrics::render());
        let board = {
            let (then, before) =
                self.history.front().map_or((taken, &gauges), |(then, before)| (*then, before));
            Board::from_gauges(taken, &gauges, before, taken.saturating_duration_since(then))
        };
        self.history.push_back((taken, gauges));
        if self.history.len() > SAMPLES {
            self.history.pop_front();
        }
        let [processor_lag, sink_lag] = lags;
        Board { symbols, processor_lag, sink_lag, ..board }
    }

    async fn lags(&self) -> [Option<i64>; 2] {
        let (admin, groups) = (Arc::clone(&self.admin), Arc::clone(&self.groups));
        let asked = tokio::task::spawn_blocking(move || {
            groups.each_ref().map(|group| {
                lag(&admin, group).map_err(|error| tracing::debug!(%error, group = group.name, "no lag")).ok()
            })
        });
        asked.await.unwrap_or_default()
    }

    async fn symbols(&self) -> Vec<Newest> {
        let question = async {
            let connection = self.pool.get().await?;
            let rows = connection.query(NEWEST, &[&SYMBOLS_MAX]).await?;
            let newest = rows.iter().map(|row| Newest {
                symbol: row.get(0),
                last: row.get(1),
                average: row.get(2),
                moving_average: row.get(3),
                volume: row.get(4),
                side: row.get(5),
                end: row.get(6),
            });
            Ok::<_, tape_db::Error>(newest.collect())
        };
        match tokio::time::timeout(ANSWER_TIMEOUT, question).await {
            Ok(Ok(symbols)) => symbols,
            Ok(Err(error)) => {
                tracing::debug!(%error, "no windows to show");
                Vec::new()
            }
            Err(_) => Vec::new(),
        }
    }
}

fn lag(admin: &Admin, group: &Group) -> Result<i64, Error> {
    let mut total = 0;
    for topic in &group.topics {
        let lags = admin.lag(&group.name, topic, ANSWER_TIMEOUT)?;
        total += lags.iter().map(tape_kafka::Lag::records).sum::<i64>();
    }
    Ok(total)
}
