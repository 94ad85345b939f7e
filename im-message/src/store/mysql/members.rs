//! Who is in a conversation now.

use im_common::StoreError;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error, Params, Value};

use super::MysqlTimeline;
use super::sql::{LIST_MAX, filled, repeated};
use crate::conversation::ConvId;
use crate::store::Members;
use crate::store::shared::distinct;

impl Members for MysqlTimeline {
    async fn members(&self, conv: ConvId) -> Result<Vec<i64>, StoreError> {
        self.db.read("list members", async move |conn| first(conn, conv, i64::MAX).await).await
    }

    async fn few_members(&self, conv: ConvId, most: usize) -> Result<Option<Vec<i64>>, StoreError> {
        let one_more = i64::try_from(most).unwrap_or(i64::MAX).saturating_add(1);
        let few = async move |conn: &mut _| first(conn, conv, one_more).await;
        let members = self.db.read("list a few members", few).await?;
        Ok((members.len() <= most).then_some(members))
    }

    async fn members_among(&self, conv: ConvId, uids: Vec<i64>) -> Result<Vec<i64>, StoreError> {
        let among = async move |conn: &mut _| among(conn, conv, &uids).await;
        self.db.read("look up members", among).await
    }
}

/// Some of the present members of a conversation.
pub(super) const FIRST: &str = "
    SELECT s.uid FROM conversation c JOIN span s ON s.conv = c.id AND s.to_seq IS NULL
    WHERE c.conv_id = ? LIMIT ?";

async fn first(conn: &mut Conn, conv: ConvId, limit: i64) -> Result<Vec<i64>, Error> {
    conn.exec(FIRST, (conv.to_string(), limit)).await
}

async fn among(conn: &mut Conn, conv: ConvId, uids: &[i64]) -> Result<Vec<i64>, Error> {
    let mut found = Vec::new();
    for uids in distinct(uids).chunks(LIST_MAX) {
        let values = uids.iter().map(|uid| Value::from(*uid)).collect();
        let (length, Params::Positional(uids)) = filled(values, 1) else {
            continue;
        };
        let select = format!(
            "SELECT s.uid FROM conversation c JOIN span s ON s.conv = c.id AND s.to_seq IS NULL \
             WHERE c.conv_id = ? AND s.uid IN ({})",
            repeated("?", length, ", ")
        );
        let params = std::iter::once(Value::from(conv.to_string())).chain(uids).collect();
        let rows: Vec<i64> = conn.exec(select, Params::Positional(params)).await?;
        found.extend(rows);
    }
    Ok(found)
}
