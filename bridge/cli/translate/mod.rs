//! `translate`: files in, a line of JSON per message out. No store, no network, no clock.
//!
//! Inputs are grouped by patient and taken in order time within one, because the record of a patient is
//! folded from its messages. A patient's record is dropped when its last message is written, so that a
//! storage of any size passes through.

mod feed;
mod inputs;
mod line;
mod reading;

use crate::app::mappings;
use crate::record::Memory;
use anyhow::Context as _;
use renkei_translate::mapping::MappingSet;
use renkei_translate::translation::{Facility, Status, Translation};
use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

pub(super) use inputs::Input;
pub(super) use reading::Reading;

/// Patients translated between two writings, per core: their lines wait in memory to keep the order.
const PATIENTS_AHEAD: usize = 8;

/// The arguments of `translate`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// A mapping set in place of the one inside the program.
    #[arg(long, value_name = "DIR")]
    mappings: Option<PathBuf>,
    #[command(flatten)]
    layers: super::mapping::Layers,
    /// Each message by itself, as if nothing had come before it.
    #[arg(long)]
    stateless: bool,
    #[command(flatten)]
    reading: Reading,
    /// Message files, SS-MIX2 storages, folders of either.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

/// Does it.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let folders = match arguments.layers.over(arguments.mappings.as_ref()) {
        Ok(folders) => folders,
        Err(code) => return Ok(code),
    };
    let set = match mappings::stack(&folders) {
        Ok(set) => set,
        Err(problems) => {
            super::mapping::print(&problems);
            return Ok(ExitCode::from(super::EXIT_CONFIG));
        }
    };
    let run = Run { arguments, set: &set, facility: arguments.reading.facility() };
    let inputs = match arguments.reading.collect(run.set, &run.facility, &arguments.paths)? {
        Ok(inputs) => inputs,
        Err(code) => return Ok(code),
    };
    let out = BufWriter::new(std::io::stdout().lock());
    let counts = run.write(&inputs, out)?;
    for (status, count) in &counts {
        eprintln!("{count:>9} {status}");
    }
    eprintln!("{:>9} messages, mapping {}", counts.values().sum::<u64>(), run.set.version());
    Ok(if counts.contains_key("quarantined") { ExitCode::from(super::EXIT_DATA) } else { ExitCode::SUCCESS })
}

/// Translates the files under the paths, each by itself, for an invented facility.
///
/// # Errors
/// A path that cannot be read; a layout that the set has not.
pub(super) fn each(
    set: &MappingSet,
    paths: &[PathBuf],
    feed: Option<&str>,
    mut take: impl FnMut(&Translation),
) -> anyhow::Result<()> {
    if let Some(id) = feed {
        set.layout(id).with_context(|| format!("there is no layout {id}"))?;
    }
    let reading = Reading::of_nobody(feed);
    let facility = reading.facility();
    for input in &reading.collect(set, &facility, paths)?.unwrap_or_default() {
        take(&reading.translate(set, &facility, input)?);
    }
    Ok(())
}

/// Messages by how they ended.
type Counts = BTreeMap<&'static str, u64>;

struct Run<'a> {
    arguments: &'a Arguments,
    set: &'a MappingSet,
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
            let mut translation = self.arguments.reading.translate(self.set, &self.facility, input)?;
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
}
