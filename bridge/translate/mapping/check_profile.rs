//! What FHIR and the profile would refuse of what the rules of a map write: said before anything is translated.

use super::check_map::as_sent;
use super::compile_map::{Draft, Line};
use super::functions;
use super::layer::Layer;
use super::plan::{Fixed, Make, Map, Piece, Plan, Root, Rule, Source, Target};
use super::problem::{Place, Problems, words};
use super::rows::{Cell, Cx};
use super::table;
use super::target::{CHOICES, split};
use crate::profile::{r4, rule};

/// The profile is one that is checked before anything is sent, and for this type.
pub(crate) fn profile(cell: Cell<'_>, url: &str, makes: &str, cx: &mut Cx<'_>) {
    let name = url.rsplit('/').next().unwrap_or(url);
    match rule::profile(url) {
        Some(known) if known.resource_type == makes => {}
        Some(known) => {
            let of = known.resource_type;
            let said = words(
                format!("プロファイル {name} は {of} のもので、{makes} には使えません。"),
                format!("The profile {name} is for {of}, not for {makes}."),
            );
            cx.wrong(cell, said);
        }
        None => {
            let said = words(
                format!("{name} というプロファイルはありません。名乗らないときは \"none\" と書きます。"),
                format!("There is no profile '{name}'; write \"none\" where none is claimed."),
            );
            cx.wrong(cell, said);
        }
    }
}

/// Elements that must be there by FHIR R4 or the profile and that no rule writes.
pub(crate) fn required(draft: &Draft, profile: Option<&str>, cx: &mut Cx<'_>) {
    let written: Vec<&str> =
        draft.rules.iter().map(|line| line.to.split(['.', '[']).next().unwrap_or("")).collect();
    // A target that cannot be read may be the one that is missing, and is said already.
    if draft
        .rules
        .iter()
        .any(|line| line.to.is_empty() || r4::element(&head(&draft.makes, &line.to)).is_none())
    {
        return;
    }
    let writes = |name: &str, choice: bool| {
        written
            .iter()
            .any(|to| *to == name || choice && to.strip_prefix(name).is_some_and(|t| CHOICES.contains(&t)))
    };
    let mut missing: Vec<(String, String)> = Vec::new();
    for element in r4::children(&draft.makes).unwrap_or_default() {
        if element.min > 0 && !writes(element.name, element.choice) {
            missing.push((element.name.to_owned(), format!("FHIR R4 {}", draft.makes)));
        }
    }
    if let Some(known) = profile.and_then(rule::profile) {
        for (name, choice) in rule::required(known) {
            if !writes(name, choice) && !missing.iter().any(|(known, _)| known == name) {
                missing.push((name.to_owned(), known.name.to_owned()));
            }
        }
    }
    for (name, by) in missing {
        let said = words(
            format!("{by} では {name} が必ず要りますが、それを書く規則がありません。"),
            format!("{by} needs '{name}', and no rule writes it."),
        );
        cx.wrong(Cell { place: &draft.place, rule: &draft.id, column: "to" }, said);
    }
}

/// The path of the first part of a target: `Observation.value[x]`.
fn head(makes: &str, to: &str) -> String {
    let name = to.split(['.', '[']).next().unwrap_or(to);
    let choice = to.strip_prefix(name).is_some_and(|rest| rest.starts_with("[x]"));
    format!("{makes}.{name}{}", if choice { "[x]" } else { "" })
}

/// Whether a rule may write a text at `path`, `["identifier", "system"]`, by itself or through the maps that it uses.
fn may_write(rule: &Rule, path: &[&str], text: &str, cx: &Cx<'_>) -> bool {
    let parts: Vec<&str> = split(&rule.target.text);
    let names: Vec<&str> = parts.iter().map(|part| part.split('[').next().unwrap_or(part)).collect();
    let from_the_start = slices(&rule.target).any(|(depth, slice)| {
        let rows = cx.known.slices.get(slice).into_iter().flatten();
        path.starts_with(&names[..=depth])
            && rows.into_iter().any(|row| row.path == path[depth + 1..] && row.value == text)
    });
    if from_the_start || !path.starts_with(&names) {
        return from_the_start;
    }
    let rest = &path[names.len()..];
    match (&rule.source, &rule.make) {
        (Source::Fixed(Fixed::Text(fixed)), None) => fixed == text,
        (_, Some(Make::Text(pieces))) => match pieces.first() {
            Some(Piece::Literal(first)) => text.starts_with(first.as_str()),
            // Ids of a facility's own lie below its own address.
            Some(Piece::Path(path)) => !matches!(path.root, Root::Setting(_)),
            _ => true,
        },
        (Source::Each(_, Some(n)), _) | (_, Some(Make::Type(n))) if !rest.is_empty() => cx
            .plan
            .inner
            .get(*n)
            .is_none_or(|map| map.rules.iter().any(|rule| may_write(rule, rest, text, cx))),
        _ => true,
    }
}

/// An element with a fixed text that the profile wants, `identifier` of the RP number, and that no rule writes.
pub(crate) fn slices_needed(draft: &Draft, profile: Option<&str>, rules: &[Rule], cx: &mut Cx<'_>) {
    let named = systems(draft, profile, rules, cx);
    let Some(known) = profile.and_then(rule::profile) else { return };
    // What could not be compiled may be the one, and is said already.
    if rules.len() < draft.rules.len() {
        return;
    }
    for (path, text) in rule::slices(known) {
        let parts: Vec<&str> = path.split('.').collect();
        if named.iter().any(|named| named == text)
            || rules.iter().any(|rule| may_write(rule, &parts, text, cx))
        {
            continue;
        }
        let said = words(
            format!(
                "{} では {path} が {text} のものが必ず要りますが、それを書く規則がありません。",
                known.name
            ),
            format!("{} needs one with {path} = {text}, and no rule writes it.", known.name),
        );
        cx.wrong(Cell { place: &draft.place, rule: &draft.id, column: "to" }, said);
    }
}

/// What stands in a code of FHIR's own, an extension or a reference and can never be right.
pub(crate) fn never_right(draft: &Draft, rules: &[Rule], cx: &mut Cx<'_>) {
    for rule in rules {
        let id = format!("{}/{}", draft.id, rule.id);
        let element = r4::element(&format!("{}.{}", draft.makes, rule.target.text));
        // An `as` that could not be compiled is said already.
        let written = |line: &&Line| line.place == rule.place && line.name == rule.id;
        let unread = draft.rules.iter().find(written).is_some_and(|line| line.make.is_some());
        let as_it_comes = match &rule.make {
            None => !unread,
            Some(Make::Function(n, _)) => functions::LIST[*n].makes == "text",
            _ => false,
        } && as_sent(&rule.source);
        if let Some(codes) = element.as_ref().and_then(|element| element.codes)
            && rule.target.kind == "code"
            && as_it_comes
        {
            let all: Vec<&str> = codes.codes.iter().map(|(_, code)| *code).take(8).collect();
            let said = words(
                format!(
                    "{} に書けるのは決まったコード({} など)だけです。対応表を使います(as = \"table 表の名\")。",
                    rule.target.text,
                    all.join("、")
                ),
                format!(
                    "{} takes codes of its own only ({} …): use a code table (as = \"table NAME\").",
                    rule.target.text,
                    all.join(", ")
                ),
            );
            cx.wrong(Cell { place: &rule.place, rule: &id, column: "as" }, said);
        }
        let parts: Vec<&str> = split(&rule.target.text);
        if parts.len() > 1 && parts[..parts.len() - 1].contains(&"extension[]") {
            let said = words(
                "url のない拡張になります。tables/extensions.csv に名前と url の行を足し、extension[名前] と書きます。",
                "This would be an extension without a url: add its name and url to tables/extensions.csv and write extension[NAME].",
            );
            cx.wrong(Cell { place: &rule.place, rule: &id, column: "to" }, said);
        }
    }
}

/// A fixed code that is no target of its table.
pub(crate) fn codes(draft: &Draft, rules: &[Rule], cx: &mut Cx<'_>) {
    for rule in rules {
        let (Some(Make::Code(n)), Source::Fixed(Fixed::Text(text))) = (&rule.make, &rule.source) else {
            continue;
        };
        let table = &cx.plan.tables[*n];
        if table.by_target.contains_key(text) {
            continue;
        }
        let said = words(
            format!("表 {} の target_code に {text} の行がありません。", table.name),
            format!("No row of the table '{}' has the target_code '{text}'.", table.name),
        );
        let id = format!("{}/{}", draft.id, rule.id);
        cx.wrong(Cell { place: &rule.place, rule: &id, column: "fixed" }, said);
    }
}

/// References to a type that their element does not take.
pub(crate) fn references(plan: &Plan, problems: &mut Problems) {
    for map in plan.maps.iter().chain(&plan.inner) {
        for rule in &map.rules {
            let to = match &rule.make {
                Some(Make::RefType(_, Some(n)) | Make::RefMade { index: Some(n), .. }) => {
                    &plan.maps[*n].makes
                }
                _ => continue,
            };
            let Some(element) = r4::element(&format!("{}.{}", map.makes, rule.target.text)) else { continue };
            if element.targets.is_empty() || element.targets.contains(&to.as_str()) {
                continue;
            }
            let said = words(
                format!(
                    "{} が指せるのは {} で、{to} ではありません。",
                    element.path,
                    element.targets.join("、")
                ),
                format!("{} refers to {}, not to {to}.", element.path, element.targets.join(", ")),
            );
            problems.cell(&rule.place, format!("{}/{}", map.id, rule.id), "as", said);
        }
    }
}

/// A fixed text that the slice of its target, the profile or the code list of FHIR does not allow.
pub(crate) fn fixed(draft: &Draft, profile: Option<&str>, rules: &[Rule], cx: &mut Cx<'_>) {
    let known = profile.and_then(rule::profile);
    for rule in rules {
        let (Source::Fixed(Fixed::Text(text)), None) = (&rule.source, &rule.make) else { continue };
        let id = format!("{}/{}", draft.id, rule.id);
        let cell = Cell { place: &rule.place, rule: &id, column: "fixed" };
        let parts: Vec<&str> = split(&rule.target.text);
        let of_slice = slices(&rule.target).find_map(|(depth, slice)| {
            let rows = cx.known.slices.get(slice)?;
            let row = rows.iter().find(|row| row.path == parts[depth + 1..] && row.value != *text)?;
            Some((slice.to_owned(), row.value.clone()))
        });
        if let Some((slice, value)) = of_slice {
            let said = words(
                format!("{slice} のここは {value} と決まっています(tables/slices.csv)。この行は要りません。"),
                format!("Of {slice} this is fixed as {value} (tables/slices.csv): the row is not needed."),
            );
            cx.wrong(cell, said);
            continue;
        }
        let wanted = known.and_then(|known| rule::fixed(known, &names(&rule.target.text)));
        if let Some(wanted) = wanted.filter(|wanted| wanted != text) {
            let name = known.map(|known| known.name).unwrap_or_default();
            let said = words(
                format!("{name} ではここは {wanted} と決まっています。"),
                format!("{name} fixes this as {wanted}."),
            );
            cx.wrong(cell, said);
            continue;
        }
        let codes =
            r4::element(&format!("{}.{}", draft.makes, rule.target.text)).and_then(|found| found.codes);
        if let Some(codes) = codes.filter(|codes| rule.target.kind == "code" && !codes.has(text)) {
            let all: Vec<&str> = codes.codes.iter().map(|(_, code)| *code).collect();
            let said = words(
                format!(
                    "「{text}」は {} に書けるコードではありません。書けるのは {} です。",
                    rule.target.text,
                    all.join("、")
                ),
                format!("'{text}' is no code of {}: {}.", rule.target.text, all.join(", ")),
            );
            cx.wrong(cell, said);
        }
    }
}

/// Rows of code tables whose target no element takes that a rule writes with them.
pub(crate) fn table_codes(plan: &Plan, layers: &[Layer], problems: &mut Problems) {
    // Tables with what is written with them: one may be written to several elements, each with its own codes.
    let mut bound: Vec<(usize, r4::Element, String)> = Vec::new();
    let with_a_table = |map: &'_ Map, rule: &Rule| match &rule.make {
        Some(Make::Table(n)) if matches!(rule.target.kind.as_str(), "code" | "CodeableConcept") => {
            let element = r4::element(&format!("{}.{}", map.makes, rule.target.text))?;
            element.codes.is_some().then(|| (*n, element, format!("{}/{}", map.id, rule.id)))
        }
        _ => None,
    };
    for map in plan.maps.iter().chain(&plan.inner) {
        for (n, element, rule) in map.rules.iter().filter_map(|rule| with_a_table(map, rule)) {
            let same = |known: &(usize, r4::Element, String)| known.0 == n && known.1.path == element.path;
            if !bound.iter().any(same) {
                bound.push((n, element, rule));
            }
        }
    }
    let wrong = |element: &r4::Element, system: &str, code: &str| {
        let plain = element.types.first() == Some(&"code");
        let fits =
            |codes: &r4::CodeList| if plain { codes.has(code) } else { codes.has_coding(system, code) };
        !code.is_empty() && !element.codes.is_some_and(fits)
    };
    for (n, element, rule) in bound {
        let table = &plan.tables[n];
        if !table.rows.iter().any(|row| wrong(&element, &row.target_system, &row.target_code)) {
            continue;
        }
        // Where they stand is looked up only when there is something to say.
        let rows = table::collect(layers, &|name| name == table.name, &mut Problems::default());
        for row in rows.into_values().flatten() {
            let (system, code) = (&row.cells[3], &row.cells[4]);
            if wrong(&element, system, code) {
                let said = words(
                    format!(
                        "「{code}」は {} のコードではありません({rule} がこの表で書きます)。",
                        element.path
                    ),
                    format!("'{code}' is no code of {}, which {rule} writes by this table.", element.path),
                );
                problems.cell(&row.place(), table.name.clone(), "target_code", said);
            }
        }
    }
}

/// A URI that a rule writes by itself: in a fixed cell, or as part of the slice that it names.
struct Uri {
    /// Where to, without brackets: `identifier.system`.
    path: String,
    text: String,
    place: Place,
    rule: String,
    column: &'static str,
}

/// An OID where the profile asks for a URL that no rule of the map writes; the URLs that were named.
fn systems(draft: &Draft, profile: Option<&str>, rules: &[Rule], cx: &mut Cx<'_>) -> Vec<String> {
    let mut named = Vec::new();
    let mut uris: Vec<Uri> = Vec::new();
    for rule in rules {
        let names = names(&rule.target.text);
        if let Source::Fixed(Fixed::Text(text)) = &rule.source
            && matches!(rule.target.kind.as_str(), "uri" | "url" | "canonical")
        {
            let (text, place, id) = (text.clone(), rule.place.clone(), format!("{}/{}", draft.id, rule.id));
            uris.push(Uri { path: names.clone(), text, place, rule: id, column: "fixed" });
        }
        for (depth, slice) in slices(&rule.target) {
            let path: Vec<&str> = names.split('.').take(depth + 1).collect();
            for row in cx.known.slices.get(slice).into_iter().flatten() {
                let path = format!("{}.{}", path.join("."), row.path.join("."));
                let (text, place) = (row.value.clone(), row.place.clone());
                uris.push(Uri { path, text, place, rule: slice.to_owned(), column: "value" });
            }
        }
    }
    let known = profile.and_then(rule::profile);
    for uri in &uris {
        let Some(bare) = oid(&uri.text) else { continue };
        let asked = known.map(|known| rule::systems(known, &uri.path)).unwrap_or_default();
        let written = |wanted: &str| uris.iter().any(|other| other.path == uri.path && other.text == wanted);
        let unwritten =
            asked.iter().find(|(text, needed)| *needed && text.starts_with("http") && !written(text));
        let wanted = match unwritten {
            Some((text, _)) if asked.iter().all(|(text, _)| *text != uri.text) => (*text).to_owned(),
            _ if bare => format!("urn:oid:{}", uri.text),
            _ => continue,
        };
        let said = words(
            format!("ここには OID({})ではなく、決められた URL を書きます: {wanted}", uri.text),
            format!("Not an OID ({}) but the URL that is fixed here: {wanted}", uri.text),
        );
        cx.wrong(Cell { place: &uri.place, rule: &uri.rule, column: uri.column }, said);
        named.push(wanted);
    }
    named
}

/// `identifier[rpNumber].system` → `identifier.system`.
fn names(target: &str) -> String {
    let parts = super::target::split(target);
    parts.iter().map(|part| part.split('[').next().unwrap_or(part)).collect::<Vec<_>>().join(".")
}

/// The named elements of a target, with how deep they stand.
fn slices(target: &Target) -> impl Iterator<Item = (usize, &str)> {
    let parts = super::target::split(&target.text);
    parts.into_iter().enumerate().filter_map(|(depth, part)| {
        let (_, slice) = part.split_once('[')?;
        Some((depth, slice.strip_suffix(']')?))
    })
}

/// Whether a text is an OID, and if so whether it is a bare one, without `urn:oid:`.
fn oid(text: &str) -> Option<bool> {
    let (bare, digits) = match text.strip_prefix("urn:oid:") {
        Some(rest) => (false, rest),
        None => (true, text),
    };
    let parts: Vec<&str> = digits.split('.').collect();
    let numbers = parts.iter().all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    (parts.len() > 3 && numbers).then_some(bare)
}
