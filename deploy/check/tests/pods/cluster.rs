//! What a cluster does with an overlay: pods are made, watched and stopped, Jobs run to their end.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tape_manifests::Manifests;

use super::http::Metrics;
use super::kubelet::{Course, Kubelet};
use super::process::{Process, must_have_namespaces};
use super::servers::Servers;
use super::spec::{Place, Spec, specs};
use super::wait;

/// The overlay whose pods are tried. It has all that production has; production's Secrets come from elsewhere.
const OVERLAY: &str = "staging";
/// Where the simulated market comes from.
const SIMULATION: &str = "dev";
/// A Job of ours takes seconds.
const JOB: Duration = Duration::from_secs(60);

/// Servers, and the overlays as they are when they have been applied.
pub(crate) struct Cluster {
    pub(crate) servers: Servers,
    pub(crate) manifests: Manifests,
    pub(crate) simulation: Manifests,
    pub(crate) vendor: SocketAddr,
}

static CLUSTER: LazyLock<Cluster> =
    LazyLock::new(|| Cluster::set_up().unwrap_or_else(|error| panic!("{error:?}")));
static ADDRESSES: AtomicU8 = AtomicU8::new(1);

/// An address of loopback that no other pod of this test has, nor of one that runs beside it.
fn new_address() -> IpAddr {
    let [.., high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 64 + high % 64, low, ADDRESSES.fetch_add(1, Ordering::Relaxed)).into()
}

impl Cluster {
    /// The same for all tests.
    pub(crate) fn get() -> &'static Cluster {
        &CLUSTER
    }

    fn set_up() -> Result<Self> {
        must_have_namespaces()?;
        let servers = Servers::of_environment()?;
        let vendor = SocketAddr::new(new_address(), 9470);
        let url = format!("ws://{vendor}/stocks");
        let build = |overlay| {
            let mut manifests = Manifests::build(overlay)?;
            servers.stand_in(&mut manifests, &url)?;
            anyhow::Ok(manifests)
        };
        let (manifests, mut simulation) = (build(OVERLAY)?, build(SIMULATION)?);
        // By itself the simulated market begins two hours ago, and catching up with it takes a minute that shows nothing of pods.
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_millis().to_string();
        let command = simulation
            .change("Deployment", "tape-producer")
            .pointer_mut("/spec/template/spec/containers/0/command")
            .and_then(Value::as_array_mut);
        command.context("a command")?.extend([json!("--start"), json!(now)]);
        servers.prepare(&manifests)?;
        Ok(Cluster { servers, manifests, simulation, vendor })
    }

    pub(crate) fn place(&self, pod: &str) -> Place {
        Place {
            pod: pod.to_owned(),
            address: new_address(),
            claims: self.servers.folder.join("claims"),
            folder: self.servers.folder.join("pods").join(pod),
        }
    }

    /// Containers of a Job, one after the other, each to its good end. The first one's log.
    pub(crate) fn job(&self, workload: &str) -> Result<()> {
        for spec in specs(&self.manifests, workload, &self.place(&format!("{workload}-1")))? {
            let mut process = Process::start(&spec)?;
            let status = process.wait(JOB)?;
            ensure!(status.success(), "{}: {status}, {}", process.name, process.last_lines());
        }
        Ok(())
    }

    /// As many pods as the overlay wants.
    pub(crate) fn replicas(&self, workload: &str) -> Result<u64> {
        let workload = self.manifests.workload(workload).with_context(|| format!("no {workload}"))?;
        Ok(workload.replicas.unwrap_or(1).try_into()?)
    }
}

/// A pod of a role: one container that stays.
pub(crate) struct Pod {
    pub(crate) spec: Spec,
    pub(crate) process: Process,
    pub(crate) kubelet: Kubelet,
    pub(crate) begin: Instant,
    pub(crate) place: Place,
    /// Where it answers.
    pub(crate) address: SocketAddr,
}

impl Pod {
    pub(crate) fn start(manifests: &Manifests, workload: &str, place: &Place) -> Result<Self> {
        let spec = specs(manifests, workload, place)?.pop().context("a container")?;
        let probes = spec.probes.clone().context("three probes")?;
        let begin = Instant::now();
        let process = Process::start(&spec)?;
        let address = probes.readiness.address();
        Ok(Pod { kubelet: Kubelet::watch(&probes), spec, process, begin, place: place.clone(), address })
    }

    pub(crate) fn course(&self) -> Course {
        self.kubelet.course()
    }

    pub(crate) fn metrics(&self) -> Result<Metrics> {
        Metrics::of(self.address)
    }

    /// It lives, and a kubelet would have let it live.
    pub(crate) fn must_be_well(&mut self) -> Result<()> {
        let name = &self.spec.pod;
        if let Some(status) = self.process.ended()? {
            anyhow::bail!("{name} has ended by itself: {status}, {}", self.process.last_lines());
        }
        if let Some(why) = self.course().killed {
            anyhow::bail!("{name} would have been ended: {why}; {}", self.process.last_lines());
        }
        Ok(())
    }

    /// SIGTERM; it must end in good order within its grace period. The time that it took, and its largest memory in bytes.
    pub(crate) fn stop(self) -> Result<(Duration, u64)> {
        let Pod { spec, mut process, kubelet, .. } = self;
        // A pod that ends is not asked whether it lives.
        drop(kubelet);
        let peak = process.status("VmHWM")?;
        let peak: u64 = peak.trim_end_matches(" kB").parse().context("VmHWM")?;
        let took = process.stop(spec.grace)?;
        ensure!(peak << 10 < spec.memory, "{} had {peak} KiB, its limit is {}", spec.pod, spec.memory);
        Ok((took, peak << 10))
    }
}

/// Pods by name.
#[derive(Default)]
pub(crate) struct Fleet(pub(crate) BTreeMap<String, Pod>);

impl Fleet {
    pub(crate) fn start(&mut self, manifests: &Manifests, workload: &str, pod: &str) -> Result<()> {
        let pod = Pod::start(manifests, workload, &Cluster::get().place(pod))?;
        self.0.insert(pod.spec.pod.clone(), pod);
        Ok(())
    }

    /// Waits; all pods must be well meanwhile.
    pub(crate) fn until<T>(
        &mut self,
        seconds: u64,
        what: &str,
        mut ask: impl FnMut(&Self) -> Result<Option<T>>,
    ) -> Result<T> {
        let answer = wait::until(Duration::from_secs(seconds), what, || {
            self.0.values_mut().try_for_each(Pod::must_be_well)?;
            ask(self)
        });
        answer.with_context(|| {
            let states = self.0.values().map(|pod| {
                let course = pod.course();
                format!("{}: ready {}, {}", pod.spec.pod, course.ready.is_some(), course.why)
            });
            states.collect::<Vec<_>>().join("\n")
        })
    }

    /// Waits until all are ready.
    pub(crate) fn until_ready(&mut self, seconds: u64) -> Result<()> {
        let ready = |fleet: &Fleet| fleet.0.values().all(|pod| pod.course().ready.is_some());
        self.until(seconds, "all pods are ready", |fleet| Ok(ready(fleet).then_some(())))
    }

    /// Sum of a metric over pods whose names begin so.
    pub(crate) fn sum(&self, pods: &str, metric: &str) -> Result<f64> {
        let mut sum = 0.0;
        for (_, pod) in self.0.range(pods.to_owned()..).take_while(|(name, _)| name.starts_with(pods)) {
            sum += pod.metrics()?.sum(metric).unwrap_or(0.0);
        }
        Ok(sum)
    }

    /// Stops one, and says how long it took.
    pub(crate) fn stop(&mut self, pod: &str) -> Result<()> {
        let pod = self.0.remove(pod).with_context(|| format!("no pod {pod}"))?;
        let (name, grace) = (pod.spec.pod.clone(), pod.spec.grace);
        let (took, peak) = pod.stop()?;
        say(&format!(
            "{name}: from SIGTERM to exit code 0 in {:.2} s of {} s; at most {} MiB",
            took.as_secs_f64(),
            grace.as_secs(),
            peak >> 20
        ));
        Ok(())
    }
}

/// A line of the test's report.
pub(crate) fn say(line: &str) {
    println!("pods: {line}");
}
