//! `mapping table`: a code table out of the set and into a layer, as CSV or as a FHIR ConceptMap (R4).

use super::lay::{self, File, Target};
use super::rows::{self, HEADER, Row};
use super::{Set, concept_map};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// What to do with a code table.
#[derive(Debug, clap::Subcommand)]
pub(in crate::cli) enum Table {
    /// Write a table as it applies, to standard output.
    Export(Export),
    /// Check a CSV or a ConceptMap and put it into a layer.
    Import(Import),
}

/// The arguments of `mapping table export`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Export {
    /// The table: hot-yj.
    name: String,
    /// What to write.
    #[arg(long, value_enum, default_value = "csv")]
    format: Format,
    #[command(flatten)]
    set: Set,
}

/// The arguments of `mapping table import`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Import {
    /// A CSV with the header of code tables, or a FHIR ConceptMap as JSON.
    file: PathBuf,
    /// The table; without it, the one that the ConceptMap names, or the name of the CSV without its ending.
    #[arg(long, value_name = "NAME")]
    table: Option<String>,
    /// Of a ConceptMap that was not written here: the code system as messages name it (HOT9), in place of the URIs of
    /// its groups.
    #[arg(long, value_name = "SYSTEM")]
    source_system: Option<String>,
    /// Of a ConceptMap that was not written here: several targets of a code stand in order of their rank.
    #[arg(long)]
    rank_by_order: bool,
    #[command(flatten)]
    target: Target,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// The table as it is kept.
    Csv,
    /// A ConceptMap of FHIR R4, as JSON.
    Fhir,
}

/// Does it.
pub(super) fn run(command: &Table) -> anyhow::Result<ExitCode> {
    match command {
        Table::Export(arguments) => export(arguments),
        Table::Import(arguments) => import(arguments),
    }
}

fn export(arguments: &Export) -> anyhow::Result<ExitCode> {
    let set = match arguments.set.load()? {
        Ok(set) => set,
        Err(code) => return Ok(code),
    };
    let name = &arguments.name;
    let Some(page) = set.table_page(name, 0, usize::MAX) else {
        eprintln!("there is no table '{name}' / {name} という表はありません");
        return Ok(ExitCode::from(super::super::EXIT_USAGE));
    };
    if page.header.first().map(String::as_str) != Some(HEADER[0]) {
        eprintln!("'{name}' is no code table / {name} はコードの対応表ではありません");
        return Ok(ExitCode::from(super::super::EXIT_USAGE));
    }
    let rows: Vec<Row> = page.rows.iter().map(|cells| Row::of(cells)).collect();
    let bytes = match arguments.format {
        Format::Csv => rows::csv(&rows)?,
        Format::Fhir => concept_map::write(name, &rows)?,
    };
    std::io::stdout().write_all(&bytes)?;
    Ok(ExitCode::SUCCESS)
}

fn import(arguments: &Import) -> anyhow::Result<ExitCode> {
    let bytes = lay::read(&arguments.file)?;
    let shown = arguments.file.display().to_string();
    let start = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    // A download that failed looks like this: a table would be emptied by it.
    if start.iter().all(u8::is_ascii_whitespace) {
        eprintln!("{shown}: the file is empty / ファイルが空です");
        return Ok(ExitCode::from(super::super::EXIT_DATA));
    }
    let is_json = start.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    let stem = arguments.file.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    if !is_json {
        let table = arguments.table.clone().or(stem).unwrap_or_default();
        return arguments.target.write(File { table, bytes, from: (shown, Vec::new()) });
    }
    let how = concept_map::How {
        source_system: arguments.source_system.clone(),
        rank_by_order: arguments.rank_by_order,
    };
    let read = match concept_map::read(&shown, start, &how) {
        Ok(read) => read,
        Err(problems) => return Ok(lay::refused(&problems)),
    };
    for key in &read.lost {
        eprintln!("{shown}: {key} is not kept / {key} は残りません");
    }
    let table = arguments.table.clone().or(read.table).or(stem).unwrap_or_default();
    let bytes = rows::csv(&read.rows)?;
    arguments.target.write(File { table, bytes, from: (shown, read.lines) })
}

#[cfg(test)]
mod tests {
    use super::super::Mapping;
    use clap::Parser;
    use std::path::Path;
    use std::process::ExitCode;

    #[derive(Parser)]
    struct Line {
        #[command(subcommand)]
        mapping: Mapping,
    }

    /// Runs `mapping …`; whether it went well.
    fn mapping(words: &[&str]) -> bool {
        let line = Line::try_parse_from(["x"].iter().chain(words)).unwrap_or_else(|error| panic!("{error}"));
        super::super::run(&line.mapping).unwrap() == ExitCode::SUCCESS
    }

    fn text(path: &Path) -> String {
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn a_file_goes_into_a_layer_only_when_the_layer_stands_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let (layer, csv) = (dir.path().join("layer"), dir.path().join("hot-yj.csv"));
        let (layer_name, csv_name) = (layer.to_str().unwrap(), csv.to_str().unwrap());
        let head =
            "source_system,source_code,source_display,target_system,target_code,target_display,equivalence\n";
        let good = format!("{head}# 注\nHOT9,100000001,,http://yj,1111111A1011,架空錠,equivalent\n");
        std::fs::write(&csv, &good).unwrap();
        let import = ["table", "import", csv_name, "--into", layer_name];
        assert!(mapping(&import));
        // A CSV is taken as it is, comments and all.
        let placed = layer.join("tables/hot-yj.csv");
        assert_eq!(text(&placed), good);
        std::fs::write(&csv, format!("{head}HOT9,100000001,,http://yj\n")).unwrap();
        assert!(!mapping(&import), "it is there already");
        let again = [&import[..], &["--replace"]].concat();
        assert!(!mapping(&again), "the new one has a row with too few cells");
        assert_eq!(text(&placed), good);
        std::fs::write(&csv, head).unwrap();
        assert!(mapping(&again));
        assert_eq!(text(&placed), head);
        std::fs::write(&csv, "\u{feff}\n").unwrap();
        assert!(!mapping(&again), "an empty file empties no table");
        assert_eq!(text(&placed), head);
        assert!(!mapping(&["table", "import", csv_name, "--table", "../x", "--into", layer_name]));
        assert!(!dir.path().join("x.csv").exists());
    }
}
