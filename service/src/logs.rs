//! Log lines: text on a terminal, one JSON object a line otherwise; to stderr, because stdout belongs to output.
//!
//! - `LOG_LEVEL` is a level or filter directives; `LOG_FORMAT` forces a shape.
//! - JSON lines have `time` (RFC 3339, UTC, microseconds), `level`, `target`, `message`, and the event's fields
//!   beside them.
//! - Records of the `log` facade (librdkafka's lines among them) arrive here too, under their own target.
//! - Lines that a record can cause go through a [`LogLimiter`].
//! - WARN = went on, ERROR = failed. **Secrets, whole payloads and addresses with passwords are never logged.**

mod json;
mod limiter;

use std::fs::File;
use std::io::{self, IsTerminal};
use std::sync::Arc;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt};

pub use limiter::{LogLimiter, Suppressed};

use crate::Failure;
use crate::config::{Log, LogFormat};

/// Sends log lines to stderr from now on. The first call of a process wins; later ones (several roles in one
/// process) change nothing.
pub fn init(log: &Log) -> Result<(), Failure> {
    let terminal = io::stderr().is_terminal();
    let format = log.format.unwrap_or(if terminal { LogFormat::Text } else { LogFormat::Json });
    install(log, format, BoxMakeWriter::new(io::stderr), terminal)
}

/// As [`init`], but to a file: for programs that draw on the terminal. Without a set format: JSON lines.
pub fn init_file(log: &Log, file: File) -> Result<(), Failure> {
    install(log, log.format.unwrap_or(LogFormat::Json), BoxMakeWriter::new(Arc::new(file)), false)
}

fn install(log: &Log, format: LogFormat, writer: BoxMakeWriter, colour: bool) -> Result<(), Failure> {
    let filter = filter(&log.level).map_err(|problem| {
        Failure::Config(format!("LOG_LEVEL=\"{}\": {problem}", log.level.escape_debug()))
    })?;
    // An error means that a subscriber is installed already: the first one stays.
    let _ = Registry::default().with(filter).with(layer(format, writer, colour)).try_init();
    Ok(())
}

/// The filter of a level or directives, or what is wrong with them.
pub(crate) fn filter(level: &str) -> Result<EnvFilter, String> {
    // These write by themselves what we get as an error, too.
    let is_named = |library: &&str| level.split(',').any(|directive| directive.trim().starts_with(*library));
    let quiet = ["rdkafka", "deadpool"].iter().filter(|library| !is_named(library));
    let quiet: String = quiet.map(|library| format!(",{library}=off")).collect();
    EnvFilter::builder().parse(format!("{level}{quiet}")).map_err(|error| format!("not a filter ({error})"))
}

fn layer<S>(format: LogFormat, writer: BoxMakeWriter, colour: bool) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'span> tracing_subscriber::registry::LookupSpan<'span>,
{
    match format {
        LogFormat::Text => fmt::layer().with_writer(writer).with_ansi(colour).boxed(),
        LogFormat::Json => {
            fmt::layer().with_writer(writer).fmt_fields(JsonFields::new()).event_format(json::Lines).boxed()
        }
    }
}

#[cfg(test)]
mod tests;
