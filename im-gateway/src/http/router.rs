//! All routes, and all that a request goes through, from the outside in.

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::get;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::routes::{
    account, conversations, devices, events, friends, groups, messages, presence, users,
};
use super::{Http, docs, layers, request_id, upgrade, web};

/// The whole API.
pub(super) fn router(http: &Arc<Http>) -> Router {
    let state = || Arc::clone(http);
    let to_its_end = from_fn_with_state(state(), layers::to_its_end);
    let (api, document) = api().merge(log_ins().route_layer(to_its_end)).split_for_parts();
    let routes = api
        .merge(docs::document(&document))
        .route("/ws", get(upgrade::upgrade))
        // Who asks, and whether they may that often, is for handlers to say: some are open.
        .route_layer(from_fn_with_state(state(), layers::by_address))
        // A page is many files, which cost nothing but their bytes.
        .merge(docs::page())
        .merge(web::routes())
        .fallback(layers::nowhere)
        .method_not_allowed_fallback(layers::not_so)
        .with_state(Arc::clone(http));
    layered(routes, http)
}

/// Each layer is around those above it here: a request comes from below.
fn layered(routes: Router, http: &Arc<Http>) -> Router {
    let state = || Arc::clone(http);
    routes
        // Cheap, and before anything is read.
        .layer(from_fn_with_state(state(), layers::bounded))
        // Around all that waits: for the body, for services.
        .layer(from_fn_with_state(state(), layers::timed))
        .layer(from_fn(layers::secured))
        // The outermost: whatever was refused further in is written here.
        .layer(from_fn(request_id::named))
}

/// Those by which log-ins come and go.
fn log_ins() -> OpenApiRouter<Arc<Http>> {
    OpenApiRouter::new()
        .routes(routes!(account::register))
        .routes(routes!(account::login))
        .routes(routes!(account::refresh))
        .routes(routes!(account::password))
        .routes(routes!(account::logout))
        .routes(routes!(devices::revoke))
}

/// The others that the document describes.
fn api() -> OpenApiRouter<Arc<Http>> {
    OpenApiRouter::with_openapi(docs::about())
        .routes(routes!(account::me))
        .routes(routes!(users::list))
        .routes(routes!(friends::list))
        .routes(routes!(friends::add, friends::remove))
        .routes(routes!(friends::blocked))
        .routes(routes!(friends::block, friends::unblock))
        .routes(routes!(conversations::list))
        .routes(routes!(conversations::history))
        .routes(routes!(conversations::read))
        .routes(routes!(conversations::receipts))
        .routes(routes!(conversations::typing))
        .routes(routes!(messages::send))
        .routes(routes!(events::stream))
        .routes(routes!(events::received))
        .routes(routes!(groups::list, groups::create))
        .routes(routes!(groups::about))
        .routes(routes!(groups::members))
        .routes(routes!(groups::join, groups::leave))
        .routes(routes!(devices::list))
        .routes(routes!(presence::list))
}
