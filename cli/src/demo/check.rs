//! The self-check: every row and alert in PostgreSQL against a recomputation of `raw-trades`, column by column.
//!
//! 1. read both tables;
//! 2. read all of `raw-trades` from Kafka through the code of `tape backtest`, with the offsets and append times that the
//!    processor saw;
//! 3. compare;
//! 4. print the counts, and the first differences if there are any.
//!
//! - Final rows must be equal one to one in every column, doubles bit by bit.
//! - Rows closed by IDLE were closed by a clock, at a place in the log that their revision names: the recomputation closes
//!   the same windows there. They and the crosses that follow from them are counted apart.
//! - Open rows must be the windows that the recomputation has open, in every column but `ma_5min`, `side` and `revision`:
//!   those are views of the moment at which the row was made.
//! - Alerts must be equal one to one, prices included.
//!
//! Invariant: a check that did not see everything is a failure, not a success.

mod compare;
mod entry;
mod recompute;
mod tables;

use std::time::Duration;

use anyhow::anyhow;
use tape_db::Pool;
use tape_service::config::OutputMode;
use tape_service::{Config, Failure};

use crate::backtest::grouped;
use compare::{Report, Tally};
use recompute::{IdleClosings, Recomputed};
use tables::Tables;

/// As many differences are printed of each kind.
const SHOWN_MAX: usize = 5;

/// Checks, and prints what was compared. Any difference is a failure.
pub(crate) async fn run(config: &Config) -> Result<(), Failure> {
    println!("Checking: all of {} is recomputed and compared with PostgreSQL …", config.topics.raw_trades);
    let pool = Pool::new(&config.db, &format!("{}-check", config.app_id))?;
    let tables = Tables::read(&pool).await?;
    let owned = config.clone();
    let closings = IdleClosings::of(&tables.rows);
    let recomputed = tokio::task::spawn_blocking(move || recompute::run(&owned, closings)).await;
    let mut recomputed =
        recomputed.map_err(|panic| Failure::Other(anyhow!("the recomputation failed: {panic}")))??;
    if config.processing.output_mode == OutputMode::Append {
        recomputed.open.clear();
    }
    let report = compare::run(&recomputed, &tables, SHOWN_MAX);
    println!("{}", text(&report, &recomputed));
    match report.differences() {
        0 => Ok(()),
        differences => Err(Failure::Other(anyhow!(
            "the self-check found {differences} differences; if settings of the windows or alerts were changed between \
             two runs on the same topics, start afresh (other topics and database, or delete them)"
        ))),
    }
}

fn text(report: &Report, recomputed: &Recomputed) -> String {
    let counts = &recomputed.counts;
    let rejected: u64 = counts.rejected.values().sum();
    let mut lines = vec![
        format!(
            "Recomputed {} trades in {}: {} late, {} rejected.",
            grouped(counts.records),
            humantime::format_duration(Duration::from_millis(recomputed.took.as_millis() as u64)),
            grouped(counts.late),
            grouped(rejected)
        ),
        line(["", "recomputed", "PostgreSQL", "equal", "different", "missing", "extra"].map(str::to_owned)),
    ];
    lines.extend(report.tallies.iter().map(tally));
    for found in &report.tallies {
        lines.extend(found.examples.iter().map(|example| format!("  {}: {example}", found.name)));
    }
    if report.differences() == 0 {
        lines.push("No difference.".to_owned());
    }
    lines.join("\n")
}

fn tally(tally: &Tally) -> String {
    let numbers = [tally.expected, tally.found, tally.equal, tally.different, tally.missing, tally.extra];
    let [a, b, c, d, e, f] = numbers.map(|number| grouped(number as u64));
    line([tally.name.to_owned(), a, b, c, d, e, f])
}

fn line([name, numbers @ ..]: [String; 7]) -> String {
    let numbers: Vec<_> = numbers.iter().map(|number| format!("{number:>11}")).collect();
    format!("{name:24}{}", numbers.concat())
}
