//! What is kept of a round that failed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::RoundReport;
use super::arena::Arena;
use crate::Run;

/// Writes journals, histories, verdict and logs to a directory of the round below `keep`; where.
pub(super) fn keep(keep: &Path, arena: &Arena, report: &RoundReport, run: &Run) -> Option<PathBuf> {
    let directory = keep.join(format!("{}-{}", report.fault.name(), report.seed));
    match write(&directory, arena, report, run) {
        Ok(()) => Some(directory),
        // The verdict counts, also where nothing can be written.
        Err(_) => None,
    }
}

fn write(directory: &Path, arena: &Arena, report: &RoundReport, run: &Run) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    fs::write(directory.join("violations.txt"), report.violations.join("\n") + "\n")?;
    fs::write(directory.join("run.json"), serde_json::to_vec_pretty(run)?)?;
    for file in fs::read_dir(arena.stack.directory())?.flatten() {
        if file.path().extension().is_some_and(|extension| extension == "log") {
            fs::copy(file.path(), directory.join(file.file_name()))?;
        }
    }
    Ok(())
}
