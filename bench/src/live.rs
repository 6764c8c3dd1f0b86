//! Section "live": events of a WebSocket into raw-trades, beside a loop that gives librdkafka the same records, ready made.
//!
//! The server is `tape fake-massive` on loopback; the records hold the vendor's event, so a record of one case is byte for byte that
//! of the other. The burst is a simulated market with the wall clock as event time, which nobody holds up.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::args::Args;
use crate::contender::{Contender, Recipe};
use crate::course::Figures;
use crate::dataset::{Encoder, Shape};
use crate::results::Run;
use crate::rig::Rig;
use crate::tape::{Tape, free_port};
use crate::throughput::PARTITIONS;
use crate::{meter, screen};

/// Names of cases, which the report looks for.
pub(crate) const BARE: &str = "bare librdkafka producer, records ready made";
pub(crate) const LIVE: &str = "tape produce, from a WebSocket";
pub(crate) const BURST: &str = "tape produce, 100,000 events/s";

const RATE: u64 = 100_000;
const BURST_LASTS: Duration = Duration::from_secs(15);
const SYMBOLS: usize = 1_000;
const LOOK: Duration = Duration::from_millis(20);
const LIMIT: Duration = Duration::from_secs(300);

/// Runs the section.
pub(crate) fn run(rig: &Rig, args: &Args, keep: &mut dyn FnMut(Run) -> Result<()>) -> Result<()> {
    // The server plays flat out and the socket never waits: no more than what its 64 MiB hold, or frames would be dropped.
    let records = if args.quick { 200_000 } else { 400_000 };
    let shape = Shape { symbols: SYMBOLS, ..Shape::market(records) };
    let bench = Bench { rig, records, events: rig.path("events.jsonl"), values: rig.path("records.tsv") };
    bench.write(&shape)?;
    for round in 1..=args.rounds() {
        if args.takes(BARE) {
            bench.keep(BARE, round, bench.bare()?, keep)?;
        }
        if args.takes(LIVE) {
            bench.keep(LIVE, round, bench.live()?, keep)?;
        }
    }
    for round in 1..=args.rounds() {
        if args.takes(BURST) {
            bench.keep(BURST, round, bench.burst()?, keep)?;
        }
    }
    Ok(())
}

struct Bench<'a> {
    rig: &'a Rig,
    records: u64,
    events: PathBuf,
    values: PathBuf,
}

impl Bench<'_> {
    fn keep(
        &self,
        name: &str,
        round: usize,
        figures: Figures,
        keep: &mut dyn FnMut(Run) -> Result<()>,
    ) -> Result<()> {
        let (rate, cpu) = (figures["rate"], figures["cpu"]);
        screen::line(&format!("{name}: {rate:.0} records/s, {cpu:.2} µs a record"));
        keep(Run { name: name.to_owned(), round, figures })
    }

    /// The events, and the records that are made of them: symbol, tab, value.
    fn write(&self, shape: &Shape) -> Result<()> {
        screen::now("writing events");
        let mut events = BufWriter::new(File::create(&self.events)?);
        let mut values = BufWriter::new(File::create(&self.values)?);
        let mut encoder = Encoder::new(shape.symbols);
        let mut value = Vec::new();
        for tick in shape.ticks() {
            value.clear();
            encoder.json(&tick, &mut value);
            writeln!(events, "{}", encoder.event())?;
            values.write_all(encoder.name(&tick).as_bytes())?;
            values.write_all(b"\t")?;
            values.write_all(&value)?;
            values.write_all(b"\n")?;
        }
        events.flush()?;
        values.flush()?;
        Ok(())
    }

    fn bare(&self) -> Result<Figures> {
        screen::now(BARE);
        let tape = self.tape("live-bare", &[])?;
        let topic = tape.topic("raw");
        let mut recipe = tape.recipe("bare");
        recipe.program = std::env::current_exe()?;
        recipe.args =
            ["ceiling", "--mode", "produce", "--topic", &topic, "--file"].map(str::to_owned).to_vec();
        recipe.args.push(self.values.display().to_string());
        let mut bare = Contender::start(recipe)?;
        wait(&mut bare, |bare| bare.heard().at.contains_key("running"))?;
        let figures = self.measure(&mut bare, &topic, "send")?;
        bare.kill()?;
        self.rig.delete(&tape.app)?;
        Ok(figures)
    }

    fn live(&self) -> Result<Figures> {
        screen::now(LIVE);
        let port = free_port()?;
        let url = format!("ws://127.0.0.1:{port}/stocks");
        let tape = self.tape("live-full", &feed(&url))?;
        let events = self.events.display().to_string();
        let mut server = Contender::start(fake(&tape, port, &["--file", &events]))?;
        let mut produce = tape.start("produce")?;
        let figures = self.measure(&mut produce, &tape.topic("raw"), "receive")?;
        produce.stop()?;
        server.kill()?;
        self.rig.delete(&tape.app)?;
        Ok(figures)
    }

    /// From the first record in the log to the last.
    fn measure(&self, contender: &mut Contender, topic: &str, what: &str) -> Result<Figures> {
        let parts = self.rig.parts(topic)?;
        let (mut first, begun) = (None, Instant::now());
        loop {
            std::thread::sleep(LOOK);
            let Some(reading) = meter::read(contender.pid()) else {
                bail!(contender.failure("it has ended"))
            };
            let done = u64::try_from(self.rig.ends(&parts)?)?;
            screen::now(&format!("{what}: {done} of {}", self.records));
            if done > 0 && first.is_none() {
                first = Some((begun.elapsed(), done, reading.cpu));
            }
            if begun.elapsed() > LIMIT {
                bail!(contender.failure("it did not reach the end"));
            }
            let Some((at, from, cpu)) = first else { continue };
            if done < self.records {
                continue;
            }
            let rest = done.saturating_sub(from).max(1) as f64;
            return Ok(Figures::from([
                ("rate".to_owned(), rest / (begun.elapsed() - at).as_secs_f64()),
                ("cpu".to_owned(), (reading.cpu - cpu) / rest * 1e6),
                ("core_rate".to_owned(), rest / (reading.cpu - cpu).max(1e-9)),
                ("peak".to_owned(), reading.peak),
            ]));
        }
    }

    fn burst(&self) -> Result<Figures> {
        screen::now(BURST);
        let port = free_port()?;
        let url = format!("ws://127.0.0.1:{port}/stocks");
        let tape = self.tape("live-burst", &feed(&url))?;
        let symbols: Vec<String> = (0..SYMBOLS).map(|symbol| format!("S{symbol}")).collect();
        let (symbols, rate) = (symbols.join(","), RATE.to_string());
        let market = ["--simulate", "--symbols", &symbols, "--rate", &rate, "--disorder", "0s", "--live"];
        let mut server = Contender::start(fake(&tape, port, &market))?;
        let mut produce = tape.start("produce")?;
        let parts = self.rig.parts(&tape.topic("raw"))?;
        let ends = || -> Result<u64> { Ok(u64::try_from(self.rig.ends(&parts)?)?) };
        let begun = Instant::now();
        while ends()? == 0 {
            if begun.elapsed() > LIMIT {
                bail!(produce.failure("nothing came"));
            }
            std::thread::sleep(LOOK);
        }
        let before = (Instant::now(), ends()?, meter::read(produce.pid()).context("it runs")?);
        std::thread::sleep(BURST_LASTS);
        let (done, after) = (ends()?, meter::read(produce.pid()).context("it runs")?);
        let seconds = before.0.elapsed().as_secs_f64();
        let (page, metrics) = (tape.page()?, tape.metrics()?);
        produce.stop()?;
        server.kill()?;
        self.rig.delete(&tape.app)?;
        let records = (done - before.1) as f64;
        let lost = |what: &str| metrics.get(&format!("tape_producer_dropped_{what}_total")).copied();
        let dropped = lost("records").unwrap_or(0.0) + lost("frames").unwrap_or(0.0);
        Ok(Figures::from([
            ("rate".to_owned(), records / seconds),
            ("cpu".to_owned(), (after.cpu - before.2.cpu) / records * 1e6),
            ("peak".to_owned(), after.peak),
            ("dropped".to_owned(), dropped),
            ("p50".to_owned(), quantile(&page, 0.5) * 1e3),
            ("p99".to_owned(), quantile(&page, 0.99) * 1e3),
        ]))
    }

    /// Its topics are there.
    fn tape(&self, app: &str, settings: &[(&str, &str)]) -> Result<Tape> {
        let partitions = PARTITIONS.to_string();
        // The default of 32 KiB cuts a batch after 150 records, and a request costs as much as many of them.
        let mut all = vec![("KAFKA_PARTITIONS", partitions.as_str()), ("BATCH_SIZE", "1000000")];
        all.extend(settings);
        let tape = Tape::new(self.rig, app, &format!("{app}-raw"), &all)?;
        tape.lose_state()?;
        tape.create_topics()?;
        Ok(tape)
    }
}

/// What a producer needs to follow the server.
fn feed(url: &str) -> [(&str, &str); 5] {
    [
        ("MASSIVE_API_KEY", "bench"),
        ("MASSIVE_WS_URL", url),
        ("CHANNELS", "T"),
        ("SYMBOLS", "*"),
        ("INCLUDE_RAW", "true"),
    ]
}

fn fake(tape: &Tape, port: u16, args: &[&str]) -> Recipe {
    let mut recipe = tape.recipe("fake-massive");
    recipe.args.extend(["--bind".to_owned(), format!("127.0.0.1:{port}")]);
    recipe.args.extend(args.iter().map(|arg| (*arg).to_owned()));
    recipe
}

fn wait(contender: &mut Contender, ready: impl Fn(&Contender) -> bool) -> Result<()> {
    let begun = Instant::now();
    while !ready(contender) {
        if contender.ended()?.is_some() || begun.elapsed() > LIMIT {
            bail!(contender.failure("it does not begin"));
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
}

/// Upper bound of the bucket of the delays, in seconds, below which this share lies.
fn quantile(page: &str, share: f64) -> f64 {
    let buckets = page.lines().filter_map(|line| {
        let rest = line.strip_prefix("tape_producer_delay_seconds_bucket{le=\"")?;
        let (bound, count) = rest.split_once("\"} ")?;
        Some((bound.parse::<f64>().ok()?, count.parse::<f64>().ok()?))
    });
    let buckets: Vec<_> = buckets.collect();
    let all = buckets.last().map_or(0.0, |(_, count)| *count);
    buckets.iter().find(|(_, count)| *count >= all * share).map_or(f64::NAN, |(bound, _)| *bound)
}

#[cfg(test)]
mod tests {
    use super::quantile;

    #[test]
    fn metrics_are_read() {
        let page = "# HELP x\ntape_producer_delay_seconds_bucket{le=\"0.01\"} 50\n\
                    tape_producer_delay_seconds_bucket{le=\"0.025\"} 99\n\
                    tape_producer_delay_seconds_bucket{le=\"+Inf\"} 100\n";
        assert_eq!(quantile(page, 0.5), 0.01);
        assert_eq!(quantile(page, 0.99), 0.025);
    }
}
