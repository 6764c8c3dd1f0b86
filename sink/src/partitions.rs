//! Which partitions are ours, and how far each is.
//!
//! ```text
//!            assigned                  offset read from SQL
//!   (none) ───────────▶ Parked ───────────────────────────────▶ Running
//!     ▲                   │  ▲                                     │
//!     └── revoked, lost ──┘  └── anything in doubt (an error, a ───┘
//!     ▲                          fence, an unknown COMMIT)         │
//!     └────────────────────── revoked, lost ───────────────────────┘
//! ```
//!
//! - `Parked`: assigned, nothing is delivered. The way out is always the same: ask SQL where the table stands, seek there.
//! - `Running`: `stored` is what `sink_offsets` holds, so what the next transaction must find there; `read` is the next
//!   offset to accept, so `stored ≤ read`, equal when nothing waits.
//!
//! Invariant: an offset is accepted at most once in a stay in `Running`, and in ascending order.

use std::collections::BTreeMap;

use crate::slot::Slot;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Parked,
    Running { stored: i64, read: i64 },
}

/// The partitions assigned to this sink.
#[derive(Debug, Default)]
pub(crate) struct Partitions {
    phases: BTreeMap<Slot, Phase>,
}

impl Partitions {
    pub(crate) fn assigned(&mut self, slot: Slot) {
        self.phases.insert(slot, Phase::Parked);
    }

    pub(crate) fn removed(&mut self, slot: Slot) {
        self.phases.remove(&slot);
    }

    /// Leaves `Parked`: SQL says `stored`, reading goes on at `read` (beyond it only when the log lost records).
    pub(crate) fn started(&mut self, slot: Slot, stored: i64, read: i64) {
        if let Some(phase) = self.phases.get_mut(&slot) {
            *phase = Phase::Running { stored, read };
        }
    }

    /// Back to `Parked`; gives the partitions that were running.
    pub(crate) fn park_all(&mut self) -> Vec<Slot> {
        let running = self.running();
        for phase in self.phases.values_mut() {
            *phase = Phase::Parked;
        }
        running
    }

    /// True when the record is the next one of a running partition.
    pub(crate) fn accept(&mut self, slot: Slot, offset: i64) -> bool {
        match self.phases.get_mut(&slot) {
            Some(Phase::Running { read, .. }) if offset >= *read => {
                *read = offset + 1;
                true
            }
            _ => false,
        }
    }

    /// The transaction that moved the stored offset is through.
    pub(crate) fn written(&mut self, slot: Slot, next: i64) {
        if let Some(Phase::Running { stored, .. }) = self.phases.get_mut(&slot) {
            *stored = next;
        }
    }

    /// What the next transaction must find in `sink_offsets`.
    pub(crate) fn stored(&self, slot: Slot) -> Option<i64> {
        match self.phases.get(&slot)? {
            Phase::Running { stored, .. } => Some(*stored),
            Phase::Parked => None,
        }
    }

    /// True when everything accepted is written.
    pub(crate) fn is_clean(&self, slot: Slot) -> bool {
        matches!(self.phases.get(&slot), Some(Phase::Running { stored, read }) if stored == read)
    }

    pub(crate) fn parked(&self) -> Vec<Slot> {
        self.phases.iter().filter(|(_, phase)| **phase == Phase::Parked).map(|(slot, _)| *slot).collect()
    }

    pub(crate) fn running(&self) -> Vec<Slot> {
        self.phases.iter().filter(|(_, phase)| **phase != Phase::Parked).map(|(slot, _)| *slot).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.phases.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slot::Table;

    const A: Slot = Slot { table: Table::Aggregates, partition: 0 };
    const B: Slot = Slot { table: Table::Alerts, partition: 0 };

    #[test]
    fn a_partition_delivers_only_while_it_runs() {
        let mut partitions = Partitions::default();
        assert!(!partitions.accept(A, 5));
        partitions.assigned(A);
        assert!(!partitions.accept(A, 5));
        assert_eq!(partitions.parked(), [A]);
        partitions.started(A, 5, 5);
        assert!(!partitions.accept(A, 4) && partitions.accept(A, 5) && !partitions.accept(A, 5));
        assert!(partitions.accept(A, 9), "offsets have gaps");
        assert!(!partitions.is_clean(A));
        assert_eq!(partitions.stored(A), Some(5));
        partitions.written(A, 10);
        assert!(partitions.is_clean(A));
        assert_eq!(partitions.park_all(), [A]);
        assert!(!partitions.accept(A, 11));
        assert_eq!(partitions.stored(A), None);
        partitions.removed(A);
        assert_eq!(partitions.len(), 0);
    }

    #[test]
    fn a_partition_that_is_not_ours_does_not_start() {
        let mut partitions = Partitions::default();
        partitions.assigned(A);
        partitions.started(A, 0, 0);
        partitions.started(B, 0, 0);
        assert_eq!((partitions.running(), partitions.parked()), (vec![A], vec![]));
    }
}
