//! What a person who edits a configuration gets to read.

use std::ffi::OsString;
use std::path::PathBuf;

use serde::Deserialize;
use tempfile::TempDir;

use super::*;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Config {
    data_dir: PathBuf,
    rpc: RpcConfig,
    log: LogConfig,
    target: Target,
    limits: Limits,
    pub(super) token: Token,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Limits {
    members_max: u16,
    ratio: f64,
    strict: bool,
    names: Vec<String>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Token {
    pub(super) secret: String,
}

impl Default for Config {
    fn default() -> Self {
        let names = vec!["a".to_owned()];
        Self {
            data_dir: "data/x".into(),
            rpc: RpcConfig::on_loopback(8010),
            log: LogConfig::default(),
            target: Target::memory(),
            limits: Limits { members_max: 500, ratio: 0.5, strict: true, names },
            token: Token { secret: String::new() },
        }
    }
}

impl Validate for Config {
    fn validate(&self) -> Result<(), Vec<String>> {
        match self.limits.members_max {
            0 => Err(vec!["limits.members_max: must be 1..=1000, is 0".to_owned()]),
            _ => Ok(()),
        }
    }
}

pub(super) fn from(toml: &str, env: &[(&str, &str)]) -> Result<Config, String> {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("x.toml");
    std::fs::write(&path, toml).unwrap();
    let env = env.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let layers =
        Layers { file: Some(&path), env_prefix: "MPIM", env: env.collect(), arguments: Vec::new() };
    let shorten =
        |error: ConfigError| error.to_string().replace(&format!("{}/", dir.path().display()), "");
    let mut effective = layers.over(defaults_of::<Config>().unwrap()).map_err(shorten)?;
    let config = effective.extract::<Config>().unwrap();
    effective.finish().map_err(shorten)?;
    Ok(config.unwrap())
}

fn error(toml: &str) -> String {
    from(toml, &[]).unwrap_err()
}

#[test]
fn an_empty_file_is_the_defaults() {
    assert_eq!(from("", &[]).unwrap(), Config::default());
}

#[test]
fn a_section_given_in_part_keeps_the_defaults_of_the_whole() {
    let config = from("[rpc]\nadvertise = \"10.0.0.5:1\"\n", &[]).unwrap();
    assert_eq!(config.rpc.listen, Config::default().rpc.listen);
    assert_eq!(config.rpc.advertise, Some(([10, 0, 0, 5], 1).into()));
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_nearest_known_one() {
    assert_eq!(
        error("# a comment\n\n[limits]\nmember_max = 5\n"),
        "x.toml:4: `limits.member_max`: unknown key; the nearest known one is `limits.members_max`"
    );
    assert_eq!(
        error("[limit]\nmembers_max = 5\n"),
        "x.toml:1: `limit`: unknown key; the nearest known one is `limits`"
    );
    assert_eq!(
        error("listen = \"127.0.0.1:1\"\n"),
        "x.toml:1: `listen`: unknown key; the nearest known one is `rpc.listen`"
    );
}

#[test]
fn an_inline_section_and_a_dotted_key_are_checked_alike() {
    assert_eq!(
        error("limits = { members_max = 1, strickt = true }\nrpc.listn = 1\n"),
        "x.toml:1: `limits.strickt`: unknown key; the nearest known one is `limits.strict`\n\
         x.toml:2: `rpc.listn`: unknown key; the nearest known one is `rpc.listen`"
    );
}

#[test]
fn a_value_of_the_wrong_kind_is_named_with_what_would_be_right() {
    assert_eq!(
        error("[limits]\nmembers_max = \"many\"\n"),
        "x.toml:2: `limits.members_max`: must be an integer such as 500, is a string"
    );
    assert_eq!(error("rpc = 8010\n"), "x.toml:1: `rpc`: must be a section [rpc], is an integer");
    assert_eq!(
        error("[data_dir]\npath = \"x\"\n"),
        "x.toml:1: `data_dir`: must be a string such as \"data/x\", is a section"
    );
}

#[test]
fn a_value_of_the_right_kind_that_is_no_such_thing_is_named_with_an_example() {
    assert_eq!(
        error("[rpc]\nlisten = \"localhost\"\n"),
        "x.toml:2: `rpc.listen`: invalid socket address syntax; for example, the default is \
         \"127.0.0.1:8010\""
    );
    assert_eq!(
        error("[limits]\nmembers_max = 70000\n"),
        "x.toml:2: `limits.members_max`: invalid value: integer `70000`, expected u16; \
         for example, the default is 500"
    );
    assert_eq!(
        error("[log]\nformat = \"xml\"\n"),
        "x.toml:2: `log.format`: unknown variant `xml`, expected one of `auto`, `human`, `json`; \
         for example, the default is \"auto\""
    );
    assert_eq!(
        error("[rpc]\nadvertise = \"user:1\"\n"),
        "x.toml:2: `rpc.advertise`: invalid socket address syntax: must be empty or like \
         10.0.0.5:8010"
    );
    assert_eq!(
        error("target = \"127.0.0.1:1\"\n"),
        "x.toml:1: `target`: must be `memory://`, `static://host:port,host:port`, or `zk://` \
         (the hosts of [zookeeper]); for example, the default is \"memory://\""
    );
}

#[test]
fn a_broken_rule_is_named_with_its_line() {
    assert_eq!(
        error("[limits]\nstrict = false\nmembers_max = 0\n"),
        "x.toml:3: `limits.members_max`: must be 1..=1000, is 0"
    );
}

#[test]
fn all_problems_come_at_once_in_the_order_of_the_lines() {
    assert_eq!(
        error("dta_dir = \"x\"\n[log]\nspans = 1\n[limits]\nmembers_max = 0\n"),
        "x.toml:1: `dta_dir`: unknown key; the nearest known one is `data_dir`\n\
         x.toml:3: `log.spans`: must be true or false such as false, is an integer\n\
         x.toml:5: `limits.members_max`: must be 1..=1000, is 0"
    );
}

#[test]
fn a_file_that_is_not_toml_is_named_with_its_line() {
    let error = error("data_dir = \"x\"\n[rpc\n");
    assert!(error.starts_with("x.toml:2: not valid TOML: "), "{error}");
    let twice = "[log]\nspans = true\nspans = false\n";
    assert_eq!(self::error(twice), "x.toml:3: not valid TOML: duplicate key");
}

#[test]
fn a_missing_file_is_named() {
    let error = load::<Config>(Some(Path::new("no/such.toml")), "MPIM").unwrap_err();
    assert_eq!(
        error.to_string(),
        "no/such.toml: cannot read the configuration file: No such file or directory (os error 2)"
    );
}

#[test]
fn the_environment_overrides_the_file() {
    let env = [
        ("MPIM_DATA_DIR", "/elsewhere"),
        ("MPIM_LIMITS__MEMBERS_MAX", "7"),
        ("MPIM_LIMITS__RATIO", "1"),
        ("MPIM_LIMITS__STRICT", "false"),
        ("MPIM_LIMITS__NAMES", "[\"b\", \"c\"]"),
        ("MPIMX_NOT", "ours"),
        ("PATH", "/bin"),
    ];
    let config = from("data_dir = \"here\"\n[limits]\nmembers_max = 3\n", &env).unwrap();
    assert_eq!(config.data_dir, Path::new("/elsewhere"));
    let limits =
        Limits { members_max: 7, ratio: 1.0, strict: false, names: vec!["b".into(), "c".into()] };
    assert_eq!(config.limits, limits);
}

#[test]
fn errors_in_the_environment_name_the_variable() {
    assert_eq!(
        from("", &[("MPIM_LIMITS__MEMBER_MAX", "7")]).unwrap_err(),
        "environment variable MPIM_LIMITS__MEMBER_MAX: `limits.member_max`: unknown key; \
         the nearest known one is `limits.members_max` (MPIM_LIMITS__MEMBERS_MAX)"
    );
    assert_eq!(
        from("", &[("MPIM_LIMITS__MEMBERS_MAX", "many")]).unwrap_err(),
        "environment variable MPIM_LIMITS__MEMBERS_MAX: `limits.members_max`: \
         must be an integer such as 500, is a string"
    );
    assert_eq!(
        from("", &[("MPIM_RPC", "8010")]).unwrap_err(),
        "environment variable MPIM_RPC: `rpc`: must be a section [rpc], is a string"
    );
    assert_eq!(
        from("", &[("MPIM_LIMITS__MEMBERS_MAX", "0")]).unwrap_err(),
        "environment variable MPIM_LIMITS__MEMBERS_MAX: `limits.members_max`: \
         must be 1..=1000, is 0"
    );
}

#[test]
fn a_secret_is_never_part_of_an_error() {
    assert_eq!(
        error("[token]\nsecret = 4711\n"),
        "x.toml:2: `token.secret`: must be a string, is an integer"
    );
}
