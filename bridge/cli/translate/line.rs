//! One line of JSON per message.

use super::inputs::Input;
use crate::cli::print::Printed;
use crate::record::{self, Projection};
use renkei_translate::translation::{Status, Translation};
use serde::Serialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

#[derive(Serialize)]
struct Line<'a> {
    input: Cow<'a, str>,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    excluded: Option<&'static str>,
    bundle: Option<&'a RawValue>,
    findings: Vec<Printed<'a>>,
}

/// The word of a status.
pub(super) fn word(status: Status) -> &'static str {
    match status {
        Status::Translated => "translated",
        Status::Quarantined => "quarantined",
        Status::Excluded => "excluded",
    }
}

/// Appends the line of one message.
pub(super) fn write(
    out: &mut Vec<u8>,
    input: &Input,
    translation: &Translation,
    projection: &Projection,
) -> anyhow::Result<()> {
    let bundle = if projection.is_empty() { None } else { Some(record::bundle(projection)) };
    let bundle: Option<&RawValue> = bundle.as_deref().map(serde_json::from_slice).transpose()?;
    let line = Line {
        input: input.path.to_string_lossy(),
        status: word(translation.status),
        excluded: translation.excluded,
        bundle,
        findings: translation.findings.iter().map(Printed::from).collect(),
    };
    serde_json::to_writer(&mut *out, &line)?;
    out.push(b'\n');
    Ok(())
}
