//! Where devices begin. Whoever settles that locks the device's row first; conversations are only read.

use im_common::StoreError;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error};

use super::MysqlTimeline;
use super::sql::{LIST_MAX, filled, repeated};
use crate::store::devices::{FORGOTTEN_MAX, Known, Opening};
use crate::store::{Devices, Reader};

impl Devices for MysqlTimeline {
    async fn open_device(&self, reader: &Reader, generation: i64) -> Result<bool, StoreError> {
        let reader = reader.clone();
        let open = async move |tx: &mut _| open(tx, &reader, generation).await;
        self.db.write("open a device", open).await
    }

    async fn forget_device(&self, reader: &Reader, generation: i64) -> Result<(), StoreError> {
        let reader = reader.clone();
        let forget = async move |tx: &mut _| forget(tx, &reader, generation).await;
        self.db.write("forget a device", forget).await
    }
}

async fn open(tx: &mut Conn, reader: &Reader, generation: i64) -> Result<bool, Error> {
    let at_heads = match Opening::of(lock(tx, reader).await?, generation) {
        Opening::Refused => return Ok(false),
        Opening::Done => return Ok(true),
        Opening::First => {
            let own = "SELECT 1 FROM device_cursor WHERE uid = ? AND device = ? LIMIT 1";
            let own: Option<i64> =
                tx.exec_first(own, (reader.uid, reader.device.as_bytes())).await?;
            let any = "SELECT 1 FROM device_cursor WHERE uid = ? LIMIT 1";
            let any: Option<i64> = tx.exec_first(any, (reader.uid,)).await?;
            own.is_none() && (any.is_some() || generation > 1)
        }
        Opening::Anew => {
            remove_cursors(tx, reader).await?;
            true
        }
    };
    if at_heads {
        put_at_heads(tx, reader).await?;
    }
    note(tx, reader, Known { generation, forgotten: false }).await?;
    Ok(true)
}

async fn forget(tx: &mut Conn, reader: &Reader, generation: i64) -> Result<(), Error> {
    if lock(tx, reader).await?.is_some_and(|known| known.generation > generation) {
        return Ok(());
    }
    remove_cursors(tx, reader).await?;
    note(tx, reader, Known { generation, forgotten: true }).await?;
    let oldest = "SELECT generation FROM device WHERE uid = ? AND forgotten = 1
                  ORDER BY generation DESC LIMIT 1 OFFSET ?";
    let oldest: Option<i64> = tx.exec_first(oldest, (reader.uid, FORGOTTEN_MAX)).await?;
    if let Some(oldest) = oldest {
        let delete = "DELETE FROM device WHERE uid = ? AND forgotten = 1 AND generation <= ?";
        tx.exec_drop(delete, (reader.uid, oldest)).await?;
    }
    Ok(())
}

/// Locks the device's row, which is made if it is missing, with a generation below all.
async fn lock(tx: &mut Conn, reader: &Reader) -> Result<Option<Known>, Error> {
    let of = (reader.uid, reader.device.as_bytes());
    let insert = "INSERT INTO device (uid, device, generation, forgotten) VALUES (?, ?, 0, 0)
                  ON DUPLICATE KEY UPDATE generation = generation";
    tx.exec_drop(insert, of).await?;
    let select = "SELECT generation, forgotten FROM device WHERE uid = ? AND device = ?";
    let found: Option<(i64, bool)> = tx.exec_first(select, of).await?;
    let known = found.map(|(generation, forgotten)| Known { generation, forgotten });
    Ok(known.filter(|known| known.generation > 0))
}

async fn note(tx: &mut Conn, reader: &Reader, known: Known) -> Result<(), Error> {
    let update = "UPDATE device SET generation = ?, forgotten = ? WHERE uid = ? AND device = ?";
    let Known { generation, forgotten } = known;
    tx.exec_drop(update, (generation, forgotten, reader.uid, reader.device.as_bytes())).await
}

async fn remove_cursors(tx: &mut Conn, reader: &Reader) -> Result<(), Error> {
    let delete = "DELETE FROM device_cursor WHERE uid = ? AND device = ?";
    tx.exec_drop(delete, (reader.uid, reader.device.as_bytes())).await
}

/// The heads are read first and then written: a statement that did both might lock conversations.
async fn put_at_heads(tx: &mut Conn, reader: &Reader) -> Result<(), Error> {
    let select = "SELECT s.conv, IF(COUNT(s.to_seq) < COUNT(*), MIN(c.max_seq), MAX(s.to_seq))
                  FROM span s JOIN conversation c ON c.id = s.conv
                  WHERE s.uid = ? GROUP BY s.conv ORDER BY s.conv";
    let heads: Vec<(i64, i64)> = tx.exec(select, (reader.uid,)).await?;
    for heads in heads.chunks(LIST_MAX) {
        let device = reader.device.as_bytes();
        let row = |(conv, head): &(i64, i64)| {
            [reader.uid.into(), device.into(), (*conv).into(), (*head).into(), (*head).into()]
        };
        let (length, params) = filled(heads.iter().flat_map(row).collect(), 5);
        // A former session of the name may have put a cursor here meanwhile.
        let insert = format!(
            "INSERT INTO device_cursor (uid, device, conv, seq, given_seq, opened_seq) VALUES {} \
             ON DUPLICATE KEY UPDATE seq = GREATEST(seq, VALUES(seq)), \
             opened_seq = VALUES(opened_seq)",
            repeated("(?, ?, ?, ?, 0, ?)", length, ", ")
        );
        tx.exec_drop(insert, params).await?;
    }
    Ok(())
}
