//! What a stack consists of.

/// In what shape MPIM runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// `mpim`: everything in one process.
    Embedded,
    /// The five services by hand, as `conf/static` configures them.
    Five,
    /// One or several of each on real servers, as `conf/cluster` configures them.
    Cluster,
}

/// A service, wherever it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the five services of MPIM")]
pub enum Service {
    User,
    Message,
    Presence,
    Group,
    Gateway,
}

impl Service {
    /// All of them, each after those that it calls.
    pub const ALL: [Self; 5] =
        [Self::User, Self::Presence, Self::Message, Self::Group, Self::Gateway];

    /// Its section in the configuration of the one process.
    pub(crate) fn section(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Message => "message",
            Self::Presence => "presence",
            Self::Group => "group",
            Self::Gateway => "gateway",
        }
    }

    /// Its own program.
    pub(crate) fn program(self) -> &'static str {
        match self {
            Self::User => "im-user",
            Self::Message => "im-message",
            Self::Presence => "im-presence",
            Self::Group => "im-group",
            Self::Gateway => "im-gateway",
        }
    }
}

/// One of the instances of a service, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "said above")]
pub struct Instance {
    pub service: Service,
    pub number: usize,
}

impl Instance {
    /// What its process is called: `im-user`, `im-user-2`.
    pub fn name(self) -> String {
        match self.number {
            1 => self.service.program().to_owned(),
            number => format!("{}-{number}", self.service.program()),
        }
    }
}
