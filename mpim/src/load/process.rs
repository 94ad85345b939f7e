//! What Linux says about a process on this machine.

use std::time::Duration;

use anyhow::Context;

/// Nanoseconds of a tick, in which Linux tells programs about CPU time: a hundredth of a second.
const TICK_NS: u64 = 10_000_000;

/// Resident memory in KiB.
///
/// # Errors
/// There is no such process.
pub(super) fn resident_kib(pid: u32) -> anyhow::Result<u64> {
    let path = format!("/proc/{pid}/status");
    let status = std::fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
    kib.with_context(|| format!("no VmRSS in {path}"))
}

/// CPU time of all its threads since it began, its own and the system's for it.
///
/// # Errors
/// There is no such process.
pub(super) fn cpu_time(pid: u32) -> anyhow::Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    let stat = std::fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    let ticks = ticks(&stat).with_context(|| format!("no CPU time in {path}"))?;
    Ok(Duration::from_nanos(ticks.saturating_mul(TICK_NS)))
}

/// `utime` and `stime` of proc_pid_stat(5), together.
fn ticks(stat: &str) -> Option<u64> {
    // The name before it may have spaces and parentheses of its own.
    let (_, behind_name) = stat.rsplit_once(')')?;
    let mut fields = behind_name.split_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    next()?.checked_add(next()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_memory_can_be_read() {
        assert!(resident_kib(std::process::id()).unwrap() > 100);
    }

    #[test]
    fn cpu_time_is_read_behind_whatever_the_name_is() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194560 9 0 0 0 120 34 0 0 20 0 4 0 99";
        assert_eq!(ticks(stat), Some(154));
        assert_eq!(ticks("7 (a) S 1"), None);
        assert!(cpu_time(std::process::id()).is_ok());
    }
}
