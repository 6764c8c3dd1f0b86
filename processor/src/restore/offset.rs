//! Where the input goes on: the committed offset, and whether it can be believed.

use std::sync::Arc;
use std::time::Duration;

use tape_kafka::{Error, Isolation, Part};
use tape_service::Failure;

use super::{ASK_TIMEOUT, Tools};
use crate::ports::{Group as _, Question, World};

/// Wait for a committed offset, while other tasks go on.
const COMMITTED_TIMEOUT: Duration = Duration::from_secs(10);

/// Step 1: the answer, or the question when it must still wait. An open transaction of an earlier owner can make it wait for
/// seconds; tasks that run go on meanwhile.
pub(super) fn ask<W: World>(
    partition: i32,
    question: Option<Question>,
    tools: &Tools<'_, W>,
) -> Result<Result<Option<i64>, Error>, Question> {
    let input = Part::new(Arc::clone(&tools.context.input), partition);
    let mut question = question.unwrap_or_else(|| tools.consumer.ask_committed(&input, COMMITTED_TIMEOUT));
    question().ok_or(question)
}

/// Where the input goes on, and the committed offset, if there is one; or why nobody but a person can say.
pub(super) type InputOffset = Result<(i64, Option<i64>), Failure>;

pub(super) fn input_offset<W: World>(
    input: &Part,
    committed: Option<i64>,
    (low, high): (i64, i64),
    tools: &Tools<'_, W>,
) -> Result<InputOffset, Error> {
    let stop = |what: String| Ok(Err(Failure::Config(what)));
    match committed {
        None => Ok(Ok((low, None))),
        // We may have stood still between the two questions, for so long that another owner has moved on.
        Some(offset) if offset < low => match tools.consumer.committed(input, ASK_TIMEOUT)? {
            newer if newer != committed => input_offset(input, newer, (low, high), tools),
            _ => stop(format!(
                "{input}: records {offset} to {low} were deleted before they were processed; make retention longer, \
             then accept the gap with `tape reset`"
            )),
        },
        Some(offset) if offset > high => stop(format!(
            "{input}: the committed offset {offset} lies beyond the end {high}: the topic was made anew or lost records; \
             bring it back, or start over with `tape reset`"
        )),
        Some(offset) => Ok(Ok((offset, committed))),
    }
}

/// First offset and end of the logs of input and changelog, uncommitted records included.
pub(super) fn ranges<W: World>(parts: &[Part; 2], world: &W) -> Result<[(i64, i64); 2], Error> {
    let low = world.log_starts(parts, ASK_TIMEOUT)?;
    let high = world.log_ends(parts, Isolation::ReadUncommitted, ASK_TIMEOUT)?;
    Ok([0, 1].map(|at| (low[at], high[at])))
}

/// Whether somebody has committed since we asked for offset and end of the changelog. We may stand still for longer than our
/// session at any moment: then offset and state that we hold belong to two different times, and prove nothing.
pub(super) fn has_moved<W: World>(
    known: (Option<i64>, i64),
    input: &Part,
    changelog: &Part,
    tools: &Tools<'_, W>,
) -> Result<bool, Error> {
    let committed = tools.consumer.committed(input, ASK_TIMEOUT)?;
    let parts = std::slice::from_ref(changelog);
    let end = tools.context.world.log_ends(parts, Isolation::ReadUncommitted, ASK_TIMEOUT)?;
    Ok((committed, end[0]) != known)
}
