//! A request's JSON that comes whole, and in time.
//!
//! A client may name a length and send nothing, or a byte now and then: its connection would be held for ever.

use axum::{
    Json,
    extract::{FromRequest, Request, rejection::JsonRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use std::time::Duration;

/// The largest report crosses a link of a megabit in half a minute; a rack's has a thousand.
const BODY_MAX: Duration = Duration::from_secs(30);

/// What the body says.
pub(super) struct Timely<T>(pub(super) T);

impl<S: Send + Sync, T> FromRequest<S> for Timely<T>
where
    Json<T>: FromRequest<S, Rejection = JsonRejection>,
{
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        match tokio::time::timeout(BODY_MAX, Json::from_request(request, state)).await {
            Ok(Ok(Json(said))) => Ok(Self(said)),
            Ok(Err(rejection)) => Err(rejection.into_response()),
            Err(_) => Err((StatusCode::REQUEST_TIMEOUT, "the body did not come in time\n").into_response()),
        }
    }
}
