//! `translate`: files in, a line of JSON per message out. No store, no network, no clock.
//!
//! Inputs are grouped by patient and taken in order time within one, because the record of a patient is
//! folded from its messages. A patient's record is dropped when its last message is written, so that a
//! storage of any size passes through.

mod feed;
mod inputs;
mod line;

use crate::app::mappings;
use crate::record::Memory;
use anyhow::Context as _;
use inputs::{Input, Shape};
use renkei_translate::identity::IdKey;
use renkei_translate::mapping::MappingSet;
use renkei_translate::translation::{Context, Facility, Lists, PathPatient, Status, Translation};
use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// The facility where none is named: invented, of prefecture 13 and 点数表 1.
const INVENTED_FACILITY: &str = "1319999999";
/// Patients translated between two writings, per core: their lines wait in memory to keep the order.
const PATIENTS_AHEAD: usize = 8;

/// The arguments of `translate`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The facility whose messages these are, ten digits.
    #[arg(long, value_name = "CODE", default_value = INVENTED_FACILITY, value_parser = code)]
    facility: String,
    /// A mapping set in place of the one inside the program.
    #[arg(long, value_name = "DIR")]
    mappings: Option<PathBuf>,
    /// What a patient in the path that is not PID-3 is.
    #[arg(long, value_enum, default_value_t = OnPathPatient::Error)]
    path_patient: OnPathPatient,
    /// Whether a list message (PPR-01, ADT-61) is the whole list (so unless --feed) or only what is new in it.
    #[arg(long, value_enum)]
    lists: Option<OnLists>,
    /// Read the files as this layout of the mapping set (mappings/feeds) and cut them into messages.
    #[arg(long, value_name = "LAYOUT")]
    feed: Option<String>,
    /// Leave out what happened after this time: YYYYMMDD, further digits optional.
    #[arg(long, value_name = "TIME", value_parser = time)]
    as_of: Option<String>,
    /// Each message by itself, as if nothing had come before it.
    #[arg(long)]
    stateless: bool,
    /// Base of the URIs of the facility's local code systems, without a slash at the end.
    #[arg(long, value_name = "URL")]
    local_system_base: Option<String>,
    /// Message files, SS-MIX2 storages, folders of either.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum OnPathPatient {
    Error,
    Warn,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum OnLists {
    Whole,
    Incremental,
}

fn code(text: &str) -> Result<String, String> {
    if text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(text.to_owned())
    } else {
        Err("ten digits are expected: prefecture 2, 点数表 1, institution 7".into())
    }
}

fn time(text: &str) -> Result<String, String> {
    if (8..=17).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // What is not said is the end of it: a day means all of that day.
        Ok(format!("{text:9<17}"))
    } else {
        Err("8 to 17 digits are expected: YYYYMMDD, then hours, minutes, seconds, milliseconds".into())
    }
}

/// Does it.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let set = match mappings::load(arguments.mappings.as_deref()) {
        Ok(set) => set,
        Err(problems) => {
            super::mapping::print(&problems);
            return Ok(ExitCode::from(super::EXIT_CONFIG));
        }
    };
    let local = arguments.local_system_base.as_ref().map(|base| base.trim_end_matches('/').to_owned());
    let facility = Facility {
        local_system_base: local
            .unwrap_or_else(|| crate::config::default_local_system_base(&arguments.facility)),
        code: arguments.facility.clone(),
        ..Facility::default()
    };
    let run = Run { arguments, set, facility: Arc::new(facility) };
    let inputs = match &arguments.feed {
        None => inputs::collect(&arguments.paths, &run.facility),
        Some(layout) => {
            let Some(layout) = run.set.layout(layout) else {
                let known: Vec<&str> = run.set.layouts().map(|layout| layout.id.as_str()).collect();
                eprintln!("there is no layout {layout}; known are: {}", known.join(", "));
                return Ok(ExitCode::from(super::EXIT_USAGE));
            };
            feed::collect(&arguments.paths, layout, &run.facility)
        }
    };
    let inputs = inputs.context("cannot read the inputs")?;
    let out = BufWriter::new(std::io::stdout().lock());
    let counts = run.write(&inputs, out)?;
    for (status, count) in &counts {
        eprintln!("{count:>9} {status}");
    }
    eprintln!("{:>9} messages, mapping {}", counts.values().sum::<u64>(), run.set.version());
    Ok(if counts.contains_key("quarantined") { ExitCode::from(super::EXIT_DATA) } else { ExitCode::SUCCESS })
}

/// Messages by how they ended.
type Counts = BTreeMap<&'static str, u64>;

struct Run<'a> {
    arguments: &'a Arguments,
    set: MappingSet,
    facility: Arc<Facility>,
}

impl Run<'_> {
    /// Translates every patient, several at once, and writes the lines in the order of the inputs.
    fn write(&self, inputs: &[Input], mut out: impl Write) -> anyhow::Result<Counts> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let patients: Vec<&[Input]> = inputs.chunk_by(Input::same_patient).collect();
        let mut counts = Counts::new();
        for ahead in patients.chunks(cores * PATIENTS_AHEAD) {
            for made in self.translate_all(ahead, cores) {
                let (lines, of_patient) = made?;
                out.write_all(&lines)?;
                for (status, count) in of_patient {
                    *counts.entry(status).or_default() += count;
                }
            }
        }
        out.flush()?;
        Ok(counts)
    }

    fn translate_all(&self, patients: &[&[Input]], cores: usize) -> Vec<anyhow::Result<(Vec<u8>, Counts)>> {
        let share = patients.len().div_ceil(cores).max(1);
        std::thread::scope(|scope| {
            let threads: Vec<_> = patients
                .chunks(share)
                .map(|some| scope.spawn(|| some.iter().map(|one| self.patient(one)).collect::<Vec<_>>()))
                .collect();
            let join = |thread: std::thread::ScopedJoinHandle<'_, Vec<_>>| {
                thread.join().unwrap_or_else(|_| vec![Err(anyhow::anyhow!("a fault in the program itself"))])
            };
            threads.into_iter().flat_map(join).collect()
        })
    }

    /// The lines of one patient.
    fn patient(&self, inputs: &[Input]) -> anyhow::Result<(Vec<u8>, Counts)> {
        let (mut lines, mut counts, mut record) = (Vec::new(), Counts::new(), Memory::default());
        for (sequence, input) in (1i64..).zip(inputs) {
            if self.arguments.stateless {
                record = Memory::default();
            }
            let mut translation = self.translate(input)?;
            if let Some(finding) = record.refuses(&translation) {
                translation.findings.push(finding);
                translation.status = Status::Quarantined;
            }
            let (projection, found) = record.apply(&translation, sequence);
            translation.findings.extend(found);
            line::write(&mut lines, input, &translation, &projection)?;
            *counts.entry(line::word(translation.status)).or_default() += 1;
        }
        Ok((lines, counts))
    }

    fn translate(&self, input: &Input) -> anyhow::Result<Translation> {
        if self.arguments.as_of.as_ref().is_some_and(|limit| input.time > *limit) {
            return Ok(excluded("after-as-of"));
        }
        let bytes = match &input.shape {
            Shape::Rows(_, body) => body.clone(),
            _ => std::fs::read(&input.path)
                .with_context(|| format!("cannot read {}", inputs::masked(&input.path)))?,
        };
        let part = match &input.shape {
            Shape::Rows(part, _) => Some(part.clone()),
            _ => None,
        };
        let (file, mut before) = match &input.shape {
            Shape::Rows(..) => (None, Vec::new()),
            Shape::Other if !inputs::looks_like_a_message(&bytes) => return Ok(excluded("not-a-message")),
            Shape::Other => (None, Vec::new()),
            Shape::Storage(name) => (Some((**name).clone()), Vec::new()),
            Shape::Misnamed(findings) => (None, findings.clone()),
        };
        let arguments = self.arguments;
        let context = Context {
            facility: self.facility.clone(),
            id_key: IdKey::test(),
            file,
            path_patient: match arguments.path_patient {
                OnPathPatient::Error => PathPatient::Error,
                OnPathPatient::Warn => PathPatient::Warn,
            },
            lists: match arguments.lists {
                Some(OnLists::Whole) => Lists::Whole,
                Some(OnLists::Incremental) => Lists::Incremental,
                // As a folder feed has it.
                None if part.is_some() => Lists::Incremental,
                None => Lists::Whole,
            },
            feed: part,
        };
        let translation = crate::pipeline::translate(&self.set, &bytes, &context);
        if before.is_empty() {
            return Ok(translation);
        }
        before.extend(translation.findings.iter().cloned());
        Ok(Translation {
            findings: before,
            resources: Vec::new(),
            unit: None,
            status: Status::Quarantined,
            ..translation
        })
    }
}

fn excluded(reason: &'static str) -> Translation {
    Translation { status: Status::Excluded, excluded: Some(reason), ..Translation::held(Vec::new()) }
}

#[cfg(test)]
mod tests {
    use super::{code, time};

    #[test]
    fn a_time_means_all_of_what_it_says() {
        assert_eq!(time("20260401"), Ok("20260401999999999".to_owned()));
        assert!(time("2026").is_err());
        assert!(time("2026-04-01").is_err());
    }

    #[test]
    fn a_facility_code_is_ten_digits() {
        assert!(code("1319999999").is_ok());
        assert!(code("131999999").is_err());
        assert!(code("13199999a9").is_err());
    }
}
