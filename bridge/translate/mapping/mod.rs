//! The mapping engine: rule files in, a compiled plan, and the plan applied to one message.
//!
//! [`MappingSet::load`] reads every file of a set, [`MappingSet::layered`] those of the layers over it too, and both report all problems at once; `apply` makes the
//! resources of one message and never panics; `translate` is the whole walk from bytes. No I/O.
//!
//! # The language, as this engine reads it
//!
//! Files are told apart by their folder: `feeds/*.toml` (`[layout]`, see [`crate::feed`]), `messages/*.toml`, `maps/*.toml` (`[map]`, `[[submap]]`, `[[test]]`),
//! `types/*.toml` (`[[type]]`, `[[test]]`), `tables/NAME.csv` (or in parts, `tables/NAME/PART.csv`), `tables/code-systems.csv`,
//! `tables/extensions.csv`, `tables/slices.csv`.
//!
//! ```toml
//! # messages/OMP-02.toml
//! [message]
//! id = "OMP-02"            # also the SS-MIX2 data type
//! title = { ja = "…", en = "…" }
//! is = "MSH-9.1 = 'RDE' and folder = 'OMP-02'"   # the first message file (by id) that holds is taken
//! groups = ["ORDER = ORC RXE TQ1* RXR*", "RESULT = ORC? OBR NTE* OBX*"]
//! unit = ["'injection'", "ORC-2"]                # first the kind; then the key, patient in front by itself
//! each = "ORDER by ORC-2.1, OBR-2.1"             # several orders in one message: a unit of each
//! parent = ["ORC-8.1.1"]                         # the number of the order that a group is a child of
//! continues = "ORC-1 = 'PA'"                     # groups that go on with the order before them
//! replaces = "unit"                              # unit | list | event | nothing
//! event = "opens"                                # plans | opens | changes | announces | leaves | returns | closes, with replaces = "event"
//! event_time = ["PV1-44", "EVN-6"]               # the first that is valued
//! event_day = ["PV2-8"]                          # the day that the event and its cancel both name, the first that is valued
//! cancel = "ORC-1 in 'CA,DC' or flag = '0'"
//! maps = ["patient", "injection-request"]
//! provisional = ["patient"]                      # their resources are Role::Provisional here
//! partial = "folder missing and ORC-1 = 'XO'"    # it tells some lines of the unit alone: the others stay
//! takes_back = ["prescription-administration"]   # cancelled lines take back what they would have made, of whichever unit
//! yields = ["service-request"]                   # another message is the whole of these: beside it, this one only adds
//! let = []                                       # names for the whole message
//! skip = [{ from = "ORC-10", why = { ja = "…", en = "…" } }]    # `from` a segment or a field
//!
//! # types/XPN.toml
//! [[type]]
//! id = "XPN.jp"            # the name behind `as`
//! makes = "HumanName"
//! rules = [{ id = "family", to = "family", from = ".1.1" }]    # `.` is the value itself
//! [[test]]
//! type = "XPN.jp"
//! value = "患者^太郎^^^^^L^I"
//! expect = { family = "患者" }
//! ```
//!
//! Beyond `MAPPING-LANGUAGE`: `for = "MESSAGE"` makes one instance of the whole message,
//! `for = "ZE1-9"` one of each repetition of a field (`.1` is a part of it, `ZE1-8[same]` stands beside it); paths
//! `facility.code`, `facility.name`, `facility.local-base`, `flag`, `folder`, `lists` (`whole` or `incremental`, as the feed is set); `as = "text 'urn:x:{facility.code}:{$name}:{PID-3.1}'"`
//! writes text from paths and names, and nothing where one of them is empty; `as = "code TABLE"` looks a
//! fixed code up among the *target* codes of a table; `fixed` may be text, a number or a boolean; a test may
//! say `of = "OMP-02"`, `findings = ["code"]` and `about = ["patient/insured-id", "coverage"]`, without which it falls away. A bare `SEG-f` is the first segment and the first
//! repetition; `SEG[*]-f` all segments; `SEG[cond]-f` all that fit; `SEG[after]-f` the first of that name behind the
//! instance (of `{RXA} RXR` the RXR of an RXA). `ordinal by $x` counts in the group around, `ordinal by $x of message`
//! in the whole message. In rules `coverage/$number` is a name of another map, of each that it makes of the message, and
//! `coverage[latest $since]/$number` of the one whose `$since` is the greatest; `A before B` and `A after B` compare dates.
//!
//! `else = "next CODE"` tries the next row and says CODE; a row whose `when` does not hold is passed silently
//! under any other `else`. `table T` into a CodeableConcept or Coding keeps the local coding where the table has
//! no row and `else` is not given or `warn`; both say so. Part of a map's key may be empty, all of it may not
//! (`key-empty`); `like` makes the ids of another map, of the patient that the first part of the key names; where both
//! make Patients the message is a merge of the two (`Translation::merge`). An Encounter of an event message whose key
//! is not whole has no id. A later row that writes a place takes it from an earlier one, and joins it where both are objects. `cancel` and other conditions of a
//! message file see every segment; bare `ORC-1` there is the first ORC.
//!
//! `line = ["$rp", "$place-told"]` says which line of its order a resource is of: a message that is `partial` takes the place
//! of what the lines `2` and `2/1` of the unit had where it names `2`, cancelled or not.
//!
//! `for = "RXA by .3, .20"` makes one instance of the lines in the enclosing group that share all of these fields (their
//! first repetitions, as written; empty ones are alike too).
//! `for = "ITEM[cond]"` makes a map for those only for which the condition holds, and says nothing of the others;
//! `when` and its `else` are about what is left. `GROUP/SEG` is every SEG inside the enclosing GROUP, inner groups
//! included: `RESULT/OBX[.4 = OBX-4]` in an ITEM are the lines of its result that share its OBX-4. `find = "OBX in
//! RESULT where …"` looks there too, and `many = "none"` finds nothing where several fit. `same = "apart"`: where a
//! key comes again, its turn becomes a part of it.
//!
//! A proprietary feed: the message file says `feed = "LAYOUT"` in place of `is`, maps are `for` the record of the
//! layout, and `col(NAME)` is a column of the instance's own row (else of the first), `col(NAME)[*]` of all rows.
//! The PID of such a message is made of the patient's columns, so that `patient` is the map of every source. In a
//! `let`, `table T of PATH` looks among the rows whose source system the path gives. A test's message is rows, or
//! cells by name: `検査コード=00051,結果値=7.2`.
//!
//! Layers ([`layer`]): a file of a higher layer holds only what changes. Rows of `rules`, `let`, `skip` and `[[test]]`
//! take the place of those of the same map (message, type) and name; `off = true` takes one away, `after = "id"` says
//! behind which a new one stands; keys of `[map]` and `[message]` replace, `maps`, `provisional` and `yields` add, `off = true`
//! there takes the whole away. A table's row replaces the one of the same source system and code; `off` as its
//! equivalence takes it away.
//!
//! Tables: `source_system,source_code,source_display,target_system,target_code,target_display,equivalence`.
//! An eighth cell, `rank` (1, 2 …), is for a table in which a code has several rows: without ranks a second row of a
//! code is a problem, with them only that of rank 1 is sent.
//! In `code-systems.csv` the source code is the HL7 name (`JC10`), or `NAME/LENGTH` for codes of that length
//! (`HOT/9`), the source system is a context (`CWE form` prefers `form`), and the target system is the URI; `local`: the name is known and has none, codes go
//! out under the facility's own and nothing is said.
//! `extensions.csv`: `name,url,value` where value is `valueString` and the like: `to = "extension[Name]"` with a
//! value writes it at that key. `slices.csv`: `name,path,value`: what an element of `to = "identifier[rpNumber]"`
//! holds from the start, one row for each fixed place (`rpNumber,system,http://…`).

mod apply;
mod build;
mod check_map;
mod check_overlap;
mod check_place;
mod check_profile;
mod check_set;
mod check_skip;
mod check_table;
mod compile;
mod compile_map;
mod compile_message;
pub mod coverage;
pub mod describe;
mod difference;
mod direct;
pub mod functions;
mod groups;
mod holds;
mod idle;
mod inside;
mod item;
pub(crate) mod layer;
mod lines;
mod names;
mod near;
mod orders;
mod others;
mod path;
mod patient;
mod peek;
mod plan;
pub(crate) mod problem;
pub(crate) mod reader;
mod refer;
mod rows;
mod run;
mod segments;
mod set_test;
mod shared;
mod siblings;
mod single;
mod syntax;
mod table;
mod target;
mod test_draft;
mod unmapped;
mod unread;
mod walk;
mod write;

#[cfg(test)]
mod doubts;
#[cfg(test)]
mod edits;
#[cfg(test)]
mod edits_layers;
#[cfg(test)]
mod edits_places;
#[cfg(test)]
mod enclosing;
#[cfg(test)]
mod fields;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod kinds;
#[cfg(test)]
mod layer_tests;
#[cfg(test)]
mod mutations;
#[cfg(test)]
mod table_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod told;

use crate::feed::{Layout, Part};
use crate::fhir::Keys;
use crate::hl7v2::Message;
use crate::identity::hex;
use crate::profile::verdict::Verdicts;
use crate::translation::{Context, Facility, Translation};
use sha2::{Digest, Sha256};

pub use difference::Difference;
pub use layer::{Layer, Rank, read};
pub use problem::Problem;
pub use table::line as line_of;

/// A file of a mapping set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Its path inside the set: `maps/patient.toml`; folders before that do not matter.
    pub path: String,
    /// What it holds.
    pub text: String,
}

/// A mapping set, compiled. Immutable; share it behind an `Arc`.
pub struct MappingSet {
    version: String,
    messages: Vec<String>,
    layers: Vec<Layer>,
    text: describe::SetText,
    plan: plan::Plan,
    verdicts: Verdicts,
}

impl std::fmt::Debug for MappingSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MappingSet").field("version", &self.version).finish_non_exhaustive()
    }
}

/// The outcome of one `[[test]]` of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestResult {
    /// The file it stands in.
    pub file: String,
    /// Its line.
    pub line: usize,
    /// Its name.
    pub name: String,
    /// What differs; empty = passed.
    pub failures: Vec<Difference>,
}

/// Where one written value came from.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Trace {
    /// `Type/id`.
    pub resource: String,
    /// The path of what was written: `name[0].family`.
    pub path: String,
    /// `map/rule`.
    pub rule: String,
    /// The positions read for it.
    pub positions: Vec<String>,
}

/// What a first light look at a message says; never fails.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peek {
    /// MSH-10.
    pub control_id: Option<String>,
    /// PID-3.1 and MRG-1.1, normalised, without repeats.
    pub patients: Vec<String>,
    /// PID-5: family and given name of each repetition as one text; once more with the middle name.
    pub names: Vec<String>,
    /// ORC-2, else OBR-2.
    pub order_number: Option<String>,
    /// The numbers of its other orders, each once: ORC-2 and OBR-2 of all lines, ORC-3 and OBR-3 where no line has one.
    pub more_orders: Vec<String>,
    /// `ADT^A08`.
    pub message_type: Option<String>,
    /// MSH-7 as it stands.
    pub time: Option<String>,
}

impl MappingSet {
    /// Reads and compiles the shipped set, or a folder in its place.
    ///
    /// # Errors
    /// Every problem of the set, in order of file and line.
    pub fn load(files: Vec<SourceFile>) -> Result<Self, Vec<Problem>> {
        Self::layered(vec![Layer::new(Rank::Shipped, files)])
    }

    /// Reads layers, the lowest first, and compiles what applies when each is laid over those below it.
    ///
    /// # Errors
    /// Every problem of all layers, in order of layer, file and line.
    pub fn layered(layers: Vec<Layer>) -> Result<Self, Vec<Problem>> {
        clean(Self::compiled(layers, None))
    }

    /// This set with one more layer over it; what that layer says nothing of is shared where it is large.
    ///
    /// # Errors
    /// Every problem of the layer, in order of file and line.
    pub fn over(&self, layer: Layer) -> Result<Self, Vec<Problem>> {
        clean(self.at_work_over(layer))
    }

    /// As [`Self::layered`], for layers that are active already: what the check alone refuses ([`Problem::doubt`]) is
    /// told beside the set.
    ///
    /// # Errors
    /// Every problem of all layers, where no set can be made.
    pub fn at_work(layers: Vec<Layer>) -> Result<(Self, Vec<Problem>), Vec<Problem>> {
        Self::compiled(layers, None)
    }

    /// The same as [`Self::over`]. Doubts about the layers below are told once more.
    ///
    /// # Errors
    /// Every problem of all layers, where no set can be made.
    pub fn at_work_over(&self, layer: Layer) -> Result<(Self, Vec<Problem>), Vec<Problem>> {
        let mut layers = self.layers.clone();
        layers.push(layer);
        Self::compiled(layers, Some(self))
    }

    /// Stands where layers give no set. Nothing is translated by it: a message is held (`mapping-unusable`).
    pub fn unusable() -> Self {
        Self {
            version: String::new(),
            messages: Vec::new(),
            layers: Vec::new(),
            text: describe::SetText::default(),
            plan: plan::Plan::default(),
            verdicts: Verdicts::new(&Keys::new()),
        }
    }

    /// Whether messages can be translated by it: see [`Self::unusable`].
    pub fn is_usable(&self) -> bool {
        !self.version.is_empty()
    }

    fn compiled(mut layers: Vec<Layer>, below: Option<&Self>) -> Result<(Self, Vec<Problem>), Vec<Problem>> {
        let (plan, text, doubts) = compile::compile(&layers, below.map(|set| (&set.plan, &set.text)))
            .map_err(|problems| problem::of_layers(&layers, problems))?;
        let doubts = problem::of_layers(&layers, doubts);
        layers.retain(|layer| layer.rank == Rank::Shipped || !layer.files.is_empty());
        let version = version(&layers);
        let messages = plan.messages.iter().map(|message| message.id.clone()).collect();
        let verdicts = Verdicts::new(&plan.keys);
        Ok((Self { version, messages, layers, text, plan, verdicts }, doubts))
    }

    /// A digest of the files of all layers: the same files give the same version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The ids of its message files, sorted.
    pub fn messages(&self) -> &[String] {
        &self.messages
    }

    /// Whether it has a map or a datatype map of that id.
    pub fn has_map(&self, id: &str) -> bool {
        self.text.maps.iter().chain(&self.text.types).any(|map| map.id == id)
    }

    /// The layouts of its proprietary feeds, sorted by id.
    pub fn layouts(&self) -> impl Iterator<Item = &Layout> {
        self.plan.layouts.iter().map(|plan| &plan.layout)
    }

    /// A layout by its id.
    pub fn layout(&self, id: &str) -> Option<&Layout> {
        self.layouts().find(|layout| layout.id == id)
    }

    /// What applies, as people read it, and from which layer.
    pub fn describe(&self) -> describe::SetText {
        self.text.clone()
    }

    /// The files of its layers, the lowest first.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Rows of `skip` of the shipped set on fields that a rule writes, which do not say that they are for the rest.
    /// Nothing where a layer lies over it: what is written then is the layer's.
    pub fn skips_of_what_is_written(&self) -> Vec<Problem> {
        if self.layers.len() > 1 { Vec::new() } else { check_skip::shipped(&self.plan, &self.text) }
    }

    /// The files of tables that no rule looks into, each with its layer.
    pub fn idle_tables(&self) -> Vec<(layer::Rank, String)> {
        idle::files(&self.layers)
    }

    /// The files of the highest layer's maps that no message file uses, each with its layer.
    pub fn idle_maps(&self) -> Vec<(layer::Rank, String)> {
        let top = self.layers.last().map(|layer| layer.rank).unwrap_or_default();
        idle::maps(&self.plan, top)
    }

    /// What a layer means to do and no other can see from its file: that a message file has a part of another's messages
    /// to itself. Nothing of it is wrong.
    pub fn notes(&self) -> &[Problem] {
        &self.plan.notes
    }

    /// A page of a code table: `limit` rows behind the first `from`.
    pub fn table_page(&self, name: &str, from: usize, limit: usize) -> Option<describe::TablePage> {
        describe::table_page(&self.layers, name, from, limit)
    }

    /// Whether a code table has a row for a code of a system, as a rule would find it.
    pub fn knows(&self, table: &str, system: &str, code: &str) -> bool {
        let found = self.plan.tables.iter().find(|known| known.name == table);
        found.is_some_and(|table| {
            let in_part = table.by_name.contains_key(code);
            table.first(system, code).is_some() || (system.is_empty() && in_part)
        })
    }

    /// Runs the tests that stand in the files.
    pub fn run_tests(&self) -> Vec<TestResult> {
        set_test::run_tests(self)
    }
}

/// A set that the check has nothing to say of.
fn clean(compiled: Result<(MappingSet, Vec<Problem>), Vec<Problem>>) -> Result<MappingSet, Vec<Problem>> {
    compiled.and_then(|(set, doubts)| if doubts.is_empty() { Ok(set) } else { Err(doubts) })
}

/// Of the shipped set alone it is what it was before there were layers.
fn version(layers: &[Layer]) -> String {
    let mut all = Sha256::new();
    for layer in layers {
        let mut parts: Vec<(&str, &str)> =
            layer.files.iter().map(|file| (file.path.as_str(), file.text.as_str())).collect();
        parts.sort_unstable();
        if layer.rank != Rank::Shipped {
            all.update(format!("{}:", layer.rank.word()));
        }
        for (path, text) in parts {
            all.update(format!("{}:{path}{}:", path.len(), text.len()));
            all.update(text);
        }
    }
    hex(&all.finalize())
}

/// Makes the resources of one message; never panics, no I/O.
pub fn apply(set: &MappingSet, message: &Message, context: &Context) -> Translation {
    apply::apply(set, message, context, None, apply::Mode::Plain).0
}

/// The same, telling for every written value the rule and the positions it came from.
pub fn trace(set: &MappingSet, message: &Message, context: &Context) -> (Translation, Vec<Trace>) {
    apply::apply(set, message, context, None, apply::Mode::Trace)
}

/// The same from bytes, of HL7 and of proprietary feeds.
pub fn traced(set: &MappingSet, bytes: &[u8], context: &Context) -> (Translation, Vec<Trace>) {
    walk::traced(set, bytes, context)
}

/// The walk of one message from bytes to resources: decode, parse, compare with path and file name, apply,
/// check. Never panics, no I/O.
pub fn translate(set: &MappingSet, bytes: &[u8], context: &Context) -> Translation {
    walk::translate(set, bytes, context)
}

/// A first light look: control id, patients, order number, type and time.
pub fn peek(bytes: &[u8], facility: &Facility) -> Peek {
    peek::peek(bytes, facility)
}

/// The same of the rows of a proprietary file.
pub fn peek_feed(set: &MappingSet, bytes: &[u8], part: &Part, facility: &Facility) -> Peek {
    peek::of_feed(set, bytes, part, facility)
}
