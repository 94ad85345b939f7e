//! What a user may do beside what all may.

/// A user's role.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Role {
    /// A person.
    #[default]
    User,
    /// Who looks after the others' accounts.
    Admin,
    /// A program.
    Bot,
}

impl Role {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Admin => "admin",
            Self::Bot => "bot",
        }
    }
}
