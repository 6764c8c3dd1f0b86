//! Is this machine fit for a processor: its state directory, memory, open files? Linux says all of it under /proc and /sys; where
//! they are not, the question is left out.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tape_service::Config;
use tape_state::{Disk, OPEN_FILES};

use super::Finding;

const STATE: &str = "state";
const MEMORY: &str = "memory";
const FILES: &str = "files";

/// Share of a disk that is to be free.
const FREE_MIN: f64 = 0.15;
/// What a processor of a few partitions takes at most: caches, write buffers, the Kafka client's queues.
const MEMORY_MIN_BYTES: u64 = 512 << 20;
/// Files of a process beside those of its stores.
const FILES_OF_PROCESS: u64 = 256;
/// File systems that forget, and those behind a network.
const IN_MEMORY: [&str; 2] = ["tmpfs", "ramfs"];
const REMOTE: [&str; 5] = ["nfs", "nfs4", "cifs", "smb3", "9p"];

pub(super) fn look(config: &Config) -> Vec<Finding> {
    let mut findings = directory(&config.processing.state_dir);
    findings.extend(memory(&Memory::read()));
    let limit = read("/proc/self/limits").as_deref().and_then(open_files);
    findings.extend(limit.and_then(|limit| files(limit, config.kafka.partitions)));
    findings
}

fn directory(dir: &Path) -> Vec<Finding> {
    let name = dir.display();
    let remedy = "make it a folder that the processor's user can write, or set STATE_DIR to one";
    let existing = dir.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    if let Err(error) = write_and_remove(existing) {
        let which = if existing == dir {
            String::new()
        } else {
            format!("; {} cannot be written", existing.display())
        };
        return vec![Finding::problem(STATE, format!("state directory {name}: {error}{which}"), remedy)];
    }
    let mut findings = vec![if existing == dir {
        Finding::ok(STATE, format!("state directory {name} can be written"))
    } else {
        Finding::note(
            STATE,
            format!("state directory {name} does not exist yet"),
            "nothing: the first start makes it",
        )
    }];
    findings.extend(kind_of_disk(dir, existing));
    findings.extend(Disk::of(existing).ok().map(|disk| room(dir, &disk)));
    findings
}

/// Says what a user of this directory would be told.
fn write_and_remove(dir: &Path) -> io::Result<()> {
    let probe = dir.join(format!(".tape-doctor-{}", std::process::id()));
    fs::OpenOptions::new().write(true).create_new(true).open(&probe)?;
    fs::remove_file(probe)
}

fn kind_of_disk(dir: &Path, existing: &Path) -> Option<Finding> {
    let mounts = read("/proc/self/mounts")?;
    let kind = file_system(&mounts, &existing.canonicalize().ok()?)?;
    let name = dir.display();
    if IN_MEMORY.contains(&kind) {
        let what = format!(
            "state directory {name} is in memory ({kind}): a restart of the machine restores everything"
        );
        return Some(Finding::note(STATE, what, "set STATE_DIR to a folder on a disk"));
    }
    REMOTE.contains(&kind).then(|| {
        let what =
            format!("state directory {name} is behind a network ({kind}): flushes and restores wait for it");
        Finding::note(
            STATE,
            what,
            "set STATE_DIR to a folder on a local disk; the changelog topic is the copy",
        )
    })
}

/// Type of the file system that a path lies on, by the longest mount point above it.
fn file_system<'m>(mounts: &'m str, path: &Path) -> Option<&'m str> {
    let mount = |line: &'m str| {
        let mut words = line.split(' ');
        let (_, point, kind) = (words.next()?, words.next()?, words.next()?);
        // Spaces of the path are written as \040.
        let point = PathBuf::from(point.replace("\\040", " "));
        path.starts_with(&point).then_some((point.components().count(), kind))
    };
    mounts.lines().filter_map(mount).max_by_key(|(depth, _)| *depth).map(|(_, kind)| kind)
}

fn room(dir: &Path, &Disk { bytes, free_bytes }: &Disk) -> Finding {
    let share = free_bytes as f64 / bytes.max(1) as f64;
    let what =
        format!("the disk of {} has {} MiB free, {:.0} %", dir.display(), free_bytes >> 20, share * 100.0);
    if share < FREE_MIN {
        let remedy = "make room: a full disk stops the tasks (state/task-N.corrupt-* and old backups can go)";
        Finding::problem(STATE, what, remedy)
    } else {
        Finding::ok(STATE, what)
    }
}

/// What the kernel says of memory.
#[derive(Debug, Default)]
struct Memory {
    /// Of the machine, bytes.
    total: Option<u64>,
    /// Of our control group, bytes.
    limit: Option<u64>,
    /// Processes that were killed for lack of it, in our control group.
    killed: u64,
    /// The same on the whole machine since it was started.
    killed_since_boot: u64,
}

impl Memory {
    fn read() -> Self {
        let number = |path: &str| read(path)?.trim().parse().ok();
        let of = |text: Option<String>, name: &str| text.as_deref().and_then(|text| field(text, name));
        Self {
            total: of(read("/proc/meminfo"), "MemTotal:").map(|kilobytes| kilobytes << 10),
            limit: number("/sys/fs/cgroup/memory.max"),
            killed: of(read("/sys/fs/cgroup/memory.events"), "oom_kill").unwrap_or_default(),
            killed_since_boot: of(read("/proc/vmstat"), "oom_kill").unwrap_or_default(),
        }
    }
}

/// The number behind a name at the beginning of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
}

fn memory(memory: &Memory) -> Vec<Finding> {
    let mut findings = Vec::new();
    let bound = memory.limit.into_iter().chain(memory.total).min();
    if let Some(bound) = bound {
        let what = format!("{} MiB of memory may be used here", bound >> 20);
        findings.push(if bound < MEMORY_MIN_BYTES {
            let remedy = format!(
                "give a processor at least {} MiB (limit of the container, MemoryMax of the unit)",
                MEMORY_MIN_BYTES >> 20
            );
            Finding::problem(MEMORY, what, remedy)
        } else {
            Finding::ok(MEMORY, what)
        });
    }
    let remedy = "give it more memory, or run fewer partitions in a process (more replicas); `dmesg` names who was killed";
    if memory.killed > 0 {
        let what =
            format!("the kernel has killed {} processes of this container for lack of memory", memory.killed);
        findings.push(Finding::problem(MEMORY, what, remedy));
    } else if memory.killed_since_boot > 0 {
        let what = format!(
            "the kernel has killed {} processes for lack of memory since the machine started",
            memory.killed_since_boot
        );
        findings.push(Finding::note(MEMORY, what, remedy));
    }
    findings
}

/// The soft limit of open files; `None`: there is none.
fn open_files(limits: &str) -> Option<u64> {
    field(limits, "Max open files")
}

fn files(limit: u64, partitions: i32) -> Option<Finding> {
    let wanted = FILES_OF_PROCESS + u64::try_from(OPEN_FILES.saturating_mul(partitions)).unwrap_or_default();
    (limit < wanted).then(|| {
        let what = format!("a process of this user may open {limit} files; one that runs all {partitions} partitions wants up to {wanted}");
        Finding::note(FILES, what, format!("raise it: `ulimit -n {wanted}`, LimitNOFILE of the unit"))
    })
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Level;
    use super::{Disk, Memory, directory, field, file_system, files, memory, room};

    #[test]
    fn a_directory_is_tried() {
        let root = tempfile::TempDir::new().expect("a folder");
        assert_eq!(directory(root.path())[0].level, Level::Ok);
        assert!(
            std::fs::read_dir(root.path()).is_ok_and(|mut left| left.next().is_none()),
            "nothing is left behind"
        );
        assert_eq!(directory(&root.path().join("a/b"))[0].level, Level::Note);
        assert!(!root.path().join("a").exists(), "nothing is made");
        let file = root.path().join("file");
        std::fs::write(&file, "").expect("a file");
        let found = directory(&file);
        assert_eq!(found[0].level, Level::Problem);
        assert!(found[0].remedy.as_deref().unwrap_or_default().contains("STATE_DIR"));
    }

    #[test]
    fn the_nearest_mount_counts() {
        let mounts =
            "/dev/a / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\nserver:/x /var/lib/my\\040state nfs4 rw 0 0\n";
        let of = |path: &str| file_system(mounts, Path::new(path));
        assert_eq!(of("/var/lib/tape"), Some("ext4"));
        assert_eq!(of("/tmp/tape"), Some("tmpfs"));
        assert_eq!(of("/tmpfoo"), Some("ext4"));
        assert_eq!(of("/var/lib/my state/0"), Some("nfs4"));
    }

    #[test]
    fn room_and_limits_are_judged() {
        let room = |free_bytes| room(Path::new("/s"), &Disk { bytes: 100, free_bytes }).level;
        assert_eq!((room(15), room(14)), (Level::Ok, Level::Problem));
        assert_eq!(files(1024, 3), None);
        assert!(files(1024, 48).is_some());
        assert_eq!(
            field(
                "Max cpu time  unlimited\nMax open files            1024                 4096   files",
                "Max open files"
            ),
            Some(1024)
        );
    }

    #[test]
    fn memory_is_judged() {
        let of = |limit, killed, killed_since_boot| {
            let found = memory(&Memory { total: Some(8 << 30), limit, killed, killed_since_boot });
            found.iter().map(|found| found.level).collect::<Vec<_>>()
        };
        assert_eq!(of(None, 0, 0), [Level::Ok]);
        assert_eq!(of(Some(256 << 20), 0, 0), [Level::Problem]);
        assert_eq!(of(None, 1, 5), [Level::Ok, Level::Problem]);
        assert_eq!(of(None, 0, 5), [Level::Ok, Level::Note]);
    }
}
