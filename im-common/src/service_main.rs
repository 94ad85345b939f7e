//! The body of every binary: arguments, configuration, log, runtime, start, wait, exit code.
//!
//! ```no_run
//! # use im_common::{Deps, Running, ServiceError, Validate};
//! # #[derive(Default, serde::Serialize, serde::Deserialize)] struct Config {}
//! # impl Validate for Config {}
//! # async fn start(_: Config, _: Deps) -> Result<Running, ServiceError> { unimplemented!() }
//! fn main() -> std::process::ExitCode {
//!     im_common::service_main::run("im-user", "MPIM: accounts, log-in, tokens, friends", 9010, start)
//! }
//! ```

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use mprpc::discovery::Memory;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::admin::AdminError;
use crate::config::{Layers, Loaded, load_process, process_defaults};
use crate::lifecycle::Trust;
use crate::recorder::Recorder;
use crate::{
    AdminConfig, Deps, ProcessConfig, Readiness, Running, Shutdown, Validate, admin,
    raise_open_files_limit, registry, run_until_shutdown, telemetry,
};

/// What the environment variables of every binary begin with.
const ENV_PREFIX: &str = "MPIM";
/// Tasks that ignore the end of the runtime (a hash being computed) get this long to finish.
const RUNTIME_END: Duration = Duration::from_secs(1);

const EXIT_FAILED: u8 = 1;
const EXIT_CONFIG: u8 = 2;
const AFTER_HELP: &str = "\
Every key of the file can be set in the environment: MPIM_LOG__FILTER=debug sets `filter` in [log].
A text may stand in a file of its own: `url_file = \"/run/secrets/url\"` for `url`, MPIM_..._URL_FILE.

SIGINT or SIGTERM ends the process within `shutdown.drain_ms`; a second one ends it at once.

Exit codes:
  0    ended as asked, or --check found nothing wrong
  1    could not start, or a part of it failed while it ran
  2    the arguments or the configuration are wrong
  130  ended at once by a second signal";

/// The started services of a process, each after those that it calls.
#[derive(Debug)]
pub struct Services {
    running: Vec<Running>,
    banner: String,
}

impl Services {
    /// Text for the person who started the program, printed to standard output once it serves.
    #[must_use]
    pub fn with_banner(self, banner: String) -> Self {
        Self { banner, ..self }
    }
}

impl From<Running> for Services {
    fn from(service: Running) -> Self {
        vec![service].into()
    }
}

impl From<Vec<Running>> for Services {
    fn from(running: Vec<Running>) -> Self {
        Self { running, banner: String::new() }
    }
}

/// Something that a program does instead of serving: a subcommand.
#[derive(Debug)]
pub struct Tool {
    /// Its name, arguments and help.
    pub command: Command,
    /// From the arguments to the exit code.
    pub run: fn(&ArgMatches) -> ExitCode,
}

/// Runs a program that is configured by `C` and started by `start`, from its arguments to its exit
/// code. `admin_port` is where it answers those who watch it, unless the configuration says otherwise.
pub fn run<C, S, R, E>(
    name: &'static str,
    about: &'static str,
    admin_port: u16,
    start: impl FnOnce(C, Deps) -> S,
) -> ExitCode
where
    C: Default + Serialize + DeserializeOwned + Validate,
    S: Future<Output = Result<R, E>>,
    R: Into<Services>,
    E: Into<anyhow::Error>,
{
    run_with_tools(name, about, admin_port, Vec::new(), start)
}

/// As [`run`], for a program that has subcommands. Without one it serves.
pub fn run_with_tools<C, S, R, E>(
    name: &'static str,
    about: &'static str,
    admin_port: u16,
    tools: Vec<Tool>,
    start: impl FnOnce(C, Deps) -> S,
) -> ExitCode
where
    C: Default + Serialize + DeserializeOwned + Validate,
    S: Future<Output = Result<R, E>>,
    R: Into<Services>,
    E: Into<anyhow::Error>,
{
    let defaults = match process_defaults::<C>(admin_port) {
        Ok(defaults) => defaults,
        Err(error) => return fail(name, EXIT_CONFIG, &error.to_string()),
    };
    let command = command(name, about, defaults.contains_key("data_dir"))
        .args_conflicts_with_subcommands(true)
        .subcommands(tools.iter().map(|tool| tool.command.clone()));
    let matches = command.get_matches();
    if let Some((chosen, arguments)) = matches.subcommand()
        && let Some(tool) = tools.iter().find(|tool| tool.command.get_name() == chosen)
    {
        return (tool.run)(arguments);
    }
    let loaded = match load_process::<C>(layers(&matches), admin_port) {
        Ok(loaded) => loaded,
        Err(error) => return fail(name, EXIT_CONFIG, &error.to_string()),
    };
    if matches.get_flag("check") {
        check(name, &loaded);
        return ExitCode::SUCCESS;
    }
    match serve(name, loaded, start) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(name, EXIT_FAILED, &crate::in_one_line(error.as_ref())),
    }
}

fn command(name: &'static str, about: &'static str, has_data_dir: bool) -> Command {
    let config = Arg::new("config")
        .short('i')
        .long("config")
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
        .help("The configuration file; without it the built-in defaults hold");
    let check = Arg::new("check")
        .long("check")
        .action(ArgAction::SetTrue)
        .help("Load the configuration, show what it would do, and exit");
    let data_dir = Arg::new("data_dir")
        .long("data-dir")
        .value_name("DIR")
        .help("Where the data lives [key: data_dir]");
    let command = Command::new(name)
        .about(about)
        .version(env!("CARGO_PKG_VERSION"))
        .after_help(AFTER_HELP)
        .args([config, check]);
    if has_data_dir { command.arg(data_dir) } else { command }
}

fn layers(matches: &ArgMatches) -> Layers<'_> {
    let data_dir = matches.try_get_one::<String>("data_dir").ok().flatten();
    Layers {
        file: matches.get_one::<PathBuf>("config").map(PathBuf::as_path),
        env_prefix: ENV_PREFIX,
        env: std::env::vars_os().collect(),
        arguments: data_dir
            .map(|dir| ("--data-dir", "data_dir", dir.clone()))
            .into_iter()
            .collect(),
    }
}

fn serve<C, S, R, E>(
    name: &'static str,
    loaded: Loaded<C>,
    start: impl FnOnce(C, Deps) -> S,
) -> anyhow::Result<()>
where
    S: Future<Output = Result<R, E>>,
    R: Into<Services>,
    E: Into<anyhow::Error>,
{
    telemetry::init(&loaded.process.log)?;
    for warning in loaded.warnings() {
        tracing::warn!("{warning}");
    }
    let ProcessConfig { service, classic, zookeeper, admin, shutdown, .. } = loaded.process;
    let trust = Trust::open(&service, &classic)?;
    let recorder = Recorder::install(name)?;
    let open_files_max = raise_open_files_limit();
    tracing::debug!(open_files_max, "raised the limit of open files");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let drain = Duration::from_millis(shutdown.drain_ms);
    let outcome = runtime.block_on(async {
        let (signalled, shutdown) = (Shutdown::new().on_signals()?, Shutdown::new());
        let readiness = Readiness::default();
        // One after the other: nobody who is told that this process ends finds it ready.
        let (draining, ending) = (readiness.clone(), shutdown.clone());
        tokio::spawn(async move {
            signalled.triggered().await;
            draining.draining();
            ending.trigger();
        });
        // First: whoever wonders why it is not ready yet can ask.
        let admin = watch(&admin, &readiness, recorder).await?;
        let deps = Deps {
            trust,
            zookeeper: registry::open(&zookeeper, &readiness)?,
            instance_id: zookeeper.instance_id,
            readiness: readiness.clone(),
            admin,
            ..Deps::new(Memory::new())
        };
        let services = tokio::select! {
            started = start(loaded.service, deps) => started.map_err(Into::into)?.into(),
            // A signal while it still waits for something.
            () = shutdown.triggered() => return Ok(()),
        };
        readiness.serving();
        announce(&services);
        run_until_shutdown(services.running, &shutdown, drain).await.map_err(Into::into)
    });
    runtime.shutdown_timeout(RUNTIME_END);
    outcome
}

/// Starts what those who watch the process look at; where that is.
async fn watch(
    config: &AdminConfig,
    readiness: &Readiness,
    recorder: Recorder,
) -> Result<Option<SocketAddr>, AdminError> {
    tokio::spawn(admin::tidy(recorder.clone()));
    let Some(addr) = config.listen else {
        return Ok(None);
    };
    let addr = admin::start(addr, readiness.clone(), recorder).await?;
    tracing::info!(%addr, "answering /healthz, /readyz and /metrics");
    if !addr.ip().is_loopback() {
        tracing::warn!(
            %addr,
            "the admin port listens beyond this machine, and tells whoever reaches it how this \
             process does: keep it in a trusted network"
        );
    }
    Ok(Some(addr))
}

/// Says what serves where: in the log, and to the person who started it.
fn announce(services: &Services) {
    for service in &services.running {
        let (name, addr) = (service.name, service.addr);
        tracing::info!(service = name, %addr, speaks = "mprpc", "serving");
        for (speaks, addr) in &service.others {
            tracing::info!(service = name, %addr, speaks, "serving");
        }
    }
    let mut stdout = std::io::stdout().lock();
    // Perhaps nobody reads it; then there is nobody to tell.
    let _ = stdout.write_all(services.banner.as_bytes()).and_then(|()| stdout.flush());
}

#[expect(clippy::print_stdout, reason = "the answer to --check")]
fn check<C>(name: &str, loaded: &Loaded<C>) {
    println!("{name}: the configuration is valid; it would run with");
    print!("{}", loaded.explain());
    for warning in loaded.warnings() {
        println!("{name}: warning: {warning}");
    }
}

#[expect(clippy::print_stderr, reason = "why the process ends, also when there is no log yet")]
fn fail(name: &str, code: u8, error: &str) -> ExitCode {
    for line in error.lines() {
        eprintln!("{name}: {line}");
    }
    ExitCode::from(code)
}
