//! The connections that are open.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use super::behaviour::Eviction;
use super::channel::{Cluster, Subscriptions};
use super::locked;
use super::queue::{End, Frame, Queue};
use super::spoil::Played;

/// See the module.
#[derive(Default)]
pub(super) struct Hub {
    /// By number of the connection.
    seats: Mutex<BTreeMap<u64, Seat>>,
    subscribed: Notify,
    restarted: Notify,
}

struct Seat {
    cluster: Cluster,
    /// Once it was given.
    key: Option<String>,
    subscriptions: Subscriptions,
    queue: Arc<Queue>,
}

impl Hub {
    pub(super) fn enter(&self, number: u64, cluster: Cluster) -> Arc<Queue> {
        let queue = Arc::new(Queue::default());
        let seat =
            Seat { cluster, key: None, subscriptions: Subscriptions::default(), queue: Arc::clone(&queue) };
        locked(&self.seats).insert(number, seat);
        queue
    }

    pub(super) fn leave(&self, number: u64) {
        if let Some(seat) = locked(&self.seats).remove(&number) {
            seat.queue.end(End::GONE);
        }
    }

    /// Gives a connection its key. A cluster has one connection of a key: if there are two, one is told to end.
    ///
    /// # Errors
    /// This one is to end.
    pub(super) fn authenticate(&self, number: u64, key: &str, eviction: Eviction) -> Result<(), End> {
        let mut seats = locked(&self.seats);
        let Some(cluster) = seats.get(&number).map(|seat| seat.cluster) else { return Err(End::GONE) };
        let rivals = seats.iter().filter(|(other, seat)| {
            **other != number
                && seat.cluster == cluster
                && seat.key.as_deref() == Some(key)
                && !seat.queue.is_ended()
        });
        for (_, rival) in rivals {
            match eviction {
                Eviction::Older => rival.queue.end(End::MAX_CONNECTIONS),
                Eviction::Newer => return Err(End::MAX_CONNECTIONS),
            }
        }
        if let Some(seat) = seats.get_mut(&number) {
            seat.key = Some(key.to_owned());
        }
        Ok(())
    }

    /// Changes what a connection has subscribed; nothing happens to one that has left.
    pub(super) fn subscriptions<T: Default>(
        &self,
        number: u64,
        change: impl FnOnce(&mut Subscriptions) -> T,
    ) -> T {
        let result = locked(&self.seats).get_mut(&number).map(|seat| change(&mut seat.subscriptions));
        self.subscribed.notify_waiters();
        result.unwrap_or_default()
    }

    /// Whether so many connections have subscribed something.
    pub(super) fn has_audience(&self, cluster: Cluster, least: usize) -> bool {
        let listens = |seat: &&Seat| {
            seat.cluster == cluster && !seat.subscriptions.is_empty() && !seat.queue.is_ended()
        };
        least == 0 || locked(&self.seats).values().filter(listens).count() >= least
    }

    /// Waits until so many connections have subscribed something.
    pub(super) async fn audience(&self, cluster: Cluster, least: usize) {
        loop {
            // Made before the look, so that no news falls in between.
            let news = self.subscribed.notified();
            if self.has_audience(cluster, least) {
                return;
            }
            news.await;
        }
    }

    /// The frames that a batch of elements makes, for each connection only what it has subscribed.
    pub(super) fn frames(&self, batch: &[(Cluster, Arc<Played>)]) -> Vec<(Arc<Queue>, Frame)> {
        let mut frames = Vec::new();
        for seat in locked(&self.seats).values() {
            let wanted = batch.iter().filter(|(cluster, played)| {
                *cluster == seat.cluster && seat.subscriptions.has(&played.channel_kind, &played.symbol)
            });
            let wanted: Frame = wanted.map(|(_, played)| Arc::clone(played)).collect();
            let parts = wanted.chunk_by(|left, right| !left.is_torn && !right.is_torn);
            frames.extend(parts.map(|part| (Arc::clone(&seat.queue), part.to_vec())));
        }
        frames
    }

    /// Drops all connections.
    pub(super) fn restart(&self) {
        for seat in locked(&self.seats).values() {
            seat.queue.end(End::DROP);
        }
        self.restarted.notify_waiters();
    }

    /// Waits for the next restart; for connections that have left.
    pub(super) async fn restarted(&self) {
        self.restarted.notified().await;
    }

    /// Whether nothing waits for any connection.
    pub(super) fn is_idle(&self) -> bool {
        locked(&self.seats).values().all(|seat| seat.queue.is_empty())
    }
}
