//! When alerts become rows: a connection asks for new ones every few milliseconds.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow};
use tape_db::Pool;
use tape_service::Config;

use crate::rig::Rig;

/// Pause between two questions.
const PAUSE: Duration = Duration::from_millis(2);
/// Transactions that began earlier than this before the newest one are over; milliseconds.
const OVERLAP_MS: f64 = 300.0;
const NEW_ALERTS: &str = "SELECT symbol, (extract(epoch FROM timestamp) * 1000)::bigint,
    (extract(epoch FROM created_at) * 1000)::float8
    FROM breakout_alerts WHERE created_at > to_timestamp($1::float8 / 1000) AND type = 'breakout'";

/// An alert that has become a row: event time, epoch ms, and when it was seen, in ms after that.
pub(crate) type Seen = (i64, f64);

/// What was seen, and milliseconds that a question took on average.
pub(crate) struct Answer {
    pub(crate) alerts: Vec<Seen>,
    pub(crate) question_ms: f64,
}

/// Asks until it is stopped.
pub(crate) struct Poll {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Answer>>,
}

impl Poll {
    pub(crate) fn start(rig: &Rig) -> Result<Self> {
        let config = Config::load(rig.settings.clone(), None)?.config;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let pool = {
                let _entered = runtime.enter();
                Pool::new(&config.db, "tape-bench")?
            };
            runtime.block_on(ask(&pool, &asked))
        });
        Ok(Poll { stop, thread })
    }

    pub(crate) fn stop(self) -> Result<Answer> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the reader of the database panicked"))?
    }
}

async fn ask(pool: &Pool, stop: &AtomicBool) -> Result<Answer> {
    let connection = pool.get().await.context("connect to the database")?;
    let statement = connection.prepare(NEW_ALERTS).await?;
    let mut seen = HashMap::new();
    let mut newest = now_ms()?;
    let (mut questions, mut took) = (0, Duration::ZERO);
    while !stop.load(Ordering::Relaxed) {
        let asked = Instant::now();
        let rows = connection.query(&statement, &[&(newest - OVERLAP_MS)]).await?;
        took += asked.elapsed();
        questions += 1;
        let now = now_ms()?;
        for row in rows {
            let (symbol, timestamp): (String, i64) = (row.get(0), row.get(1));
            newest = newest.max(row.get(2));
            seen.entry((symbol, timestamp)).or_insert(now - timestamp as f64);
        }
        tokio::time::sleep(PAUSE).await;
    }
    let alerts = seen.into_iter().map(|((_, timestamp), latency)| (timestamp, latency)).collect();
    Ok(Answer { alerts, question_ms: took.as_secs_f64() * 1e3 / f64::from(questions.max(1)) })
}

/// The wall clock, epoch milliseconds with their fraction.
pub(crate) fn now_ms() -> Result<f64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64() * 1e3)
}
