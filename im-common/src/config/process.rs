//! What a whole program's file says: the settings of the process and those of its service.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::load::{Effective, Layers, defaults_of, table_of};
use super::mask::MASK;
use super::{
    AdminConfig, ClassicConfig, ConfigError, LogConfig, Origin, Rules, ServiceConfig,
    ShutdownConfig, Validate, ZooKeeperConfig, key, mask, registry,
};

/// The settings that every process has, whatever it serves: sections of the same file.
#[derive(Debug, Serialize, Deserialize)]
pub struct ProcessConfig {
    /// How the services of a fleet know each other.
    pub service: ServiceConfig,
    /// Who may call on the classic wire.
    pub classic: ClassicConfig,
    /// The registry.
    pub zookeeper: ZooKeeperConfig,
    /// The port for those who watch it.
    pub admin: AdminConfig,
    /// What it logs.
    pub log: LogConfig,
    /// How it ends.
    pub shutdown: ShutdownConfig,
}

impl ProcessConfig {
    /// The defaults of a process whose admin port is this one of 127.0.0.1: each program has its own,
    /// so that all of them can run on one machine.
    #[must_use]
    pub fn with_admin_port(port: u16) -> Self {
        Self {
            service: ServiceConfig::default(),
            classic: ClassicConfig::default(),
            zookeeper: ZooKeeperConfig::default(),
            admin: AdminConfig::on_loopback(port),
            log: LogConfig::default(),
            shutdown: ShutdownConfig::default(),
        }
    }
}

impl Default for ProcessConfig {
    fn default() -> Self {
        Self::with_admin_port(9010)
    }
}

impl Validate for ProcessConfig {
    fn validate(&self) -> Result<(), Vec<String>> {
        let mut rules = Rules::new();
        rules.within("shutdown.drain_ms", self.shutdown.drain_ms, 0..=600_000);
        let sections = [
            self.service.validate(),
            self.classic.validate(),
            self.zookeeper.validate(),
            self.log.validate(),
            rules.finish(),
        ];
        let broken: Vec<_> = sections.into_iter().filter_map(Result::err).flatten().collect();
        if broken.is_empty() { Ok(()) } else { Err(broken) }
    }
}

/// A loaded file.
#[derive(Debug)]
pub(crate) struct Loaded<C> {
    pub(crate) process: ProcessConfig,
    pub(crate) service: C,
    effective: Effective,
}

/// The defaults of the process and of its service, as one file has them.
pub(crate) fn defaults<C: Default + Serialize>(admin_port: u16) -> Result<Table, ConfigError> {
    let mut defaults = table_of(&ProcessConfig::with_admin_port(admin_port))?;
    defaults.extend(defaults_of::<C>()?);
    Ok(defaults)
}

/// Loads both parts, or reports what is wrong with either.
pub(crate) fn load<C>(layers: Layers<'_>, admin_port: u16) -> Result<Loaded<C>, ConfigError>
where
    C: Default + Serialize + DeserializeOwned + Validate,
{
    let mut effective = layers.over(defaults::<C>(admin_port)?)?;
    let process = effective.extract::<ProcessConfig>()?;
    let service = effective.extract::<C>()?;
    registry::check(&mut effective);
    effective.finish()?;
    match (process, service) {
        (Some(process), Some(service)) => Ok(Loaded { process, service, effective }),
        // Not reached: what cannot be extracted left a problem behind.
        _ => Err(ConfigError::Invalid(Vec::new())),
    }
}

impl<C> Loaded<C> {
    /// What should be known before it runs, for the log that did not exist yet.
    pub(crate) fn warnings(&self) -> &[String] {
        &self.effective.warnings
    }

    /// What the program would do: where it listens, whom it calls, where its data is, and whatever
    /// differs from the defaults. One `key = value` a line, with its origin; secrets are not shown.
    pub(crate) fn explain(&self) -> String {
        let Effective { values, defaults, origins, .. } = &self.effective;
        let mut text = String::new();
        for key in key::all(values) {
            let value = match key::get(values, &key) {
                None | Some(Value::Table(_)) => continue,
                Some(value) => value,
            };
            let unchanged = key::get(defaults, &key) == Some(value);
            if unchanged && (!is_essential(&key) || value.as_str() == Some("")) {
                continue;
            }
            let shown = match key::is_secret(&key) {
                true => MASK.to_owned(),
                false => mask::urls(&value.to_string()),
            };
            let origin = origins.get(&key).unwrap_or(&Origin::Default);
            text.push_str(&format!("  {key} = {shown}  ({origin})\n"));
        }
        text
    }
}

fn is_essential(key: &str) -> bool {
    let mut parts = key.rsplit('.');
    let last = parts.next().unwrap_or_default();
    matches!(last, "listen" | "advertise" | "data_dir") || parts.next() == Some("targets")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{RpcConfig, Target};

    #[derive(Debug, Serialize, Deserialize)]
    struct Config {
        data_dir: String,
        rpc: RpcConfig,
        target: Target,
        token: Token,
        limit_max: u32,
        other_max: u32,
    }

    #[derive(Debug, Serialize, Deserialize)]
    struct Token {
        secret: String,
    }

    impl Default for Config {
        fn default() -> Self {
            let token = Token { secret: String::new() };
            let (data_dir, rpc) = ("data/x".to_owned(), RpcConfig::on_loopback(8010));
            Self { data_dir, rpc, target: Target::memory(), token, limit_max: 1, other_max: 2 }
        }
    }

    impl Validate for Config {}

    fn layers(env: &[(&str, &str)]) -> Layers<'static> {
        let env = env.iter().map(|(name, value)| (name.into(), value.into())).collect();
        Layers { env_prefix: "MPIM", env, ..Layers::default() }
    }

    #[test]
    fn what_would_be_done_is_shown_without_secrets() {
        let env = [("MPIM_TOKEN__SECRET", "hush"), ("MPIM_LIMIT_MAX", "7")];
        let loaded = load::<Config>(layers(&env), 9010).unwrap();
        assert_eq!(
            loaded.explain(),
            "  admin.listen = \"127.0.0.1:9010\"  (default)\n\
             \x20 data_dir = \"data/x\"  (default)\n\
             \x20 limit_max = 7  (environment variable MPIM_LIMIT_MAX)\n\
             \x20 rpc.listen = \"127.0.0.1:8010\"  (default)\n\
             \x20 token.secret = (secret)  (environment variable MPIM_TOKEN__SECRET)\n"
        );
    }

    #[test]
    fn the_password_of_a_url_is_not_shown() {
        let loaded = load::<Config>(layers(&[("MPIM_DATA_DIR", "mysql://u:hush@a/b")]), 9010);
        let shown = loaded.unwrap().explain();
        assert!(shown.contains("data_dir = \"mysql://u:(secret)@a/b\""), "{shown}");
    }

    #[test]
    fn a_server_on_every_address_needs_one_that_it_can_be_called_at() {
        let anywhere = [("MPIM_RPC__LISTEN", "0.0.0.0:8010")];
        assert!(load::<Config>(layers(&anywhere), 9010).is_ok());
        let registered = [anywhere[0], ("MPIM_ZOOKEEPER__HOSTS", "10.0.0.5:2181")];
        let error = load::<Config>(layers(&registered), 9010).unwrap_err().to_string();
        let expected =
            "environment variable MPIM_RPC__LISTEN: `rpc.advertise`: must be the address ";
        assert!(error.starts_with(expected), "{error}");
        let advertised = [registered[0], registered[1], ("MPIM_RPC__ADVERTISE", "10.0.0.9:8010")];
        assert!(load::<Config>(layers(&advertised), 9010).is_ok());
    }

    #[test]
    fn a_target_in_zookeeper_needs_one() {
        let target = [("MPIM_TARGET", "zk://")];
        let error = load::<Config>(layers(&target), 9010).unwrap_err().to_string();
        assert_eq!(
            error,
            "environment variable MPIM_TARGET: `target`: is `zk://`, but no ZooKeeper is \
             configured: `zookeeper.hosts` must be like \"10.0.0.5:2181\""
        );
        let configured = [target[0], ("MPIM_ZOOKEEPER__HOSTS", "10.0.0.5:2181")];
        assert!(load::<Config>(layers(&configured), 9010).is_ok());
    }

    #[test]
    fn the_process_and_its_service_share_a_file() {
        let env = [("MPIM_LOG__FILTER", "debug"), ("MPIM_OTHER_MAX", "9")];
        let loaded = load::<Config>(layers(&env), 9010).unwrap();
        assert_eq!((loaded.process.log.filter.as_str(), loaded.service.other_max), ("debug", 9));
    }

    #[test]
    fn problems_of_both_are_reported_together() {
        let env = [("MPIM_LOG__FILTER", "x=loud"), ("MPIM_RPC__LISTEN", "nowhere")];
        let error = load::<Config>(layers(&env), 9010).unwrap_err().to_string();
        assert!(error.contains("`log.filter`") && error.contains("`rpc.listen`"), "{error}");
    }

    #[test]
    fn a_bad_filter_does_not_hide_a_bad_bound() {
        let env = [("MPIM_LOG__FILTER", "x=loud"), ("MPIM_SHUTDOWN__DRAIN_MS", "700000")];
        let error = load::<Config>(layers(&env), 9010).unwrap_err().to_string();
        assert!(error.contains("`log.filter`") && error.contains("`shutdown.drain_ms`"), "{error}");
    }
}
