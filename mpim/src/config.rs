//! The configuration of the one process. `conf/embedded/mpim.toml` explains each key.

use std::path::{Path, PathBuf};

use im_common::{ServiceConfig, Target, Validate};
use serde::{Deserialize, Serialize};

/// A section for each service, and the directory that holds the data of all of them.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Config {
    /// Holds a directory for each service that has data, unless its section names another.
    pub data_dir: PathBuf,
    /// How its services, and its tools, know each other: section of the process, with a default of
    /// its own.
    pub service: ServiceConfig,
    /// Accounts, log-in, tokens, friends.
    pub user: im_user::Config,
    /// Conversations, messages, spans.
    pub message: im_message::Config,
    /// Who is connected where.
    pub presence: im_presence::Config,
    /// Groups, members, roles.
    pub group: im_group::Config,
    /// Client connections.
    pub gateway: im_gateway::Config,
}

impl Default for Config {
    /// What the services default to, except that they are in the same process and share a directory.
    fn default() -> Self {
        let mut config = Self {
            data_dir: PathBuf::from("./data"),
            // `service.token` in the directory above, wherever that is.
            service: ServiceConfig { token_file: PathBuf::new(), ..ServiceConfig::default() },
            user: im_user::Config::default(),
            message: im_message::Config::default(),
            presence: im_presence::Config::default(),
            group: im_group::Config::default(),
            gateway: im_gateway::Config::default(),
        };
        for data_dir in config.data_dirs() {
            *data_dir.0 = PathBuf::new();
        }
        for target in config.targets() {
            *target = Target::memory();
        }
        config
    }
}

impl Config {
    /// The same with every service's directory filled in: `<data_dir>/<service>` where none is given.
    pub(crate) fn resolved(mut self) -> Self {
        let base = self.data_dir.clone();
        for (data_dir, service) in self.data_dirs() {
            if data_dir.as_os_str().is_empty() {
                *data_dir = below(&base, service);
            }
        }
        self
    }

    /// Each service's own directory, with the name that it has in the shared one.
    fn data_dirs(&mut self) -> [(&mut PathBuf, &'static str); 3] {
        [
            (&mut self.user.data_dir, "user"),
            (&mut self.message.data_dir, "message"),
            (&mut self.group.data_dir, "group"),
        ]
    }

    /// Where each service finds those that it calls.
    fn targets(&mut self) -> impl Iterator<Item = &mut Target> {
        let message = &mut self.message.targets;
        let presence = &mut self.presence.targets;
        let gateway = &mut self.gateway.targets;
        [
            &mut self.user.original.presence,
            &mut self.user.targets.message,
            &mut self.user.targets.presence,
            &mut message.user,
            &mut message.presence,
            &mut presence.user,
            &mut presence.routing,
            &mut presence.dispatch,
            &mut presence.connections,
            &mut self.group.targets.message,
            &mut gateway.user,
            &mut gateway.message,
            &mut gateway.presence,
            &mut gateway.group,
        ]
        .into_iter()
    }
}

fn below(base: &Path, service: &str) -> PathBuf {
    base.join(service)
}

impl Validate for Config {
    /// Each service's own rules, its keys under its section.
    fn validate(&self) -> Result<(), Vec<String>> {
        let sections: [(&str, &dyn Validate); 5] = [
            ("user", &self.user),
            ("message", &self.message),
            ("presence", &self.presence),
            ("group", &self.group),
            ("gateway", &self.gateway),
        ];
        let wrong: Vec<_> = sections
            .into_iter()
            .flat_map(|(section, config)| {
                let wrong = config.validate().err().unwrap_or_default();
                wrong.into_iter().map(move |wrong| format!("{section}.{wrong}"))
            })
            .collect();
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_has_its_directory_in_the_shared_one_unless_it_is_given_another() {
        let mut config = Config { data_dir: "/srv/mpim".into(), ..Config::default() };
        config.group.data_dir = "/fast/group".into();
        let config = config.resolved();
        assert_eq!(config.user.data_dir, Path::new("/srv/mpim/user"));
        assert_eq!(config.message.data_dir, Path::new("/srv/mpim/message"));
        assert_eq!(config.group.data_dir, Path::new("/fast/group"));
    }

    #[test]
    fn a_broken_rule_of_a_service_is_named_under_its_section() {
        let mut config = Config::default();
        config.user.password.passes = 0;
        assert_eq!(config.validate().unwrap_err(), ["user.password.passes: must be 1..=64, is 0"]);
    }

    #[test]
    fn no_service_looks_for_another_outside_of_the_process() {
        let text = format!("{:?}", Config::default());
        assert!(!text.contains("static://"), "{text}");
    }
}
