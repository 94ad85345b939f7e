//! What a process has used of CPU time, as Linux tells it.

use std::time::Duration;

use anyhow::Context;

/// Linux counts CPU time for programs to read in hundredths of a second, on every machine.
const TICK: Duration = Duration::from_millis(10);

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
