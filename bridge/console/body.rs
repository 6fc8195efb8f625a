//! Forms as they arrive: read up to a limit, then cut into values and files.

use super::request::{Upload, Values};
use futures_util::{Stream, StreamExt};
use warp::Buf;

/// Largest form without a file. The longest is a pasted list of patients.
pub(super) const MAX_FORM_BYTES: usize = 2 << 20;
/// Largest form with files: a list of 200,000 patients of 40 bytes.
pub(super) const MAX_UPLOAD_BYTES: usize = 8 << 20;
/// Parts of a form with files at most.
const MAX_PARTS: usize = 64;

/// Why a form was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// It is larger than the limit.
    TooLarge,
    /// It ended early, or is no form.
    Broken,
}

/// What a POST brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Form {
    pub values: Values,
    pub files: Vec<Upload>,
}

/// Reads a body of that content type.
pub(super) async fn read<B: Buf>(
    kind: &str,
    body: impl Stream<Item = Result<B, warp::Error>>,
) -> Result<Form, Unread> {
    let boundary = boundary(kind);
    let limit = if boundary.is_some() { MAX_UPLOAD_BYTES } else { MAX_FORM_BYTES };
    let mut bytes = Vec::new();
    let mut body = std::pin::pin!(body);
    while let Some(chunk) = body.next().await {
        let mut chunk = chunk.map_err(|_| Unread::Broken)?;
        if bytes.len() + chunk.remaining() > limit {
            return Err(Unread::TooLarge);
        }
        while chunk.has_remaining() {
            let part = chunk.chunk();
            bytes.extend_from_slice(part);
            let read = part.len();
            chunk.advance(read);
        }
    }
    match boundary {
        Some(boundary) => parts(&boundary, &bytes).ok_or(Unread::Broken),
        None => Ok(Form { values: Values::parse(&bytes), files: Vec::new() }),
    }
}

/// The boundary of `multipart/form-data; boundary=…`.
fn boundary(kind: &str) -> Option<Vec<u8>> {
    let rest = kind.trim().strip_prefix("multipart/form-data")?;
    let value = rest.split(';').find_map(|part| part.trim().strip_prefix("boundary="))?;
    Some(format!("--{}", value.trim_matches('"')).into_bytes())
}

/// RFC 7578: parts between lines of the boundary, each with a header and a blank line.
fn parts(boundary: &[u8], body: &[u8]) -> Option<Form> {
    let mut form = Form::default();
    let between = [b"\r\n".as_slice(), boundary].concat();
    let mut rest = body.strip_prefix(boundary)?;
    for _ in 0..MAX_PARTS {
        if rest.starts_with(b"--") {
            return Some(form);
        }
        rest = rest.strip_prefix(b"\r\n")?;
        let blank = memchr::memmem::find(rest, b"\r\n\r\n")?;
        let header = std::str::from_utf8(&rest[..blank]).ok()?;
        let content = &rest[blank + 4..];
        let end = memchr::memmem::find(content, &between)?;
        let bytes = &content[..end];
        rest = &content[end + between.len()..];
        let disposition = header.lines().find(|line| {
            line.get(..20).is_some_and(|start| start.eq_ignore_ascii_case("content-disposition:"))
        })?;
        let field = quoted(disposition, " name=\"")?;
        match quoted(disposition, " filename=\"") {
            // A file field that was left empty comes with no name and no byte.
            Some(name) if name.is_empty() && bytes.is_empty() => {}
            Some(name) => form.files.push(Upload { field, name, bytes: bytes.to_vec() }),
            None => form.values.0.push((field, String::from_utf8_lossy(bytes).into_owned())),
        }
    }
    None
}

/// The quoted value after `start`. Browsers write a quotation mark in a name as `%22`.
fn quoted(line: &str, start: &str) -> Option<String> {
    let (_, rest) = line.split_once(start)?;
    Some(rest.split('"').next()?.replace("%22", "\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn form(kind: &str, body: &[u8]) -> Result<Form, Unread> {
        let chunks: Vec<Result<bytes::Bytes, warp::Error>> =
            body.chunks(7).map(|chunk| Ok(chunk.to_vec().into())).collect();
        read(kind, futures_util::stream::iter(chunks)).await
    }

    #[tokio::test]
    async fn values_and_files_of_a_browser_are_read() {
        let body = "--XX\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\nabc\r\n--XX\r\n\
                    Content-Disposition: form-data; name=\"list\"; filename=\"同意.csv\"\r\nContent-Type: text/csv\r\n\r\n\
                    1,2\r\n--X\r\n\r\n--XX\r\nContent-Disposition: form-data; name=\"none\"; filename=\"\"\r\n\r\n\r\n--XX--\r\n";
        let read = form("multipart/form-data; boundary=XX", body.as_bytes()).await.unwrap();
        assert_eq!(read.values, Values(vec![("csrf".into(), "abc".into())]));
        let file =
            Upload { field: "list".into(), name: "同意.csv".into(), bytes: b"1,2\r\n--X\r\n".to_vec() };
        assert_eq!(read.files, [file]);
    }

    #[tokio::test]
    async fn what_is_no_form_or_too_large_is_refused() {
        let kind = "multipart/form-data; boundary=XX";
        for body in
            ["", "--XX", "--XX\r\n\r\n", "--XX\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nno end"]
        {
            assert_eq!(form(kind, body.as_bytes()).await, Err(Unread::Broken), "{body}");
        }
        let many = "--XX\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n".repeat(MAX_PARTS + 1);
        assert_eq!(form(kind, many.as_bytes()).await, Err(Unread::Broken));
        let urlencoded = "application/x-www-form-urlencoded";
        assert!(form(urlencoded, &vec![b'a'; MAX_FORM_BYTES]).await.is_ok());
        assert_eq!(form(urlencoded, &vec![b'a'; MAX_FORM_BYTES + 1]).await, Err(Unread::TooLarge));
    }
}
