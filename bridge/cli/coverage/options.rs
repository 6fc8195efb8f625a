//! `--options`: of what each data type must carry, what is written.

use super::{both, joined, share, why};
use crate::cli::EXIT_DATA;
use crate::cli::print::say;
use anyhow::Context as _;
use renkei_translate::mapping::coverage::MessageCoverage;
use renkei_translate::mapping::coverage::options::{OptionRow, Required, Sum, Verdict, read, required};
use std::path::Path;
use std::process::ExitCode;

/// Prints it; exit 1 where a position is neither written nor left out with its reason.
pub(super) fn run(
    all: &[MessageCoverage],
    file: &Path,
    only: Option<&str>,
    csv: bool,
) -> anyhow::Result<ExitCode> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let rows = read(&text)
        .map_err(|line| anyhow::anyhow!("{}:{line}: not the row of such a table", file.display()))?;
    let of_table = |message: &&MessageCoverage| {
        message.codes.iter().any(|code| !code.is_empty()) && only.is_none_or(|id| message.id == id)
    };
    let chosen: Vec<&MessageCoverage> = all.iter().filter(of_table).collect();
    let mut whole = Sum::default();
    if csv {
        print_csv(all, &chosen, &rows, &mut whole)?;
    } else {
        for message in chosen {
            print(message, &required(all, message, &rows), &mut whole)?;
        }
        say!();
        say!("all: {}", words(&whole));
    }
    Ok(if whole.unexplained == 0 { ExitCode::SUCCESS } else { ExitCode::from(EXIT_DATA) })
}

fn words(sum: &Sum) -> String {
    format!(
        "{} required; {} of content: {} written, {} decide what is sent, {} written from the data type that owns them, \
         {} skipped, {} unexplained: {} reach FHIR ({} written here); {} header and line numbers",
        sum.all,
        sum.content(),
        sum.written,
        sum.decides,
        sum.elsewhere,
        sum.skipped,
        sum.unexplained,
        share(sum.reaches(), sum.content()),
        share(sum.written, sum.content()),
        sum.frame,
    )
}

fn rest(one: &Required<'_>) -> String {
    match &one.verdict {
        Verdict::Written => {
            let content = one.field.uses.iter().filter(|one| one.kind.is_content());
            let paths: Vec<String> = content.map(|one| one.path()).collect();
            joined(paths.iter().map(String::as_str).take(3))
        }
        Verdict::Elsewhere(others) => {
            format!("{} ({})", one.field.why.map(both).unwrap_or_default(), others.join(", "))
        }
        _ => one
            .field
            .why
            .map(both)
            .unwrap_or_else(|| joined(one.field.uses.iter().map(|one| one.rule.as_str()))),
    }
}

fn print(message: &MessageCoverage, found: &[Required<'_>], whole: &mut Sum) -> anyhow::Result<()> {
    let mut sum = Sum::default();
    for one in found {
        sum.add(&one.verdict);
        whole.add(&one.verdict);
    }
    say!();
    say!("{}  {}", message.id, both(&message.title));
    say!("  {}", words(&sum));
    for one in found {
        let position = one.field.position.to_string();
        say!("  {position:8}  {:2}  {:11}  {}", one.option, one.verdict.as_str(), rest(one));
    }
    Ok(())
}

fn print_csv(
    all: &[MessageCoverage],
    chosen: &[&MessageCoverage],
    rows: &[OptionRow],
    whole: &mut Sum,
) -> anyhow::Result<()> {
    let mut out = csv::Writer::from_writer(std::io::stdout().lock());
    out.write_record([
        "message", "position", "name_ja", "name_en", "option", "verdict", "by", "why_ja", "why_en",
    ])?;
    for message in chosen {
        for one in required(all, message, rows) {
            whole.add(&one.verdict);
            let (ja, en) = why(one.field.why);
            let by = joined(one.field.uses.iter().map(|one| one.rule.as_str()));
            let name = &one.row.name;
            let position = one.field.position.to_string();
            out.write_record([
                &message.id,
                &position,
                &name.ja,
                &name.en,
                one.option,
                one.verdict.as_str(),
                &by,
                ja,
                en,
            ])?;
        }
    }
    Ok(out.flush()?)
}
