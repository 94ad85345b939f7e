//! What a whole program's file says: the settings of the process and those of its service.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::load::{Effective, Layers, defaults_of};
use super::{ConfigError, LogConfig, Origin, Rules, ShutdownConfig, Validate, key};

/// The settings that every process has, whatever it serves.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct ProcessConfig {
    pub(crate) log: LogConfig,
    pub(crate) shutdown: ShutdownConfig,
}

impl Validate for ProcessConfig {
    fn validate(&self) -> Result<(), Vec<String>> {
        let mut rules = Rules::new();
        rules.within("shutdown.drain_ms", self.shutdown.drain_ms, 0..=600_000);
        let broken = [self.log.validate(), rules.finish()].into_iter().filter_map(Result::err);
        let broken: Vec<_> = broken.flatten().collect();
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
pub(crate) fn defaults<C: Default + Serialize>() -> Result<Table, ConfigError> {
    let mut defaults = defaults_of::<ProcessConfig>()?;
    defaults.extend(defaults_of::<C>()?);
    Ok(defaults)
}

/// Loads both parts, or reports what is wrong with either.
pub(crate) fn load<C>(layers: Layers<'_>) -> Result<Loaded<C>, ConfigError>
where
    C: Default + Serialize + DeserializeOwned + Validate,
{
    let mut effective = layers.over(defaults::<C>()?)?;
    let process = effective.extract::<ProcessConfig>()?;
    let service = effective.extract::<C>()?;
    effective.finish()?;
    match (process, service) {
        (Some(process), Some(service)) => Ok(Loaded { process, service, effective }),
        // Not reached: what cannot be extracted left a problem behind.
        _ => Err(ConfigError::Invalid(Vec::new())),
    }
}

impl<C> Loaded<C> {
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
            let shown =
                if key::is_secret(&key) { "(secret)".to_owned() } else { value.to_string() };
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
    use crate::RpcConfig;

    #[derive(Debug, Serialize, Deserialize)]
    struct Config {
        data_dir: String,
        rpc: RpcConfig,
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
            Self { data_dir, rpc, token, limit_max: 1, other_max: 2 }
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
        let loaded = load::<Config>(layers(&env)).unwrap();
        assert_eq!(
            loaded.explain(),
            "  data_dir = \"data/x\"  (default)\n\
             \x20 limit_max = 7  (environment variable MPIM_LIMIT_MAX)\n\
             \x20 rpc.listen = \"127.0.0.1:8010\"  (default)\n\
             \x20 token.secret = (secret)  (environment variable MPIM_TOKEN__SECRET)\n"
        );
    }

    #[test]
    fn the_process_and_its_service_share_a_file() {
        let env = [("MPIM_LOG__FILTER", "debug"), ("MPIM_OTHER_MAX", "9")];
        let loaded = load::<Config>(layers(&env)).unwrap();
        assert_eq!((loaded.process.log.filter.as_str(), loaded.service.other_max), ("debug", 9));
    }

    #[test]
    fn problems_of_both_are_reported_together() {
        let env = [("MPIM_LOG__FILTER", "x=loud"), ("MPIM_RPC__LISTEN", "nowhere")];
        let error = load::<Config>(layers(&env)).unwrap_err().to_string();
        assert!(error.contains("`log.filter`") && error.contains("`rpc.listen`"), "{error}");
    }

    #[test]
    fn a_bad_filter_does_not_hide_a_bad_bound() {
        let env = [("MPIM_LOG__FILTER", "x=loud"), ("MPIM_SHUTDOWN__DRAIN_MS", "700000")];
        let error = load::<Config>(layers(&env)).unwrap_err().to_string();
        assert!(error.contains("`log.filter`") && error.contains("`shutdown.drain_ms`"), "{error}");
    }
}
