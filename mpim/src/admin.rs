//! `mpim admin`: what an operator does with accounts.
//!
//! It asks im-user itself, which takes its callers for services: whoever has the token of the fleet may do
//! this.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{ArgMatches, Args, Command, Subcommand, ValueEnum};
use im_common::service_main::Tool;
use mpim_proto::user_service::Client;
use mpim_proto::{GetUsersReq, SetDisabledReq, SetRoleReq};
use mprpc::Context;

use crate::acting;
use crate::calling::Calling;

/// For how long one call may take.
const TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Args, Debug)]
struct Arguments {
    #[command(subcommand)]
    action: Action,
    /// The mprpc port of im-user
    #[arg(long, global = true, default_value = "127.0.0.1:8010", value_name = "IP:PORT")]
    user: SocketAddr,
    #[command(flatten)]
    calling: Calling,
}

#[derive(Subcommand, Debug)]
enum Action {
    /// Say what somebody may do beside what all may
    Role {
        /// Their name
        name: String,
        role: Role,
    },
    /// Log somebody out everywhere, and let them in no more
    Disable {
        /// Their name
        name: String,
    },
    /// Let somebody in again
    Enable {
        /// Their name
        name: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Role {
    User,
    Admin,
    Bot,
}

/// The subcommand.
pub fn tool() -> Tool {
    let command = Arguments::augment_args(Command::new("admin"));
    Tool { command: command.about("Give a role, disable an account, enable it"), run }
}

fn run(matches: &ArgMatches) -> ExitCode {
    acting::run("admin", matches, |arguments| acting::wait_for(act(arguments)))
}

async fn act(arguments: Arguments) -> anyhow::Result<()> {
    let client = Client::new(&arguments.calling.channel(arguments.user)?);
    let (name, said) = match arguments.action {
        Action::Role { name, role } => {
            let user_id = find(&client, &name).await?;
            let said = match role {
                Role::User => mpim_proto::Role::User,
                Role::Admin => mpim_proto::Role::Admin,
                Role::Bot => mpim_proto::Role::Bot,
            };
            let request = SetRoleReq { user_id, role: said.into() };
            done(client.set_role(&cx(), request).await?.result)?;
            (name, format!("is {role:?} now").to_lowercase())
        }
        Action::Disable { name } => {
            set_disabled(&client, &name, true).await?;
            (name, "is out, and is let in no more".to_owned())
        }
        Action::Enable { name } => {
            set_disabled(&client, &name, false).await?;
            (name, "may log in again".to_owned())
        }
    };
    Ok(writeln!(io::stdout(), "{name} {said}")?)
}

async fn set_disabled(client: &Client, name: &str, disabled: bool) -> anyhow::Result<()> {
    let user_id = find(client, name).await?;
    done(client.set_disabled(&cx(), SetDisabledReq { user_id, disabled }).await?.result)
}

async fn find(client: &Client, name: &str) -> anyhow::Result<i64> {
    let usernames = vec![name.to_owned().into()];
    let request = GetUsersReq { usernames, ..GetUsersReq::default() };
    let users = client.get_users(&cx(), request).await?.users;
    let user = users.first().with_context(|| format!("there is no user {name}"))?;
    Ok(user.user_id)
}

fn done(result: Option<mpim_proto::Result>) -> anyhow::Result<()> {
    match result {
        Some(result) if result.is_ok() => Ok(()),
        Some(result) => bail!(result.msg),
        None => bail!("im-user did not say what became of it"),
    }
}

fn cx() -> Context {
    Context::with_timeout(TIMEOUT)
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches as _;

    use super::*;

    fn parsed(line: &str) -> Result<Arguments, String> {
        let command = Arguments::augment_args(Command::new("admin").no_binary_name(true));
        let matches = command.try_get_matches_from(line.split_whitespace());
        let matches = matches.map_err(|error| error.to_string())?;
        Arguments::from_arg_matches(&matches).map_err(|error| error.to_string())
    }

    #[test]
    fn somebody_is_named_and_a_role_is_one_that_there_is() {
        let arguments = parsed("role ada admin --user 127.0.0.1:9").unwrap();
        assert_eq!(arguments.user.port(), 9);
        assert!(matches!(arguments.action, Action::Role { role: Role::Admin, .. }));
        for wrong in ["", "role ada", "role ada emperor", "disable", "enable ada bob"] {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
    }
}
