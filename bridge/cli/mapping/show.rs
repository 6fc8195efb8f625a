//! `mapping show --effective`: what applies when every layer lies over those below, and where each row stands.

use super::Set;
use renkei_translate::mapping::describe::{MapText, MessageText, RowText, SetText, Source};
use renkei_translate::mapping::{MappingSet, Rank};
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

/// The arguments of `mapping show`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    set: Set,
    /// What applies, with the layer, file and line of every row.
    #[arg(long, required = true)]
    effective: bool,
    /// A map, datatype map, message file or table; without one, what the layers over the shipped set change.
    #[arg(value_name = "MAP")]
    map: Option<String>,
}

/// Rows of a table that are printed: a table may have hundreds of thousands.
const TABLE_ROWS: usize = 10_000;

/// Does it.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    debug_assert!(arguments.effective);
    let set = match arguments.set.load()? {
        Ok(set) => set,
        Err(code) => return Ok(code),
    };
    let text = set.describe();
    let shown = match &arguments.map {
        None => Some(changes(&set, &text)),
        Some(name) => one(&set, &text, name),
    };
    let Some(shown) = shown else {
        let name = arguments.map.as_deref().unwrap_or_default();
        eprintln!(
            "there is no map, datatype map, message file or table '{name}' / {name} というマップ・型・電文・表はありません"
        );
        return Ok(ExitCode::from(super::super::EXIT_USAGE));
    };
    std::io::stdout().write_all(shown.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// `network (over shipped)  maps/patient.toml:4`.
fn stands(source: &Source) -> String {
    let over = source.over.map(|over| format!(" over {}", over.word())).unwrap_or_default();
    format!("{}{over}  {}:{}", source.layer.word(), source.file, source.line)
}

/// A row as the grid of the console shows it.
fn row(out: &mut String, row: &RowText) {
    let cells = [
        ("to", &row.to),
        ("from", &row.from),
        ("as", &row.make),
        ("when", &row.when),
        ("else", &row.otherwise),
    ];
    let cells: Vec<String> = cells
        .iter()
        .filter(|(_, cell)| !cell.is_empty())
        .map(|(name, cell)| format!("{name} {cell}"))
        .collect();
    let _ = writeln!(out, "  {}: {}\n      {}", row.id, cells.join(" | "), stands(&row.source));
}

fn off(out: &mut String, row: &RowText) {
    let _ = writeln!(out, "  {}: off\n      {}", row.id, stands(&row.source));
}

/// Keys of a heading: what decides for whom a map is, what its ids are made of, what a message replaces.
fn heading<'t>(out: &mut String, keys: impl Iterator<Item = (&'static str, &'t str, &'t Source)>) {
    for (key, value, source) in keys {
        let _ = writeln!(out, "  {key} = {value}\n      {}", stands(source));
    }
}

fn map(out: &mut String, map: &MapText, all: bool) {
    let laid = |row: &&RowText| all || row.source.layer != Rank::Shipped;
    let rows: Vec<&RowText> = map.rows.iter().filter(laid).collect();
    let own = map.heading.iter().map(|(key, value)| (*key, value.as_str()));
    let own = own.chain([
        ("for", map.of.as_str()),
        ("makes", map.makes.as_str()),
        ("profile", map.profile.as_str()),
    ]);
    let keys = own.zip(&map.heading_sources).map(|((key, value), source)| (key, value, source));
    let keys: Vec<_> = keys
        .filter(|(_, value, source)| !value.is_empty() && (all || source.layer != Rank::Shipped))
        .collect();
    // A map of a layer's own has a heading of its own; a row of it stands there too.
    if all || !keys.is_empty() || !rows.is_empty() || !map.off.is_empty() {
        let of = if map.of.is_empty() { String::new() } else { format!("{} → ", map.of) };
        let _ = writeln!(out, "{} ({of}{})", map.id, map.makes);
        heading(out, keys.into_iter());
        rows.iter().for_each(|one| row(out, one));
        map.off.iter().for_each(|one| off(out, one));
    }
    map.inner.iter().for_each(|inner| self::map(out, inner, all));
}

fn message(out: &mut String, message: &MessageText, all: bool) {
    let skips: Vec<_> = message
        .skip
        .iter()
        .zip(&message.skip_sources)
        .filter(|(_, source)| all || source.layer != Rank::Shipped)
        .collect();
    let keys = message.heading.iter().zip(&message.heading_sources);
    let keys: Vec<_> = keys
        .map(|((key, value), source)| (*key, value.as_str(), source))
        .filter(|(_, _, source)| all || source.layer != Rank::Shipped)
        .collect();
    let rows: Vec<&RowText> =
        message.rows.iter().filter(|row| all || row.source.layer != Rank::Shipped).collect();
    if all || !skips.is_empty() || !keys.is_empty() || !rows.is_empty() {
        let _ = writeln!(out, "{} ({})", message.id, message.maps.join(" "));
        heading(out, keys.into_iter());
        rows.iter().for_each(|one| row(out, one));
    }
    for ((from, why), source) in skips {
        let _ = writeln!(out, "  skip {from}: {} / {}\n      {}", why.ja, why.en, stands(source));
    }
}

fn table(out: &mut String, set: &MappingSet, name: &str, all: bool) {
    let Some(page) = set.table_page(name, 0, if all { TABLE_ROWS } else { usize::MAX }) else { return };
    let _ = writeln!(out, "tables/{name} ({} rows)", page.total);
    for (cells, source) in page.rows.iter().zip(&page.sources) {
        if all || source.layer != Rank::Shipped {
            let _ = writeln!(out, "  {}\n      {}", cells.join(","), stands(source));
        }
    }
    if page.total > page.rows.len() {
        let _ = writeln!(out, "  … {} more rows", page.total - page.rows.len());
    }
}

/// What the layers over the shipped set change.
fn changes(set: &MappingSet, text: &SetText) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "mapping {}", set.version());
    for layer in set.layers() {
        let _ = writeln!(out, "  {} / {}: {} files", layer.rank.word(), layer.rank.ja(), layer.files.len());
    }
    text.maps.iter().chain(&text.types).for_each(|one| map(&mut out, one, false));
    text.messages.iter().for_each(|one| message(&mut out, one, false));
    text.tables.iter().filter(|one| one.laid > 0).for_each(|one| table(&mut out, set, &one.name, false));
    for (id, source) in &text.off {
        let _ = writeln!(out, "{id}: off\n      {}", stands(source));
    }
    out
}

/// One map, datatype map, message file or table, whole.
fn one(set: &MappingSet, text: &SetText, name: &str) -> Option<String> {
    let mut out = String::new();
    if let Some(found) = text.maps.iter().chain(&text.types).find(|map| map.id == name) {
        map(&mut out, found, true);
    } else if let Some(found) = text.messages.iter().find(|message| message.id == name) {
        message(&mut out, found, true);
    } else if text.tables.iter().any(|table| table.name == name) {
        table(&mut out, set, name, true);
    } else {
        return None;
    }
    Some(out)
}
