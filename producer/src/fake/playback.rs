//! Tapes for a user: the simulated market, files of trades, files of the vendor's own events.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, Lines};
use std::path::Path;

use tape_proto::trade;
use tape_service::config::Format;
use tracing::warn;

use super::events::{Elements, from_line};
use super::tape::{Event, Next, Tape};
use crate::cursor::Cursor;
use crate::feed::{Feed, Poll};
use crate::files::FileError;
use crate::pace::{Pace, Pacer};
use crate::replay::ReplayFeed;
use crate::report::now_ms;
use crate::simulate::{Market, Simulation};
use crate::source::Replay;

/// See the head of this file.
pub struct Playback {
    from: From,
    /// Made and not played yet.
    ready: VecDeque<Event>,
}

enum From {
    Trades { feed: Box<Feed>, elements: Elements },
    Events { lines: Lines<BufReader<File>>, pacer: Pacer, waiting: Option<(i64, Event)> },
    Nothing,
}

impl Playback {
    /// The simulated market from now on, or from its own start.
    #[must_use]
    pub fn simulate(market: &Market) -> Self {
        let start = market.start.unwrap_or_else(now_ms);
        let simulation = Simulation::new(market, start, Format::Json, Cursor::fresh(1));
        Self::of(From::Trades {
            feed: Box::new(Feed::Simulation(Box::new(simulation))),
            elements: Elements::default(),
        })
    }

    /// Files of trades, or one file that holds an event of the vendor in each line (`{"ev":"T",…}`); of such a file only the
    /// pace is looked at, and it has no speed: its events are due as fast as they are taken, or at a rate.
    ///
    /// # Errors
    /// A file cannot be opened or understood.
    pub fn files(replay: &Replay) -> Result<Self, FileError> {
        if let [file] = &replay.files[..]
            && let Some(lines) = events(file)?
        {
            let pace = if matches!(replay.pace, Pace::Speed(_)) { Pace::Unlimited } else { replay.pace };
            return Ok(Self::of(From::Events { lines, pacer: Pacer::new(pace), waiting: None }));
        }
        let feed = ReplayFeed::open(replay, Format::Json, Cursor::fresh(1))?;
        Ok(Self::of(From::Trades {
            feed: Box::new(Feed::Replay(Box::new(feed))),
            elements: Elements::default(),
        }))
    }

    fn of(from: From) -> Self {
        Self { from, ready: VecDeque::new() }
    }
}

/// The lines of a file whose first one is an event of the vendor.
fn events(path: &Path) -> Result<Option<Lines<BufReader<File>>>, FileError> {
    let failed = |error| FileError::Open { file: path.display().to_string(), error };
    let open = || File::open(path).map(BufReader::new).map_err(failed);
    let mut first = String::new();
    // A file that is not text is not one of these.
    if open()?.read_line(&mut first).is_err() || from_line(&first).is_none() {
        return Ok(None);
    }
    Ok(Some(open()?.lines()))
}

impl Tape for Playback {
    fn next(&mut self, now_ms: i64) -> Next {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Next::Event(event);
            }
            let step = match &mut self.from {
                From::Nothing => return Next::End,
                From::Trades { feed, elements } => trade(feed, elements, &mut self.ready, now_ms),
                From::Events { lines, pacer, waiting } => {
                    event(lines, pacer, waiting, &mut self.ready, now_ms)
                }
            };
            match step {
                Step::Made => {}
                Step::Wait(until) => return Next::WaitUntil(until),
                Step::End => self.from = From::Nothing,
            }
        }
    }
}

enum Step {
    /// Something is ready, or something was left out: look again.
    Made,
    Wait(i64),
    End,
}

fn trade(feed: &mut Feed, elements: &mut Elements, ready: &mut VecDeque<Event>, now: i64) -> Step {
    let mut made = Vec::new();
    let step = match feed.poll(now) {
        Ok(Poll::Record(record)) => {
            // What is no trade on purpose (poison) has no counterpart at the vendor.
            if let Ok(trade) = trade::decode(Some(record.key), record.value) {
                elements.trade(&trade, record.number, &mut made);
            }
            Step::Made
        }
        Ok(Poll::Wait(until)) => Step::Wait(until),
        Ok(Poll::End) => {
            elements.finish(&mut made);
            Step::End
        }
        Err(error) => {
            warn!(%error, "the tape ends here");
            Step::End
        }
    };
    ready.extend(made);
    step
}

fn event(
    lines: &mut Lines<BufReader<File>>,
    pacer: &mut Pacer,
    waiting: &mut Option<(i64, Event)>,
    ready: &mut VecDeque<Event>,
    now: i64,
) -> Step {
    if waiting.is_none() {
        *waiting = match lines.next() {
            None => return Step::End,
            Some(Err(error)) => {
                warn!(%error, "the tape ends here");
                return Step::End;
            }
            Some(Ok(line)) => from_line(&line).map(|event| (pacer.due(now, 0), event)),
        };
    }
    match waiting.take() {
        Some((due, event)) if due > now => {
            *waiting = Some((due, event));
            Step::Wait(due)
        }
        Some((_, event)) => {
            ready.push_back(event);
            Step::Made
        }
        None => Step::Made,
    }
}
