//! From a store to memory, and whether what it holds belongs to these settings and this offset.

use tape_analytics as logic;
use tape_service::Failure;
use tape_service::config::Guarantee;
use tape_state::{Entry, StoreError};

use crate::codec;
use crate::context::Context;
use crate::ports::{TaskStore, World};

/// The state of a store in memory, and its meta value.
pub(super) fn load(
    store: &impl TaskStore,
    settings: &logic::Settings,
) -> Result<(logic::Task, Option<tape_state::MetaValue>), StoreError> {
    let (mut restore, mut found) = (logic::Restore::new(settings.clone()), None);
    store.entries(&mut |entry| match entry {
        Entry::Meta(meta) => {
            restore.meta(codec::task_meta(&meta));
            found = Some(meta);
        }
        Entry::Symbol(symbol, value) => restore.symbol(symbol, codec::symbol_facts(&value)),
        Entry::Pane(symbol, start, value) => restore.pane(symbol, start, codec::pane(&value)),
    })?;
    Ok((restore.finish(), found))
}

/// Refuses a state that does not belong to these settings or to this offset.
pub(super) fn check(
    partition: i32,
    meta: Option<&tape_state::MetaValue>,
    resumes: bool,
    context: &Context<impl World>,
) -> Result<(), Failure> {
    let Context { settings, changelog, .. } = context;
    let exactly_once = context.guarantee == Guarantee::ExactlyOnce;
    let refuse = |what: String| Err(Failure::Config(what));
    match meta {
        Some(meta) if (meta.window_ms, meta.slide_ms) != (settings.window_ms, settings.slide_ms) => {
            refuse(format!(
                "task {partition}: the state was written with WINDOW_DURATION={}ms and SLIDE_DURATION={}ms, the settings say {}ms and \
             {}ms; restore the settings, or start over with `tape reset`",
                meta.window_ms, meta.slide_ms, settings.window_ms, settings.slide_ms
            ))
        }
        Some(_) if !resumes && exactly_once => refuse(format!(
            "task {partition}: there is state in {changelog} but no committed offset: the group's offsets were deleted or \
             expired; start over with `tape reset`"
        )),
        None if resumes && exactly_once => refuse(format!(
            "task {partition}: the group has committed offsets but {changelog} holds no state: the topic was deleted or \
             truncated; bring it back, or start over with `tape reset`"
        )),
        _ => Ok(()),
    }
}
