//! What a process has used of memory and CPU, as Linux tells it.

use std::time::Duration;

use anyhow::Context;

/// Linux counts CPU time for programs to read in hundredths of a second, on every machine.
const TICK: Duration = Duration::from_millis(10);

/// Resident memory of a process, as Linux reports it, in KiB.
///
/// # Errors
/// When there is no such process, or the system does not say.
pub fn resident_kib(pid: u32) -> anyhow::Result<u64> {
    let path = format!("/proc/{pid}/status");
    let status = std::fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
    kib.with_context(|| format!("no VmRSS in {path}"))
}

/// The growth from `before_kib` to `after_kib`, for each of `count`, in bytes.
pub fn growth_bytes_each(before_kib: u64, after_kib: u64, count: usize) -> u64 {
    let growth = after_kib.saturating_sub(before_kib) * 1024;
    growth / u64::try_from(count.max(1)).unwrap_or(u64::MAX)
}

/// The CPU time that this process has used, in user code and in the kernel.
///
/// # Errors
/// When the system does not say.
pub fn cpu_time() -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").context("reading /proc/self/stat")?;
    // The name of the program may have blanks; it stands in parentheses.
    let (_, fields) = stat.rsplit_once(')').context("no name in /proc/self/stat")?;
    let times = fields.split_ascii_whitespace().skip(11).take(2);
    let ticks = times.map(str::parse::<u32>).sum::<Result<u32, _>>()?;
    Ok(TICK * ticks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_memory_can_be_read() {
        assert!(resident_kib(std::process::id()).unwrap() > 100);
    }

    #[test]
    fn growth_is_shared_among_all() {
        assert_eq!(growth_bytes_each(10, 30, 10), 2048);
        assert_eq!(growth_bytes_each(30, 10, 10), 0);
    }
}
