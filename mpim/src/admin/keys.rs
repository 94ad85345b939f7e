//! `mpim admin key`: the keys that bots log in with.

use std::io::{self, Write as _};

use anyhow::Context as _;
use clap::Subcommand;
use mpim_proto::user_service::Client;
use mpim_proto::{ApiKey, CreateApiKeyReq, ListApiKeysReq, RevokeApiKeyReq};
use time::OffsetDateTime;

use super::{cx, done, find};

const DAY_S: u32 = 24 * 3600;

#[derive(Subcommand, Debug)]
pub(super) enum Action {
    /// Make another key for a bot, and show it this once
    Create {
        /// The bot's name
        name: String,
        /// Programs of one bot that are to be devices of their own have different labels
        #[arg(long, default_value = "")]
        label: String,
        /// For how many days it is good; without, until it is revoked
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..=36_500))]
        days: Option<u32>,
    },
    /// List the keys of a bot
    List {
        /// The bot's name
        name: String,
    },
    /// Revoke a key, and end what is open with it
    Revoke {
        /// As it is listed, or all of it
        key: String,
    },
}

pub(super) async fn act(client: &Client, action: Action) -> anyhow::Result<()> {
    let mut out = io::stdout();
    match action {
        Action::Create { name, label, days } => {
            let user_id = find(client, &name).await?;
            let ttl_s = days.unwrap_or_default().saturating_mul(DAY_S);
            let request = CreateApiKeyReq { user_id, label, ttl_s };
            let made = client.create_api_key(&cx(), request).await?;
            done(made.result)?;
            // Alone, for whoever puts it into a file.
            writeln!(out, "{}", made.key)?;
        }
        Action::List { name } => {
            let user_id = find(client, &name).await?;
            let listed = client.list_api_keys(&cx(), ListApiKeysReq { user_id }).await?;
            done(listed.result)?;
            for key in listed.keys {
                writeln!(out, "{}", line(&key))?;
            }
        }
        Action::Revoke { key } => {
            let key_id = id(&key).with_context(|| "that is no key, nor the id of one")?.to_owned();
            done(client.revoke_api_key(&cx(), RevokeApiKeyReq { key_id }).await?.result)?;
            writeln!(out, "revoked")?;
        }
    }
    Ok(())
}

/// What is said of a key.
fn line(key: &ApiKey) -> String {
    let day = |what: &str, at_ms: i64, never: &str| match at_ms {
        0 => never.to_owned(),
        at_ms => format!("{what} {}", date(at_ms)),
    };
    let expires = day("until", key.expires_at_ms, "until it is revoked");
    let used = day("used", key.last_used_at_ms, "never used");
    let made = date(key.created_at_ms);
    format!("mpk_{}  {}  made {made}, {used}, {expires}", key.key_id, key.device)
}

/// The day of a moment, in UTC.
fn date(at_ms: i64) -> String {
    let at = OffsetDateTime::from_unix_timestamp(at_ms.div_euclid(1000));
    at.map_or_else(|_| format!("{at_ms} ms"), |at| at.date().to_string())
}

/// The id in what somebody gives for a key.
fn id(key: &str) -> Option<&str> {
    let id = key.strip_prefix("mpk_").unwrap_or(key);
    let id = id.split_once('_').map_or(id, |(id, _secret)| id);
    (!id.is_empty()).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_named_by_its_id_in_whatever_form_it_is_at_hand() {
        for key in ["2af0", "mpk_2af0", "mpk_2af0_5ec2e7"] {
            assert_eq!(id(key), Some("2af0"));
        }
        assert_eq!((id(""), id("mpk_"), id("mpk__5ec2e7")), (None, None, None));
    }

    #[test]
    fn a_key_is_listed_without_its_secret() {
        let key = ApiKey {
            key_id: "2af0".to_owned(),
            device: "bot:ci".to_owned(),
            created_at_ms: 1_700_000_000_000,
            ..ApiKey::default()
        };
        let said = "mpk_2af0  bot:ci  made 2023-11-14, never used, until it is revoked";
        assert_eq!(line(&key), said);
    }
}
