//! `message show`.

use super::{MessageId, Where, id};
use crate::cli::print::{say, sentences, time};
use crate::console::mask;
use crate::shape;
use crate::store::{FacilityStore, MessageDetail};
use renkei_translate::charset::{GaijiTable, decode};
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;

/// The arguments of `message show`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Show {
    #[command(flatten)]
    at: Where,
    /// Show what was received, with the patient's data. Needs --reason.
    #[arg(long, requires = "reason")]
    reveal: bool,
    /// Why the patient's data is looked at; the audit trail keeps it.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// The number of the message, as `message list` prints it.
    #[arg(value_name = "NUMBER", value_parser = id)]
    id: MessageId,
}

/// Shows.
pub(super) fn run(arguments: &Show) -> anyhow::Result<ExitCode> {
    let (_, store) = match arguments.at.file.store()? {
        Ok(opened) => opened,
        Err(code) => return Ok(code),
    };
    let mut found: Vec<(Arc<FacilityStore>, MessageDetail)> = Vec::new();
    for facility in arguments.at.stores(&store)? {
        if let Some(detail) = facility.message(arguments.id)? {
            found.push((facility, detail));
        }
    }
    let [(facility, detail)] = &found[..] else {
        if found.is_empty() {
            anyhow::bail!("there is no message {}", arguments.id);
        }
        let codes: Vec<&str> = found.iter().map(|(facility, _)| facility.code()).collect();
        anyhow::bail!(
            "several facilities have a message {}: name one by --facility: {}",
            arguments.id,
            codes.join(", ")
        );
    };
    if arguments.reveal {
        let reason = arguments.reason.as_deref().unwrap_or_default().trim();
        anyhow::ensure!(!reason.is_empty(), "--reason must say why");
        let target = format!("{}/{}", facility.code(), arguments.id);
        store.audit().append(&arguments.at.author.who(), "reveal", &target, reason)?;
    }
    let of = detail.mapping_version.as_deref();
    let name = of.map(|digest| store.layers().set_name(digest, facility.code())).transpose()?.flatten();
    let name = name.map(|name| format!("({})", crate::cli::mapping::set_name(&name))).unwrap_or_default();
    summary(facility, detail, &name, arguments.reveal)?;
    body(detail, arguments.reveal)?;
    Ok(ExitCode::SUCCESS)
}

fn summary(facility: &FacilityStore, detail: &MessageDetail, set: &str, reveal: bool) -> std::io::Result<()> {
    let summary = &detail.summary;
    let hidden = |text: &str| if reveal { text.to_owned() } else { shape::of(text) };
    say!("message   {}", summary.id);
    say!("facility  {}   feed {}", facility.code(), summary.feed);
    say!("received  {}   name {}", time(summary.received_ms), hidden(&summary.name));
    say!(
        "type      {}   {}",
        summary.kind.as_deref().unwrap_or("-"),
        summary.message_type.as_deref().unwrap_or("-")
    );
    say!("state     {}   {}", summary.state.as_str(), summary.reason.as_deref().unwrap_or(""));
    say!("mapping   {} {set}", detail.mapping_version.as_deref().unwrap_or("-"));
    for patient in &summary.patients {
        say!("patient   {}", hidden(patient));
    }
    if let Some(first) = detail.duplicate_of {
        say!("repeats   {first}");
    }
    let mut types: BTreeMap<&str, usize> = BTreeMap::new();
    for (resource_type, id) in &detail.entries {
        *types.entry(resource_type).or_default() += 1;
        if reveal {
            say!("resource  {resource_type}/{id}");
        }
    }
    for (resource_type, count) in types {
        say!("resources {count} {resource_type}");
    }
    for finding in &detail.findings {
        let (ja, en) = sentences(&finding.code);
        let at = [&finding.location.position, &finding.location.rule, &finding.location.path];
        let at: Vec<&str> = at.into_iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
        say!("finding   {} {:?} {}", finding.code, finding.severity, at.join(" "));
        say!("          {ja}\n          {en}");
    }
    for delivery in &detail.deliveries {
        say!(
            "delivery  {} {} version {} of {}, attempts {}{}{}",
            delivery.destination,
            delivery.state.as_str(),
            delivery.settled_version,
            delivery.version,
            delivery.attempts,
            delivery.status.map_or_else(String::new, |status| format!(", HTTP {status}")),
            delivery.error.as_ref().map_or_else(String::new, |error| format!(", {error}")),
        );
        for line in answer(&delivery.answer, reveal) {
            say!("answer    {line}");
        }
    }
    Ok(())
}

/// What a base answered to what it refused, one line an issue: severity and code, text, place. A base may repeat the
/// patient in any text: without `reveal` the same is masked as on the console's page.
fn answer(answer: &[u8], reveal: bool) -> Vec<String> {
    let one = |issue: mask::Issue| {
        let parts = [issue.severity, issue.code, issue.text, issue.place];
        let parts: Vec<&str> = parts.iter().flat_map(|part| part.split_whitespace()).collect();
        parts.join(" ")
    };
    mask::issues(answer, reveal).into_iter().map(one).collect()
}

fn body(detail: &MessageDetail, reveal: bool) -> std::io::Result<()> {
    say!();
    let gaiji = GaijiTable::default();
    if reveal {
        let decoded = decode(&detail.body, &gaiji);
        say!("{}", decoded.text.replace("\r\n", "\n").replace('\r', "\n"));
        return Ok(());
    }
    say!("{}", shape::body(&detail.body, &gaiji).trim_end());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::answer;

    #[test]
    fn the_base_s_answer_is_shown_as_its_shape_until_it_is_revealed() {
        let outcome = r#"{"resourceType":"OperationOutcome","issue":[
            {"severity":"error","code":"invalid","diagnostics":"name 山田\n is wrong","expression":["Bundle.entry[1]"]},
            {"severity":"warning","code":"山田"}]}"#;
        assert_eq!(
            answer(outcome.as_bytes(), true),
            ["error invalid name 山田 is wrong Bundle.entry[1]", "warning 山田"]
        );
        assert_eq!(
            answer(outcome.as_bytes(), false),
            ["error invalid AAAA 漢漢 AA AAAAA AAAAAA.AAAAA[#]", "warning 漢漢"]
        );
        // No OperationOutcome, and nothing at all.
        assert_eq!(answer("Bad 山田".as_bytes(), false), ["AAA 漢漢"]);
        assert!(answer(b"", true).is_empty());
    }
}
