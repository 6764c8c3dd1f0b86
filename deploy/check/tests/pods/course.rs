//! The life of a pipeline: it starts, works, a pod is started again, one is taken away, one has lost its disk, all stop.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::cluster::{Cluster, Fleet, Pod, say};
use super::http;
use super::kubelet::Kubelet;
use super::mistakes;
use super::process::Process;
use super::spec::specs;

/// The processors' part of the group's lag that counts as caught up.
const CAUGHT_UP: f64 = 2000.0;
const PROCESSOR: &str = "tape-processor";
const CHANGELOG: &str = "tape-changelog";
/// No capability, in the kernel's words.
const NONE: &str = "0000000000000000";
/// A restore that its quota keeps from going on.
const STANDSTILL: Duration = Duration::from_secs(30);
/// Bytes a second that the broker must be allowed to send, at least: its quotas hold for 20 s, and a fetch of 1 MiB must find room there.
const SLOWEST: u64 = 60_000;

#[test]
fn pods_start_work_restore_and_stop() -> Result<()> {
    let cluster = Cluster::get();
    cluster.job("tape-migrate")?;
    let mut fleet = Fleet::default();
    let mut bulk = start(cluster, &mut fleet)?;
    let _vendor = live_feed(cluster, &mut fleet)?;
    fleet.0.values().try_for_each(must_be_confined)?;
    start_again(cluster, &mut fleet)?;
    hand_over(cluster, &mut fleet)?;
    restore(cluster, &mut fleet, &mut bulk)?;
    stop(cluster, &mut fleet)
}

/// All roles but the live feed, and a second market of many symbols, as fast as it takes to have something to restore.
fn start(cluster: &Cluster, fleet: &mut Fleet) -> Result<Process> {
    let begin = Instant::now();
    fleet.start(&cluster.simulation, "tape-producer", "tape-producer-simulation")?;
    for ordinal in 0..cluster.replicas(PROCESSOR)? {
        fleet.start(&cluster.manifests, PROCESSOR, &format!("{PROCESSOR}-{ordinal}"))?;
    }
    for number in 0..cluster.replicas("tape-sink")? {
        fleet.start(&cluster.manifests, "tape-sink", &format!("tape-sink-{number}"))?;
    }
    let place = cluster.place("tape-producer-bulk");
    let mut spec = specs(&cluster.simulation, "tape-producer", &place)?.pop().context("a container")?;
    let symbols: Vec<_> = (0..500).map(|number| format!("S{number}")).collect();
    spec.command.retain(|argument| argument != "--resume");
    let rate = spec.command.iter_mut().skip_while(|argument| *argument != "--rate").nth(1);
    *rate.context("a rate")? = "3000".to_owned();
    spec.command.extend(["--seed", "2", "--symbols", &symbols.join(",")].map(str::to_owned));
    let bulk = Process::start(&spec)?;
    fleet.until_ready(60)?;
    say(&format!("{} pods are ready after {:.1} s", fleet.0.len(), begin.elapsed().as_secs_f64()));
    Ok(bulk)
}

/// The vendor's stand-in, stopped with the test.
struct Vendor(Child);

impl Drop for Vendor {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The overlay's own producer follows a live feed.
fn live_feed(cluster: &Cluster, fleet: &mut Fleet) -> Result<Vendor> {
    let log = fs::File::create(cluster.servers.folder.join("fake-massive.log"))?;
    let vendor = Command::new("setpriv")
        .args(["--pdeathsig=KILL", &std::env::var("TAPE_BIN")?, "fake-massive", "--simulate", "--bind"])
        .arg(cluster.vendor.to_string())
        // Of our own variables it would say that they are no settings.
        .env_remove("TAPE_BIN")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()?;
    let vendor = Vendor(vendor);
    fleet.start(&cluster.manifests, "tape-producer", "tape-producer-live")?;
    fleet.until_ready(60)?;
    fleet.until(30, "every role has done work", |fleet| {
        let mut done = cluster.servers.sql("SELECT count(*) FROM stock_aggregates")? != "0";
        for (pods, metric) in [
            ("tape-producer-live", "tape_producer_acknowledged_total"),
            ("tape-producer-simulation", "tape_producer_acknowledged_total"),
            ("tape-processor-0", "tape_processor_records_total"),
            ("tape-processor-1", "tape_processor_records_total"),
            ("tape-sink", "tape_sink_rows_total"),
        ] {
            done &= fleet.sum(pods, metric)? > 0.0;
        }
        Ok(done.then_some(()))
    })?;
    Ok(vendor)
}

/// What the kernel says of a role's process: who it is, that it may nothing, and that its root is read-only.
fn must_be_confined(pod: &Pod) -> Result<()> {
    let (spec, process) = (&pod.spec, &pod.process);
    for (name, wanted) in [
        ("Name", "tape"),
        ("Uid", &[spec.user.as_str(); 4].join(" ")),
        ("Gid", &[spec.group.as_str(); 4].join(" ")),
        ("Groups", &spec.groups),
        ("CapInh", NONE),
        ("CapPrm", NONE),
        ("CapEff", NONE),
        ("CapBnd", NONE),
        ("CapAmb", NONE),
        ("NoNewPrivs", "1"),
    ] {
        let found = process.status(name)?;
        ensure!(found == wanted, "{}: {name} is {found}, not {wanted}", spec.pod);
    }
    let ids = process.status("NSpid")?;
    ensure!(ids.ends_with(" 1"), "{}: not the first process of its own: {ids}", spec.pod);
    let mounts = fs::read_to_string(format!("/proc/{}/mountinfo", process.pid))?;
    let root = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>()).find(|fields| fields[4] == "/");
    let options = root.context("no root")?[5].to_owned();
    ensure!(options.split(',').any(|option| option == "ro"), "{}: its root is {options}", spec.pod);
    Ok(())
}

/// A restart in place with the state kept: nothing to restore.
fn start_again(cluster: &Cluster, fleet: &mut Fleet) -> Result<()> {
    let pod = format!("{PROCESSOR}-0");
    fleet.stop(&pod)?;
    let begin = Instant::now();
    fleet.start(&cluster.manifests, PROCESSOR, &pod)?;
    fleet.until_ready(30)?;
    let restored = fleet.sum(&pod, "tape_processor_restored_records_total")?;
    say(&format!(
        "{pod} is ready again after {:.1} s, {restored} records restored",
        begin.elapsed().as_secs_f64()
    ));
    ensure!(restored <= 100.0, "a stop in order leaves nothing to restore, and it restored {restored}");
    Ok(())
}

/// Tasks of a processor that run.
fn running(pod: &Pod) -> Result<usize> {
    Ok(tasks(pod)?.iter().filter(|task| task["phase"] == "running").count())
}

fn tasks(pod: &Pod) -> Result<Vec<Value>> {
    let (_, body) = http::get(pod.address, "/status", Duration::from_secs(10))?;
    let status: Value = serde_json::from_str(&body).context("/status")?;
    Ok(status["tasks"].as_array().cloned().unwrap_or_default())
}

/// One of two is stopped and stays away: the other takes its partitions and goes on.
fn hand_over(cluster: &Cluster, fleet: &mut Fleet) -> Result<()> {
    let (goes, stays) = (format!("{PROCESSOR}-1"), format!("{PROCESSOR}-0"));
    let before = running(&fleet.0[&stays])? + running(&fleet.0[&goes])?;
    fleet.stop(&goes)?;
    let begin = Instant::now();
    let open = cluster.servers.open_transactions(&format!("tape-{goes}-"))?;
    ensure!(open.is_empty(), "{goes} left transactions open: {open:?}");
    fleet.until(120, "one processor has all partitions", |fleet| {
        Ok((running(&fleet.0[&stays])? == before).then_some(()))
    })?;
    let taken = begin.elapsed();
    let counted = fleet.sum(&stays, "tape_processor_records_total")?;
    fleet.until(60, "and catches up", |fleet| {
        let lag = fleet.sum(&stays, "tape_processor_lag_records")?;
        let more = fleet.sum(&stays, "tape_processor_records_total")? > counted;
        Ok((more && lag < CAUGHT_UP).then_some(()))
    })?;
    say(&format!(
        "{stays} has all {before} partitions {:.1} s after {goes} was gone, and has caught up after {:.1} s",
        taken.as_secs_f64(),
        begin.elapsed().as_secs_f64()
    ));
    Ok(())
}

/// The one that was away comes back without its disk, and its brokers are slow: minutes, in which it lives and is not ready.
fn restore(cluster: &Cluster, fleet: &mut Fleet, bulk: &mut Process) -> Result<()> {
    let pod = format!("{PROCESSOR}-1");
    let share_of_partitions = running(&fleet.0[&format!("{PROCESSOR}-0")])? / 2;
    let servers = &cluster.servers;
    let seconds: u64 = std::env::var("PODS_RESTORE").ok().map_or(Ok(120), |text| text.parse())?;
    let share = fleet.until(180, "there is enough to restore", |_| {
        let share = servers.size(CHANGELOG)? / cluster.replicas(PROCESSOR)?;
        Ok((share > seconds * SLOWEST).then_some(share))
    })?;
    bulk.stop(Duration::from_secs(30))?;
    let client = format!("tape-{pod}");
    let mut rate = share / seconds;
    servers.quota(&client, Some(rate))?;
    fs::remove_dir_all(servers.folder.join("claims").join(format!("state-{pod}")))?;
    fleet.start(&cluster.manifests, PROCESSOR, &pod)?;
    let probes = fleet.0[&pod].spec.probes.clone().context("probes")?;
    let wrong = Kubelet::watch(&mistakes::readiness_as_liveness(cluster, &fleet.0[&pod].place)?);
    fleet.until(60, "it answers", |fleet| Ok(fleet.0[&pod].course().started))?;
    let budget = probes.startup.budget().max(probes.liveness.budget());
    // Partitions come in rounds of the group, and between two of them it may be ready: as late as a kubelet sees it.
    let late = 2 * probes.readiness.budget();
    let mut since = None;
    let mut last = (0.0, Instant::now());
    fleet.until(3 * seconds, "the restore is done", |fleet| {
        let pod = &fleet.0[&pod];
        let left = pod.metrics()?.sum("tape_processor_restore_remaining_records").unwrap_or(0.0);
        let ready = pod.course().ready.is_some();
        // A large fetch may find no room in a slow quota beside smaller ones, ever: then the brokers become faster.
        if last.0 != left {
            last = (left, Instant::now());
        } else if left > 0.0 && last.1.elapsed() > STANDSTILL {
            rate *= 2;
            servers.quota(&client, Some(rate))?;
            last.1 = Instant::now();
        }
        since = since.filter(|_| left > 0.0).or((left > 0.0).then(Instant::now));
        let waits = since.is_some_and(|since| since.elapsed() > late);
        ensure!(!ready || !waits, "ready with {left} records to restore");
        Ok((ready && running(pod)? == share_of_partitions).then_some(()))
    })?;
    servers.quota(&client, None)?;
    let pod = &fleet.0[&pod];
    let course = pod.course();
    let took = course.ready.context("ready")? - pod.begin;
    let metrics = pod.metrics()?;
    let restored = metrics.sum("tape_processor_restored_records_total").unwrap_or(0.0);
    let total = metrics.sum("tape_processor_restore_total_records").unwrap_or(0.0);
    say(&format!(
        "{}: {restored} records ({total} offsets) restored with {} to {rate} bytes a second, ready after {:.0} s; alive {} of {} times, ready {} of {}; \
         startup and liveness have {} s",
        pod.spec.pod,
        share / seconds,
        took.as_secs_f64(),
        course.alive.0 - course.alive.1,
        course.alive.0,
        course.readiness.0 - course.readiness.1,
        course.readiness.0,
        budget.as_secs()
    ));
    ensure!(took > budget, "the restore was shorter than the probes' patience: nothing is shown");
    ensure!(course.alive.1 == 0 && course.alive.0 > 3, "liveness: {:?}", course.alive);
    ensure!(restored > 0.0 && total >= restored, "{restored} records of {total} offsets");
    let wrong = wrong.course().killed.context("a probe of readiness as liveness was not found")?;
    say(&format!("the same with readiness as liveness would have been ended: {wrong:.60}"));
    Ok(())
}

/// Sources first, then who reads them. Nothing is lost on the way.
fn stop(cluster: &Cluster, fleet: &mut Fleet) -> Result<()> {
    let servers = &cluster.servers;
    fleet.until_ready(60)?;
    fleet.stop("tape-producer-live")?;
    fleet.stop("tape-producer-simulation")?;
    let records = servers.records("raw-trades")?;
    for topic in ["raw-trades-late", "raw-trades-dlq", "tape-sink-dlq"] {
        let strays = servers.records(topic)?;
        ensure!(strays == 0, "{strays} records in {topic}");
    }
    // Bars do not overlap: each record stands in one.
    let bars = || servers.sql("SELECT sum(bar_trades) FROM stock_aggregates");
    fleet
        .until(90, "all records are in the database", |fleet| {
            let lag = fleet.sum(PROCESSOR, "tape_processor_lag_records")?
                + fleet.sum("tape-sink", "tape_sink_lag_records")?;
            Ok((lag == 0.0 && bars()? == records.to_string()).then_some(()))
        })
        .with_context(|| format!("{records} records, in bars {:?}", bars()))?;
    for job in ["tape-admin", "tape-maintain", "tape-backup"] {
        cluster.job(job)?;
    }
    for pod in fleet.0.keys().cloned().collect::<Vec<_>>() {
        fleet.stop(&pod)?;
    }
    let open = servers.open_transactions("tape-")?;
    ensure!(open.is_empty(), "open transactions: {open:?}");
    ensure!(bars()? == records.to_string(), "{records} records, in bars {:?}", bars());
    let rows =
        servers.sql("SELECT count(*) FILTER (WHERE is_final) || ' of ' || count(*) FROM stock_aggregates")?;
    ensure!(!rows.starts_with("0 "), "no window has closed: {rows} rows");
    say(&format!("{records} records of all sources, each in one bar in the database; {rows} rows are final"));
    Ok(())
}
