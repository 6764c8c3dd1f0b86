//! From lines of files to records of the engine.

use std::path::Path;

use tape_producer::files::{Line, Merge, Position, Reject};
use tape_proto::messages::is_symbol;
use tape_service::Failure;

use super::engine::{Engine, Place, Placed, Unreadable};
use super::files::Files;
use super::progress::Progress;
use super::unreadable;

/// Reads the merge to its end.
pub(super) fn run(
    merge: &mut Merge,
    engine: &mut Engine,
    files: &mut Files,
    progress: &mut Progress,
) -> Result<(), Failure> {
    while merge.advance().map_err(unreadable)? {
        if let Some(line) = merge.line() {
            take(&line, engine, files)?;
        }
        progress.turn(|| merge.bytes_read());
    }
    Ok(())
}

/// Takes one line: a trade, or a reject with its reason.
fn take(line: &Line<'_>, engine: &mut Engine, files: &mut Files) -> Result<(), Failure> {
    let (place, trade) = match (line.position(), line.trade()) {
        (Ok(position), trade) => (place(position), trade),
        (Err(_), Err(reject)) => (Place::default(), Err(reject)),
        (Err(reject), Ok(_)) => (Place::default(), Err(reject)),
    };
    match trade {
        Ok(trade) => {
            let placed = engine.accept(place, &trade, files).map_err(|error| files.unwritten(error))?;
            match placed.refusal {
                None => Ok(()),
                Some(refusal) => files.reject(&rejected(line, placed), refusal.code(), &refusal),
            }
        }
        Err(reject) => refuse(line, place, &reject, engine, files),
    }
}

fn refuse(
    line: &Line<'_>,
    place: Place,
    reject: &Reject,
    engine: &mut Engine,
    files: &mut Files,
) -> Result<(), Failure> {
    let symbol = line.symbol();
    let symbol = symbol.as_deref().filter(|symbol| is_symbol(symbol));
    let placed = engine.refuse(place, Unreadable { symbol, code: reject.code() });
    files.reject(&rejected(line, placed), reject.code(), reject)
}

fn place(position: Position) -> Place {
    Place { partition: position.partition, offset: position.offset, append_time: position.append_time }
}

/// Which line was rejected, and where it stood in the log.
pub(super) struct Rejected<'a> {
    pub(super) file: &'a Path,
    /// Line of its file, from 1.
    pub(super) line: u64,
    /// Number in the whole input, from 0.
    pub(super) record: u64,
    pub(super) partition: i32,
    pub(super) offset: i64,
}

fn rejected<'a>(line: &Line<'a>, placed: Placed) -> Rejected<'a> {
    Rejected {
        file: line.file(),
        line: line.line,
        record: line.number,
        partition: placed.partition,
        offset: placed.offset,
    }
}
