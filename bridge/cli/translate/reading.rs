//! How files are read and whose they are: what `translate` and `mapping diff` ask for alike.

use super::feed;
use super::inputs::{self, Input, Shape};
use anyhow::Context as _;
use renkei_translate::identity::IdKey;
use renkei_translate::mapping::MappingSet;
use renkei_translate::translation::{Context, Facility, Lists, PathPatient, Status, Translation};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// The facility where none is named: invented, of prefecture 13 and 点数表 1.
const INVENTED_FACILITY: &str = "1319999999";
/// Whose the files are and how they are read.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Reading {
    /// The facility whose messages these are, ten digits.
    #[arg(long, value_name = "CODE", default_value = INVENTED_FACILITY, value_parser = code)]
    facility: String,
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
    /// Base of the URIs of the facility's local code systems, without a slash at the end.
    #[arg(long, value_name = "URL")]
    local_system_base: Option<String>,
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

impl Reading {
    /// For an invented facility, with no more than a warning of a path that names another patient.
    pub(in crate::cli) fn of_nobody(feed: Option<&str>) -> Self {
        Self {
            facility: INVENTED_FACILITY.to_owned(),
            path_patient: OnPathPatient::Warn,
            lists: None,
            feed: feed.map(str::to_owned),
            as_of: None,
            local_system_base: None,
        }
    }

    /// The facility whose messages the files are.
    pub(in crate::cli) fn facility(&self) -> Arc<Facility> {
        let local = self.local_system_base.as_ref().map(|base| base.trim_end_matches('/').to_owned());
        Arc::new(Facility {
            local_system_base: local
                .unwrap_or_else(|| crate::config::default_local_system_base(&self.facility)),
            code: self.facility.clone(),
            ..Facility::default()
        })
    }

    /// The inputs under the paths. A layout that the set does not have is said.
    ///
    /// # Errors
    /// A path that cannot be read.
    pub(in crate::cli) fn collect(
        &self,
        set: &MappingSet,
        facility: &Facility,
        paths: &[PathBuf],
    ) -> anyhow::Result<Result<Vec<Input>, ExitCode>> {
        let inputs = match &self.feed {
            None => inputs::collect(paths, facility),
            Some(layout) => {
                let Some(layout) = set.layout(layout) else {
                    let known: Vec<&str> = set.layouts().map(|layout| layout.id.as_str()).collect();
                    eprintln!("there is no layout {layout}; known are: {}", known.join(", "));
                    return Ok(Err(ExitCode::from(crate::cli::EXIT_USAGE)));
                };
                feed::collect(paths, layout, facility)
            }
        };
        Ok(Ok(inputs.context("cannot read the inputs")?))
    }

    /// What becomes of one input by itself.
    ///
    /// # Errors
    /// It cannot be read.
    pub(in crate::cli) fn translate(
        &self,
        set: &MappingSet,
        facility: &Arc<Facility>,
        input: &Input,
    ) -> anyhow::Result<Translation> {
        if self.as_of.as_ref().is_some_and(|limit| input.time > *limit) {
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
            Shape::Attachment => return Ok(excluded("storage-attachment")),
            Shape::Other => (None, Vec::new()),
            Shape::Storage(name) => (Some((**name).clone()), Vec::new()),
            Shape::Misnamed(findings) => (None, findings.clone()),
        };
        let context = Context {
            facility: facility.clone(),
            id_key: IdKey::test(),
            file,
            path_patient: match self.path_patient {
                OnPathPatient::Error => PathPatient::Error,
                OnPathPatient::Warn => PathPatient::Warn,
            },
            lists: match self.lists {
                Some(OnLists::Whole) => Lists::Whole,
                Some(OnLists::Incremental) => Lists::Incremental,
                // As a folder feed has it.
                None if part.is_some() => Lists::Incremental,
                None => Lists::Whole,
            },
            feed: part,
        };
        let translation = crate::pipeline::translate(set, &bytes, &context);
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
