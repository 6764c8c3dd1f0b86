//! Where the numbers are shown: the view on a terminal, else a line every few seconds.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tape_producer::Snapshot;

use super::board::Board;
use super::view;
use crate::backtest::grouped;

/// Distance of two lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(3);

/// What is shown.
pub(crate) struct Scene<'a> {
    /// What is being done, in a few words.
    pub(crate) phase: &'a str,
    /// Since the start of the roles.
    pub(crate) elapsed: Duration,
    /// What the producer has done.
    pub(crate) source: Snapshot,
    /// The newest numbers.
    pub(crate) board: &'a Board,
}

/// A terminal in its alternate screen, or plain lines.
pub(crate) enum Screen {
    /// A person looks at it.
    View(Box<DefaultTerminal>),
    /// A file or a pipe.
    Lines {
        /// When the last line was written, and of which phase.
        last: Option<(Instant, String)>,
    },
}

impl Screen {
    /// Takes the terminal over, if stdout is one that can be drawn on.
    pub(crate) fn open() -> Self {
        if !io::stdout().is_terminal() {
            return Self::Lines { last: None };
        }
        match ratatui::try_init() {
            Ok(terminal) => Self::View(Box::new(terminal)),
            Err(error) => {
                ratatui::restore();
                tracing::warn!(%error, "no live view on this terminal");
                Self::Lines { last: None }
            }
        }
    }

    /// Shows the scene. A terminal that cannot be drawn on is no reason to stop the pipeline.
    pub(crate) fn show(&mut self, scene: &Scene<'_>) {
        match self {
            Self::View(terminal) => {
                if let Err(error) = terminal.draw(|frame| view::draw(frame, scene)) {
                    tracing::debug!(%error, "the view was not drawn");
                }
            }
            Self::Lines { last } => {
                let is_due = last
                    .as_ref()
                    .is_none_or(|(at, phase)| at.elapsed() >= LINE_EVERY || phase != scene.phase);
                if is_due {
                    *last = Some((Instant::now(), scene.phase.to_owned()));
                    println!("{}", line(scene));
                }
            }
        }
    }

    /// How many times a stop was asked for on the keyboard since the last call.
    pub(crate) fn stops_asked(&self) -> usize {
        let mut asked = 0;
        if let Self::View(_) = self {
            while event::poll(Duration::ZERO).unwrap_or(false) {
                match event::read() {
                    Ok(Event::Key(key)) => asked += usize::from(is_stop(&key)),
                    Ok(_) => {}
                    Err(_) => break,
                }
            }
        }
        asked
    }

    /// Gives the terminal back as it was. (A panic gives it back too, by ratatui's own hook.)
    pub(crate) fn close(&mut self) {
        if let Self::View(_) = self {
            ratatui::restore();
            *self = Self::Lines { last: None };
        }
    }
}

/// While the view is on, the terminal hands Ctrl-C over as a key instead of a signal.
fn is_stop(key: &KeyEvent) -> bool {
    let control_c = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    key.kind == KeyEventKind::Press && (control_c || matches!(key.code, KeyCode::Char('q' | 'Q')))
}

/// The scene in one line.
fn line(scene: &Scene<'_>) -> String {
    let Scene { phase, elapsed, source, board } = scene;
    let alerts: u64 = board.alerts.values().sum();
    format!(
        "{:>4} s  {phase}: {} written, {} processed ({}/s), lag {} + {}, {} windows closed, {} alerts, commit {}, \
         end to end {}",
        elapsed.as_secs(),
        grouped(source.acknowledged),
        grouped(board.processed),
        grouped(board.rate as u64),
        count(board.processor_lag),
        count(board.sink_lag),
        grouped(board.windows),
        grouped(alerts),
        seconds(board.commit),
        seconds(end_to_end(board)),
    )
}

/// From the broker's time of a trade to its window in PostgreSQL: the medians of both halves.
pub(crate) fn end_to_end(board: &Board) -> Option<f64> {
    Some(board.to_windows? + board.to_tables?)
}

/// A count that may be unknown.
pub(crate) fn count(records: Option<i64>) -> String {
    records.map_or("?".to_owned(), |records| grouped(records.unsigned_abs()))
}

/// A time that may be unknown, in the unit that reads best. Medians are bucket bounds: "at most".
pub(crate) fn seconds(seconds: Option<f64>) -> String {
    match seconds {
        None => "-".to_owned(),
        Some(seconds) if seconds.is_infinite() => "> 5 min".to_owned(),
        Some(seconds) if seconds < 1.0 => format!("≤ {} ms", seconds * 1000.0),
        Some(seconds) => format!("≤ {seconds:.1} s"),
    }
}

#[cfg(test)]
mod tests;
