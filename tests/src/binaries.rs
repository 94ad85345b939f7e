//! The programs under test.
//!
//! Cargo builds the binaries of other packages for no test, so the first test that needs one builds
//! them all. `cargo test -p mpim-tests` alone is enough on a fresh clone, and nobody tests a program
//! that was built before the last change. That can take minutes, and keeps the machine busy for the
//! tests beside it: `scripts/test` builds them before it runs any, as is done here.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

const PACKAGES: [&str; 7] =
    ["mpim", "im-user", "im-message", "im-presence", "im-group", "im-gateway", "im-client"];

/// The path of a program, built in the profile of the running tests.
///
/// # Panics
/// When cargo cannot build it.
pub fn binary(name: &str) -> PathBuf {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    let path = DIRECTORY.get_or_init(build).join(name);
    assert!(path.is_file(), "{} was not built", path.display());
    path
}

/// Builds all of them; the directory that they are in.
fn build() -> PathBuf {
    let this_test = std::env::current_exe().expect("a running program has a path");
    // <target directory>/<profile>/deps/<test>, or <target directory>/<profile>/<program>
    let mut above = this_test.ancestors().skip(1).skip_while(|above| above.ends_with("deps"));
    let directory = above.next().expect("tests run from a target directory");
    let target = directory.parent().expect("a profile has a target directory around it");
    let profile = match directory.file_name().and_then(|name| name.to_str()) {
        Some("debug") => "dev",
        Some(other) => other,
        None => panic!("{} names no profile", directory.display()),
    };
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--bins", "--profile", profile, "--target-dir"]).arg(target);
    for package in PACKAGES {
        cargo.args(["--package", package]);
    }
    let built = cargo.current_dir(repository()).output().expect("cargo runs");
    let errors = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "cargo cannot build what is tested:\n{errors}");
    directory.to_path_buf()
}

/// The top of the repository.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is below the top")
}
