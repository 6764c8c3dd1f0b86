//! Options that name a source of trades, for `produce` and `demo`. The sources themselves and the ranges of their options
//! live in `tape-producer`; here is only their spelling, and which option belongs to which source.

use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use clap::Args;
use tape_producer::simulate::Market;
use tape_producer::{Pace, Replay, Source, SourceKind, SourceSpec, Venue};
use tape_service::Failure;

use crate::layout::LayoutArgs;

const PRODUCE_HELP: &str = "\
EXAMPLES
  MASSIVE_API_KEY_FILE=key tape produce
  SYMBOLS=BTC-USD,ETH-USD tape produce --source coinbase
  tape produce --source replay:trades.csv --resume
  tape produce --source replay:a.csv,b.csv --speed 60
  tape produce --source replay:bars.csv --symbol AAPL --columns price=close,size=qty
  tape produce --source simulate --rate 1000 --seed 7 --resume

The live feeds follow SYMBOLS (tape config lists it, and its default). massive needs a key and takes what CHANNELS says, by default \
second bars; coinbase needs none and takes trades of the crypto pairs. While the brokers are away records wait on disk, in \
STATE_DIR/spool.

Every record says in a header which source it comes from and its number there. With --resume a run continues exactly \
after the last record that raw-trades has of the same source; without, it writes the source anew, and a trade that was \
written twice counts twice.";

/// Options of `tape produce`.
#[derive(Debug, Args)]
#[command(after_long_help = PRODUCE_HELP)]
pub(crate) struct ProduceArgs {
    /// Where trades come from: `massive` or `coinbase` (live feeds), `replay:FILE[,FILE…]` (CSV or JSON lines, merged by time) or `simulate`
    #[arg(long, value_name = "SOURCE", default_value = "massive")]
    source: String,
    /// Continue after what raw-trades already has of this source
    #[arg(long)]
    resume: bool,
    #[command(flatten)]
    options: SourceOptions,
}

impl ProduceArgs {
    /// The source, checked.
    pub(crate) fn source(&self) -> Result<Source, Failure> {
        let Some(venue) = Venue::from_name(&self.source) else {
            return spec(&self.source, self.resume, &self.options).map(Source::Recorded);
        };
        let mut options = self.options.of_simulation();
        options.extend(self.options.of_replay());
        options.extend(given(&[("--rate", self.options.rate.is_some()), ("--resume", self.resume)]));
        refuse("a live feed", "a replay or a simulation", &options)?;
        Ok(Source::Live(venue))
    }
}

/// What there is to say about a source besides its name.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct SourceOptions {
    /// Trades per second; of a replay as written [default: as fast as the brokers take it], of a simulation as traded [default: 200]
    #[arg(long, value_name = "N", help_heading = "Pace")]
    rate: Option<u32>,
    /// Replay so many times as fast as it happened; 1 = as it happened
    #[arg(long, value_name = "FACTOR", conflicts_with = "rate", help_heading = "Pace")]
    speed: Option<f64>,
    #[command(flatten)]
    layout: LayoutArgs,
    /// Write lines of a replay that are no trades to this file; they are counted in any case
    #[arg(long, value_name = "FILE", help_heading = "CSV files")]
    rejects: Option<PathBuf>,
    /// Another seed is another market [default: 1]
    #[arg(long, value_name = "N", help_heading = "Simulation")]
    seed: Option<u64>,
    /// What is traded [default: SYMBOLS, and well-known ones until there are eight]
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', help_heading = "Simulation")]
    symbols: Vec<String>,
    /// Where it begins: milliseconds since 1970, or a time such as 2026-01-31T14:30:00Z [default: two hours ago]
    #[arg(long, value_name = "TIME", value_parser = time, help_heading = "Simulation")]
    start: Option<i64>,
    /// Where it ends [default: never]
    #[arg(long, value_name = "TIME", value_parser = time, help_heading = "Simulation")]
    end: Option<i64>,
    /// A twentieth of the trades arrive up to so much later than they happened [default: 2s]
    #[arg(long, value_name = "DURATION", value_parser = duration, help_heading = "Simulation")]
    disorder: Option<Duration>,
    /// Share of trades that arrive minutes late, 0 to 1 [default: 0]
    #[arg(long, value_name = "SHARE", help_heading = "Simulation")]
    late_share: Option<f64>,
    /// Share of records that are no trades, 0 to 1 [default: 0]
    #[arg(long, value_name = "SHARE", help_heading = "Simulation")]
    poison_share: Option<f64>,
}

/// The source that was asked for, checked.
pub(crate) fn spec(source: &str, resume: bool, options: &SourceOptions) -> Result<SourceSpec, Failure> {
    let refused = |error: tape_producer::SourceError| Failure::Config(error.to_string());
    let kind = match source.parse::<SourceKind>().map_err(refused)? {
        SourceKind::Replay(replay) => SourceKind::Replay(options.replay(replay)?),
        SourceKind::Simulate(market) => SourceKind::Simulate(options.market(market)?),
    };
    let spec = SourceSpec { kind, resume };
    spec.check().map_err(refused)?;
    Ok(spec)
}

impl SourceOptions {
    /// Options for the real tape: one symbol, a seller's size negative.
    pub(crate) fn of_real_tape() -> Self {
        let layout =
            LayoutArgs { symbol: Some("XBTUSD".to_owned()), absolute_size: true, ..LayoutArgs::default() };
        Self { layout, ..Self::default() }
    }

    fn replay(&self, replay: Replay) -> Result<Replay, Failure> {
        refuse("a replay", "a simulation", &self.of_simulation())?;
        let pace = pace(self.rate, self.speed);
        Ok(Replay { layout: self.layout.layout(), pace, rejects: self.rejects.clone(), ..replay })
    }

    fn market(&self, market: Market) -> Result<Market, Failure> {
        refuse("a simulation", "a replay", &self.of_replay())?;
        Ok(Market {
            seed: self.seed.unwrap_or(market.seed),
            rate: self.rate.unwrap_or(market.rate),
            start: self.start,
            end: self.end,
            symbols: self.symbols.clone(),
            disorder_ms: self.disorder.map_or(market.disorder_ms, millis),
            late_share: self.late_share.unwrap_or(market.late_share),
            poison_share: self.poison_share.unwrap_or(market.poison_share),
        })
    }

    fn of_simulation(&self) -> Vec<&'static str> {
        given(&[
            ("--seed", self.seed.is_some()),
            ("--symbols", !self.symbols.is_empty()),
            ("--start", self.start.is_some()),
            ("--end", self.end.is_some()),
            ("--disorder", self.disorder.is_some()),
            ("--late-share", self.late_share.is_some()),
            ("--poison-share", self.poison_share.is_some()),
        ])
    }

    fn of_replay(&self) -> Vec<&'static str> {
        let mut names = given(&[("--speed", self.speed.is_some()), ("--rejects", self.rejects.is_some())]);
        names.extend(self.layout.given());
        names
    }
}

fn given(options: &[(&'static str, bool)]) -> Vec<&'static str> {
    options.iter().filter_map(|(name, is_given)| is_given.then_some(*name)).collect()
}

/// One line for each option that belongs to the other source.
fn refuse(source: &str, other: &str, options: &[&str]) -> Result<(), Failure> {
    if options.is_empty() {
        return Ok(());
    }
    let line = |name: &&str| format!("{name}: not an option of {source}, only of {other}: remove it");
    Err(Failure::Config(options.iter().map(line).collect::<Vec<_>>().join("\n")))
}

/// The pace of files.
pub(crate) fn pace(rate: Option<u32>, speed: Option<f64>) -> Pace {
    match (rate, speed) {
        (Some(rate), _) => Pace::Rate(rate),
        (None, Some(speed)) => Pace::Speed(speed),
        (None, None) => Pace::Unlimited,
    }
}

pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|_| "write a duration such as 250ms, 2s or 1m".to_owned())
}

/// A moment, epoch ms: as a number, as a time, or as a day (its first moment, UTC).
pub(crate) fn time(text: &str) -> Result<i64, String> {
    if let Ok(ms) = text.parse::<u64>() {
        return i64::try_from(ms).map_err(|_| "too far in the future".to_owned());
    }
    let midnight = format!("{text}T00:00:00Z");
    let is_day = text.len() == "2026-01-31".len();
    let time = humantime::parse_rfc3339_weak(if is_day { &midnight } else { text })
        .map_err(|_| "write milliseconds since 1970, or a time such as 2026-01-31T14:30:00Z".to_owned())?;
    time.duration_since(UNIX_EPOCH).map(millis).map_err(|_| "write a time after 1970".to_owned())
}

#[cfg(test)]
mod tests;
