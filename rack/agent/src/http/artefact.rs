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
    let mut progress = Progress::new(rack, Some(mac), digest, length);
    response.map(|body| {
        Body::from_stream(body.into_data_stream().inspect(move |block| {
            if let Ok(block) = block {
                progress.sent(block.len());
            }
        }))
    })
}

/// How much of an artefact has gone out, for the evidence of its client's boot.
pub(super) struct Progress {
    rack: App,
    /// Absent where nobody knows whose address it is.
    mac: Option<schema_ids::Mac>,
    title: String,
    is_image: bool,
    done: usize,
    length: String,
}

impl Progress {
    pub(super) fn new(rack: &App, mac: Option<schema_ids::Mac>, digest: Digest, length: String) -> Self {
        let served = rack.served();
        Self {
            title: served.title(digest),
            is_image: !served.is_ephemeral(digest),
            rack: rack.clone(),
            mac,
            done: 0,
            length,
        }
    }

    pub(super) fn sent(&mut self, bytes: usize) {
        let Some(mac) = self.mac else {
            return;
        };
        let before = self.done;
        self.done += bytes;
        if self.is_image && (before..self.done).contains(&STREAMING) {
            failpoint::reach("streaming");
        }
        let (title, done, length) = (&self.title, self.done, &self.length);
        self.rack
            .note_boot(mac, Sign::Http(format!("{title}: {done} of {length} bytes")));
    }
}
