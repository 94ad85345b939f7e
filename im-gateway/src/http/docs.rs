//! The description of the API, made from its handlers, and a page to try it.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, InfoBuilder, OpenApi, OpenApiBuilder};
use utoipa::{PartialSchema as _, ToSchema as _};
use utoipa_swagger_ui::Config;

use super::Http;
use super::error::{Problem, Refused};
use super::json::At;

/// Where the document is.
const DOCUMENT: &str = "/api/openapi.json";
/// The page's scripts and styles are its own; it styles elements one by one.
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; frame-ancestors 'none'";

static PAGE: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| Arc::new(Config::from(DOCUMENT)));

/// What the document says of the API as a whole.
pub(super) fn about() -> OpenApi {
    let info = InfoBuilder::new()
        .title("MPIM")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("What a user of MPIM may do, over HTTP."));
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    let mut components = Components::new();
    // The refusals of all routes point at it.
    components.schemas.insert(Problem::name().into_owned(), Problem::schema());
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    OpenApiBuilder::new()
        .info(info.build())
        .components(Some(components))
        .security(Some([SecurityRequirement::new("bearer", Vec::<String>::new())]))
        .build()
}

/// The document.
pub(super) fn document(document: &OpenApi) -> Router<Arc<Http>> {
    // Made of constants: that it can be written is for a test to say.
    let document: bytes::Bytes = document.to_json().unwrap_or_default().into();
    let json = async move || ([(CONTENT_TYPE, "application/json")], document);
    Router::new().route(DOCUMENT, get(json))
}

/// The page that shows it.
pub(super) fn page() -> Router<Arc<Http>> {
    Router::new()
        .route("/docs", get(async || Redirect::permanent("/docs/")))
        .route("/docs/", get(async || file("index.html")))
        .route("/docs/{file}", get(async |At(name): At<String>| file(&name)))
}

fn file(name: &str) -> Response {
    match utoipa_swagger_ui::serve(name, Arc::clone(&PAGE)) {
        Ok(Some(file)) => {
            let headers = [
                (CONTENT_TYPE, file.content_type),
                (CONTENT_SECURITY_POLICY, POLICY.to_owned()),
                (CACHE_CONTROL, "max-age=3600".to_owned()),
            ];
            // Most are in the program, and need no copy for whoever reads them slowly.
            let bytes = match file.bytes {
                Cow::Borrowed(bytes) => bytes::Bytes::from_static(bytes),
                Cow::Owned(bytes) => bytes.into(),
            };
            (headers, bytes).into_response()
        }
        _ => Refused::of(im_wire::failure::UNKNOWN_COMMAND).into_response(),
    }
}
