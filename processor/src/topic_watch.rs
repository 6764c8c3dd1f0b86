//! Input and changelog while the processor runs: a topic that was deleted, made anew or given more partitions under it ends
//! the processor, with the message that the next start would give, instead of leaving it waiting for records for ever. So does
//! a `tape reset` that has begun: it looks for members, but one that had just checked its topics may join behind its back.
//!
//! A broker that has just started may not know a topic for a moment, so a missing one is believed only after several looks.
//! What cannot be asked now is asked the next time.

use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use tape_kafka::topics::RESETTING;
use tape_kafka::{Admin, Error, TopicId};
use tape_service::{Config, Failure, Shutdown};

use crate::context::TopicIds;

/// Time between two looks.
const INTERVAL: Duration = Duration::from_secs(5);
/// Wait for the broker's answer.
const ASK_TIMEOUT: Duration = Duration::from_secs(5);
/// So many looks in a row must miss a topic.
const MISSING_LOOKS: u32 = 3;

/// A topic as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Found {
    partitions: i32,
    id: Option<TopicId>,
    /// It is a changelog, and `tape reset` has begun to empty it.
    resetting: bool,
}

/// What the start has found, and how often in a row the topic was missing since.
#[derive(Debug)]
struct Watched {
    name: String,
    known: Found,
    missing: u32,
}

impl Watched {
    /// Compares a look with what is known; `None` = the topic is not there.
    fn judge(&mut self, found: Option<Found>) -> Result<(), Failure> {
        let Self { name, known, missing } = self;
        let Some(found) = found else {
            *missing += 1;
            return match *missing < MISSING_LOOKS {
                true => Ok(()),
                false => Err(Failure::Config(format!(
                    "topic {name} was deleted while the processor was running: bring it back; if it is gone for good, make it anew \
                     with `tape topics` and start over with `tape reset`"
                ))),
            };
        };
        *missing = 0;
        if found.resetting {
            return Err(Failure::Config(format!(
                "`tape reset` has begun to empty topic {name} while the processor was running (cleanup.policy={RESETTING}): start the \
                 processor again when it has ended; if it was interrupted, run it again to its end"
            )));
        }
        match (known.id, found.id) {
            (Some(known), Some(now)) if known != now => Err(Failure::Config(format!(
                "topic {name} was deleted and made anew while the processor was running (topic id {known}, now {now}): bring the old \
                 one back, or start over with `tape reset`"
            ))),
            _ if found.partitions != known.partitions => Err(Failure::Config(format!(
                "topic {name} has {} partitions now, it had {} when the processor started: symbols have moved away from their state; \
                 start over with `tape reset`",
                found.partitions, known.partitions
            ))),
            _ => Ok(()),
        }
    }
}

/// The watch of a process.
pub(crate) struct TopicWatch {
    config: Arc<Config>,
    admin: Arc<Admin>,
    ids: TopicIds,
    /// Known from the first look on.
    topics: Vec<Watched>,
}

impl TopicWatch {
    pub(crate) fn new(config: Arc<Config>, admin: Arc<Admin>, ids: TopicIds) -> Self {
        TopicWatch { config, admin, ids, topics: Vec::new() }
    }

    /// Looks until a stop is requested, or there is a reason for one. The first look, at once, is what the later ones are
    /// compared with.
    pub(crate) async fn run(&mut self, shutdown: &Shutdown) -> Result<(), Failure> {
        loop {
            self.look().await?;
            if !shutdown.pause(INTERVAL).await {
                return Ok(());
            }
        }
    }

    /// Looks once more after something has failed: is it because a topic has changed? One that is missing now is believed.
    pub(crate) async fn explain(&mut self) -> Result<(), Failure> {
        self.topics.iter_mut().for_each(|topic| topic.missing = MISSING_LOOKS - 1);
        self.look().await
    }

    async fn look(&mut self) -> Result<(), Failure> {
        let (names, admin) = (self.config.topics.clone(), Arc::clone(&self.admin));
        let look = move || [look(&admin, &names.raw_trades), look_at_changelog(&admin, &names.changelog)];
        let looks = tokio::task::spawn_blocking(look).await;
        let looks =
            looks.map_err(|panic| Failure::Other(anyhow!("the watch of the topics failed: {panic}")))?;
        let [Ok(input), Ok(changelog)] = looks else { return Ok(()) };
        if let (true, Some(input), Some(changelog)) = (self.topics.is_empty(), input, changelog) {
            let topic = |name: &str, found: Found, id| Watched {
                name: name.to_owned(),
                known: Found { id, ..found },
                missing: 0,
            };
            let names = &self.config.topics;
            self.topics = vec![
                topic(&names.raw_trades, input, self.ids.input),
                topic(&names.changelog, changelog, self.ids.changelog),
            ];
        }
        self.topics.iter_mut().zip([input, changelog]).try_for_each(|(topic, found)| topic.judge(found))
    }
}

fn look(admin: &Admin, topic: &str) -> Result<Option<Found>, Error> {
    let Some(partitions) = admin.partition_count(topic, ASK_TIMEOUT)? else { return Ok(None) };
    Ok(Some(Found { partitions, id: admin.topic_id(topic, ASK_TIMEOUT)?, resetting: false }))
}

fn look_at_changelog(admin: &Admin, topic: &str) -> Result<Option<Found>, Error> {
    let Some(state) = admin.describe(topic, ASK_TIMEOUT)? else { return Ok(None) };
    let resetting = state.config.get("cleanup.policy").is_some_and(|policy| policy == RESETTING);
    Ok(Some(Found { partitions: state.partitions, id: admin.topic_id(topic, ASK_TIMEOUT)?, resetting }))
}

#[cfg(test)]
mod tests {
    use super::{Found, MISSING_LOOKS, TopicId, Watched};

    #[test]
    fn only_what_is_sure_ends_the_processor() {
        let found =
            |partitions, id: u8| Some(Found { partitions, id: Some(TopicId([id; 16])), resetting: false });
        let mut watched = Watched { name: "trades".to_owned(), known: found(3, 1).expect("one"), missing: 0 };
        let mut says = |found| watched.judge(found).err().map(|failure| failure.to_string());
        for _ in 0..3 {
            for _ in 1..MISSING_LOOKS {
                assert_eq!(says(None), None);
            }
            assert_eq!(says(found(3, 1)), None);
        }
        assert_eq!(says(Some(Found { partitions: 3, id: None, resetting: false })), None, "an old broker");
        let resetting = says(Some(Found { partitions: 4, id: None, resetting: true })).expect("refused");
        assert!(resetting.contains("trades") && resetting.contains("`tape reset` has begun"), "{resetting}");
        for (look, words) in [(found(3, 2), "made anew"), (found(4, 1), "4 partitions now, it had 3")] {
            let message = says(look).expect("refused");
            assert!(message.contains("trades") && message.contains(words) && message.contains("tape reset"));
        }
        let gone = (0..MISSING_LOOKS).filter_map(|_| says(None)).collect::<Vec<_>>();
        assert!(gone.len() == 1 && gone[0].contains("was deleted"), "{gone:?}");
    }
}
