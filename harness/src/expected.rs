//! What the oracle makes of a log, and where its records go.

use std::collections::BTreeMap;

use tape_oracle as oracle;
use tape_proto::partition;

use crate::PARTITIONS;

/// What the oracle makes of the log of each partition.
pub fn expected(inputs: &[oracle::Input], settings: &oracle::Settings) -> Vec<oracle::Oracle> {
    let mut partitions = vec![oracle::Oracle::new(settings.clone()); partition_count()];
    let mut offsets = vec![0; partition_count()];
    for input in inputs {
        let at = usize::try_from(place(input)).expect("not negative");
        partitions[at].step(&oracle::Record {
            offset: offsets[at],
            append_time: None,
            trade: input.trade.clone(),
        });
        offsets[at] += 1;
    }
    partitions
}

/// Rows or alerts of all partitions, by symbol.
pub fn by_symbol<T: Clone>(
    partitions: &[oracle::Oracle],
    items: impl Fn(&oracle::Oracle) -> Vec<T>,
    symbol: impl Fn(&T) -> &str,
) -> BTreeMap<String, Vec<T>> {
    let mut found = BTreeMap::<_, Vec<_>>::new();
    for item in partitions.iter().flat_map(items) {
        found.entry(symbol(&item).to_owned()).or_default().push(item);
    }
    found
}

/// One record per partition that closes every window before it.
pub fn closing(market: &oracle::Market) -> Vec<oracle::Input> {
    closing_of(market, PARTITIONS)
}

/// The same for a topic with so many partitions.
pub fn closing_of(market: &oracle::Market, partitions: i32) -> Vec<oracle::Input> {
    (0..partitions)
        .map(|wanted| {
            let symbol = (0..)
                .map(|n| format!("END{n}"))
                .find(|symbol| partition::partition(symbol.as_bytes(), partitions) == wanted);
            market.closing(&symbol.expect("some name lands in each partition"))
        })
        .collect()
}

pub(crate) fn place(input: &oracle::Input) -> i32 {
    place_of(input, PARTITIONS)
}

/// Where the partitioner would put a record in a topic with so many partitions; one without key goes to partition 0.
pub fn place_of(input: &oracle::Input, partitions: i32) -> i32 {
    input.key.as_deref().map_or(0, |key| partition::partition(key, partitions))
}

/// Final rows of all partitions, by symbol, in order.
pub fn final_rows(partitions: &[oracle::Oracle]) -> BTreeMap<String, Vec<oracle::Row>> {
    by_symbol(partitions, |oracle| oracle.rows.clone(), |row| &row.symbol)
}

/// Alerts of all partitions, by symbol, in order.
pub fn alerts_by_symbol(partitions: &[oracle::Oracle]) -> BTreeMap<String, Vec<oracle::Alert>> {
    by_symbol(partitions, |oracle| oracle.alerts.clone(), |alert| &alert.symbol)
}

fn partition_count() -> usize {
    usize::try_from(PARTITIONS).expect("not negative")
}
