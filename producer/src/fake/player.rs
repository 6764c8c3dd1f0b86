//! Plays the tape.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::channel::Cluster;
use super::spoil::{Played, spoil};
use super::tape::{Event, Next, Tape};
use super::{Behaviour, Shared};

/// Plays until the tape ends.
pub(super) async fn play(shared: Arc<Shared>, mut tape: impl Tape) {
    let options = &shared.options;
    let mut batch = Vec::new();
    let mut number = 0;
    loop {
        match tape.next(now_ms()) {
            Next::Event(event) => {
                let cluster = event.cluster;
                if !shared.hub.has_audience(cluster, options.audience) {
                    deliver(&shared, &mut batch).await;
                    shared.hub.audience(cluster, options.audience).await;
                }
                batch.push((cluster, Arc::new(played(event, number, &options.behaviour))));
                number += 1;
                if batch.len() >= options.frame_events {
                    deliver(&shared, &mut batch).await;
                }
            }
            Next::WaitUntil(until) => {
                deliver(&shared, &mut batch).await;
                let wait = until.saturating_sub(now_ms()).max(0).cast_unsigned();
                tokio::time::sleep(Duration::from_millis(wait)).await;
            }
            Next::End => {
                deliver(&shared, &mut batch).await;
                shared.is_tape_over.store(true, Ordering::Release);
                return;
            }
        }
    }
}

async fn deliver(shared: &Shared, batch: &mut Vec<(Cluster, Arc<Played>)>) {
    for (queue, frame) in shared.hub.frames(batch) {
        queue.push(frame, shared.options.queue_bytes, shared.options.patience).await;
    }
    batch.clear();
    // A tape that is always due must not keep the connections from their turn.
    tokio::task::yield_now().await;
}

fn played(event: Event, number: u64, behaviour: &Behaviour) -> Played {
    let Event { channel_kind, symbol, mut json, .. } = event;
    let spoils = behaviour.spoils(number);
    let is_torn = spoils.is_some_and(|hash| spoil(&mut json, hash));
    Played { channel_kind, symbol, json, is_valid: spoils.is_none(), is_torn }
}

/// The wall clock in milliseconds since the Unix epoch.
fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
