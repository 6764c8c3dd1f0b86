//! `tape maintain`: keeps the database in order, once or again and again.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use tape_db::maintain::{Inventory, Step};
use tape_service::{Config, Failure};

use crate::{output, roles};

/// What is printed.
const REPORT: &str = "the report";

/// Options of `tape maintain`.
#[derive(Debug, Args)]
pub(crate) struct MaintainArgs {
    /// Stay, and do it again after this pause, such as 5m
    #[arg(long, value_name = "PAUSE", value_parser = humantime::parse_duration)]
    every: Option<Duration>,
    /// Rebuild the indexes, too, beside the old ones
    #[arg(long)]
    reindex: bool,
    /// JSON lines: one for each step, one for each table, one for each slow query
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct StepLine<'a> {
    step: &'a str,
    subject: &'a str,
    count: Option<i64>,
    seconds: f64,
}

/// Does what is due, prints each step, then the sizes and the slowest queries.
pub(crate) fn run(args: &MaintainArgs, config: Config) -> Result<(), Failure> {
    roles::until_stopped(config, async |config: Arc<Config>, shutdown| {
        loop {
            let on_step = |step: &Step| print_step(step, args.json);
            let done = tape_db::maintain::maintain(&config, args.reindex, &shutdown, on_step).await?;
            let Some(inventory) = done else { return Ok(()) };
            let text = if args.json { inventory_json(&inventory)? } else { inventory_table(&inventory) };
            output::print(REPORT, &text)?;
            match args.every {
                Some(pause) if shutdown.pause(pause).await => {}
                _ => return Ok(()),
            }
        }
    })
}

fn print_step(step: &Step, json: bool) {
    let seconds = step.took.as_secs_f64();
    let text = if json {
        let line = StepLine { step: step.what, subject: &step.subject, count: step.count, seconds };
        serde_json::to_string(&line).unwrap_or_default() + "\n"
    } else {
        let count = step.count.map(|count| format!(": {count}")).unwrap_or_default();
        format!("{} {}{count} ({seconds:.2} s)\n", step.subject, step.what)
    };
    // A reader that has gone is noticed at the end.
    let _ = output::print(REPORT, &text);
}

fn inventory_table(inventory: &Inventory) -> String {
    let mut text = format!("\n{:22} {:>12} {:>12}\n", "TABLE", "ROWS (ABOUT)", "MIB");
    for table in &inventory.tables {
        text.push_str(&format!(
            "{:22} {:>12} {:>12.1}\n",
            table.name,
            table.rows,
            table.bytes as f64 / (1 << 20) as f64
        ));
    }
    match &inventory.slow_queries {
        None => text.push_str("\nSlow queries: the extension pg_stat_statements is not in this database.\n"),
        Some(queries) => {
            text.push_str(&format!("\n{:>10} {:>10}  SLOWEST QUERIES\n", "MEAN MS", "CALLS"));
            for query in queries {
                text.push_str(&format!("{:>10.1} {:>10}  {}\n", query.mean_ms, query.calls, query.text));
            }
        }
    }
    text
}

fn inventory_json(inventory: &Inventory) -> Result<String, Failure> {
    let tables = inventory
        .tables
        .iter()
        .map(|table| serde_json::json!({ "table": table.name, "rows": table.rows, "bytes": table.bytes }));
    let queries = inventory.slow_queries.iter().flatten().map(
        |query| serde_json::json!({ "query": query.text, "calls": query.calls, "mean_ms": query.mean_ms }),
    );
    Ok(tables.chain(queries).map(|line| format!("{line}\n")).collect())
}
