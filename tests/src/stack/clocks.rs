//! Clocks of processes that can be made wrong.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Process;

const SOURCE: &str = include_str!("clock.c");

/// Gives each process a clock that [`set`] changes.
///
/// # Panics
/// When there is no C compiler.
pub(super) fn give(processes: Vec<Process>, directory: &Path) -> Vec<Process> {
    let (source, library) = (directory.join("clock.c"), directory.join("clock.so"));
    fs::write(&source, SOURCE).expect("a file can be written");
    let mut compiler = Command::new("cc");
    compiler.args(["-O1", "-shared", "-fPIC", "-o"]).arg(&library).arg(&source);
    let compiled = compiler.status().expect("a C compiler is there");
    assert!(compiled.success(), "cc: {compiled}");
    let give = |process: Process| {
        let file = file(directory, process.name());
        fs::write(&file, 0_i64.to_ne_bytes()).expect("a file can be written");
        let (library, file) = (library.display().to_string(), file.display().to_string());
        process.variable("LD_PRELOAD", library).variable("CLOCK_WRONG_BY", file)
    };
    processes.into_iter().map(give).collect()
}

/// From now on the clock of a process is wrong by this.
///
/// # Panics
/// When it was not given one.
pub(super) fn set(directory: &Path, process: &str, wrong_by_s: i64) {
    use std::os::unix::fs::FileExt as _;
    // Written over, and never shorter: the process looks at it all the time.
    let file = fs::OpenOptions::new().write(true).open(file(directory, process));
    let written = file.and_then(|file| file.write_all_at(&wrong_by_s.to_ne_bytes(), 0));
    written.expect("the process has a clock of its own");
}

fn file(directory: &Path, process: &str) -> PathBuf {
    directory.join(format!("{process}.clock"))
}
