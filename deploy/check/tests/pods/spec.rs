//! What a container gets, from the objects of an overlay: nothing of it is written a second time.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use k8s_openapi::api::core::v1::{Container, EnvVar, Volume};
use serde_json::Value;
use tape_manifests::manifests::{name_of, typed};
use tape_manifests::{Manifests, Workload, source};

use super::kubelet::{Asked, Probes};

/// What a pod has beside its manifest.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Its name: for a StatefulSet with the ordinal.
    pub(crate) pod: String,
    /// Its address.
    pub(crate) address: IpAddr,
    /// A folder for volumes that outlive it, of all pods.
    pub(crate) claims: PathBuf,
    /// A folder of its own.
    pub(crate) folder: PathBuf,
}

/// A container, ready to be started.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    pub(crate) pod: String,
    pub(crate) container: String,
    pub(crate) command: Vec<String>,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) user: String,
    pub(crate) group: String,
    /// All of them, with spaces between.
    pub(crate) groups: String,
    /// Options of setpriv: user, groups, capabilities, new privileges.
    pub(crate) privileges: Vec<String>,
    pub(crate) read_only: bool,
    pub(crate) mounts: Vec<Mount>,
    pub(crate) working_dir: String,
    /// Of a role, not of a Job.
    pub(crate) probes: Option<Probes>,
    pub(crate) grace: Duration,
    /// Bytes that it may use.
    pub(crate) memory: u64,
    pub(crate) folder: PathBuf,
}

/// A volume in a container.
#[derive(Clone, Debug)]
pub(crate) struct Mount {
    pub(crate) source: PathBuf,
    pub(crate) target: String,
    pub(crate) read_only: bool,
}

/// The containers of a pod in the order in which they are started: those of `initContainers` first.
pub(crate) fn specs(manifests: &Manifests, workload: &str, place: &Place) -> Result<Vec<Spec>> {
    let workload = manifests.workload(workload).with_context(|| format!("no {workload}"))?;
    fs::create_dir_all(&place.folder)?;
    let volumes = volumes(manifests, &workload, place)?;
    let all = workload.containers().map(|container| {
        spec(manifests, &workload, container, place, &volumes)
            .with_context(|| format!("{}, container {}", place.pod, container.name))
    });
    all.collect()
}

fn spec(
    manifests: &Manifests,
    workload: &Workload,
    container: &Container,
    place: &Place,
    volumes: &BTreeMap<String, PathBuf>,
) -> Result<Spec> {
    let image = Image::of_dockerfile();
    let mut environment = image.environment;
    environment.extend(variables(manifests, workload, container, place)?);
    let mut command = container.command.clone().context("the image's own command")?;
    command.extend(container.args.iter().flatten().cloned());
    let mount = |mount: &k8s_openapi::api::core::v1::VolumeMount| {
        ensure!(mount.sub_path.is_none(), "subPath is not played");
        let source = volumes.get(&mount.name).with_context(|| format!("no volume {}", mount.name))?.clone();
        Ok(Mount { source, target: mount.mount_path.clone(), read_only: mount.read_only == Some(true) })
    };
    let probe = |probe| Asked::of(probe, place.address, container);
    let probes = match (&container.startup_probe, &container.liveness_probe, &container.readiness_probe) {
        (Some(startup), Some(liveness), Some(readiness)) => Some(Probes {
            startup: probe(startup)?,
            liveness: probe(liveness)?,
            readiness: probe(readiness)?,
        }),
        _ => None,
    };
    let limit = container.resources.as_ref().and_then(|all| all.limits.as_ref()?.get("memory"));
    let context = container.security_context.clone().unwrap_or_default();
    let identity = identity(workload, container)?;
    let [user, group, groups] = identity.clone();
    Ok(Spec {
        pod: place.pod.clone(),
        container: container.name.clone(),
        command,
        environment,
        privileges: privileges(container, &identity)?,
        user,
        group,
        groups,
        read_only: context.read_only_root_filesystem == Some(true),
        mounts: container.volume_mounts.iter().flatten().map(mount).collect::<Result<_>>()?,
        working_dir: container.working_dir.clone().unwrap_or(image.working_dir),
        probes,
        grace: Duration::from_secs(workload.pod.termination_grace_period_seconds.unwrap_or(30).try_into()?),
        memory: mebibytes(&limit.context("no limit of memory")?.0)? << 20,
        folder: place.folder.clone(),
    })
}

/// What the image says: its variables and its folder.
struct Image {
    environment: BTreeMap<String, String>,
    working_dir: String,
}

impl Image {
    fn of_dockerfile() -> Self {
        let text = source::text("deploy/Dockerfile");
        let last = text.rsplit("\nFROM ").next().unwrap_or_default();
        let of = |word: &str| {
            let lines = last.lines().filter_map(|line| line.strip_prefix(word)?.strip_prefix(' '));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        let pairs = of("ENV").into_iter().filter_map(|line| {
            let (name, value) = line.split_once('=')?;
            Some((name.to_owned(), value.to_owned()))
        });
        // Of Debian's image.
        let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        let path = ("PATH".to_owned(), path.to_owned());
        Image {
            environment: std::iter::once(path).chain(pairs).collect(),
            working_dir: of("WORKDIR").pop().unwrap_or_else(|| "/".to_owned()),
        }
    }
}

/// The environment, as the kubelet puts it together: `env` goes before `envFrom`, and that before what the cluster adds.
fn variables(
    manifests: &Manifests,
    workload: &Workload,
    container: &Container,
    place: &Place,
) -> Result<BTreeMap<String, String>> {
    let mut all = BTreeMap::from([("HOSTNAME".to_owned(), place.pod.clone())]);
    service_links(manifests, workload, &mut all);
    for from in container.env_from.iter().flatten() {
        ensure!(from.prefix.is_none(), "prefix is not played");
        let data = match (&from.config_map_ref, &from.secret_ref) {
            (Some(map), _) => data(manifests, "ConfigMap", &map.name)?,
            (_, Some(secret)) => data(manifests, "Secret", &secret.name)?,
            _ => bail!("envFrom of neither a ConfigMap nor a Secret"),
        };
        all.extend(data);
    }
    for variable in container.env.iter().flatten() {
        all.insert(variable.name.clone(), value(manifests, variable, place)?);
    }
    // Here all pods share the loopback device, where each has an address: "every address of this pod" is that one.
    for value in all.values_mut() {
        if let Some(port) = value.strip_prefix("0.0.0.0:") {
            *value = format!("{}:{port}", place.address);
        }
        ensure!(!value.contains("$("), "{value}: variables in variables are not played");
    }
    Ok(all)
}

/// Each Service that has an address becomes variables in every pod of its namespace, unless the pod does not want it. That of the
/// cluster itself comes in any case.
fn service_links(manifests: &Manifests, workload: &Workload, all: &mut BTreeMap<String, String>) {
    let mut service = |name: &str, port: u64| {
        let name = name.to_uppercase().replace('-', "_");
        all.insert(format!("{name}_SERVICE_HOST"), "10.96.0.1".to_owned());
        all.insert(format!("{name}_SERVICE_PORT"), port.to_string());
        all.insert(format!("{name}_PORT"), format!("tcp://10.96.0.1:{port}"));
    };
    service("kubernetes", 443);
    if workload.pod.enable_service_links != Some(false) {
        let with_address = |document: &&Value| document["spec"]["clusterIP"] != "None";
        for document in manifests.of_kind("Service").filter(with_address) {
            service(name_of(document), document["spec"]["ports"][0]["port"].as_u64().unwrap_or_default());
        }
    }
}

fn value(manifests: &Manifests, variable: &EnvVar, place: &Place) -> Result<String> {
    let Some(from) = &variable.value_from else {
        return Ok(variable.value.clone().unwrap_or_default());
    };
    let key = |kind, name: &str, key: &str| {
        data(manifests, kind, name)?.remove(key).with_context(|| format!("{kind} {name} has no {key}"))
    };
    if let Some(field) = &from.field_ref {
        return match field.field_path.as_str() {
            "metadata.name" => Ok(place.pod.clone()),
            "status.podIP" => Ok(place.address.to_string()),
            other => bail!("{other} is not played"),
        };
    }
    match (&from.config_map_key_ref, &from.secret_key_ref) {
        (Some(map), _) => key("ConfigMap", &map.name, &map.key),
        (_, Some(secret)) => key("Secret", &secret.name, &secret.key),
        _ => bail!("{}: a source that is not played", variable.name),
    }
}

/// The content of a ConfigMap or Secret.
fn data(manifests: &Manifests, kind: &str, name: &str) -> Result<BTreeMap<String, String>> {
    let document = manifests.find(kind, name).with_context(|| format!("no {kind} {name}"))?;
    let field = if kind == "Secret" { "stringData" } else { "data" };
    Ok(typed(&document[field]))
}

/// User, group, all groups.
fn identity(workload: &Workload, container: &Container) -> Result<[String; 3]> {
    let pod = workload.pod.security_context.clone().unwrap_or_default();
    let own = container.security_context.clone().unwrap_or_default();
    let user = own.run_as_user.or(pod.run_as_user).context("runAsUser")?;
    let group = own.run_as_group.or(pod.run_as_group).context("runAsGroup")?;
    ensure!(user != 0 || pod.run_as_non_root != Some(true), "runAsNonRoot, and the user is root");
    let mut groups = vec![group];
    groups.extend(pod.fs_group);
    groups.extend(pod.supplemental_groups.iter().flatten());
    groups.dedup();
    let groups: Vec<String> = groups.iter().map(i64::to_string).collect();
    Ok([user.to_string(), group.to_string(), groups.join(" ")])
}

/// The same and rights, as options of setpriv.
fn privileges(container: &Container, [user, group, groups]: &[String; 3]) -> Result<Vec<String>> {
    let own = container.security_context.clone().unwrap_or_default();
    let groups = groups.replace(' ', ",");
    let mut options =
        vec![format!("--reuid={user}"), format!("--regid={group}"), format!("--groups={groups}")];
    let capabilities = own.capabilities.unwrap_or_default();
    ensure!(capabilities.add.iter().flatten().next().is_none(), "added capabilities are not played");
    if capabilities.drop.iter().flatten().any(|name| name == "ALL") {
        options.extend(["--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"].map(str::to_owned));
    }
    if own.allow_privilege_escalation == Some(false) {
        options.push("--no-new-privs".to_owned());
    }
    Ok(options)
}

/// The volumes of a pod as folders of this machine, filled and owned as the kubelet does it.
fn volumes(manifests: &Manifests, workload: &Workload, place: &Place) -> Result<BTreeMap<String, PathBuf>> {
    let group = workload.pod.security_context.as_ref().and_then(|context| context.fs_group);
    let group = group.map(u32::try_from).transpose()?;
    let mut found = BTreeMap::new();
    for volume in workload.pod.volumes.iter().flatten() {
        let folder = match &volume.persistent_volume_claim {
            Some(claim) => {
                let known = manifests.find("PersistentVolumeClaim", &claim.claim_name);
                known.with_context(|| format!("no claim {}", claim.claim_name))?;
                place.claims.join(&claim.claim_name)
            }
            None => place.folder.join(&volume.name),
        };
        fs::create_dir_all(&folder)?;
        fill(manifests, volume, &folder, group).with_context(|| format!("volume {}", volume.name))?;
        found.insert(volume.name.clone(), folder);
    }
    for template in workload.document["spec"]["volumeClaimTemplates"].as_array().into_iter().flatten() {
        let folder = place.claims.join(format!("{}-{}", name_of(template), place.pod));
        fs::create_dir_all(&folder)?;
        own(&folder, 0o755, group)?;
        found.insert(name_of(template).to_owned(), folder);
    }
    Ok(found)
}

fn fill(manifests: &Manifests, volume: &Volume, folder: &Path, group: Option<u32>) -> Result<()> {
    let (kind, name, items, mode) = match (&volume.secret, &volume.config_map) {
        (Some(secret), _) => {
            let name = secret.secret_name.as_deref().context("a Secret without a name")?;
            ("Secret", name, &secret.items, secret.default_mode)
        }
        (_, Some(map)) => ("ConfigMap", map.name.as_str(), &map.items, map.default_mode),
        // A new emptyDir is everybody's; a new disk is root's.
        _ if volume.empty_dir.is_some() => return own(folder, 0o777, group),
        _ if volume.persistent_volume_claim.is_some() => return own(folder, 0o755, group),
        _ => bail!("a kind that is not played"),
    };
    let data = data(manifests, kind, name)?;
    let all = data.keys().map(|key| (key.clone(), key.clone(), None)).collect();
    let wanted: Vec<(String, String, Option<i32>)> = match items {
        Some(items) => items.iter().map(|item| (item.key.clone(), item.path.clone(), item.mode)).collect(),
        None => all,
    };
    for (key, path, own_mode) in wanted {
        let text = data.get(&key).with_context(|| format!("{kind} {name} has no {key}"))?;
        let file = folder.join(path);
        fs::write(&file, text)?;
        let mode = own_mode.or(mode).unwrap_or(0o644);
        // The group of the volumes may always read.
        let mode = u32::try_from(mode)? | if group.is_some() { 0o440 } else { 0 };
        chown(&file, Some(0), group)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(mode))?;
    }
    Ok(())
}

/// A folder of root, whose group, if there is one, may write, and passes itself on to what is made in there.
fn own(folder: &Path, mode: u32, group: Option<u32>) -> Result<()> {
    chown(folder, Some(0), Some(group.unwrap_or(0)))?;
    let mode = if group.is_some() { mode | 0o2770 } else { mode };
    Ok(fs::set_permissions(folder, fs::Permissions::from_mode(mode))?)
}

fn mebibytes(quantity: &str) -> Result<u64> {
    match (quantity.strip_suffix("Mi"), quantity.strip_suffix("Gi")) {
        (Some(number), _) => Ok(number.parse()?),
        (_, Some(number)) => Ok(number.parse::<u64>()? * 1024),
        _ => bail!("memory of {quantity}"),
    }
}
