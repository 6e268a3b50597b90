//! Artefacts by digest, with ranges (RFC 9110 §14).

use super::{App, Connection, boot::client};
use crate::{error_chain::Chain, failpoint};
use axum::{
    Extension,
    body::Body,
    extract::{Path, Request, State},
    http::{Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::StreamExt;
use rack_proto::boot::Sign;
use schema_ids::Digest;
use tower::ServiceExt;
use tower_http::services::ServeFile;

/// Read from the disk at a time.
const BLOCK: usize = 256 << 10;
/// An image is being streamed for sure when so much of it has gone out: more than all buffers on the way.
const STREAMING: usize = 8 << 20;

pub(super) async fn get(
    State(rack): State<App>,
    Extension(connection): Extension<Connection>,
    Path(digest): Path<String>,
    request: Request,
) -> Response {
    let Ok(digest) = digest.parse::<Digest>() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    if !rack.served().names(digest) {
        return (StatusCode::NOT_FOUND, "nothing names this artefact\n").into_response();
    }
    let path = match rack.cache.ready(digest).await {
        Ok(path) => path,
        Err(error) => {
            tracing::warn!(%digest, client = %connection.client, error = %Chain(&error), "artefact not served");
            return (StatusCode::BAD_GATEWAY, format!("{}\n", Chain(&error))).into_response();
        }
    };
    let is_get = request.method() == Method::GET;
    let file = ServeFile::new(path).with_buf_chunk_size(BLOCK);
    let response = match file.oneshot(request).await {
        Ok(response) => response.map(Body::new),
        Err(impossible) => match impossible {},
    };
    match client(&rack, &connection) {
        Some(mac) if is_get => counted(response, &rack, mac, digest),
        Some(_) | None => response,
    }
}

/// Notes in the boot's evidence how much of it was read.
fn counted(response: Response, rack: &App, mac: schema_ids::Mac, digest: Digest) -> Response {
    let length = response
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("?")
        .to_owned();
    let served = rack.served();
    let (title, is_image) = (served.title(digest), !served.is_ephemeral(digest));
    let (rack, mut done) = (rack.clone(), 0);
    response.map(|body| {
        Body::from_stream(body.into_data_stream().inspect(move |block| {
            if let Ok(block) = block {
                let before = done;
                done += block.len();
                if is_image && (before..done).contains(&STREAMING) {
                    failpoint::reach("streaming");
                }
                rack.note_boot(mac, Sign::Http(format!("{title}: {done} of {length} bytes")));
            }
        }))
    })
}
