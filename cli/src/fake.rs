//! `tape fake-massive`: a server that speaks the vendor's protocol, for demonstrations and tests without a key.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use tape_producer::fake::rest::{Archive, RestOptions, RestServer};
use tape_producer::fake::{Behaviour, Options, Playback, Server};
use tape_producer::simulate::Market;
use tape_producer::{Replay, SourceKind, SourceSpec};
use tape_service::{Config, Failure, Shutdown};
use tracing::info;

use crate::roles::until_stopped;
use crate::source::{duration, millis, pace};

const HELP: &str = "\
EXAMPLES
  A market that does not exist, and a producer that follows it:
      tape fake-massive --simulate --symbols AAPL,TSLA,BTC-USD
      MASSIVE_API_KEY=any MASSIVE_WS_URL=ws://127.0.0.1:9470/stocks tape produce
  Trades of a file, each when it happened after the one before:
      tape fake-massive --file trades.csv --speed 1
  Events as the vendor writes them, one a line, a thousand a second:
      tape fake-massive --file events.jsonl --rate 1000
  Interruptions, and the trades that were missed (for MASSIVE_BACKFILL) over REST:
      tape fake-massive --simulate --live --restart-every 30s --rest 127.0.0.1:9471

Clusters /stocks and /crypto are served on one address, plain (ws://). Symbols with a hyphen are crypto. Of every trade there is \
its own event (T, XT) and the bars of its second and minute (A AM, XAS XA); who has subscribed which gets it. The tape stands \
still until somebody has subscribed, unless --live. It is a reading of the published protocol, not the vendor's server.";

/// Options of `tape fake-massive`.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub(crate) struct FakeArgs {
    /// Play these files: trades (as `--source replay` reads them), or one file of the vendor's events as JSON lines
    #[arg(long, value_name = "FILE,…", value_delimiter = ',', required_unless_present = "simulate")]
    file: Vec<PathBuf>,
    /// Play the simulated market
    #[arg(long, conflicts_with = "file")]
    simulate: bool,
    /// Where to listen
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9470")]
    bind: SocketAddr,
    /// Answer /v3/trades/TICKER there, over all trades played so far; they are kept in memory
    #[arg(long, value_name = "ADDRESS:PORT")]
    rest: Option<SocketAddr>,
    /// The only key that is right [default: any]
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Trades a second; of a file [default: as fast as they are taken], of the simulation [default: 200]
    #[arg(long, value_name = "N")]
    rate: Option<u32>,
    /// Play a file so many times as fast as it happened
    #[arg(long, value_name = "FACTOR", conflicts_with = "rate")]
    speed: Option<f64>,
    /// Another seed is another market [default: 1]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// What the simulation trades [default: SYMBOLS, and well-known ones until there are eight]
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    symbols: Vec<String>,
    /// A twentieth of the simulated trades arrive up to so much later than they happened [default: 2s]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    disorder: Option<Duration>,
    /// Go on while nobody listens, as the real market does
    #[arg(long)]
    live: bool,
    /// Drop all connections so often
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    restart_every: Option<Duration>,
    /// Share of events that are spoilt, 0 to 1 [default: 0]
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    spoilt_share: f64,
}

/// Serves until a stop is requested.
pub(crate) fn run(args: &FakeArgs, config: Config) -> Result<(), Failure> {
    let tape = args.tape(&config)?;
    let (options, rest) = (args.options()?, args.rest);
    until_stopped(config, async move |_, shutdown| serve(options, rest, tape, shutdown).await)
}

impl FakeArgs {
    fn tape(&self, config: &Config) -> Result<Playback, Failure> {
        if self.simulate {
            let plain = Market::default();
            let market = Market {
                seed: self.seed.unwrap_or(plain.seed),
                rate: self.rate.unwrap_or(plain.rate),
                symbols: self.symbols.clone(),
                disorder_ms: self.disorder.map_or(plain.disorder_ms, millis),
                ..plain
            };
            let market = market.with_symbols(&config.source.symbols);
            checked(SourceKind::Simulate(market.clone()))?;
            return Ok(Playback::simulate(&market));
        }
        let pace = pace(self.rate, self.speed);
        let replay = Replay { files: self.file.clone(), pace, ..Replay::default() };
        checked(SourceKind::Replay(replay.clone()))?;
        Playback::files(&replay).map_err(|error| Failure::Config(error.to_string()))
    }

    fn options(&self) -> Result<Options, Failure> {
        if !(0.0..=1.0).contains(&self.spoilt_share) {
            return Err(Failure::Config(format!("--spoilt-share {}: give 0 to 1", self.spoilt_share)));
        }
        let behaviour = Behaviour {
            spoilt_share: self.spoilt_share,
            seed: self.seed.unwrap_or(1),
            restart_every: self.restart_every,
            ..Behaviour::default()
        };
        Ok(Options {
            bind: self.bind,
            key: self.key.clone(),
            audience: usize::from(!self.live),
            behaviour,
            ..Options::default()
        })
    }
}

fn checked(kind: SourceKind) -> Result<(), Failure> {
    SourceSpec::new(kind).check().map_err(|error| Failure::Config(error.to_string()))
}

async fn serve(
    options: Options,
    rest: Option<SocketAddr>,
    tape: Playback,
    shutdown: Shutdown,
) -> Result<(), Failure> {
    let taken =
        |option, bind, error| Failure::Config(format!("{option} {bind}: {error}; choose another port"));
    let (bind, archive) = (options.bind, Archive::default());
    let past = match rest {
        None => None,
        Some(bind) => {
            let options = RestOptions { bind, key: options.key.clone(), ..RestOptions::default() };
            let started = RestServer::start(options, archive.clone()).await;
            Some(started.map_err(|error| taken("--rest", bind, error))?)
        }
    };
    let started = match &past {
        None => Server::start(options, tape).await,
        Some(_) => Server::start(options, archive.record(tape)).await,
    };
    let server = started.map_err(|error| taken("--bind", bind, error))?;
    let address = server.address();
    if let Some(past) = &past {
        info!("serving http://{}/v3/trades/TICKER", past.address());
    }
    info!("serving ws://{address}/stocks and ws://{address}/crypto");
    while shutdown.pause(Duration::from_secs(10)).await {
        let counts = server.counters();
        info!(connections = counts.connections, frames = counts.frames, events = ?counts.events, "playing");
    }
    server.stop().await;
    Ok(())
}
