//! The scripts by which routes change, each on one key.

use im_common::redis::{Redis, RedisFailure};
use redis::{Pipeline, RedisResult, Script};

use super::record;
use crate::routing::routes::{Excludes, Gateway, Offer};

/// Loaded into Redis when it does not have them (any more).
#[derive(Debug)]
pub(super) struct Scripts {
    hear: Script,
    bind: Script,
    renew: Script,
    unbind: Script,
}

/// What is known once a gateway is listed.
#[derive(Debug, Default)]
pub(super) struct Hear {
    /// The gateway's.
    pub(super) epoch: String,
    /// All that are listed: boot id and entry.
    pub(super) listed: Vec<(Vec<u8>, Vec<u8>)>,
}

/// What a gateway says of itself when it is heard.
#[derive(Debug)]
pub(super) enum Tells<'a> {
    /// What was said before stays.
    Nothing,
    Offer(Option<&'a Offer>),
}

/// What binding takes.
pub(super) struct Bind<'a, E> {
    pub(super) key: String,
    pub(super) field: String,
    pub(super) device: &'a str,
    pub(super) excludes: Excludes,
    pub(super) identity: String,
    /// 0 for a session that begins.
    pub(super) since_ms: i64,
    pub(super) ttl_ms: i64,
    pub(super) key_ttl_ms: i64,
    pub(super) devices_max: usize,
    /// Boot id and epoch of the gateways that are listed.
    pub(super) epochs: E,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            hear: Script::new(include_str!("hear.lua")),
            bind: Script::new(include_str!("bind.lua")),
            renew: Script::new(include_str!("renew.lua")),
            unbind: Script::new(include_str!("unbind.lua")),
        }
    }

    pub(super) async fn hear(
        &self,
        redis: &Redis,
        key: &str,
        gateway: &Gateway,
        tells: Tells<'_>,
        keep_ms: i64,
    ) -> Result<Hear, RedisFailure> {
        let mut hear = self.hear.key(key);
        let (offer, says) = match tells {
            Tells::Nothing => (None, false),
            Tells::Offer(offer) => (offer, true),
        };
        let description = record::description(gateway, offer);
        hear.arg(&gateway.boot_id).arg(description).arg(keep_ms).arg(i32::from(says));
        let heard = redis.run("list a gateway", |mut connection| async move {
            hear.invoke_async(&mut connection).await
        });
        let (epoch, listed) = heard.await?;
        Ok(Hear { epoch, listed })
    }

    /// What became of it, when the session began, what it replaced, and whether there was junk.
    pub(super) async fn bind<'a>(
        &self,
        redis: &Redis,
        bind: Bind<'_, impl Iterator<Item = (&'a str, &'a str)>>,
    ) -> Result<(String, i64, Vec<Vec<u8>>, bool), RedisFailure> {
        let mut script = self.bind.key(bind.key);
        script.arg(bind.field).arg(bind.identity).arg(bind.since_ms);
        script.arg(bind.ttl_ms).arg(bind.key_ttl_ms).arg(bind.devices_max);
        script.arg(bind.device).arg(bind.excludes.as_str_name());
        for (boot_id, epoch) in bind.epochs {
            script.arg(boot_id).arg(epoch);
        }
        redis
            .run("bind a route", |mut connection| async move {
                script.invoke_async(&mut connection).await
            })
            .await
    }

    /// Must come before the renewals of a pipeline: there is nobody to notice that the script is not
    /// loaded.
    pub(super) fn begin_renewals(&self, pipeline: &mut Pipeline) {
        pipeline.load_script(&self.renew).ignore();
    }

    /// Adds the renewal of one route, which answers whether it was there. `ttls` are those of the
    /// route and of its key.
    pub(super) fn renew(
        &self,
        pipeline: &mut Pipeline,
        key: &str,
        field: &str,
        begins: &str,
        ttls: (i64, i64),
    ) {
        let mut renew = self.renew.key(key);
        renew.arg(field).arg(begins).arg(ttls.0).arg(ttls.1);
        pipeline.invoke_script(&renew);
    }

    pub(super) async fn unbind(
        &self,
        redis: &Redis,
        key: &str,
        field: &str,
        begins: &str,
    ) -> Result<bool, RedisFailure> {
        let mut unbind = self.unbind.key(key);
        unbind.arg(field).arg(begins);
        redis
            .run("unbind a route", |mut connection| async move {
                let unbound: RedisResult<bool> = unbind.invoke_async(&mut connection).await;
                unbound
            })
            .await
    }
}
