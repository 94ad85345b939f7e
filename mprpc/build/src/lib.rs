//! Generates code for [`mprpc`](../mprpc/index.html) from `.proto` files, in pure Rust: no `protoc` to install.
//!
//! For each package one file with its messages (by prost) and, for each service, a module with
//!
//! * `Server`: the trait that a service implements, one `async fn` a method,
//! * `serve`: turns an implementation into an `mprpc::Service` to add to a server,
//! * `Client`: the stub. It implements `Server` too, so that a test can call an implementation in
//!   process through the very trait that the stub has.
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
    /// A method streams; only unary methods are generated so far.
    #[error("{service}.{method} streams, and only unary methods can be generated")]
    Streaming {
        /// The service's full name.
        service: String,
        /// The method's name.
        method: String,
    },
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
    refuse_streaming(&files)?;

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

/// Says which method cannot be generated, rather than generating something that cannot work.
fn refuse_streaming(files: &prost_types::FileDescriptorSet) -> Result<(), Error> {
    for file in &files.file {
        for service in &file.service {
            if let Some(method) =
                service.method.iter().find(|m| m.client_streaming() || m.server_streaming())
            {
                return Err(Error::Streaming {
                    service: format!("{}.{}", file.package(), service.name()),
                    method: method.name().to_owned(),
                });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use prost_types::{
        FileDescriptorProto, FileDescriptorSet, MethodDescriptorProto, ServiceDescriptorProto,
    };

    use super::refuse_streaming;

    #[test]
    fn a_method_that_streams_is_named_in_the_error() {
        let method = |name: &str, streams| MethodDescriptorProto {
            name: Some(name.to_owned()),
            server_streaming: Some(streams),
            ..Default::default()
        };
        let service = ServiceDescriptorProto {
            name: Some("Chat".to_owned()),
            method: vec![method("Send", false), method("Follow", true)],
            ..Default::default()
        };
        let file = FileDescriptorProto {
            package: Some("talk".to_owned()),
            service: vec![service],
            ..Default::default()
        };
        let error = refuse_streaming(&FileDescriptorSet { file: vec![file] }).unwrap_err();
        assert!(error.to_string().starts_with("talk.Chat.Follow streams"), "{error}");
    }
}
