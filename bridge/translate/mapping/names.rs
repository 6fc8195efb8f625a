//! Names: rows of `let`, forms, composed texts and the search for a segment.

use super::item::{Item, NOWHERE, Pos, bare};
use super::plan::{Else, Find, FindBy, Let, LetSource, Make, Many, Piece, Sym};
use super::run::{Inst, Items, Named, Places, Run, Scope};
use super::siblings::Common;
use super::single::Found;
use crate::finding::Severity;
use smallvec::smallvec;
use std::borrow::Cow;
use std::rc::Rc;

impl<'m> Run<'m> {
    /// The names of a map for one of its instances; `false` where one says `error` and is missing.
    pub(super) fn names_of(&mut self, n: usize, scope: &mut Scope<'_, 'm>, siblings: bool) -> bool {
        let map = self.map(n);
        let mut common = if siblings { self.common(n, scope) } else { None };
        let ok = self.rows(
            &map.lets,
            map.slots,
            scope,
            Some(n),
            common.as_mut().map(|common| (common, map.around.names.as_slice())),
        );
        self.keep(n, scope, common);
        ok
    }

    /// The names of rows; `false` where one says `error` and is missing.
    pub(crate) fn lets(
        &mut self,
        lets: &'m [Let],
        slots: usize,
        scope: &mut Scope<'_, 'm>,
        map: Option<usize>,
    ) -> bool {
        self.rows(lets, slots, scope, map, None)
    }

    /// The same; names that look past the instance are taken over from its siblings.
    fn rows(
        &mut self,
        lets: &'m [Let],
        slots: usize,
        scope: &mut Scope<'_, 'm>,
        map: Option<usize>,
        mut common: Option<(&mut Common<'m>, &[bool])>,
    ) -> bool {
        let mut ok = true;
        scope.lets = Cow::Owned((0..slots).map(|_| Named::default()).collect());
        for (n, row) in lets.iter().enumerate() {
            if let Some((common, around)) = &mut common
                && around.get(row.slot) == Some(&true)
            {
                let last = lets.get(n + 1).is_none_or(|next| next.slot != row.slot);
                if let Some(known) = common.name(row.slot) {
                    if last {
                        scope.lets.to_mut()[row.slot] = known.clone();
                    }
                    continue;
                }
                ok &= self.let_row(row, scope, map);
                if last {
                    common.set_name(row.slot, &scope.lets[row.slot]);
                }
                continue;
            }
            ok &= self.let_row(row, scope, map);
        }
        ok
    }

    /// One row; `false` where it says `error` and its value is missing.
    fn let_row(&mut self, row: &'m Let, scope: &mut Scope<'_, 'm>, map: Option<usize>) -> bool {
        self.row = self.set.symbols.name(row.name);
        let counted = self.counted(row, scope, map);
        if !scope.lets[row.slot].items.is_empty() {
            self.see(scope, &row.source);
            return true;
        }
        self.touched.clear();
        // What is looked at only to say something is not read by that.
        self.looking = matches!(&row.make, Some(Make::Function(n, _)) if super::functions::only_says(*n));
        let items = match &row.when {
            Some(cond) if !self.holds(scope, None, cond) => None,
            _ => Some(self.let_items(row, scope, counted)),
        };
        self.looking = false;
        let unmet = items.is_none();
        let items = items.unwrap_or_default();
        if !items.is_empty() {
            let positions = if self.tracing {
                let mut all = std::mem::take(&mut self.touched);
                all.extend(items.iter().map(Item::pos).filter(|p| p.segment != u32::MAX));
                all
            } else {
                Vec::new()
            };
            if let Else::Warn(Some(code)) = &row.otherwise
                && matches!(row.source, LetSource::Fixed(_))
            {
                // A fixed last row that says `warn`: the value is made up, and that is said.
                self.finding(Severity::Warning, code.clone(), NOWHERE);
            }
            scope.lets.to_mut()[row.slot] = Named { items, positions };
            return true;
        }
        if unmet && let LetSource::From(paths) = &row.source {
            paths.iter().take(1).for_each(|path| self.glance(scope, path));
        }
        let code = match &row.otherwise {
            Else::Error(code) | Else::Next(code @ Some(_)) => code,
            Else::Warn(code) if !unmet => code,
            _ => return true,
        };
        let pos = self.place_of(scope, &row.source);
        let code = code.clone().map_or(Cow::Borrowed("field-empty"), Cow::Owned);
        let error = matches!(row.otherwise, Else::Error(_));
        self.finding(if error { Severity::Error } else { Severity::Warning }, code, pos);
        !error
    }

    /// `ordinal by $x` counts every instance, whether its number is needed or not.
    fn counted(&mut self, row: &'m Let, scope: &Scope<'_, 'm>, map: Option<usize>) -> usize {
        let Some(Make::Ordinal { by: Some(by), of_message }) = &row.make else { return scope.ordinal };
        let text = self
            .known(scope, *by)
            .and_then(|n| n.items.first())
            .map(|i| i.text().into_owned())
            .unwrap_or_default();
        let group = match &scope.inst {
            _ if *of_message => None,
            Inst::Group(g) => self.cut.instances[*g as usize].parent.map(|p| p as u32),
            Inst::Segment(s) => self.cut.owner[*s as usize],
            Inst::Field(item) => self.cut.owner[item.pos().segment as usize],
            Inst::Made(_, group) => *group,
            _ => None,
        };
        let count = self.counters.entry((map.unwrap_or(usize::MAX), row.slot, group, text)).or_insert(0);
        *count += 1;
        *count
    }

    fn let_items(&mut self, row: &'m Let, scope: &Scope<'_, 'm>, ordinal: usize) -> Items<'m> {
        if let Some(Make::Ordinal { .. }) = &row.make {
            return smallvec![Item::Text(Cow::Owned(ordinal.to_string()), NOWHERE)];
        }
        if let Some(Make::Text(pieces)) = &row.make {
            let mut text = String::with_capacity(64);
            let whole = self.compose(scope, pieces, &mut text);
            return whole.then_some(Item::Text(Cow::Owned(text), NOWHERE)).into_iter().collect();
        }
        let (mut items, delimiters) = (Items::new(), self.delimiters);
        match &row.source {
            LetSource::From(paths) if paths.len() == 1 => match self.single(scope, None, &paths[0]) {
                Found::One(item) if item.valued(&delimiters) => items.push(item),
                Found::One(_) | Found::Nothing => return items,
                Found::Several => self.several(scope, None, &paths[0], &mut items),
            },
            LetSource::From(paths) => {
                for path in paths {
                    self.resolve(scope, None, path, &mut items);
                }
            }
            LetSource::Fixed(text) => items.push(Item::Text(Cow::Borrowed(text), NOWHERE)),
            LetSource::Find(find) => return self.find(find, scope),
            LetSource::None => {}
        }
        items.retain(|item| item.valued(&delimiters));
        if let Some(Make::TableOf(n, system)) = &row.make {
            let system = self.first_text(scope, system).into_owned();
            let table = &self.set.tables[*n];
            let found = |item: &Item<'m>| {
                let code =
                    table.first(&system, &item.text()).filter(|_| !system.is_empty())?.target_code.as_str();
                (!code.is_empty()).then(|| Item::Text(Cow::Borrowed(code), item.pos()))
            };
            if !matches!(row.otherwise, Else::Next(_)) {
                for item in items.iter().filter(|item| table.first(&system, &item.text()).is_none()) {
                    self.unmapped(*n, &system, &item.text(), item.pos());
                }
            }
            return items.iter().filter_map(found).collect();
        }
        let Some(make) = &row.make else { return items };
        let mut out = Items::new();
        for item in items {
            let pos = item.pos();
            let made = self.text_of(make, &item);
            if let (Make::Table(n), Ok(None)) = (make, &made)
                && !matches!(row.otherwise, Else::Next(_))
            {
                let (code, system) = (item.text(), item.words(3));
                if self.set.tables[*n].first(&system, &code).is_none() {
                    self.unmapped(*n, &system, &code, pos);
                }
            }
            match made {
                Ok(Some(made)) => out.push(made),
                Ok(None) => {}
                Err(code) => self.finding(Severity::Warning, code, pos),
            }
        }
        out
    }

    /// What a name or a text makes of a value.
    fn text_of(&mut self, make: &'m Make, item: &Item<'m>) -> Result<Option<Item<'m>>, &'static str> {
        let pos = item.pos();
        let text = match make {
            Make::Form(forms) => {
                let text = item.text();
                let parts = forms.iter().find_map(|form| fit(form, &text));
                return match parts {
                    Some(parts) => Ok(Some(Item::Parts(Rc::new(parts), pos))),
                    None => Err("form-unfit"),
                };
            }
            Make::Table(n) => {
                let table = &self.set.tables[*n];
                let text = |n: u16| item.words(n);
                let row = |slot: u16| table.first(&text(slot + 2), &text(slot));
                super::build::slots(item)
                    .into_iter()
                    .find_map(row)
                    .map(|row| Cow::Borrowed(row.target_code.as_str()))
            }
            Make::Function(n, argument) => self.text_function(*n, argument.as_deref(), item)?,
            _ => Some(item.text()),
        };
        Ok(text.filter(|t| !t.is_empty()).map(|text| Item::Text(text, pos)))
    }

    /// `text '…{path}…'`, written behind `out`; `false` where one of its paths is empty.
    pub(crate) fn compose(&mut self, scope: &Scope<'_, 'm>, pieces: &'m [Piece], out: &mut String) -> bool {
        for piece in pieces {
            match piece {
                Piece::Literal(text) => out.push_str(text),
                Piece::Path(path) => {
                    let before = out.len();
                    match self.named(scope, path).map(|named| named.items.as_slice()) {
                        Some([Item::Text(Cow::Owned(text), _)]) => out.push_str(bare(text)),
                        Some([item]) => out.push_str(&item.text()),
                        Some([]) => {}
                        _ => out.push_str(&self.first_text(scope, path)),
                    }
                    if out.len() == before {
                        return false;
                    }
                }
                Piece::Name(_) => {}
            }
        }
        true
    }

    fn find(&mut self, find: &'m Find, scope: &Scope<'_, 'm>) -> Items<'m> {
        let mut wanted = Vec::new();
        for (path, by) in &find.pairs {
            let text = match by {
                FindBy::Same(other) => {
                    let text = self.first_text(scope, other);
                    if text.is_empty() {
                        return Items::new();
                    }
                    Some(text)
                }
                FindBy::Text(text) => Some(Cow::Borrowed(text.as_str())),
                FindBy::Table(_) => None,
            };
            wanted.push((path, by, text));
        }
        let set = self.set;
        let list = match find.around {
            Some(group) => Places::from_vec(self.inside(scope, group, find.segment)),
            None if find.message => Places::from_slice(super::groups::listed(&self.cut.all, find.segment)),
            None => Places::from_slice(self.segments(scope, find.segment)),
        };
        let mut out = Items::new();
        for s in list {
            let item = Item::Segment(self.message.segment(s as usize));
            let fits = wanted.iter().all(|(path, by, text)| {
                let Some(part) = self.first(scope, Some(&item), path) else { return false };
                match (by, text) {
                    (FindBy::Table(n), _) => set.tables[*n].by_source.contains_key(part.text().as_ref()),
                    (_, Some(text)) => part.text() == *text,
                    _ => false,
                }
            });
            if fits {
                if !out.is_empty() {
                    match find.many {
                        Many::First => {}
                        Many::None => out.clear(),
                        Many::Error => self.finding(Severity::Error, "find-many", item.pos()),
                    }
                    return out;
                }
                out.push(item);
            }
        }
        out
    }

    /// Marks what a row that was not needed would have read.
    fn see(&mut self, scope: &Scope<'_, 'm>, source: &'m LetSource) {
        if let LetSource::From(paths) = source {
            paths.iter().for_each(|path| self.glance(scope, path));
        }
    }

    fn place_of(&mut self, scope: &Scope<'_, 'm>, source: &'m LetSource) -> Pos {
        match source {
            LetSource::From(paths) => paths.first().map_or(NOWHERE, |path| self.place(scope, path)),
            _ => NOWHERE,
        }
    }
}

/// Takes a text apart by a form; every name must get something.
fn fit(form: &[Piece], text: &str) -> Option<Vec<(Sym, String)>> {
    let mut out = Vec::new();
    let mut rest = text;
    let mut at = 0;
    while at < form.len() {
        match &form[at] {
            Piece::Literal(literal) => rest = rest.strip_prefix(literal.as_str())?,
            Piece::Name(name) => {
                let end = match form.get(at + 1) {
                    Some(Piece::Literal(literal)) => rest.find(literal.as_str())?,
                    _ => rest.len(),
                };
                let (value, after) = rest.split_at(end);
                // The last name may not swallow what a longer form would have taken apart.
                if value.is_empty() {
                    return None;
                }
                out.push((*name, value.to_owned()));
                rest = after;
            }
            Piece::Path(_) => return None,
        }
        at += 1;
    }
    rest.is_empty().then_some(out)
}
