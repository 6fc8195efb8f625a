//! `mapping coverage`: what becomes of every field, what is left out and why, and how that stands to the tables of
//! others.

mod against;
mod options;
mod text;
mod traffic;

use super::open::ConfigFile;
use super::print::say;
use crate::app::mappings;
use renkei_translate::mapping::MappingSet;
use renkei_translate::mapping::coverage::{Field, MessageCoverage, Position, State, Use};
use renkei_translate::mapping::describe::Title;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use traffic::{Traffic, Unread};

/// The arguments of `mapping coverage`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// A mapping set in place of the one inside the program.
    #[arg(long, value_name = "DIR")]
    mappings: Option<PathBuf>,
    #[command(flatten)]
    layers: super::mapping::Layers,
    /// One message file in place of all: OML-11.
    #[arg(long, value_name = "ID")]
    message: Option<String>,
    /// Lines of CSV in place of text.
    #[arg(long)]
    csv: bool,
    /// Hold the set against the tables of this folder, row by row: ssmix2-jami/rows.csv, rows.csv, codes.csv.
    /// Exit 1 where a row is neither executed nor explained in the set's coverage/*.csv.
    #[arg(long, value_name = "DIR", conflicts_with = "options")]
    against: Option<PathBuf>,
    /// Hold the set against a table of what each data type must carry (tab-separated, R, RE, C, O, N).
    /// Exit 1 where a required position is neither written nor left out with its reason.
    #[arg(long, value_name = "FILE")]
    options: Option<PathBuf>,
    /// Count unread positions of the store of this configuration.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Of these files only, as this layout of a proprietary feed.
    #[arg(long, value_name = "LAYOUT")]
    feed: Option<String>,
    /// Message files or storages, translated on the spot to count their unread positions.
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
}

/// Prints it.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut traffic = Traffic::default();
    let folders = match arguments.layers.over(arguments.mappings.as_ref()) {
        Ok(folders) => folders,
        Err(code) => return Ok(code),
    };
    let opened = match &arguments.config {
        Some(config) => match (ConfigFile { config: config.clone() }).store()? {
            Ok(opened) => Some(opened),
            Err(code) => return Ok(code),
        },
        None => None,
    };
    let set = match &opened {
        // What all facilities share, where the command line says nothing.
        Some((config, _)) if folders == mappings::Folders::default() => super::mapping::active(config, None)?,
        _ => mappings::stack(&folders).map_err(|problems| {
            super::mapping::print(&problems);
            ExitCode::from(super::EXIT_DATA)
        }),
    };
    let set = match set {
        Ok(set) => set,
        Err(code) => return Ok(code),
    };
    if let Some((_, store)) = &opened {
        traffic.of_store(store, set.version())?;
    }
    if !arguments.paths.is_empty() {
        super::translate::each(&set, &arguments.paths, arguments.feed.as_deref(), |one| traffic.add(one))?;
    }
    let all = set.coverage();
    let known = |id: &String| all.iter().any(|message| message.id == *id);
    if let Some(id) = arguments.message.as_ref().filter(|id| !known(id)) {
        eprintln!("there is no message file {id}; known are: {}", set.messages().join(", "));
        return Ok(ExitCode::from(super::EXIT_USAGE));
    }
    if let Some(folder) = &arguments.against {
        return against::run(&set, &all, folder, arguments.csv);
    }
    if let Some(file) = &arguments.options {
        return options::run(&all, file, arguments.message.as_deref(), arguments.csv);
    }
    let chosen: Vec<&MessageCoverage> =
        all.iter().filter(|message| arguments.message.as_ref().is_none_or(|id| message.id == *id)).collect();
    if arguments.csv {
        print_csv(&chosen, &traffic)?
    } else {
        text::print(&set, &chosen, &traffic)?
    }
    Ok(ExitCode::SUCCESS)
}

/// What is printed of a position: its field with what the traffic says.
struct Line<'c> {
    field: Field<'c>,
    unread: Option<Unread>,
}

/// The fields of a message file, with the unread positions of its traffic among them.
fn lines<'c>(message: &'c MessageCoverage, traffic: &Traffic) -> Vec<Line<'c>> {
    let mut out: Vec<Line<'c>> =
        message.fields().into_iter().map(|field| Line { field, unread: None }).collect();
    // What another rule would have read, or another repetition, stands in a line of its own: `PV1-7[2]`.
    out.extend(traffic.of(&message.id).into_iter().map(|one| {
        let position = one.position.clone();
        let field = Field { position, state: State::Unread, uses: Vec::new(), why: None };
        Line { field, unread: Some(one) }
    }));
    out.sort_by(|a, b| a.field.position.cmp(&b.field.position));
    out
}

const HEADER: [&str; 12] = [
    "message", "position", "state", "use", "resource", "target", "map", "rule", "as", "messages", "why_ja",
    "why_en",
];

fn print_csv(chosen: &[&MessageCoverage], traffic: &Traffic) -> anyhow::Result<()> {
    let mut out = csv::Writer::from_writer(std::io::stdout().lock());
    out.write_record(HEADER)?;
    for message in chosen {
        for line in lines(message, traffic) {
            let state = line.field.state.as_str();
            let (ja, en) = why(line.field.why);
            let position = line.field.position.to_string();
            let mut row = |position: &str, one: Option<&Use>, count: &str| {
                let text = |of: fn(&Use) -> &str| one.map_or("", of);
                out.write_record([
                    &message.id,
                    position,
                    state,
                    text(|one| one.kind.as_str()),
                    text(|one| &one.resource),
                    text(|one| &one.target),
                    text(|one| &one.map),
                    text(|one| &one.rule),
                    text(|one| &one.how),
                    count,
                    ja,
                    en,
                ])
            };
            match &line.unread {
                Some(unread) => row(&unread.printed, None, &unread.messages.to_string())?,
                None if line.field.uses.is_empty() => row(&position, None, "")?,
                None => {
                    for one in &line.field.uses {
                        let at = one.position.as_ref().map(ToString::to_string).unwrap_or_default();
                        row(&at, Some(one), "")?;
                    }
                }
            }
        }
    }
    Ok(out.flush()?)
}

fn why(title: Option<&Title>) -> (&str, &str) {
    title.map_or(("", ""), |why| (&why.ja, &why.en))
}

/// Both languages on one line.
fn both(why: &Title) -> String {
    format!("{} / {}", why.ja, why.en)
}

/// Names without repeats, in order, as one text.
fn joined<'t>(names: impl Iterator<Item = &'t str>) -> String {
    let names: BTreeSet<&str> = names.filter(|name| !name.is_empty()).collect();
    names.into_iter().collect::<Vec<_>>().join(", ")
}

/// The parts that all positions share.
fn common(positions: &[&Position]) -> Position {
    let Some(first) = positions.first() else { return Position::default() };
    let mut out = (*first).clone();
    for other in positions {
        let same = out.parts.iter().zip(&other.parts).take_while(|(a, b)| a == b).count();
        out.parts.truncate(same);
    }
    out
}

/// Prints the share of a sum.
fn share(part: usize, whole: usize) -> String {
    if whole == 0 { "-".to_owned() } else { format!("{:.1} %", part as f64 * 100.0 / whole as f64) }
}

fn headline(set: &MappingSet) -> anyhow::Result<()> {
    say!("mapping {}", set.version());
    Ok(())
}
