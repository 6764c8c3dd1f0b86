//! Tasks on their way to Running.

use std::time::Duration;

use tape_service::Failure;

use super::{IDLE_WAIT, Trouble, Worker};
use crate::ports::{Changelog as _, World};
use crate::restore::{RestoreError, Restoring, Step, Tools, is_out_of_range};
use crate::task::{Phase, Task};

/// Most changelog records restored in one turn.
const RESTORED_PER_TURN: usize = 10_000;

impl<W: World> Worker<W> {
    /// One step of each task that does not run yet.
    pub(super) fn restore(&mut self) -> Result<(), Trouble> {
        let now = self.context.world.now();
        for task in self.tasks.values_mut() {
            let store = match &mut task.phase {
                Phase::Created => None,
                Phase::Suspended(store) => store.take(),
                Phase::Restoring(_) | Phase::Running(_) | Phase::Closed => continue,
            };
            let restoring = Restoring::new(task.partition, store, now);
            task.transition(Phase::Restoring(Box::new(restoring)));
        }
        if self
            .tasks
            .values_mut()
            .any(|task| task.restoring().is_some_and(|restoring| restoring.progress().is_some()))
        {
            self.read_changelog()?;
        }
        let mut tools = Tools {
            context: &self.context,
            consumer: &mut self.consumer,
            reader: &mut self.reader,
            waits: &mut self.waits,
            now,
        };
        for task in self.tasks.values_mut() {
            let Some(restoring) = task.restoring() else { continue };
            match restoring.step(&mut tools) {
                Ok(Step::Going) => {}
                Ok(Step::Done(running)) => drop(task.transition(Phase::Running(running))),
                Err(RestoreError::Stop(failure)) => return Err(Trouble::Stop(failure)),
                Err(RestoreError::Kafka(error)) => return Err(Trouble::Client(error)),
                Err(RestoreError::Stuck(error)) => return Err(Trouble::Stuck(error)),
            }
        }
        Ok(())
    }

    pub(super) fn read_changelog(&mut self) -> Result<(), Trouble> {
        let any_running = self.tasks.values_mut().any(|task| task.running().is_some());
        let wait = if any_running { Duration::ZERO } else { IDLE_WAIT };
        let (tasks, mut newer) = (&mut self.tasks, None);
        let polled = self.reader.poll(RESTORED_PER_TURN, wait, &mut |record| {
            if let Some(restoring) = tasks.get_mut(&record.partition).and_then(Task::restoring)
                && let Err(error) = restoring.take(&record)
            {
                newer =
                    Some(format!("{}[{}] offset {}: {error}", record.topic, record.partition, record.offset));
            }
        });
        if let Some(message) = newer {
            return Err(Trouble::Stop(Failure::Config(message)));
        }
        match polled {
            // Records were deleted under us: ask again where the changelog starts.
            Err(error) if is_out_of_range(&error) => {
                tracing::warn!(worker = self.number, %error, "the changelog was cut while it was read");
                self.suspend(|task| task.restoring().is_some());
                Ok(())
            }
            polled => Ok(polled.map(drop)?),
        }
    }
}
