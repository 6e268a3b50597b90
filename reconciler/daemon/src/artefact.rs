//! Serves a file of the artefact folder, whole or one range of it (RFC 9110 §14).

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use std::io::SeekFrom;
use std::path::Path;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_util::io::ReaderStream;

/// Bytes read from the file at once: large enough that system calls do not show in a profile.
const CHUNK_BYTES: usize = 256 << 10;

/// What a `Range` header asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Whole,
    /// First byte and length.
    Part(u64, u64),
    Unsatisfiable,
}

/// Reads a `Range` header for a file of `size` bytes. Several ranges, other units and nonsense mean the
/// whole file, as §14.2 allows.
fn wanted(range: Option<&str>, size: u64) -> Wanted {
    let Some(spec) = range.and_then(|range| range.strip_prefix("bytes=")) else { return Wanted::Whole };
    let Some((first, last)) = spec.split_once('-') else { return Wanted::Whole };
    match (first.trim().parse::<u64>(), last.trim()) {
        (Ok(first), _) if first >= size => Wanted::Unsatisfiable,
        (Ok(first), "") => Wanted::Part(first, size - first),
        (Ok(first), last) => match last.parse::<u64>() {
            Ok(last) if last >= first => Wanted::Part(first, last.min(size - 1) - first + 1),
            _ => Wanted::Whole,
        },
        (Err(_), last) if first.trim().is_empty() => match last.parse::<u64>() {
            Ok(0) => Wanted::Unsatisfiable,
            Ok(suffix) => Wanted::Part(size.saturating_sub(suffix), suffix.min(size)),
            Err(_) => Wanted::Whole,
        },
        (Err(_), _) => Wanted::Whole,
    }
}

/// Serves `path`; 404 if it is not there.
pub(crate) async fn serve(path: &Path, headers: &HeaderMap) -> Response {
    let Ok(mut file) = tokio::fs::File::open(path).await else { return StatusCode::NOT_FOUND.into_response() };
    let Ok(metadata) = file.metadata().await else { return StatusCode::NOT_FOUND.into_response() };
    let size = metadata.len();
    let range = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    let (status, first, length) = match wanted(range, size) {
        Wanted::Whole => (StatusCode::OK, 0, size),
        Wanted::Part(first, length) => (StatusCode::PARTIAL_CONTENT, first, length),
        Wanted::Unsatisfiable => {
            let range = [(header::CONTENT_RANGE, format!("bytes */{size}"))];
            return (StatusCode::RANGE_NOT_SATISFIABLE, range).into_response();
        }
    };
    if file.seek(SeekFrom::Start(first)).await.is_err() {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let body = Body::from_stream(ReaderStream::with_capacity(file.take(length), CHUNK_BYTES));
    let mut response = (status, body).into_response();
    let set = response.headers_mut();
    set.insert(header::CONTENT_LENGTH, length.into());
    set.insert(header::ACCEPT_RANGES, header::HeaderValue::from_static("bytes"));
    set.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/octet-stream"));
    if status == StatusCode::PARTIAL_CONTENT {
        let text = format!("bytes {first}-{}/{size}", first + length - 1);
        if let Ok(value) = text.parse() {
            set.insert(header::CONTENT_RANGE, value);
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::{Wanted, wanted};

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        let cases = [
            (None, Wanted::Whole),
            (Some("bytes=0-3"), Wanted::Part(0, 4)),
            (Some("bytes=4-"), Wanted::Part(4, 6)),
            (Some("bytes=-3"), Wanted::Part(7, 3)),
            (Some("bytes=-30"), Wanted::Part(0, 10)),
            (Some("bytes=8-99"), Wanted::Part(8, 2)),
            (Some("bytes=10-"), Wanted::Unsatisfiable),
            (Some("bytes=-0"), Wanted::Unsatisfiable),
            (Some("bytes=3-2"), Wanted::Whole),
            (Some("bytes=0-1,4-5"), Wanted::Whole),
            (Some("lines=0-1"), Wanted::Whole),
        ];
        for (header, answer) in cases {
            assert_eq!(wanted(header, 10), answer, "{header:?}");
        }
    }
}
