//! What goes first where messages of several conversations wait for each other.

/// How much a session's messages may wait for those of other conversations. What goes to one
/// conversation keeps its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// After the others, but not for ever.
    Low,
    /// As everybody is at first.
    Normal,
    /// Before what is normal.
    High,
    /// Before what is high.
    Urgent,
}

impl Priority {
    /// The word in a line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
            Self::Urgent => "urgent",
        }
    }

    pub(crate) fn of(word: &[u8]) -> Option<Self> {
        let all = [Self::Low, Self::Normal, Self::High, Self::Urgent];
        all.into_iter().find(|it| word.eq_ignore_ascii_case(it.as_str().as_bytes()))
    }
}
