//! `mapping diff`: what two sets of rules differ in, and what that does to messages.
//!
//! Changes of resources are grouped by pattern: type, path, and the kinds of what stood there and stands there now.
//! Values of messages are printed only when they are asked for.

mod effect;
mod rules;

use super::Layers;
use super::archive::SHIPPED;
use crate::app::mappings::{self, Folders};
use crate::cli::print::say;
use crate::cli::translate::Reading;
pub(super) use effect::Effect;
use renkei_translate::mapping::MappingSet;
pub(super) use rules::changes;
use std::path::PathBuf;
use std::process::ExitCode;

/// The arguments of `mapping diff`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// A folder of rules, or the word `shipped` for the set inside the program.
    #[arg(value_name = "A")]
    a: PathBuf,
    /// What it is compared with, likewise.
    #[arg(value_name = "B")]
    b: PathBuf,
    /// Message files, SS-MIX2 storages, folders of either: what changes for them.
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// A layer over A: the network's; given once more, the facility's.
    #[arg(long = "layer-a", value_name = "DIR")]
    layers_a: Vec<PathBuf>,
    /// A layer over B, likewise.
    #[arg(long = "layer-b", value_name = "DIR")]
    layers_b: Vec<PathBuf>,
    /// Print an example of each pattern with its values and the whole name of its file: they are a patient's.
    #[arg(long)]
    values: bool,
    #[command(flatten)]
    reading: Reading,
}

fn load(set: &PathBuf, layers: &[PathBuf], option: &str) -> Result<MappingSet, ExitCode> {
    let layers = Layers { layers: layers.to_vec() };
    let folders = layers.over((set.as_os_str() != SHIPPED).then_some(set))?;
    mappings::stack(&folders).map_err(|problems| {
        let as_a_layer = Folders { network: folders.shipped.clone(), ..Folders::default() };
        if folders.shipped.is_some() && mappings::stack(&as_a_layer).is_ok() {
            let dir = set.display();
            eprintln!(
                "{dir}: this is a layer and no whole set: write {SHIPPED} {option} {dir}\n    \
                 これは層で、規則の全部ではありません。{SHIPPED} {option} {dir} と書いてください。"
            );
            return ExitCode::from(super::super::EXIT_USAGE);
        }
        super::print(&problems);
        ExitCode::from(super::super::EXIT_DATA)
    })
}

/// Does it.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let (a, b) = match (
        load(&arguments.a, &arguments.layers_a, "--layer-a"),
        load(&arguments.b, &arguments.layers_b, "--layer-b"),
    ) {
        (Ok(a), Ok(b)) => (a, b),
        (Err(code), _) | (_, Err(code)) => return Ok(code),
    };
    let changes = changes(&a, &b);
    for change in &changes {
        say!("{change}");
    }
    eprintln!("{} changes of rules / 規則の変更", changes.len());
    if arguments.paths.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let facility = arguments.reading.facility();
    let inputs = match arguments.reading.collect(&a, &facility, &arguments.paths)? {
        Ok(inputs) => inputs,
        Err(code) => return Ok(code),
    };
    let mut effect = Effect::default();
    for input in &inputs {
        let before = arguments.reading.translate(&a, &facility, input)?;
        let after = arguments.reading.translate(&b, &facility, input)?;
        let kind = before.kind.as_deref().unwrap_or("?");
        let name = || match arguments.values {
            true => input.name().into_owned(),
            false => format!("{kind} {}", input.masked()),
        };
        effect.add(&before, &after, name);
    }
    for line in effect.lines(arguments.values) {
        say!("{line}");
    }
    eprintln!("{} of {} messages change / 変わる電文", effect.changed, inputs.len());
    Ok(ExitCode::SUCCESS)
}
