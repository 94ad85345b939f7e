//! What is wrong with a configuration, where, and what would be right.

use std::fmt;
use std::path::PathBuf;

/// A configuration that cannot be used. The text names every problem, one a line, so that one
/// attempt is enough to repair a file.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read: it is missing, or not ours to read.
    #[error("{}: cannot read the configuration file: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{}:{line}: not valid TOML: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What the parser expected.
        message: String,
    },
    /// Keys or values are wrong.
    #[error("{}", lines(.0))]
    Invalid(Vec<Problem>),
    /// The program's own defaults cannot be represented: a bug, found by each service's tests.
    #[error("the built-in defaults are not valid: {0}")]
    Defaults(String),
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
}

/// One wrong key or value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it was given.
    pub origin: Origin,
    /// The key in full, `password.length_min`.
    pub key: String,
    /// What is wrong and what would be right. Never the value: it may be a secret.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: `{}`: {}", self.origin, self.key, self.what)
    }
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// A line of the configuration file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// An environment variable.
    Env(String),
    /// An argument on the command line.
    Argument(&'static str),
    /// A file of its own, for a secret.
    TextFile {
        /// The file.
        path: PathBuf,
        /// Where the file was named.
        set_by: Box<Self>,
    },
}

impl Origin {
    /// Where a person wrote the value, or the name of the file that holds it.
    pub(super) fn given_at(&self) -> &Self {
        match self {
            Self::TextFile { set_by, .. } => set_by,
            origin => origin,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Env(name) => write!(f, "environment variable {name}"),
            Self::Argument(name) => write!(f, "argument {name}"),
            Self::TextFile { path, set_by } => write!(f, "{set_by}, file {}", path.display()),
        }
    }
}
