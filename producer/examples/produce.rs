//! The producer role in a program of one's own: the simulated market for `SECONDS` seconds of event time, into the topic of
//! the environment's settings (`KAFKA_BOOTSTRAP_SERVERS`, `KAFKA_TOPIC_RAW_TRADES`, …), continuing where it was.
//!
//! ```text
//! KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:9092 cargo run --release --example produce -- 1767614400000 60
//! ```
//!
//! Arguments: where the market begins (milliseconds since 1970) and how many seconds it lasts. The tests of the crate kill
//! this program at random moments and start it again.

use std::process::ExitCode;
use std::sync::Arc;

use tape_producer::simulate::Market;
use tape_producer::{SourceKind, SourceSpec};
use tape_service::{Config, Failure, Shutdown};

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(produce()),
        Err(error) => Err(Failure::Other(error.into())),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            tracing::error!("{failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

async fn produce() -> Result<(), Failure> {
    let arguments: Vec<i64> = std::env::args().skip(1).filter_map(|text| text.parse().ok()).collect();
    let [start, seconds] = arguments[..] else {
        return Err(Failure::Config("arguments: START_MS SECONDS".to_owned()));
    };
    let config =
        Config::load(std::env::vars(), None).map_err(|errors| Failure::Config(errors.to_string()))?.config;
    let market = Market { start: Some(start), end: Some(start + seconds * 1000), ..Market::default() };
    let source = SourceSpec { kind: SourceKind::Simulate(market), resume: true };
    let shutdown = Shutdown::new();
    shutdown.on_signals()?;
    tape_producer::run(Arc::new(config), source, shutdown).await
}
