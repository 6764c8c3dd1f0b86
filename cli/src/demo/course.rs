//! The order of a run, from the first topic to the last comparison. See `demo` for the list.

use std::time::{Duration, Instant};

use anyhow::anyhow;
use tape_service::{Failure, Shutdown};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::board::{self, Board};
use super::pipeline::{Pipeline, Role};
use super::plan::Plan;
use super::screen::{Scene, Screen};
use super::{check, stage};

/// Distance of two looks at everything; keys and ends are noticed so soon.
const TURN: Duration = Duration::from_millis(100);
/// How long a role may take to stop: the processor's last commit, the sink's last batch.
const STOP_LIMIT: Duration = Duration::from_secs(60);
/// A lag that has not fallen for so long will not fall by itself. Longer than the group waits for a member that was killed.
const STALL_LIMIT: Duration = Duration::from_secs(60);
/// How long a lag may take to fall after a person asked for the stop; the next run does the rest.
const HURRY_LIMIT: Duration = Duration::from_secs(10);

/// Signals so close together are one request: a terminal, make and its script all pass the same Ctrl-C on.
const ONE_REQUEST: Duration = Duration::from_secs(1);

/// Exit code after a second signal, as shells report a process that SIGINT ended.
const EXIT_IMPATIENT: i32 = 130;

/// Runs the demo.
pub(crate) async fn run(plan: &Plan) -> Result<(), Failure> {
    let user = Shutdown::new();
    watch_signals(&user)?;
    println!(
        "Preparing topics and tables (Kafka at {}, PostgreSQL at {}:{})",
        plan.config.kafka.bootstrap_servers, plan.config.db.host, plan.config.db.port
    );
    if !stage::build(plan, &user).await? {
        return Ok(());
    }
    println!("{}", plan.places());
    let sampling = Shutdown::new();
    let mut course = Course {
        plan,
        boards: board::sample(&plan.config, sampling.clone())?,
        pipeline: Pipeline::start(plan),
        screen: Screen::open(),
        user: user.clone(),
        begun: Instant::now(),
    };
    let result = course.run().await;
    course.screen.close();
    if result.is_err() {
        course.pipeline.abandon(HURRY_LIMIT).await;
    }
    sampling.request();
    result?;
    println!("{}", course.summary());
    match (plan.checks, user.is_requested()) {
        (false, _) => Ok(()),
        (true, false) => check::run(&plan.config).await,
        (true, true) => Err(Failure::Other(anyhow!("stopped before the check; run it again, it resumes"))),
    }
}

/// A run under way.
struct Course<'a> {
    plan: &'a Plan,
    boards: watch::Receiver<Board>,
    pipeline: Pipeline,
    screen: Screen,
    /// The stop that a person asks for.
    user: Shutdown,
    begun: Instant,
}

/// Whose lag is waited for.
#[derive(Clone, Copy)]
enum Reader {
    Processor,
    Sink,
}

impl Course<'_> {
    /// From the start of the roles to their end.
    async fn run(&mut self) -> Result<(), Failure> {
        self.produce().await?;
        self.stop(|pipeline| &mut pipeline.producer, "the producer stops").await?;
        self.drain(Reader::Processor, "the processor reads to the end").await?;
        self.stop(|pipeline| &mut pipeline.processor, "the processor stops").await?;
        self.drain(Reader::Sink, "the sink reads to the end").await?;
        self.stop(|pipeline| &mut pipeline.sink, "the sink stops").await
    }

    /// Until the source has ended, the time is over, or a person asks.
    async fn produce(&mut self) -> Result<(), Failure> {
        let is_over =
            |begun: Instant, limit: Option<Duration>| limit.is_some_and(|limit| begun.elapsed() >= limit);
        while !self.user.is_requested() && !is_over(self.begun, self.plan.limit) {
            if self.pipeline.producer.has_ended() {
                return self.pipeline.producer.join().await;
            }
            self.turn("running").await?;
        }
        Ok(())
    }

    async fn stop(&mut self, role: impl Fn(&mut Pipeline) -> &mut Role, phase: &str) -> Result<(), Failure> {
        role(&mut self.pipeline).request_stop();
        let asked = Instant::now();
        while !role(&mut self.pipeline).has_ended() {
            if asked.elapsed() >= STOP_LIMIT {
                return Err(Failure::Other(anyhow!("{phase}: not done after {} s", STOP_LIMIT.as_secs())));
            }
            self.turn(phase).await?;
        }
        role(&mut self.pipeline).join().await
    }

    /// Until the reader has committed everything that was written before this call.
    async fn drain(&mut self, reader: Reader, phase: &str) -> Result<(), Failure> {
        let asked = Instant::now();
        let (mut lowest, mut fell) = (i64::MAX, asked);
        loop {
            self.turn(phase).await?;
            let board = self.boards.borrow().clone();
            let lag = match reader {
                Reader::Processor => board.processor_lag,
                Reader::Sink => board.sink_lag,
            };
            if let Some(lag) = lag.filter(|_| board.taken >= asked) {
                if lag == 0 {
                    return Ok(());
                }
                if lag < lowest {
                    (lowest, fell) = (lag, Instant::now());
                }
            }
            if self.user.is_requested() && asked.elapsed() >= HURRY_LIMIT {
                return Ok(());
            }
            if fell.elapsed() >= STALL_LIMIT {
                let lag = lag.map_or("unknown".to_owned(), |lag| lag.to_string());
                let waited = STALL_LIMIT.as_secs();
                return Err(Failure::Other(anyhow!(
                    "{phase}: the lag, {lag}, has not fallen for {waited} s"
                )));
            }
        }
    }

    /// One look at everything: keys, roles that ended though nobody asked, the screen.
    async fn turn(&mut self, phase: &str) -> Result<(), Failure> {
        for _ in 0..self.screen.stops_asked() {
            if self.user.is_requested() {
                self.screen.close();
                std::process::exit(EXIT_IMPATIENT);
            }
            self.user.request();
        }
        let Pipeline { processor, sink, .. } = &mut self.pipeline;
        for role in [processor, sink] {
            if let Some(failure) = role.unexpected_end().await {
                return Err(failure);
            }
        }
        let board = self.boards.borrow().clone();
        let source = self.pipeline.monitor.snapshot();
        self.screen.show(&Scene { phase, elapsed: self.begun.elapsed(), source, board: &board });
        tokio::time::sleep(TURN).await;
        Ok(())
    }

    fn summary(&self) -> String {
        let source = self.pipeline.monitor.snapshot();
        let board = self.boards.borrow();
        let alerts: u64 = board.alerts.values().sum();
        format!(
            "Stopped after {} s: {} trades written, {} that raw-trades had already; {} processed, {} windows closed, \
             {alerts} alerts.",
            self.begun.elapsed().as_secs(),
            source.acknowledged,
            source.skipped,
            board.processed,
            board.windows,
        )
    }
}

/// SIGINT and SIGTERM ask for the stop; a second one ends the process at once, with the terminal as it was.
fn watch_signals(user: &Shutdown) -> Result<(), Failure> {
    let install = |kind| signal(kind).map_err(|error| Failure::Other(error.into()));
    let mut interrupt = install(SignalKind::interrupt())?;
    let mut terminate = install(SignalKind::terminate())?;
    let user = user.clone();
    tokio::spawn(async move {
        let mut first: Option<Instant> = None;
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if first.get_or_insert_with(Instant::now).elapsed() >= ONE_REQUEST {
                if std::io::IsTerminal::is_terminal(&std::io::stdout()) {
                    ratatui::restore();
                }
                std::process::exit(EXIT_IMPATIENT);
            }
            tracing::info!("stopping in order");
            user.request();
        }
    });
    Ok(())
}
