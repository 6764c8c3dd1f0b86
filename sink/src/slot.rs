//! The two tables and the partitions that feed them, as small copyable keys.

use std::sync::Arc;

use tape_kafka::Part;
use tape_service::config::Topics;

/// A table, and with it the topic that feeds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Table {
    /// `stock_aggregates`.
    Aggregates,
    /// `breakout_alerts`.
    Alerts,
}

impl Table {
    pub(crate) const ALL: [Self; 2] = [Self::Aggregates, Self::Alerts];

    /// The table's name, as SQL and metrics spell it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Aggregates => "stock_aggregates",
            Self::Alerts => "breakout_alerts",
        }
    }
}

/// One partition of one of the two topics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Slot {
    pub(crate) table: Table,
    pub(crate) partition: i32,
}

/// The names of the two topics.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    aggregates: Arc<str>,
    alerts: Arc<str>,
}

impl Names {
    pub(crate) fn new(topics: &Topics) -> Self {
        Self { aggregates: topics.aggregates.as_str().into(), alerts: topics.alerts.as_str().into() }
    }

    pub(crate) fn topic(&self, table: Table) -> &Arc<str> {
        match table {
            Table::Aggregates => &self.aggregates,
            Table::Alerts => &self.alerts,
        }
    }

    /// The table of a topic that we subscribed to.
    pub(crate) fn table(&self, topic: &str) -> Option<Table> {
        Table::ALL.into_iter().find(|&table| self.topic(table).as_ref() == topic)
    }

    pub(crate) fn part(&self, slot: Slot) -> Part {
        Part { topic: Arc::clone(self.topic(slot.table)), partition: slot.partition }
    }

    pub(crate) fn slot(&self, part: &Part) -> Option<Slot> {
        Some(Slot { table: self.table(&part.topic)?, partition: part.partition })
    }
}
