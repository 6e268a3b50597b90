//! A request's JSON that comes whole, and in time.
//!
//! Whoever reaches the agents' door may name a length and send nothing, or a byte now and then: the connection would
//! be held for ever.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use std::time::Duration;

/// The largest sync crosses a line of four megabits in half a minute.
const BODY_MAX: Duration = Duration::from_secs(30);

/// What the body says.
pub(crate) struct Timely<T>(pub(crate) T);

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
