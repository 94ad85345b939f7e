//! Generates code for [`mprpc`](../mprpc/index.html) from `.proto` files, in pure Rust: no `protoc` to install.
//!
//! For each package one file with its messages (by prost) and, for each service, a module with
//!
//! * `Server`: the trait that a service implements, one `async fn` a method; a stream of requests is an
//!   `mprpc::Receiver`, a stream of answers an `mprpc::Sender`,
//! * `serve`: turns an implementation into an `mprpc::Service` to add to a server,
//! * `Client`: the stub. It implements `Server` too, so that a test can call an implementation in
//!   process through the very trait that the stub has; of a method that streams, whose stub hands out
//!   what a handler is given, that forwards the messages both ways.
//!
//! The package's file ends with `FILE_DESCRIPTOR_SET`, the compiled descriptors.
//!
//! ```no_run
//! // build.rs
//! fn main() -> Result<(), mprpc_build::Error> {
//!     mprpc_build::compile(&["proto/friend.proto"], &["proto"])
//! }
//! // lib.rs: mprpc::include_proto!("friend");
//! ```

mod generator;

use std::path::{Path, PathBuf};

use prost::Message as _;

/// Why code could not be generated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A `.proto` file does not parse or names what does not exist.
    #[error("{0:?}")]
    Parse(protox::Error),
    /// `OUT_DIR` is not set: this is to be called from a build script.
    #[error("OUT_DIR is not set: call this from a build script")]
    NotABuildScript,
    /// The generated code or the descriptors cannot be written.
    #[error("writing generated code: {0}")]
    Write(#[from] std::io::Error),
}

/// Compiles `protos`, looking imports up in `includes`, and writes the code to `OUT_DIR`. To be
/// called once in a build script: a second call would replace the descriptors of the first.
///
/// # Errors
/// See [`Error`]. The build script that returns it fails with its text.
pub fn compile(protos: &[impl AsRef<Path>], includes: &[impl AsRef<Path>]) -> Result<(), Error> {
    let out: PathBuf = std::env::var_os("OUT_DIR").ok_or(Error::NotABuildScript)?.into();
    for include in includes {
        rerun_if_changed(include.as_ref());
    }

    let files = protox::compile(protos, includes).map_err(Error::Parse)?;

    let descriptors = out.join("file_descriptor_set.bin");
    std::fs::write(&descriptors, files.encode_to_vec())?;

    prost_build::Config::new()
        .bytes(["."])
        .service_generator(Box::new(generator::Generator))
        .out_dir(out)
        .compile_fds(files)?;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "this is how a build script talks to cargo")]
fn rerun_if_changed(path: &Path) {
    println!("cargo:rerun-if-changed={}", path.display());
}
