//! What kept a step of a restore from succeeding, and what is done about it.

use std::time::Duration;

use tape_kafka::{Error, Reaction};
use tape_service::Failure;
use tape_state::StoreError;

use super::{RestoreError, Restoring, Tools};
use crate::ports::{TaskStore, World};
use crate::waits::For;

/// Pause after a step that did not succeed.
const PAUSE: Duration = Duration::from_millis(200);
/// A client whose questions stay unanswered for so long is replaced, or later if transactions may stay open for longer.
const STUCK_AFTER: Duration = Duration::from_secs(60);

/// What kept a step from succeeding.
pub(super) enum Hitch<S> {
    /// The store is handed back when it was open.
    Kafka(Error, Option<Box<S>>),
    Store(StoreError),
    /// Another owner was here meanwhile: begin again.
    Moved(Box<S>),
    Stop(Failure),
}

impl<S> From<StoreError> for Hitch<S> {
    fn from(error: StoreError) -> Self {
        Hitch::Store(error)
    }
}

impl<S: TaskStore> Restoring<S> {
    /// Decides what a hitch means: wait and ask again, with the store if it is still good, or stop.
    pub(super) fn overcome<W: World<Store = S>>(
        &mut self,
        hitch: Hitch<S>,
        tools: &mut Tools<'_, W>,
    ) -> Result<Option<Box<S>>, RestoreError> {
        self.not_before = tools.now + PAUSE;
        // A transaction that an earlier owner left open keeps the committed offset back for so long.
        let limit = STUCK_AFTER.max(tools.context.transaction_timeout + STUCK_AFTER / 2);
        match hitch {
            Hitch::Stop(failure) => Err(failure.into()),
            Hitch::Moved(store) => Ok(Some(store)),
            Hitch::Kafka(error, store) => match error.reaction {
                Reaction::Config => Err(RestoreError::Stop(error.into())),
                Reaction::Fenced | Reaction::Fatal => Err(RestoreError::Kafka(error)),
                Reaction::Retry | Reaction::Abort if tools.now > self.asking_since + limit => {
                    Err(RestoreError::Stuck(error))
                }
                Reaction::Retry | Reaction::Abort => {
                    if let Some(lasted) = tools.waits.note(For::Kafka, tools.now) {
                        tracing::info!(task = self.partition, %error, "restore waits for Kafka{lasted}");
                    }
                    Ok(store)
                }
            },
            Hitch::Store(error @ StoreError::Corrupt { .. }) => {
                match tools.context.world.set_aside(self.partition) {
                    Ok(kept) => tracing::warn!(
                        task = self.partition,
                        %error,
                        kept = %kept.display(),
                        "damaged store set aside; restoring the task from the changelog"
                    ),
                    Err(error) => {
                        tracing::warn!(task = self.partition, %error, "a damaged store cannot be set aside")
                    }
                }
                Ok(None)
            }
            Hitch::Store(error @ (StoreError::Newer { .. } | StoreError::Refused { .. })) => {
                Err(RestoreError::Stop(Failure::Config(error.to_string())))
            }
            Hitch::Store(error) => {
                if let Some(lasted) = tools.waits.note(For::Store, tools.now) {
                    tracing::warn!(task = self.partition, %error, "restore waits for the state store{lasted}");
                }
                Ok(None)
            }
        }
    }
}
