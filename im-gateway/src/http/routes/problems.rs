//! What the document says of refusals.

use std::collections::BTreeMap;

use utoipa::IntoResponses;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};

/// What each route may answer instead of what was asked for.
pub(super) struct Problems;

/// Statuses of HTTP, and when they come.
const STATUSES: [(&str, &str); 13] = [
    ("400", "The request is bad."),
    ("401", "There is no token, or it is not good."),
    ("403", "The caller may not do this."),
    ("404", "There is nothing of this kind."),
    ("405", "The route has other methods."),
    ("408", "The body took too long."),
    ("409", "It is so already, or contradicts what is."),
    ("413", "The body is too long."),
    ("415", "The body is not JSON."),
    ("429", "Too many requests."),
    ("500", "A mistake of the server."),
    ("501", "A server beside an older system cannot do this."),
    ("503", "Something is not there at the moment."),
];

impl IntoResponses for Problems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let problem = |description: &str| {
            let schema = Ref::from_schema_name("Problem");
            let content = ContentBuilder::new().schema(Some(schema)).build();
            ResponseBuilder::new().description(description).content("application/json", content)
        };
        let response = |(status, description): (&str, &str)| {
            (status.to_owned(), RefOr::T(problem(description).build()))
        };
        STATUSES.map(response).into()
    }
}
