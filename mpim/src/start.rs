//! The five services, in the order in which they need each other.

use anyhow::Context;
use im_common::Deps;
use im_common::service_main::Services;

use crate::{Config, banner};

/// Starts every service, and prepares the text that says where to connect.
///
/// Each service gets a shutdown of its own: they are stopped in the reverse of this order, so that
/// the gateway can still hand over what its clients have received.
///
/// # Errors
/// The first service that does not start, by name, with the reason; those before it are dropped.
pub async fn start(config: Config, deps: Deps) -> anyhow::Result<Services> {
    let config = config.resolved();
    let next = |service| deps.for_service(service);
    let services = vec![
        im_user::start(config.user, next("user")).await.context("im-user")?,
        im_presence::start(config.presence, next("presence")).await.context("im-presence")?,
        im_message::start(config.message, next("message")).await.context("im-message")?,
        im_group::start(config.group, next("group")).await.context("im-group")?,
        im_gateway::start(config.gateway, next("gateway")).await.context("im-gateway")?,
    ];
    let banner = banner::of(&services, deps.admin, &config.data_dir);
    Ok(Services::from(services).with_banner(banner))
}
