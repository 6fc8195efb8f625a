//! A table of what each data type must carry, and how much of it is written.
//!
//! The table is tab-separated: `segment field name_en name_ja datatype maxlen options`, options being
//! `OML-01=O,OML-11=C,*=N` (R required, RE required or empty, C conditional, O optional, N not used; `*` = every
//! other data type). Lines that begin with `#` are comments.

use super::{Field, MessageCoverage, State};
use crate::mapping::describe::Title;

/// A position of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionRow {
    /// `PID`.
    pub segment: String,
    /// From 1.
    pub field: u16,
    /// Its name, in both languages as far as the table has it.
    pub name: Title,
    /// `CX`, `SI`.
    pub datatype: String,
    options: Vec<(String, String)>,
}

impl OptionRow {
    /// The option of a data type: `R`, `RE`, `C`, `O`, `N`; empty where the table says nothing.
    pub fn option(&self, kind: &str) -> &str {
        let named = |name: &str| self.options.iter().find(|(of, _)| of == name);
        named(kind).or_else(|| named("*")).map_or("", |(_, option)| option)
    }

    /// Whether the table names the data type itself and not only "every other".
    pub fn names(&self, kind: &str) -> bool {
        self.options.iter().any(|(of, _)| of == kind)
    }

    /// What frames a message and is no content of it: the header of the transport, by whom and when the event was
    /// recorded (of EVN nothing else is ever required), and numbers of lines.
    pub fn is_frame(&self) -> bool {
        matches!(self.segment.as_str(), "MSH" | "EVN") || self.datatype == "SI"
    }
}

/// Reads a table.
///
/// # Errors
/// The line that is none of the shape above, from 1.
pub fn read(text: &str) -> Result<Vec<OptionRow>, usize> {
    let mut rows = Vec::new();
    let mut headed = false;
    for (n, line) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
        if line.starts_with('#') || line.trim().is_empty() {
            continue;
        }
        let cells: Vec<&str> = line.split('\t').map(str::trim).collect();
        let [segment, field, en, ja, datatype, _, options] = cells.as_slice() else { return Err(n) };
        if !headed {
            headed = true;
            if (*segment, *field) != ("segment", "field") {
                return Err(n);
            }
            continue;
        }
        let pairs = options.split(',').map(|pair| pair.split_once('='));
        let options: Option<Vec<_>> =
            pairs.map(|pair| pair.map(|(of, is)| (of.trim().to_owned(), is.trim().to_owned()))).collect();
        rows.push(OptionRow {
            segment: (*segment).to_owned(),
            field: field.parse().map_err(|_| n)?,
            name: Title { ja: (*ja).to_owned(), en: (*en).to_owned() },
            datatype: (*datatype).to_owned(),
            options: options.ok_or(n)?,
        });
    }
    Ok(rows)
}

/// What becomes of a required position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It stands in a resource that this data type makes.
    Written,
    /// It decides what is sent: its meaning is in what stands there and what does not.
    Decides,
    /// Left out here, because these data types, which its reason names, write it.
    Elsewhere(Vec<String>),
    /// Header of the message or number of a line, left out with its reason.
    Frame,
    /// Left out with its reason.
    Skipped,
    /// Neither: nobody has said what becomes of it.
    Unexplained,
}

impl Verdict {
    /// The word for it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Decides => "decides",
            Self::Elsewhere(_) => "elsewhere",
            Self::Frame => "frame",
            Self::Skipped => "skipped",
            Self::Unexplained => "unexplained",
        }
    }
}

/// A required position of a data type.
#[derive(Clone, Debug)]
pub struct Required<'c> {
    /// The row of the table.
    pub row: &'c OptionRow,
    /// `R` or `RE`.
    pub option: &'c str,
    /// What becomes of it.
    pub verdict: Verdict,
    /// By which rules, and why not.
    pub field: Field<'c>,
}

/// The required positions of a data type.
///
/// A position that the table gives to "every other data type" counts where the message file has to do with its
/// segment; MSH and PID always do, EVN in every ADT.
pub fn required<'c>(
    all: &'c [MessageCoverage],
    of: &'c MessageCoverage,
    rows: &'c [OptionRow],
) -> Vec<Required<'c>> {
    let always = |segment: &str| {
        matches!(segment, "MSH" | "PID") || segment == "EVN" && of.codes.iter().any(|code| code == "ADT")
    };
    rows.iter()
        .filter_map(|row| {
            let option = row.option(&of.id);
            let has = row.names(&of.id) || always(&row.segment) || of.knows(&row.segment);
            if !(matches!(option, "R" | "RE") && has) {
                return None;
            }
            let field = of.field(&row.segment, row.field);
            let verdict = verdict(all, of, row, &field);
            Some(Required { row, option, verdict, field })
        })
        .collect()
}

fn verdict(all: &[MessageCoverage], of: &MessageCoverage, row: &OptionRow, field: &Field<'_>) -> Verdict {
    match field.state {
        State::Written => Verdict::Written,
        State::Unread => Verdict::Unexplained,
        _ if row.is_frame() => Verdict::Frame,
        State::Decides => Verdict::Decides,
        State::Engine | State::Skipped => {
            // Only where the reason names the owner: that another data type writes the position need not mean that
            // it is the same thing (ORC-2 is an order's number there, and none in a list of problems).
            let writes = |other: &&MessageCoverage| {
                other.id != of.id
                    && field.why.is_some_and(|why| why.en.contains(&other.id))
                    && other.field(&row.segment, row.field).state == State::Written
            };
            let others: Vec<String> = all.iter().filter(writes).map(|other| other.id.clone()).collect();
            if others.is_empty() { Verdict::Skipped } else { Verdict::Elsewhere(others) }
        }
    }
}

/// How many there are of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// All of them.
    pub all: usize,
    /// See [`Verdict`].
    pub written: usize,
    /// See [`Verdict`].
    pub decides: usize,
    /// See [`Verdict`].
    pub elsewhere: usize,
    /// See [`Verdict`].
    pub frame: usize,
    /// See [`Verdict`].
    pub skipped: usize,
    /// See [`Verdict`].
    pub unexplained: usize,
}

impl Sum {
    /// Counts one more.
    pub fn add(&mut self, verdict: &Verdict) {
        self.all += 1;
        *match verdict {
            Verdict::Written => &mut self.written,
            Verdict::Decides => &mut self.decides,
            Verdict::Elsewhere(_) => &mut self.elsewhere,
            Verdict::Frame => &mut self.frame,
            Verdict::Skipped => &mut self.skipped,
            Verdict::Unexplained => &mut self.unexplained,
        } += 1;
    }

    /// Positions that hold content: all but headers and numbers of lines.
    pub fn content(&self) -> usize {
        self.all - self.frame
    }

    /// Content that reaches FHIR: from this data type, from the one that owns it, or in what is sent at all.
    pub fn reaches(&self) -> usize {
        self.written + self.decides + self.elsewhere
    }
}

#[cfg(test)]
mod tests {
    use super::{Sum, Verdict, read, required};
    use crate::mapping::{MappingSet, SourceFile};

    const TABLE: &str = "# of nobody\nsegment\tfield\tname_en\tname_ja\tdatatype\tmaxlen\toptions\n\
        MSH\t1\tField Separator\t区切\tST\t1\t*=R\n\
        PID\t1\tSet ID\t番号\tSI\t4\t*=R\n\
        PID\t5\tName\t氏名\tXPN\t250\t*=R\n\
        PID\t8\tSex\t性別\tIS\t1\t*=R\n\
        PID\t9\tAlias\t別名\tXPN\t1\t*=O\n\
        ORC\t1\tControl\t制御\tID\t2\tA-01=R,*=N\n\
        ORC\t9\tTime\t時刻\tTS\t26\tA-01=RE,*=N\n\
        ORC\t12\tDoctor\t医師\tXCN\t26\tA-01=R,*=N\n";

    fn set(skip: &str) -> MappingSet {
        let map = "[map]\nid = \"p\"\ntitle = { ja = \"患\", en = \"p\" }\nfor = \"PID\"\nmakes = \"Patient\"\nprofile = \"none\"\n\
                   key = [\"PID-3.1\"]\nrules = [{ id = \"sex\", to = \"language\", from = \"PID-8\" }]\n";
        let other = map.replace("\"p\"", "\"q\"").replace("\"PID-8\"", "\"PID-5\"");
        let message = |id: &str, map: &str, skip: &str| SourceFile {
            path: format!("messages/{id}.toml"),
            text: format!(
                "[message]\nid = \"{id}\"\ntitle = {{ ja = \"電文\", en = \"m\" }}\nis = \"MSH-9.1 = '{id}'\"\nunit = [\"'u'\"]\n\
                 replaces = \"unit\"\ncancel = \"ORC-1 = 'CA'\"\nmaps = [\"{map}\"]\nskip = [{skip}]\n"
            ),
        };
        let file = |path: &str, text: &str| SourceFile { path: path.into(), text: text.into() };
        MappingSet::load(vec![
            file("maps/p.toml", map),
            file("maps/q.toml", &other),
            message("A-01", "p", skip),
            message("B-01", "q", ""),
        ])
        .unwrap()
    }

    fn sum(skip: &str) -> (Sum, Vec<String>) {
        let (all, rows) = (set(skip).coverage(), read(TABLE).unwrap());
        let mut sum = Sum::default();
        let mut words = Vec::new();
        for one in required(&all, &all[0], &rows) {
            sum.add(&one.verdict);
            words.push(format!("{} {}", one.field.position, one.verdict.as_str()));
        }
        (sum, words)
    }

    #[test]
    fn each_required_position_is_written_decides_or_has_its_reason() {
        let why = "why = { ja = \"理由\", en = \"why\" }";
        let owner = "why = { ja = \"B-01 から\", en = \"from B-01\" }";
        let skip = |name: &str| {
            format!(
                "{{ from = \"MSH\", {why} }}, {{ from = \"PID-1\", {why} }}, {{ from = \"PID-5\", {name} }}, {{ from = \"ORC-12\", {why} }}"
            )
        };
        // Another data type writes PID-5 in both: it is its own only where the reason says so.
        assert!(sum(&skip(why)).1.contains(&"PID-5 skipped".to_owned()));
        let (sum, words) = sum(&skip(owner));
        let wanted = [
            "MSH-1 frame",
            "PID-1 frame",
            "PID-5 elsewhere",
            "PID-8 written",
            "ORC-1 decides",
            "ORC-9 unexplained",
            "ORC-12 skipped",
        ];
        assert_eq!(words, wanted);
        assert_eq!((sum.all, sum.frame, sum.content(), sum.reaches(), sum.unexplained), (7, 2, 5, 3, 1));
    }

    #[test]
    fn what_no_skip_names_is_unexplained_even_where_it_only_frames_the_message() {
        let (_, words) = sum("");
        assert!(words.contains(&"PID-1 unexplained".to_owned()), "{words:?}");
        // The engine itself reads the field separator.
        assert!(words.contains(&"MSH-1 frame".to_owned()), "{words:?}");
    }

    #[test]
    fn a_table_of_another_shape_is_refused_with_its_line() {
        assert_eq!(read("segment\tfield\n"), Err(1));
        assert_eq!(read("a\tb\tc\td\te\tf\tg\n"), Err(1));
        assert_eq!(read(&TABLE.replace("PID\t8", "PID\tx")), Err(6));
        assert_eq!(read(&TABLE.replace("A-01=RE,*=N", "A-01")), Err(9));
        assert_eq!(read(TABLE).unwrap()[5].option("A-01"), "R");
        assert_eq!(read(TABLE).unwrap()[5].option("B-01"), "N");
        assert_eq!(Verdict::Skipped.as_str(), "skipped");
    }
}
