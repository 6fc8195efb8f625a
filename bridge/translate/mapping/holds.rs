//! Conditions, and the text of the first thing that a path gives.

use super::direct::Led;
use super::item::{Item, bare};
use super::plan::{Cond, Name, Path, Pick, Root};
use super::run::{Inst, Items, Named, Run, Scope, repetition_bit};
use super::single::Found;
use std::borrow::Cow;

/// The text at the end of a path, where that can be told at once.
pub(super) enum Plain<'a> {
    /// The text, and whether what the path means has more behind it.
    Text(&'a str, bool),
    Nowhere,
    /// The path has to be followed.
    Unknown,
}

/// A value without space around it; the explicit null is empty.
fn shown(raw: &str) -> &str {
    if raw == "\"\"" { "" } else { bare(raw) }
}

impl<'m> Run<'m> {
    /// The first thing that a path gives and that is valued.
    pub(crate) fn first(
        &mut self,
        scope: &Scope<'_, 'm>,
        relative: Option<&Item<'m>>,
        path: &'m Path,
    ) -> Option<Item<'m>> {
        let delimiters = self.delimiters;
        match self.single(scope, relative, path) {
            Found::One(item) => return Some(item).filter(|item| item.valued(&delimiters)),
            Found::Nothing => return None,
            Found::Several => {}
        }
        let mut out = Items::new();
        self.several(scope, relative, path, &mut out);
        out.into_iter().find(|item| item.valued(&delimiters))
    }

    /// The text of [`Self::first`], or empty.
    pub(crate) fn first_text(&mut self, scope: &Scope<'_, 'm>, path: &'m Path) -> Cow<'m, str> {
        match self.at_once(scope, None, path) {
            Plain::Text(text, _) => return Cow::Borrowed(text),
            Plain::Nowhere => return Cow::Borrowed(""),
            Plain::Unknown => {}
        }
        if let Some([item]) = self.named(scope, path).map(|named| named.items.as_slice()) {
            return item.text();
        }
        // What is not valued has no text.
        match self.text(scope, None, path) {
            Ok(text) => text.unwrap_or_default(),
            Err(_) => self.first(scope, None, path).map_or(Cow::Borrowed(""), |item| item.text()),
        }
    }

    /// The text of a value that stands in one place and is written as it is meant; what is read is marked.
    pub(super) fn at_once(
        &mut self,
        scope: &Scope<'_, 'm>,
        relative: Option<&Item<'m>>,
        path: &'m Path,
    ) -> Plain<'m> {
        let Some(direct) = path.direct.filter(|_| !self.tracing && !self.message.is_escaped()) else {
            return Plain::Unknown;
        };
        if let (None, None, Inst::Value(item) | Inst::Field(item)) = (direct.name, relative, &scope.inst) {
            // What a datatype map asks of its value: the parts are those of the value.
            return match item {
                Item::Repetition(repetition, _) if !direct.all && direct.subcomponent == 0 => {
                    let stands = repetition.stands(direct.field, direct.component);
                    Plain::Text(shown(stands.raw), stands.divided)
                }
                _ => Plain::Unknown,
            };
        }
        match self.led(scope, relative, direct) {
            Led::To(s) if direct.all || self.meant(s, direct.field) == 1 => {
                let stands = self.message.stands(s, direct.field, direct.component, direct.subcomponent);
                if direct.all && stands.repeats {
                    return Plain::Unknown;
                }
                self.mark(s, direct.field);
                if stands.repeats && !self.looking {
                    *self.repeated.entry((s, direct.field)).or_default() |= repetition_bit(1);
                }
                Plain::Text(shown(stands.raw), stands.divided)
            }
            Led::Nowhere => Plain::Nowhere,
            Led::To(_) | Led::Unknown => Plain::Unknown,
        }
    }

    /// Whether the text of something that a path gives passes a test.
    fn any(
        &mut self,
        scope: &Scope<'_, 'm>,
        relative: Option<&Item<'m>>,
        path: &'m Path,
        test: impl Fn(&str) -> bool,
    ) -> bool {
        match self.at_once(scope, relative, path) {
            Plain::Text(text, _) => return test(text),
            Plain::Nowhere => return false,
            Plain::Unknown => {}
        }
        if let Some(named) = self.named(scope, path) {
            return match named.items.as_slice() {
                [] => false,
                [Item::Text(Cow::Owned(text), _)] => test(bare(text)),
                items => items.iter().any(|item| test(&item.text())),
            };
        }
        if let Ok(text) = self.text(scope, relative, path) {
            return text.is_some_and(|text| test(&text));
        }
        let mut items = Items::new();
        self.several(scope, relative, path, &mut items);
        items.iter().any(|item| test(&item.text()))
    }

    /// The value of a name, where a path means no more than that.
    pub(super) fn named<'a>(&'a self, scope: &'a Scope<'_, 'm>, path: &Path) -> Option<&'a Named<'m>> {
        match &path.root {
            Root::Name(name @ (Name::Own(_) | Name::Outer(_)))
                if path.parts.is_empty() && matches!(path.repetition, Pick::First) && !self.tracing =>
            {
                self.known(scope, *name)
            }
            _ => None,
        }
    }

    /// Whether a path gives something that is valued.
    fn valued(&mut self, scope: &Scope<'_, 'm>, relative: Option<&Item<'m>>, path: &'m Path) -> bool {
        match self.at_once(scope, relative, path) {
            Plain::Text(text, _) if !text.is_empty() => return true,
            Plain::Text(_, false) | Plain::Nowhere => return false,
            // Its first value is empty, and others may stand behind.
            Plain::Text(_, true) | Plain::Unknown => {}
        }
        if let Some(segment) = self.whole_segment(scope, path) {
            return segment.is_some();
        }
        let delimiters = self.delimiters;
        if let Some(named) = self.named(scope, path) {
            return named.items.iter().any(|item| item.valued(&delimiters));
        }
        self.first(scope, relative, path).is_some()
    }

    pub(crate) fn holds(
        &mut self,
        scope: &Scope<'_, 'm>,
        relative: Option<&Item<'m>>,
        cond: &'m Cond,
    ) -> bool {
        let set = self.set;
        match cond {
            Cond::Valued(path) => self.valued(scope, relative, path),
            Cond::In(path, list) => self.any(scope, relative, path, |text| list.iter().any(|l| l == text)),
            Cond::InTable(path, table) => self.any(scope, relative, path, |text| {
                !text.is_empty() && set.tables[*table].by_source.contains_key(text)
            }),
            Cond::Starts(path, list) => {
                self.any(scope, relative, path, |text| list.iter().any(|l| text.starts_with(l.as_str())))
            }
            Cond::Ends(path, list) => {
                self.any(scope, relative, path, |text| list.iter().any(|l| text.ends_with(l.as_str())))
            }
            Cond::Number(path) => {
                self.any(scope, relative, path, |text| super::functions::number(text).is_some())
            }
            Cond::Date(path) => self.any(scope, relative, path, super::functions::is_date),
            Cond::Same(a, b) => {
                let (a, b) = (self.first(scope, relative, a), self.first(scope, relative, b));
                matches!((a, b), (Some(a), Some(b)) if a.text() == b.text())
            }
            Cond::Before(a, b) => self.before(scope, relative, a, b),
            Cond::All(all) => all.iter().all(|c| self.holds(scope, relative, c)),
            Cond::Any(all) => all.iter().any(|c| self.holds(scope, relative, c)),
            Cond::Not(inner) => !self.holds(scope, relative, inner),
            Cond::Shared(n, inner) => self.shared(scope, *n, inner),
            Cond::Around(n, inner) => self.around(scope, *n, inner),
        }
    }
}
