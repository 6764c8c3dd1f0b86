//! From a store to memory, and whether what it holds belongs to these settings and this offset.

use tape_analytics as logic;
use tape_kafka::TopicId;
use tape_service::Failure;
use tape_service::config::Guarantee;
use tape_state::{Entry, Key, MetaValue, Plan, StoreError};

use super::Hitch;
use crate::codec;
use crate::context::Context;
use crate::ports::{TaskStore, World};

/// The state of a store in memory, and its meta value.
pub(crate) fn load(
    store: &impl TaskStore,
    settings: &logic::Settings,
) -> Result<(logic::Task, Option<MetaValue>), StoreError> {
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

/// The way to the end of a changelog that holds `low..high`.
///
/// A store that names another changelog than the one that bears the name now belongs to a topic that was deleted, whatever
/// the offsets say. Where the new one's first records were deleted, somebody has started over since: only `tape reset` does
/// that, and then the changelog alone says what the state is.
pub(super) fn plan<W: World>(
    partition: i32,
    store: &W::Store,
    (low, high): (i64, i64),
    context: &Context<W>,
) -> Result<Plan, Hitch<W::Store>> {
    let stored = store.changelog_offset();
    let known = meta_of(store)?.and_then(|meta| meta.changelog_id).map(TopicId);
    match (stored, known, context.ids().changelog) {
        (Some(stored), Some(known), Some(now)) if known != now && low > 0 => {
            Ok(Plan::Wipe { from: low, stored })
        }
        (Some(_), Some(known), Some(now)) if known != now => Err(Hitch::Stop(Failure::Config(format!(
            "task {partition}: {} was deleted and made anew since the local state was written (topic id {known}, now {now}); bring \
             the topic back, or start over with `tape reset`",
            context.changelog
        )))),
        _ => Ok(Plan::of(stored, low, high)),
    }
}

/// The generation of a store, if it has one.
pub(super) fn generation_of(store: &impl TaskStore) -> Result<Option<u32>, StoreError> {
    Ok(meta_of(store)?.map(|meta| meta.generation))
}

/// The meta value of a store, if there is a readable one; damage is for [`load`] to report.
fn meta_of(store: &impl TaskStore) -> Result<Option<MetaValue>, StoreError> {
    let mut key = Vec::new();
    let encoded = Key::Meta.encode(&mut key).is_ok();
    debug_assert!(encoded, "the key of the meta value is fixed");
    Ok(store.get(&key)?.and_then(|value| MetaValue::decode(&value).ok()))
}

/// Refuses a state that does not belong to these settings or to this offset. `wiped`: the generation of the store that was
/// emptied before, because the changelog no longer holds what it missed; only a reset may do that, and it takes the next one.
pub(super) fn check(
    partition: i32,
    meta: Option<&MetaValue>,
    resumes: bool,
    wiped: Option<u32>,
    context: &Context<impl World>,
) -> Result<(), Failure> {
    let Context { settings, changelog, input, .. } = context;
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
        Some(MetaValue { changelog_id: Some(known), .. }) if !same(*known, context.ids().changelog) => {
            let now = context.ids().changelog.map(|id| id.to_string()).unwrap_or_default();
            refuse(format!(
                "task {partition}: {changelog} was deleted and made anew while the processor was running (topic id {}, now {now}), \
                 and lacks what was written before; start over with `tape reset`",
                TopicId(*known)
            ))
        }
        Some(meta) if wiped.is_some_and(|wiped| meta.generation <= wiped) => refuse(format!(
            "task {partition}: records of {changelog} were deleted, but not by `tape reset`: what the local state had of them is \
             nowhere else; start over with `tape reset`"
        )),
        Some(MetaValue { input_id: Some(known), .. }) if !same(*known, context.ids().input) => {
            let now = context.ids().input.map(|id| id.to_string()).unwrap_or_default();
            refuse(format!(
                "task {partition}: {input} was deleted and made anew since the state was written (topic id {}, now {now}): the \
                 committed offset counts records of the old topic; bring that back, or start over with `tape reset`",
                TopicId(*known)
            ))
        }
        Some(MetaValue { partitions: Some(known), .. })
            if context.ids().partitions.is_some_and(|now| now != *known) =>
        {
            refuse(format!(
                "task {partition}: {input} has {} partitions now, it had {known} when the state was written: symbols have moved away \
                 from their state; start over with `tape reset`",
                context.ids().partitions.unwrap_or_default()
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

/// Nobody knows, or it is the same topic.
fn same(known: [u8; 16], now: Option<TopicId>) -> bool {
    now.is_none_or(|now| now.0 == known)
}
