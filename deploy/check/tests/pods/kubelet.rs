//! The probes of a container, asked as a kubelet asks them: the startup probe first and alone; then liveness and readiness, each in its
//! own period. As many failures in a row as the threshold says end the container, or make it not ready.
//!
//! A kubelet would start the container again. Here a verdict is kept, and whoever waits for something else finds it.

use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use k8s_openapi::api::core::v1::{Container, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::http;

/// A probe as the manifest has it, with Kubernetes' defaults.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    address: SocketAddr,
    path: String,
    delay: Duration,
    period: Duration,
    timeout: Duration,
    failures: u32,
    successes: u32,
}

impl Asked {
    /// `port`: that of the container by its name.
    pub(crate) fn of(probe: &Probe, pod: std::net::IpAddr, container: &Container) -> Result<Self> {
        let get = probe.http_get.as_ref().context("a probe of ours asks by HTTP")?;
        let port = match &get.port {
            IntOrString::Int(port) => *port,
            IntOrString::String(name) => {
                let port = container.ports.iter().flatten().find(|port| port.name.as_ref() == Some(name));
                port.with_context(|| format!("no port {name}"))?.container_port
            }
        };
        let or = |value: Option<i32>, default: u32| value.map_or(Ok(default), u32::try_from);
        let seconds = |value: Option<i32>, default| or(value, default).map(|s| Duration::from_secs(s.into()));
        Ok(Asked {
            address: SocketAddr::new(pod, u16::try_from(port)?),
            path: get.path.clone().unwrap_or_else(|| "/".to_owned()),
            delay: seconds(probe.initial_delay_seconds, 0)?,
            period: seconds(probe.period_seconds, 10)?,
            timeout: seconds(probe.timeout_seconds, 1)?,
            failures: or(probe.failure_threshold, 3)?,
            successes: or(probe.success_threshold, 1)?,
        })
    }

    /// After so long without a good answer the container is ended, or not ready.
    pub(crate) fn budget(&self) -> Duration {
        self.delay + self.period * self.failures
    }

    /// Whoever asks for the container's address asks where the probes ask.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What is wrong, if something is.
    fn ask(&self) -> Result<()> {
        let (code, body) = http::get(self.address, &self.path, self.timeout)?;
        if !(200..400).contains(&code) {
            bail!("{code} {}", body.trim());
        }
        Ok(())
    }
}

/// All probes of a container.
#[derive(Clone, Debug)]
pub(crate) struct Probes {
    pub(crate) startup: Asked,
    pub(crate) liveness: Asked,
    pub(crate) readiness: Asked,
}

/// What became of the questions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Course {
    /// When the startup probe was content.
    pub(crate) started: Option<Instant>,
    /// Now, and when it became so.
    pub(crate) ready: Option<Instant>,
    /// Why the container would have been ended.
    pub(crate) killed: Option<String>,
    /// Answers of liveness: all, and bad ones.
    pub(crate) alive: (u32, u32),
    /// Answers of readiness: all, and bad ones.
    pub(crate) readiness: (u32, u32),
    /// What the last bad answer of readiness said.
    pub(crate) why: String,
}

#[derive(Default)]
struct Shared {
    course: Mutex<(Course, bool)>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, (Course, bool)> {
        self.course.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the next turn; false: it is over.
    fn pause(&self, until: Instant) -> bool {
        let left = until.saturating_duration_since(Instant::now());
        let over = |(course, stopped): &mut (Course, bool)| !*stopped && course.killed.is_none();
        let (guard, _) =
            self.changed.wait_timeout_while(self.lock(), left, over).unwrap_or_else(PoisonError::into_inner);
        !guard.1 && guard.0.killed.is_none()
    }
}

/// Asks until it is dropped.
pub(crate) struct Kubelet {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Kubelet {
    pub(crate) fn watch(probes: &Probes) -> Self {
        let shared = Arc::new(Shared::default());
        let (mine, probes) = (Arc::clone(&shared), probes.clone());
        let first = thread::spawn(move || {
            if !start(&mine, &probes.startup) {
                return;
            }
            thread::scope(|scope| {
                scope.spawn(|| live(&mine, &probes.liveness));
                scope.spawn(|| ready(&mine, &probes.readiness));
            });
        });
        Kubelet { shared, threads: vec![first] }
    }

    pub(crate) fn course(&self) -> Course {
        self.shared.lock().0.clone()
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        self.shared.lock().1 = true;
        self.shared.changed.notify_all();
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}

/// Asks in the probe's period, until `judge` is content or the container is ended. `judge` gets the answer.
fn turns(shared: &Shared, probe: &Asked, mut judge: impl FnMut(Result<()>) -> bool) -> bool {
    let mut next = Instant::now() + probe.delay;
    while shared.pause(next) {
        next += probe.period;
        if judge(probe.ask()) {
            return true;
        }
        // A turn that took longer than the period is not made up for.
        next = next.max(Instant::now());
    }
    false
}

fn start(shared: &Shared, probe: &Asked) -> bool {
    let mut failures = 0;
    turns(shared, probe, |answer| {
        let mut guard = shared.lock();
        let course = &mut guard.0;
        match answer {
            Ok(()) => course.started = Some(Instant::now()),
            Err(error) => {
                failures += 1;
                if failures >= probe.failures {
                    course.killed = Some(format!("startup {}: {error}", probe.path));
                }
            }
        }
        course.started.is_some()
    })
}

fn live(shared: &Shared, probe: &Asked) {
    let mut failures = 0;
    turns(shared, probe, |answer| {
        let mut guard = shared.lock();
        let course = &mut guard.0;
        course.alive.0 += 1;
        failures = if answer.is_ok() { 0 } else { failures + 1 };
        if let Err(error) = answer {
            course.alive.1 += 1;
            if failures >= probe.failures {
                course.killed = Some(format!("liveness {}: {error}", probe.path));
            }
        }
        false
    });
}

fn ready(shared: &Shared, probe: &Asked) {
    let (mut failures, mut successes) = (0, 0);
    turns(shared, probe, |answer| {
        let mut guard = shared.lock();
        let course = &mut guard.0;
        course.readiness.0 += 1;
        (failures, successes) = if answer.is_ok() { (0, successes + 1) } else { (failures + 1, 0) };
        if let Err(error) = answer {
            course.readiness.1 += 1;
            course.why = error.to_string();
        }
        if successes >= probe.successes && course.ready.is_none() {
            course.ready = Some(Instant::now());
        } else if failures >= probe.failures {
            course.ready = None;
        }
        false
    });
}
