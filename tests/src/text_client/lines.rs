//! The two lines that carry a message.

/// `MSG id=… from=… ts=… text=…`, on the sender's other devices with `to=…` before `ts=…`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of the line")]
pub struct Push {
    pub id: i64,
    pub from: i64,
    pub to: Option<i64>,
    pub ts_ms: i64,
    pub group: Option<i64>,
    pub text: String,
}

/// `HIST seq=… id=… from=… ts=… text=…`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of the line")]
pub struct History {
    pub seq: i64,
    pub id: i64,
    pub from: i64,
    pub ts_ms: i64,
    pub text: String,
}

impl Push {
    /// Reads a line, if it is one of these with exactly its fields in their order.
    pub fn parse(line: &str) -> Option<Self> {
        let (fields, text) = line.strip_prefix("MSG ")?.split_once(" text=")?;
        let mut fields = fields.split(' ').peekable();
        let id = number(fields.next(), "id=")?;
        let from = number(fields.next(), "from=")?;
        let to = match fields.next_if(|field| field.starts_with("to=")) {
            None => None,
            field => Some(number(field, "to=")?),
        };
        let ts_ms = number(fields.next(), "ts=")?;
        let group = match fields.next() {
            None => None,
            field => Some(number(field, "group=")?),
        };
        fields.next().is_none().then(|| Self { id, from, to, ts_ms, group, text: text.to_owned() })
    }
}

impl History {
    /// Reads a line, if it is one of these with exactly its fields in their order.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let (fields, text) = line.strip_prefix("HIST ")?.split_once(" text=")?;
        let mut fields = fields.split(' ');
        let seq = number(fields.next(), "seq=")?;
        let id = number(fields.next(), "id=")?;
        let from = number(fields.next(), "from=")?;
        let ts_ms = number(fields.next(), "ts=")?;
        fields.next().is_none().then(|| Self { seq, id, from, ts_ms, text: text.to_owned() })
    }
}

fn number(field: Option<&str>, name: &str) -> Option<i64> {
    field?.strip_prefix(name)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_with_its_fields_in_their_order_only() {
        let text = "a text=b".to_owned();
        let push = Push { id: 1, from: 2, to: None, ts_ms: 3, group: None, text };
        assert_eq!(Push::parse("MSG id=1 from=2 ts=3 text=a text=b"), Some(push.clone()));
        let push = Push { group: Some(4), ..push };
        assert_eq!(Push::parse("MSG id=1 from=2 ts=3 group=4 text=a text=b"), Some(push.clone()));
        let push = Push { group: None, to: Some(5), ..push };
        assert_eq!(Push::parse("MSG id=1 from=2 to=5 ts=3 text=a text=b"), Some(push));
        for other in ["MSG from=2 id=1 ts=3 text=a", "MSG id=1 from=2 ts=3 x=4 text=a", "+OK"] {
            assert_eq!(Push::parse(other), None, "{other}");
        }
    }

    #[test]
    fn a_line_of_a_history_is_read() {
        let found = History { seq: 1, id: 2, from: 3, ts_ms: 4, text: String::new() };
        assert_eq!(History::parse("HIST seq=1 id=2 from=3 ts=4 text="), Some(found));
        assert_eq!(History::parse("HIST seq=1 id=2 from=3 ts=4"), None);
    }
}
