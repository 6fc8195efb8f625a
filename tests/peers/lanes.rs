//! The sample storage as lanes for MLLP clients: shuffled between patients, in order within one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What one connection sends.
pub struct Lane {
    /// Messages one after the other.
    pub file: PathBuf,
    /// Their MSH-10, in that order.
    pub control_ids: Vec<String>,
}

/// A small generator with a seed, so that a failing order can be had again (xorshift64*).
pub struct Dice(u64);

impl Dice {
    /// From a seed other than 0.
    pub fn new(seed: u64) -> Self {
        Self(seed.max(1))
    }
    /// A number below `sides`.
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33).unwrap_or(0) % sides
    }
}

fn control_id(message: &[u8]) -> String {
    let header = message.split(|byte| *byte == b'\r' || *byte == b'\n').next().unwrap_or_default();
    String::from_utf8_lossy(header.split(|byte| *byte == b'|').nth(9).unwrap_or_default()).into_owned()
}

/// Files of a storage by patient, in order of 発生日時 (the fifth part of the name).
pub fn by_patient(storage: &Path) -> BTreeMap<String, Vec<PathBuf>> {
    let mut patients: BTreeMap<String, Vec<(String, PathBuf)>> = BTreeMap::new();
    for entry in walkdir::WalkDir::new(storage).sort_by_file_name() {
        let entry = entry.expect("the storage can be read");
        if !entry.file_type().is_file() {
            continue;
        }
        let name = entry.file_name().to_str().expect("names are ASCII").to_owned();
        let parts: Vec<&str> = name.split('_').collect();
        patients.entry(parts[0].to_owned()).or_default().push((parts[4].to_owned(), entry.into_path()));
    }
    patients
        .into_iter()
        .map(|(patient, mut files)| {
            files.sort();
            (patient, files.into_iter().map(|(_, file)| file).collect())
        })
        .collect()
}

/// Writes the lanes into `folder`.
pub fn write(storage: &Path, count: usize, seed: u64, folder: &Path) -> Vec<Lane> {
    let mut dice = Dice::new(seed);
    let mut lanes: Vec<Vec<std::collections::VecDeque<PathBuf>>> = (0..count).map(|_| Vec::new()).collect();
    for (_, files) in by_patient(storage) {
        lanes[dice.roll(count)].push(files.into());
    }
    lanes
        .into_iter()
        .enumerate()
        .map(|(number, mut patients)| {
            let (mut bytes, mut control_ids) = (Vec::new(), Vec::new());
            while !patients.is_empty() {
                let chosen = dice.roll(patients.len());
                match patients[chosen].pop_front() {
                    Some(file) => {
                        let message = std::fs::read(file).expect("a file of the storage can be read");
                        control_ids.push(control_id(&message));
                        bytes.extend_from_slice(&message);
                        bytes.push(b'\r');
                    }
                    None => drop(patients.swap_remove(chosen)),
                }
            }
            let file = folder.join(format!("lane-{seed}-{number}.hl7"));
            std::fs::write(&file, bytes).expect("the lane can be written");
            Lane { file, control_ids }
        })
        .collect()
}
