//! The program: see the library.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use mprpc::{Callers, Server, Token};
use mprpc_conformance::{CASES, Case, Peer, TestServer, test_service};
use tokio::time::Instant;

/// Checks that a server keeps to mprpc's v2 wire.
#[derive(Parser)]
#[command(
    version,
    about,
    after_help = "Ends with 0 when every case holds, 1 when one does not, 2 when it cannot run."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs cases against a server, and prints a line for each
    Run {
        /// Where the server is: static://HOST:PORT, and ?wire=classic for what classic can say
        #[arg(long, value_name = "URL")]
        target: String,
        /// The token that the server asks for; without it, cases about that are left out
        #[arg(long, value_name = "FILE")]
        token_file: Option<PathBuf>,
        /// The cases to run; all, unless some are named
        #[arg(value_name = "CASE")]
        cases: Vec<String>,
    },
    /// Serves what the cases call, until it is stopped
    Serve {
        /// Where to listen; port 0 takes a free one
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
        listen: SocketAddr,
        /// The token to ask for; without it, anybody may call
        #[arg(long, value_name = "FILE")]
        token_file: Option<PathBuf>,
    },
    /// Names the cases
    List,
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Run { target, token_file, cases } => run(&target, token_file, &cases).await,
        Command::Serve { listen, token_file } => serve(listen, token_file).await,
        Command::List => {
            for case in CASES {
                println!("{:<32} {}", case.name, case.about);
            }
            Ok(true)
        }
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("mprpc-conformance: {error}");
            ExitCode::from(2)
        }
    }
}

/// From how many bytes on the server compresses, for clients that ask for it.
const COMPRESS_ABOVE: usize = 1024;

type Error = Box<dyn std::error::Error>;

/// Whether all of them hold.
async fn run(target: &str, token: Option<PathBuf>, names: &[String]) -> Result<bool, Error> {
    let chosen = choose(names, target.contains("wire=classic"), token.is_some())?;
    let peer = match token {
        Some(file) => Peer::with_token(target, &Token::file(file)?)?,
        None => Peer::new(target)?,
    };
    let mut failed = 0;
    for case in &chosen {
        let started = Instant::now();
        match case.run(&peer).await {
            Ok(()) => println!("PASS {:<32} {:.3} s", case.name, started.elapsed().as_secs_f64()),
            Err(failure) => {
                failed += 1;
                println!("FAIL {}: {failure}", case.name);
            }
        }
    }
    println!("{} of {} cases hold", chosen.len() - failed, chosen.len());
    Ok(failed == 0)
}

/// Those that are named, or all that the wire can say and the server is for.
fn choose(names: &[String], classic: bool, token: bool) -> Result<Vec<&'static Case>, Error> {
    if names.is_empty() {
        let can_hold = |case: &&Case| (case.classic || !classic) && (token || !case.token);
        return Ok(CASES.iter().filter(can_hold).collect());
    }
    let find = |name: &String| {
        let case = CASES.iter().find(|case| case.name == name);
        case.ok_or_else(|| format!("no case {name}; `mprpc-conformance list` names them").into())
    };
    names.iter().map(find).collect()
}

async fn serve(listen: SocketAddr, token: Option<PathBuf>) -> Result<bool, Error> {
    let mut callers = Callers::anybody();
    if let Some(file) = token {
        callers = callers.token(&Token::file(file)?);
    }
    let server = Server::builder()
        .add_service(test_service::serve(TestServer::default()))
        .compress_above(COMPRESS_ABOVE)
        .callers(callers)
        .bind(listen)
        .await?;
    println!("listening on {}", server.local_addr());
    let stop = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    server.serve(stop).await?;
    Ok(true)
}
