//! `tape check`: is the state right?
//!
//! Two questions for each partition:
//! - **store**: does the store on this machine hold what the changelog says, up to the store's offset? A processor may run
//!   on it: what it flushed is one applied batch with its offset. An entry that differs and has a later record is not
//!   judged, because compaction may have removed the record that the store has seen.
//! - **recomputation**: does the changelog hold what the analytics make of the input up to the committed offset, under these
//!   settings? Only for a group without members (changelog and committed offset are then of one commit) and an input that
//!   is still there from offset 0.
//!
//! The clock that closes windows on quiet input is not in the log. Where it closed some is: in rows with `closed_by = IDLE`,
//! and in the watermark of the last commit. The recomputation closes there, too, and says how often.

mod changelog;
mod compare;
mod idle;
mod input;
mod report;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;
use tape_kafka::{Admin, Clients, Isolation, Reader};
use tape_service::{Config, Failure};
use tape_state::View;

use crate::dump::unreadable;
use crate::output;
use crate::span::{self, From};
use crate::topics::ANSWER_TIMEOUT;
use compare::State;
use idle::IdleClosings;
use report::{PartitionCheck, Result as Outcome};

const HELP: &str = "\
WHAT IS COMPARED, key by key
  store          each store of STATE_DIR with the changelog up to the store's offset; a processor may run on it
  recomputation  the changelog with the analytics over the input up to the committed offset, under the settings of this \
configuration. It needs a group without members and an input that is there from offset 0; without, it is left out, with the reason

Settings that were changed on the way (alerts, WATERMARK_DELAY), PROCESSING_GUARANTEE=at_least_once and windows that closed on quiet \
input (IDLE) without a row make the recomputation differ where nothing is wrong.

EXIT CODES
  0 equal; 1 differences, or a server failed; 64 something must be corrected first,
  or nothing could be compared";

/// Options of `tape check`.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub(crate) struct CheckArgs {
    /// Only this partition
    #[arg(long, value_name = "P")]
    partition: Option<i32>,
    /// Folder of the stores [default: STATE_DIR]
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
}

/// What all partitions share.
struct Check<'a> {
    config: &'a Config,
    reader: Reader,
    directory: PathBuf,
    stores: Vec<i32>,
    /// Why no partition is recomputed.
    quiet: Outcome<IdleClosings>,
    /// Committed offset and first offset of the input, by partition.
    input: BTreeMap<i32, (Option<i64>, i64)>,
}

/// Compares and reports.
pub(crate) fn run(args: &CheckArgs, config: &Config) -> Result<(), Failure> {
    let clients = Clients::new(&config.kafka, &format!("{}-check", config.app_id));
    let admin = clients.admin()?;
    let mut reader = clients.reader(Isolation::ReadCommitted)?;
    let directory = args.dir.clone().unwrap_or_else(|| config.processing.state_dir.clone());
    let stores = View::partitions(&directory).map_err(|error| Failure::Config(error.to_string()))?;
    let topic = &config.topics.changelog;
    if admin.partition_count(topic, ANSWER_TIMEOUT)?.is_none() {
        return Err(Failure::Config(format!(
            "topic {topic} does not exist: no processor of APP_ID {} has run on these brokers",
            config.app_id
        )));
    }
    let quiet = closings(config, &admin, &mut reader)?;
    let group = tape_processor::group(config);
    let lag = admin.lag(&group, &config.topics.raw_trades, ANSWER_TIMEOUT)?;
    let input = lag.into_iter().map(|lag| (lag.part.partition, (lag.committed, lag.low))).collect();
    let starts = span::starts(&reader, topic, args.partition, From::Earliest, Isolation::ReadCommitted)?;
    let numbers: Vec<_> = starts.iter().map(|start| start.part.partition).collect();
    let mut check = Check { config, reader, directory, stores, quiet, input };
    let partitions = numbers.into_iter().map(|partition| check.partition(partition));
    let partitions = partitions.collect::<Result<Vec<_>, _>>()?;
    let text = if args.json { report::json(&partitions)? } else { report::text(&partitions) };
    let mut stdout = output::stdout();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(|error| output::unwritten("the report", error))?;
    if partitions.iter().all(|check| check.store.is_err() && check.recomputation.is_err()) {
        let why = "nothing was compared; the reasons stand above";
        return Err(Failure::Config(why.to_owned()));
    }
    match partitions.iter().map(PartitionCheck::differences).sum::<usize>() {
        0 => Ok(()),
        differences => Err(Failure::Other(anyhow!("{differences} entries differ"))),
    }
}

/// Where the clock closed windows, or why nothing can be recomputed.
fn closings(config: &Config, admin: &Admin, reader: &mut Reader) -> Result<Outcome<IdleClosings>, Failure> {
    let group = tape_processor::group(config);
    let members = admin.group(&group, ANSWER_TIMEOUT)?.members.len();
    if members > 0 {
        return Ok(Err(format!(
            "group {group} has {members} members, and state and offsets move; stop the processors and wait for \
             KAFKA_SESSION_TIMEOUT"
        )));
    }
    let Some(count) = admin.partition_count(&config.topics.raw_trades, ANSWER_TIMEOUT)? else {
        return Ok(Err(format!("topic {} does not exist", config.topics.raw_trades)));
    };
    idle::read(reader, &config.topics.aggregates, count).map(Ok)
}

impl Check<'_> {
    fn partition(&mut self, partition: i32) -> Result<PartitionCheck, Failure> {
        let store = match self.stores.contains(&partition) {
            true => Some(self.load(partition)?),
            false => None,
        };
        // Asked after the store was read: a processor that runs only makes the changelog longer than it.
        let topic = &self.config.topics.changelog;
        let committed = Isolation::ReadCommitted;
        let starts = span::starts(&self.reader, topic, Some(partition), From::Earliest, committed)?;
        let Some(start) = starts.first() else {
            return Err(Failure::Other(anyhow!("partition {partition} of {topic} is gone")));
        };
        let replayed = changelog::replay(&mut self.reader, start, store.as_ref())?;
        let recomputation = match self.basis(partition, &replayed.state) {
            Ok(committed) => self.recompute(partition, committed, &replayed.state)?,
            Err(why) => Err(why),
        };
        let store = match replayed.store {
            Some(outcome) => outcome,
            None => Err(format!("no store of it in {}", self.directory.display())),
        };
        Ok(PartitionCheck { partition, store, recomputation })
    }

    fn load(&self, partition: i32) -> Result<(Option<i64>, State), Failure> {
        let view = View::open(&self.directory, partition).map_err(unreadable)?;
        let mut state = State::new();
        view.scan(|key, value| {
            state.insert(key.to_vec(), value.to_vec());
            Ok(())
        })
        .map_err(unreadable)?;
        Ok((view.changelog_offset(), state))
    }

    /// The committed offset up to which the partition can be recomputed, or why it cannot.
    fn basis(&self, partition: i32, state: &State) -> Result<i64, String> {
        self.quiet.as_ref().map_err(String::clone)?;
        let (committed, low) = self.input.get(&partition).copied().unwrap_or((None, 0));
        let meta = compare::meta(state);
        let (window_ms, slide_ms) = (
            self.config.processing.window.as_millis() as i64,
            self.config.processing.slide.as_millis() as i64,
        );
        match (committed, meta) {
            (None, _) => Err("the group has committed no offset".to_owned()),
            (Some(_), _) if low > 0 => Err(format!(
                "retention has deleted the records of {} below {low}",
                self.config.topics.raw_trades
            )),
            (_, Some(meta)) if meta.generation > 0 => Err(format!(
                "the state was started over (generation {}), and where is not known",
                meta.generation
            )),
            (_, Some(meta)) if (meta.window_ms, meta.slide_ms) != (window_ms, slide_ms) => Err(format!(
                "the state is of WINDOW_DURATION={}ms SLIDE_DURATION={}ms, the settings say {window_ms}ms and {slide_ms}ms",
                meta.window_ms, meta.slide_ms
            )),
            (Some(committed), _) => Ok(committed),
        }
    }

    fn recompute(
        &mut self,
        partition: i32,
        committed: i64,
        state: &State,
    ) -> Result<Outcome<report::Recomputation>, Failure> {
        let closings = self.quiet.as_ref().map(|closings| closings.of(partition)).unwrap_or_default();
        let recomputed =
            input::recompute(&mut self.reader, self.config, partition, committed, closings, state)?;
        Ok(Ok(recomputed))
    }
}
