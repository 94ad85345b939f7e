//! The five services, in the order in which they need each other.

use anyhow::Context;
use im_common::service_main::Services;
use im_common::{DRAIN, Deps, Running, Shutdown, run_until_shutdown};

use crate::{Config, banner};

/// Starts every service, and prepares the text that says where to connect.
///
/// Each service gets a shutdown of its own: they are stopped in the reverse of this order, so that
/// the gateway can still hand over what its clients have received.
///
/// # Errors
/// The first service that does not start, by name, with the reason; those before it have ended.
pub async fn start(config: Config, deps: Deps) -> anyhow::Result<Services> {
    let config = config.resolved();
    let data_dir = config.data_dir.clone();
    let trust = deps.trust.clone().or_token(&data_dir.join("service.token"))?;
    let deps = Deps { trust, ..deps };
    let mut services = Vec::new();
    if let Err(error) = start_each(config, &deps, &mut services).await {
        // In order, as always: were they torn down at once, one would complain of another's absence,
        // and the person would not see the reason for it.
        let shutdown = Shutdown::new();
        shutdown.trigger();
        let _ = run_until_shutdown(services, &shutdown, DRAIN).await;
        return Err(error);
    }
    let banner = banner::of(&services, deps.admin, &data_dir);
    Ok(Services::from(services).with_banner(banner))
}

async fn start_each(
    config: Config,
    deps: &Deps,
    services: &mut Vec<Running>,
) -> anyhow::Result<()> {
    let next = |service| deps.for_service(service);
    services.push(im_user::start(config.user, next("user")).await.context("im-user")?);
    let presence = im_presence::start(config.presence, next("presence")).await;
    services.push(presence.context("im-presence")?);
    let message = im_message::start(config.message, next("message")).await;
    services.push(message.context("im-message")?);
    services.push(im_group::start(config.group, next("group")).await.context("im-group")?);
    let gateway = im_gateway::start(config.gateway, next("gateway")).await;
    services.push(gateway.context("im-gateway")?);
    Ok(())
}
