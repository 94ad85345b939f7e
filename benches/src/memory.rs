//! How much memory a process has.

use anyhow::Context;

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
