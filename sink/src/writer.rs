//! The database side: offsets read and created, one transaction for each batch. The only file that knows the order of a
//! commit.
//!
//! Order of a write, in one SQL transaction:
//! 1. BEGIN.
//! 2. Move the offsets of every partition in the batch, each from the value that it must have. This locks them, so of
//!    two owners the second waits here and then finds another value.
//! 3. A savepoint. 4. Rows. 5. Alerts. 6. Marks of the hours that rows lie in. (1–6 are one round trip.)
//! 7. COMMIT.
//!
//! What may come of it:
//! - **Committed**: rows and offsets stand, or neither does.
//! - **Fenced**: an offset was not where it should be: somebody else wrote the partition, or a COMMIT of ours whose answer
//!   was lost went through after all. Rolled back; the caller asks [`Writer::read`] where the table stands.
//! - **Culprits**: the database refused rows (SQLSTATE 22, 23). Back to the savepoint, then bisected there, each half under a
//!   savepoint of its own, and rolled back whole: nothing is written before the culprits are safe in the dead-letter topic.
//! - An error: the connection is thrown away, so the server rolls back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use futures::join;
use tape_db::{Connection, Error, Pool, Reaction, Statement, ToSql};
use tape_proto::messages::{BreakoutAlert, StockAggregate};

use crate::bisect::Bisect;
use crate::columns::{AggregateColumns, AlertColumns, instant};
use crate::letter::{REFUSED, Refusal};
use crate::meter;
use crate::slot::{Names, Slot};
use crate::statement::{ADVANCE, CREATE_OFFSETS, INSERT_ALERTS, MARK_HOURS, READ_OFFSETS, UPSERT_AGGREGATES};

/// Longest time for a whole transaction, seen from here. The server's own statement time-out (30 s) comes first when
/// it is the server that is slow; this one notices a network that swallows everything.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(60);

/// Everything that one transaction does.
#[derive(Debug)]
pub(crate) struct Work<'a> {
    /// Winners with the index of their entry, sorted by key.
    pub(crate) rows: Vec<(usize, &'a StockAggregate)>,
    /// Distinct alerts with the index of their entry, sorted by identity.
    pub(crate) alerts: Vec<(usize, &'a BreakoutAlert)>,
    /// One for each partition in the batch.
    pub(crate) moves: Vec<Move>,
    /// Most culprits to look for: beyond it the caller stops anyhow.
    pub(crate) culprits_max: usize,
    /// Hours are marked for the roll-ups.
    pub(crate) marks: bool,
}

/// One offset's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Move {
    pub(crate) slot: Slot,
    pub(crate) expected: i64,
    pub(crate) next: i64,
}

/// What came of a write.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// It stands; rows inserted or replaced, and alerts that were new.
    Committed { rows: u64, alerts: u64 },
    /// An offset was not where it should be. Nothing was written.
    Fenced,
    /// Entries that the database refuses, by index, at least one. Nothing was written.
    Culprits(Vec<(usize, Refusal)>),
}

/// Writes batches of one consumer group.
#[derive(Clone)]
pub(crate) struct Writer {
    pool: Pool,
    group: String,
    names: Names,
    /// Length of a bar.
    slide: Duration,
}

impl Writer {
    pub(crate) fn new(pool: Pool, group: String, names: Names, slide: Duration) -> Self {
        Self { pool, group, names, slide }
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Asks whether the database answers.
    pub(crate) async fn ping(&self) -> Result<(), Error> {
        self.bounded(async |connection| Ok(connection.batch_execute("").await?)).await
    }

    /// Where partitions stand in the database; those without a row are absent.
    pub(crate) async fn read(&self, slots: &[Slot]) -> Result<BTreeMap<Slot, i64>, Error> {
        self.bounded(async |connection| {
            let (topics, partitions) = self.keys(slots.iter().copied());
            let statement = connection.prepare_cached(READ_OFFSETS).await?;
            let rows = connection.query(&statement, &[&self.group, &topics, &partitions]).await?;
            let found = rows.iter().filter_map(|row| {
                let table = self.names.table(row.get(0))?;
                Some((Slot { table, partition: row.get(1) }, row.get(2)))
            });
            Ok(found.collect())
        })
        .await
    }

    /// Writes first offsets; where a row stands already, it stays.
    pub(crate) async fn create(&self, offsets: &[(Slot, i64)]) -> Result<(), Error> {
        self.bounded(async |connection| {
            let (topics, partitions) = self.keys(offsets.iter().map(|(slot, _)| *slot));
            let first: Vec<i64> = offsets.iter().map(|(_, offset)| *offset).collect();
            let statement = connection.prepare_cached(CREATE_OFFSETS).await?;
            connection.execute(&statement, &[&self.group, &topics, &partitions, &first]).await?;
            Ok(())
        })
        .await
    }

    /// One transaction, as the module's head says.
    pub(crate) async fn write(&self, work: &Work<'_>) -> Result<Written, Error> {
        self.bounded(async |connection| Transaction::prepare(connection).await?.run(self, work).await).await
    }

    /// Runs on a connection of the pool; one whose work failed or took too long is thrown away.
    async fn bounded<T>(&self, work: impl AsyncFnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        let result = self.worked(work).await;
        if let Err(error) = &result {
            meter::database_error(error);
        }
        result
    }

    async fn worked<T>(&self, work: impl AsyncFnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        let connection = self.pool.get().await?;
        let result =
            tokio::time::timeout(TRANSACTION_TIMEOUT, work(&connection)).await.unwrap_or_else(|_| {
                let text = format!("the database did not answer within {} s", TRANSACTION_TIMEOUT.as_secs());
                Err(Error::new(Reaction::Retry, text))
            });
        if result.is_err() {
            tape_db::discard(connection);
        }
        result
    }

    fn keys(&self, slots: impl Iterator<Item = Slot>) -> (Vec<&str>, Vec<i32>) {
        slots.map(|slot| (&**self.names.topic(slot.table), slot.partition)).unzip()
    }
}

/// A connection with its three statements prepared.
struct Transaction<'a> {
    connection: &'a Connection,
    advance: Statement,
    rows: Statement,
    alerts: Statement,
}

impl<'a> Transaction<'a> {
    async fn prepare(connection: &'a Connection) -> Result<Self, Error> {
        Ok(Self {
            connection,
            advance: connection.prepare_cached(ADVANCE).await?,
            rows: connection.prepare_cached(UPSERT_AGGREGATES).await?,
            alerts: connection.prepare_cached(INSERT_ALERTS).await?,
        })
    }

    async fn run(&self, writer: &Writer, work: &Work<'_>) -> Result<Written, Error> {
        let moves = &work.moves;
        let (topics, partitions) = writer.keys(moves.iter().map(|step| step.slot));
        let expected: Vec<i64> = moves.iter().map(|step| step.expected).collect();
        let next: Vec<i64> = moves.iter().map(|step| step.next).collect();
        let advance: [&(dyn ToSql + Sync); 5] = [&writer.group, &topics, &partitions, &expected, &next];
        // The futures send in this order when they are first polled: all statements, one round trip.
        let (begun, advanced, point, rows, alerts, marked) = join!(
            self.plain("BEGIN"),
            async { Ok::<u64, Error>(self.connection.execute(&self.advance, &advance).await?) },
            self.plain("SAVEPOINT batch"),
            self.write_rows(&work.rows),
            self.write_alerts(&work.alerts),
            self.mark(work, writer.slide),
        );
        begun?;
        if advanced? != moves.len() as u64 {
            self.plain("ROLLBACK").await?;
            return Ok(Written::Fenced);
        }
        point?;
        match rows.and_then(|rows| Ok((rows, alerts?))).and_then(|counts| marked.map(|()| counts)) {
            Ok((rows, alerts)) => {
                self.plain("COMMIT").await?;
                Ok(Written::Committed { rows, alerts })
            }
            Err(error) if error.reaction() == Reaction::Data => self.find_culprits(work, error).await,
            Err(error) => Err(error),
        }
    }

    /// After a refusal: which entries are at fault. Leaves the transaction rolled back.
    async fn find_culprits(&self, work: &Work<'_>, first: Error) -> Result<Written, Error> {
        meter::database_error(&first);
        self.plain("ROLLBACK TO SAVEPOINT batch").await?;
        let mut found = Vec::new();
        self.bisect(&work.rows, work.culprits_max, &mut found, async |rows| self.write_rows(rows).await)
            .await?;
        self.bisect(&work.alerts, work.culprits_max, &mut found, async |alerts| {
            self.write_alerts(alerts).await
        })
        .await?;
        self.plain("ROLLBACK").await?;
        if found.is_empty() {
            // Refused together and accepted apart: nobody to blame, so try again as for any passing trouble.
            return Err(Error::new(
                Reaction::Retry,
                format!("refused a batch but none of its rows: {first}"),
            ));
        }
        Ok(Written::Culprits(found))
    }

    async fn bisect<T: Copy>(
        &self,
        items: &[(usize, T)],
        culprits_max: usize,
        found: &mut Vec<(usize, Refusal)>,
        write: impl AsyncFn(&[(usize, T)]) -> Result<u64, Error>,
    ) -> Result<(), Error> {
        let mut bisect = Bisect::new(items.len());
        while let Some(range) = bisect.next() {
            if found.len() >= culprits_max {
                break;
            }
            let (point, written) = join!(self.plain("SAVEPOINT half"), write(&items[range.clone()]));
            point?;
            match written {
                Ok(_) => {
                    self.plain("RELEASE SAVEPOINT half").await?;
                    bisect.good();
                }
                Err(error) if error.reaction() == Reaction::Data => {
                    self.plain("ROLLBACK TO SAVEPOINT half; RELEASE SAVEPOINT half").await?;
                    found.extend(bisect.bad().map(|culprit| (items[culprit].0, refusal(&error))));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn write_rows(&self, rows: &[(usize, &StockAggregate)]) -> Result<u64, Error> {
        if rows.is_empty() {
            return Ok(0);
        }
        let columns = AggregateColumns::new(rows);
        Ok(self.connection.execute(&self.rows, &columns.parameters()).await?)
    }

    async fn write_alerts(&self, alerts: &[(usize, &BreakoutAlert)]) -> Result<u64, Error> {
        if alerts.is_empty() {
            return Ok(0);
        }
        let columns = AlertColumns::new(alerts);
        Ok(self.connection.execute(&self.alerts, &columns.parameters()).await?)
    }

    async fn mark(&self, work: &Work<'_>, slide: Duration) -> Result<(), Error> {
        let hours = if work.marks { hours(&work.rows, slide) } else { BTreeSet::new() };
        if hours.is_empty() {
            return Ok(());
        }
        // Asked for here and not before: the table is not there where continuous aggregates do its work.
        let statement = self.connection.prepare_cached(MARK_HOURS).await?;
        let hours: Vec<SystemTime> = hours.into_iter().map(instant).collect();
        self.connection.execute(&statement, &[&hours]).await?;
        Ok(())
    }

    async fn plain(&self, sql: &str) -> Result<(), Error> {
        Ok(self.connection.batch_execute(sql).await?)
    }
}

/// Hours, in ms, in which the bars of these rows start.
fn hours(rows: &[(usize, &StockAggregate)], slide: Duration) -> BTreeSet<i64> {
    const HOUR_MS: i64 = 3_600_000;
    let slide = i64::try_from(slide.as_millis()).unwrap_or_default();
    let with_bar = rows.iter().filter(|(_, row)| row.bar_trades > 0);
    with_bar.map(|(_, row)| (row.window_end - slide).div_euclid(HOUR_MS) * HOUR_MS).collect()
}

fn refusal(error: &Error) -> Refusal {
    Refusal { code: REFUSED, text: error.to_string(), sqlstate: error.sqlstate().map(str::to_owned) }
}

#[cfg(test)]
mod tests;
