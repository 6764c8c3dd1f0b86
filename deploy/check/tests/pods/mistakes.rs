//! A pod that cannot fail shows nothing: damaged manifests must be found, and the walls around a process must hold.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tape_manifests::Manifests;

use super::cluster::{Cluster, say};
use super::kubelet::Probes;
use super::process::{Process, last_lines};
use super::spec::{Place, specs};

const PROCESSOR: &str = "tape-processor";

/// The overlay with another value in the processor's pod.
fn with(manifests: &Manifests, path: &str, value: Value) -> Manifests {
    let mut damaged = manifests.clone();
    let pod = damaged.change("StatefulSet", PROCESSOR);
    let (parent, key) = path.rsplit_once('/').expect("a path");
    let parent = format!("/spec/template/spec{parent}");
    pod.pointer_mut(&parent).unwrap_or_else(|| panic!("no {parent}"))[key] = value;
    damaged
}

/// The probes of a processor's pod that asks for readiness and calls it liveness.
pub(crate) fn readiness_as_liveness(cluster: &Cluster, place: &Place) -> Result<Probes> {
    let path = "/containers/0/livenessProbe/httpGet/path";
    let damaged = with(&cluster.manifests, path, json!("/health/ready"));
    let place = Place { folder: place.folder.join("damaged"), ..place.clone() };
    specs(&damaged, PROCESSOR, &place)?.pop().context("a container")?.probes.context("probes")
}

#[test]
fn damaged_manifests_are_found() -> Result<()> {
    let cluster = Cluster::get();
    let mounts = "/containers/0/volumeMounts";
    let all = cluster.manifests.find("StatefulSet", PROCESSOR).context("the processor")?;
    let all = all.pointer(&format!("/spec/template/spec{mounts}")).and_then(Value::as_array);
    let without_state: Vec<_> =
        all.context("mounts")?.iter().filter(|mount| mount["name"] != "state").collect();
    let damages = [
        ("a state without a volume", mounts, json!(without_state), "Read-only file system"),
        ("a volume of nobody's group", "/securityContext/fsGroup", Value::Null, "Permission denied"),
        ("addresses of Services as variables", "/enableServiceLinks", json!(true), "TAPE_GRAFANA"),
        ("a user that may do all", "/securityContext/runAsUser", json!(0), "the user is root"),
    ];
    for (number, (what, path, value, word)) in damages.into_iter().enumerate() {
        let damaged = with(&cluster.manifests, path, value);
        let found = try_to_start(cluster, &damaged, &format!("{PROCESSOR}-{}", 90 + number));
        let found = found.with_context(|| what.to_owned())?;
        ensure!(found.contains(word), "{what}: no {word} in: {found}");
        say(&format!("{what}: does not start ({word})"));
    }
    Ok(())
}

/// Why a pod does not start.
fn try_to_start(cluster: &Cluster, manifests: &Manifests, pod: &str) -> Result<String> {
    let mut all = match specs(manifests, PROCESSOR, &cluster.place(pod)) {
        Ok(all) => all,
        Err(error) => return Ok(format!("{error:?}")),
    };
    let mut process = Process::start(&all.pop().context("a container")?)?;
    let status = process.wait(Duration::from_secs(30))?;
    ensure!(!status.success(), "{pod} has ended well: {}", process.last_lines());
    Ok(process.last_lines())
}

/// What a shell in the processor's place is told, one line each.
const WALLS: &str = r#"
for place in / /etc /usr /usr/local/bin /run/secrets/kafka /var/lib /proc/sys/kernel /dev /tmp; do
    if (echo x >"$place/written") 2>/dev/null; then echo "wrote to $place"; fi
done
if echo x >/var/lib/tape/written; then echo "state is writable"; fi
kill -0 1 && echo "first process $(cat /proc/1/comm)"
echo "processes $(ls /proc | grep -c '^[0-9]*$')"
echo "user $(id -u) groups $(id -G)"
mount -t tmpfs x /tmp 2>/dev/null && echo "mounted"
if [ -e /home ] || [ -e /root ]; then echo "sees the machine"; fi
echo "name $(cat /proc/sys/kernel/hostname) $INSTANCE_ID"
"#;

#[test]
fn walls_hold() -> Result<()> {
    let cluster = Cluster::get();
    let place = cluster.place("tape-processor-80");
    let mut spec = specs(&cluster.manifests, PROCESSOR, &place)?.pop().context("a container")?;
    spec.command = ["sh", "-c", WALLS].map(str::to_owned).to_vec();
    let mut process = Process::start(&spec)?;
    let status = process.wait(Duration::from_secs(30))?;
    let log = last_lines(&process.log);
    let said: Vec<_> = log.lines().skip(1).collect();
    let user = format!("user {} groups {}", spec.user, spec.groups);
    let name = format!("name {0} {0}", spec.pod);
    let wanted = ["state is writable", "first process sh", &user, &name];
    let others: Vec<_> = said.iter().filter(|line| !wanted.contains(line)).collect();
    ensure!(wanted.iter().all(|line| said.contains(line)), "{status}: {log}");
    // The shell, and what counts.
    ensure!(others.iter().all(|line| line.starts_with("processes ") && line.len() == 11), "{status}: {log}");
    say(
        "a shell in the processor's place writes to its state alone, sees no other process and may mount nothing",
    );
    Ok(())
}
