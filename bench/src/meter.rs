//! What a process has taken, as the operating system counts it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// Ticks a second in `/proc`: a constant of Linux's interface, whatever the kernel's own clock does.
const TICKS: f64 = 100.0;

/// A look at a process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Reading {
    /// Seconds of processor time of all its threads, the ended ones included.
    pub(crate) cpu: f64,
    /// Largest resident memory so far, MiB.
    pub(crate) peak: f64,
}

/// Reads a process; `None` once it has ended.
pub(crate) fn read(pid: u32) -> Option<Reading> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    Some(Reading { cpu: cpu(&stat)?, peak: peak(&status)? })
}

/// Bytes that a process has sent to disks so far.
pub(crate) fn written(pid: u32) -> Option<f64> {
    let io = fs::read_to_string(format!("/proc/{pid}/io")).ok()?;
    io.lines().find_map(|line| line.strip_prefix("write_bytes:"))?.trim().parse().ok()
}

/// The name of a program may hold spaces and brackets, so count from its end.
fn cpu(stat: &str) -> Option<f64> {
    let rest = &stat[stat.rfind(')')? + 1..];
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS)
}

fn peak(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes / 1_024.0)
}

/// Bytes of all files below a folder whose names end so; nothing if there is no such folder.
pub(crate) fn bytes_below(folder: &Path, suffix: &str) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let size = |entry: fs::DirEntry| {
        let path = entry.path();
        if path.is_dir() {
            return bytes_below(&path, suffix);
        }
        let counts = entry.file_name().to_string_lossy().ends_with(suffix);
        entry.metadata().map_or(0, |data| if counts { data.len() } else { 0 })
    };
    entries.flatten().map(size).sum()
}

/// What the machine is.
pub(crate) fn machine() -> Result<Vec<(String, String)>> {
    let file = |path: &str| fs::read_to_string(path).with_context(|| format!("read {path}"));
    let after = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned())
    };
    let processor = after(&file("/proc/cpuinfo")?, "model name").unwrap_or_else(|| "unknown".to_owned());
    let cores = std::thread::available_parallelism()?;
    let memory = after(&file("/proc/meminfo")?, "MemTotal").unwrap_or_default();
    let kibibytes: f64 = memory.trim_end_matches("kB").trim().parse().unwrap_or(0.0);
    Ok(vec![
        ("processor".to_owned(), format!("{processor}, {cores} cores, shared with the broker")),
        ("memory".to_owned(), format!("{:.1} GiB", kibibytes / 1_048_576.0)),
        ("kernel".to_owned(), file("/proc/sys/kernel/osrelease")?.trim().to_owned()),
    ])
}

#[cfg(test)]
mod tests {
    use super::{cpu, peak, read, written};

    #[test]
    fn a_name_with_brackets_is_no_trouble() {
        let stat = "12 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0";
        assert_eq!(cpu(stat), Some(3.0));
        assert_eq!(peak("VmPeak:\t 9 kB\nVmHWM:\t  2048 kB\n"), Some(2.0));
    }

    #[test]
    fn this_process_is_read() {
        let reading = read(std::process::id()).expect("we live");
        assert!(reading.cpu >= 0.0 && reading.peak > 0.5);
        assert!(written(std::process::id()).is_some());
        assert_eq!(read(u32::MAX), None);
    }
}
