//! `mpim cert`: certificates for development, signed by an authority that signs nothing else.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{ArgMatches, Args, Command, FromArgMatches as _};
use im_common::service_main::Tool;
use rcgen::ExtendedKeyUsagePurpose::{self, ClientAuth, ServerAuth};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
};
use time::{Duration, OffsetDateTime};

/// As long as browsers take a certificate's life to be sound.
const LIFE: Duration = Duration::days(397);
/// A clock that is behind sees a certificate that is valid, too.
const LEEWAY: Duration = Duration::days(1);

#[derive(Args, Debug)]
struct Arguments {
    /// Where the files are put: ca.pem, for those who are to believe the others; server.pem and
    /// server.key, for `tls.cert_file` and `tls.key_file` of the gateway; service.pem and service.key,
    /// for those of `[service.tls]` of all services
    #[arg(long, default_value = "data/tls", value_name = "DIR")]
    out: PathBuf,
    /// A name or an address under which gateway or services are reached; may be given again
    #[arg(long = "host", default_values = ["localhost", "127.0.0.1", "::1"], value_name = "NAME")]
    hosts: Vec<String>,
    /// Replace files that are there
    #[arg(long)]
    force: bool,
}

/// The subcommand.
pub fn tool() -> Tool {
    let command = Arguments::augment_args(Command::new("cert"));
    let about = "Make certificates for development, and an authority to believe them by";
    Tool { command: command.about(about), run }
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]
fn run(matches: &ArgMatches) -> ExitCode {
    let arguments = match Arguments::from_arg_matches(matches) {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    };
    match make(&arguments) {
        Ok(()) => {
            let names = "ca.pem, server.pem, server.key, service.pem and service.key";
            println!("{names} are in {}", arguments.out.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("mpim cert: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn make(arguments: &Arguments) -> anyhow::Result<()> {
    let mut params = lasting(CertificateParams::default());
    params.distinguished_name.push(DnType::CommonName, "MPIM development");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    // Its key is not kept: nobody can have another certificate signed with it.
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    let sign = |usages: &[ExtendedKeyUsagePurpose]| sign(&arguments.hosts, usages, &authority);
    let (server, server_key) = sign(&[ServerAuth])?;
    // Services are called and call. What proves a gateway to its clients proves no service.
    let (service, service_key) = sign(&[ServerAuth, ClientAuth])?;

    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&arguments.out)?;
    let files = [
        ("ca.pem", authority.pem(), 0o644),
        ("server.key", server_key, 0o600),
        ("server.pem", server, 0o644),
        ("service.key", service_key, 0o600),
        ("service.pem", service, 0o644),
    ];
    for (name, text, mode) in files {
        let path = arguments.out.join(name);
        write(&path, &text, mode, arguments.force)
            .map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?;
    }
    Ok(())
}

/// A certificate for these names, and its key, in PEM.
fn sign(
    hosts: &[String],
    usages: &[ExtendedKeyUsagePurpose],
    authority: &CertifiedIssuer<'_, KeyPair>,
) -> anyhow::Result<(String, String)> {
    let mut params = lasting(CertificateParams::new(hosts)?);
    let name = hosts.iter().find(|host| host.parse::<IpAddr>().is_err());
    let name = name.map_or("mpim", String::as_str);
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages = usages.to_vec();
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    Ok((params.signed_by(&key, authority)?.pem(), key.serialize_pem()))
}

/// Valid from now on.
fn lasting(mut params: CertificateParams) -> CertificateParams {
    let now = OffsetDateTime::now_utc();
    (params.not_before, params.not_after) = (now - LEEWAY, now + LIFE);
    params
}

/// Renamed into its place: a gateway may be looking.
fn write(path: &Path, text: &str, mode: u32, replace: bool) -> io::Result<()> {
    if !replace && path.try_exists()? {
        return Err(io::Error::other("is there already; --force replaces it"));
    }
    let unfinished = path.with_extension("tmp");
    let _ = std::fs::remove_file(&unfinished);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&unfinished)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(unfinished, path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_files_are_made_and_not_replaced_unless_told_so() {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("tls");
        let hosts = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut arguments = Arguments { out: out.clone(), hosts, force: false };
        make(&arguments).unwrap();
        let read = |name: &str| std::fs::read_to_string(out.join(name)).unwrap();
        let made = read("server.pem");
        assert!(made.starts_with("-----BEGIN CERTIFICATE-----"));
        assert_ne!(read("service.pem"), made);
        for name in ["server.key", "service.key"] {
            assert!(read(name).starts_with("-----BEGIN PRIVATE KEY-----"));
            let mode = std::fs::metadata(out.join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        let error = make(&arguments).unwrap_err().to_string();
        assert!(error.ends_with("ca.pem: is there already; --force replaces it"), "{error}");
        arguments.force = true;
        make(&arguments).unwrap();
        assert_ne!(read("server.pem"), made);
    }
}
