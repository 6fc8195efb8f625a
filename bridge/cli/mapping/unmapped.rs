//! `mapping unmapped`: the codes that no table knows, counted per facility, so that who keeps the tables sees what is
//! worth a row first. Codes, systems and positions; nothing else of a message.

use crate::cli::open::ConfigFile;
use crate::cli::print::say;
use crate::store::UnmappedCount;
use renkei_translate::mapping::MappingSet;
use serde::Serialize;
use std::process::ExitCode;

/// The arguments of `mapping unmapped`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    file: ConfigFile,
    /// This facility alone.
    #[arg(long, value_name = "CODE")]
    facility: Option<String>,
    /// What to write.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Codes too that the tables have a row for by now.
    #[arg(long)]
    all: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// One code a line.
    Csv,
}

/// A line of what is printed.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Line<'c> {
    facility: &'c str,
    table: &'c str,
    source_system: &'c str,
    source_code: &'c str,
    position: &'c str,
    count: u64,
    /// The number of the last message that had it, for `message show`.
    example: i64,
}

/// Does it.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let (config, store) = match arguments.file.store()? {
        Ok(opened) => opened,
        Err(code) => return Ok(code),
    };
    let asked = arguments.facility.as_deref();
    let codes: Vec<&str> = config
        .facilities
        .iter()
        .map(|facility| facility.code.as_str())
        .filter(|code| asked.is_none_or(|asked| asked == *code))
        .collect();
    if codes.is_empty() {
        eprintln!("no such facility in the configuration / 設定にない施設です");
        return Ok(ExitCode::from(super::super::EXIT_USAGE));
    }
    let mut found: Vec<(&str, Vec<UnmappedCount>)> = Vec::new();
    for code in codes {
        let Some(facility) = store.facility(code) else { continue };
        let set = match super::active(&config, Some(code))? {
            Ok(set) => set,
            Err(code) => return Ok(code),
        };
        let mut counts = facility.unmapped()?;
        counts.retain(|count| arguments.all || is_missing(&set, count));
        found.push((code, counts));
    }
    let lines = lines(&found);
    match arguments.format {
        Format::Csv => write_csv(&lines, std::io::stdout().lock())?,
        Format::Text => {
            for line in &lines {
                let code = if line.source_code.is_empty() {
                    "(not shown / 表示しません)"
                } else {
                    line.source_code
                };
                let system = if line.source_system.is_empty() { "-" } else { line.source_system };
                say!(
                    "{:>9}  {}  {}  {code}  {system}  {}  #{}",
                    line.count,
                    line.facility,
                    line.table,
                    line.position,
                    line.example
                );
            }
            eprintln!("{} codes that no table knows / 対応表にないコード", lines.len());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether the set still has no row for it.
fn is_missing(set: &MappingSet, count: &UnmappedCount) -> bool {
    count.code.is_empty() || !set.knows(&count.table, &count.system, &count.code)
}

/// All of them, the most frequent first.
fn lines<'c>(found: &'c [(&'c str, Vec<UnmappedCount>)]) -> Vec<Line<'c>> {
    let line = |facility, count: &'c UnmappedCount| Line {
        facility,
        table: &count.table,
        source_system: &count.system,
        source_code: &count.code,
        position: &count.position,
        count: count.count,
        example: count.example.0,
    };
    let mut lines: Vec<Line<'c>> = found
        .iter()
        .flat_map(|(facility, counts)| counts.iter().map(move |count| line(*facility, count)))
        .collect();
    // The order of the store is kept among equals.
    lines.sort_by_key(|line| std::cmp::Reverse(line.count));
    lines
}

fn write_csv(lines: &[Line<'_>], out: impl std::io::Write) -> anyhow::Result<()> {
    let mut out = csv::WriterBuilder::new().has_headers(false).from_writer(out);
    out.write_record(["facility", "table", "source_system", "source_code", "position", "count", "example"])?;
    for line in lines {
        out.serialize(line)?;
    }
    Ok(out.flush()?)
}

#[cfg(test)]
mod tests {
    use super::{lines, write_csv};
    use crate::store::{MessageId, UnmappedCount};

    fn count(code: &str, count: u64) -> UnmappedCount {
        UnmappedCount {
            table: "hot-yj".into(),
            system: "HOT9".into(),
            code: code.into(),
            position: "RXE-2".into(),
            count,
            example: MessageId(7),
        }
    }

    #[test]
    fn codes_of_all_facilities_stand_in_the_order_of_their_counts() {
        let found = [("1310000001", vec![count("a", 5), count("b", 1)]), ("1310000002", vec![count("c", 3)])];
        let mut out = Vec::new();
        write_csv(&lines(&found), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(
            text,
            "facility,table,source_system,source_code,position,count,example\n\
             1310000001,hot-yj,HOT9,a,RXE-2,5,7\n\
             1310000002,hot-yj,HOT9,c,RXE-2,3,7\n\
             1310000001,hot-yj,HOT9,b,RXE-2,1,7\n"
        );
    }
}
