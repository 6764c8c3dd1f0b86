//! `tape config`: every setting with its effective value and where it comes from. Secrets are masked.

use std::io::Write;

use clap::Args;
use serde::Serialize;
use tape_service::Failure;
use tape_service::config::{Effective, Loaded};

use crate::output;

/// Options of `tape config`.
#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    /// One JSON array instead of a table
    #[arg(long)]
    json: bool,
}

/// A setting as JSON shows it.
#[derive(Serialize)]
struct Shown<'a> {
    name: &'a str,
    value: &'a str,
    source: String,
    /// The other name that was used to give it.
    via: Option<&'a str>,
}

/// Prints all settings, then what is worth a warning.
pub(crate) fn run(args: &ConfigArgs, loaded: &Loaded) -> Result<(), Failure> {
    let text = if args.json { json(&loaded.values)? } else { table(&loaded.values) };
    let mut stdout = output::stdout();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(|error| output::unwritten("the list of settings", error))?;
    for warning in &loaded.warnings {
        eprintln!("warning: {warning}");
    }
    Ok(())
}

fn json(values: &[Effective]) -> Result<String, Failure> {
    let shown = |value: &Effective| {
        serde_json::to_string(&Shown {
            name: value.name,
            value: &value.value,
            source: value.source.to_string(),
            via: value.via.as_deref(),
        })
    };
    let lines: Result<Vec<_>, _> = values.iter().map(shown).collect();
    let lines = lines.map_err(|error| Failure::Other(error.into()))?;
    Ok(format!("[\n{}\n]\n", lines.join(",\n")))
}

/// Name, value and source, the first and last aligned; a long value moves its own source only.
fn table(values: &[Effective]) -> String {
    /// Wider values are rare, and would push every source off the screen.
    const VALUE_WIDTH_MAX: usize = 40;
    let name_width = values.iter().map(|value| value.name.len()).max().unwrap_or_default();
    let widths = values.iter().map(|value| value.value.chars().count());
    let value_width = widths.filter(|width| *width <= VALUE_WIDTH_MAX).max().unwrap_or_default();
    let line = |value: &Effective| {
        let via = value.via.as_ref().map(|via| format!(" ({via})")).unwrap_or_default();
        format!("{:name_width$}  {:value_width$}  {}{via}\n", value.name, value.value, value.source)
    };
    values.iter().map(line).collect()
}
