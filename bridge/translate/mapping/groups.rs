//! Cuts the segments of a message into the instances of its groups.

use super::direct::Firsts;
use super::plan::{Group, MessagePlan, Plan, Sym};
use crate::finding::{Finding, Location};
use crate::hl7v2::Message;
use smallvec::SmallVec;
use std::ops::Deref;

/// Segments of one place: few nearly always, so that they need no room of their own.
pub(crate) type Few = SmallVec<[u32; 4]>;

/// The segments of one place, by name.
pub(crate) type ByName = SmallVec<[(Sym, Few); 2]>;

/// One instance of a group.
#[derive(Clone, Debug)]
pub(crate) struct Instance {
    pub(crate) name: Sym,
    group: usize,
    pub(crate) parent: Option<usize>,
    /// Its own segments; those of inner groups are theirs.
    pub(crate) segments: Few,
    /// The same by name, so that a path need not walk them all.
    pub(crate) by_name: ByName,
    /// The last place in the group's members that is taken.
    reached: usize,
}

impl Instance {
    /// The same without its segments, under another name.
    pub(crate) fn without(&self, name: Sym) -> Self {
        Self { name, segments: Few::new(), by_name: ByName::new(), ..*self }
    }
}

/// A message cut into groups.
#[derive(Debug, Default)]
pub(crate) struct Cut {
    pub(crate) names: Vec<Option<Sym>>,
    pub(crate) instances: Vec<Instance>,
    /// The instance that a segment belongs to; `None` = the message itself.
    pub(crate) owner: Vec<Option<u32>>,
    /// Segments of the message itself, by name.
    pub(crate) loose: ByName,
    /// All segments, by name.
    pub(crate) all: Vec<(Sym, Vec<u32>)>,
    /// The first of each, as seen from each group; of a message that is not divided yet they are looked for.
    pub(crate) firsts: Firsts,
}

impl Cut {
    /// Cuts; what fits nowhere is a finding.
    pub(crate) fn new(
        message: &Message,
        plan: &MessagePlan,
        set: &Plan,
        findings: &mut Vec<Finding>,
    ) -> Self {
        Self::flat(message, set).divided(message, plan, set, findings)
    }

    /// The same of what is cut [flat](Self::flat).
    pub(crate) fn divided(
        mut self,
        message: &Message,
        plan: &MessagePlan,
        set: &Plan,
        findings: &mut Vec<Finding>,
    ) -> Self {
        let cut = &mut self;
        if plan.feed.is_some()
            && let Some((_, list)) = cut.all.iter_mut().find(|(_, list)| list.first() == Some(&0))
        {
            // The header of a feed's message is ours.
            list.remove(0);
        }
        let mut open: Vec<usize> = Vec::new();
        for segment in message.segments().skip(usize::from(plan.feed.is_some())) {
            let n = segment.index();
            let Some(name) = cut.names[n] else {
                not_read(segment.name(), segment.occurrence(), findings);
                continue;
            };
            match cut.place(name, &plan.groups, &mut open) {
                Some(instance) => {
                    cut.owner[n] = Some(instance as u32);
                    cut.instances[instance].segments.push(n as u32);
                    list(&mut cut.instances[instance].by_name, name, n as u32);
                }
                None => {
                    let member = plan.groups.iter().any(|g| g.members.iter().any(|m| m.name == name));
                    let second_header = segment.name() == "MSH" && n > 0;
                    // What follows would be another patient's, and would go out under the first one's name.
                    let second_patient = segment.name() == "PID" && segment.occurrence() > 1;
                    if member || second_header || second_patient {
                        let at = format!("{}[{}]", segment.name(), segment.occurrence());
                        findings.push(Finding::error("segment-out-of-place", Location::at(at)));
                    } else if set.slots.of(name).is_none() && !set.known.contains(&name) {
                        not_read(segment.name(), segment.occurrence(), findings);
                    }
                    list(&mut cut.loose, name, n as u32);
                }
            }
        }
        self.firsts = Firsts::new(&self, &set.slots);
        self
    }

    /// What stands where no structure has it, of a message that no file is for: EVN stands behind the header in
    /// every structure (HL7 v2.5 chapter 3), and a header only in front.
    pub(super) fn out_of_any_place(message: &Message, findings: &mut Vec<Finding>) {
        let mut in_front = true;
        for segment in message.segments() {
            let name = segment.name();
            let second =
                (name == "MSH" && segment.index() > 0) || (name == "PID" && segment.occurrence() > 1);
            if second || (name == "EVN" && !in_front) {
                let at = format!("{name}[{}]", segment.occurrence());
                findings.push(Finding::error("segment-out-of-place", Location::at(at)));
            }
            in_front &= matches!(name, "MSH" | "SFT");
        }
    }

    /// The instance that takes a segment of that name, opened where need be.
    fn place(&mut self, name: Sym, groups: &[Group], open: &mut Vec<usize>) -> Option<usize> {
        // From the innermost open group outwards: does it take the segment, or does one of its inner groups begin with it?
        for depth in (0..open.len()).rev() {
            let at = open[depth];
            let group = &groups[self.instances[at].group];
            let own = group
                .members
                .iter()
                .enumerate()
                .filter(|(_, m)| m.group.is_none() && m.name == name)
                .find(|(n, _)| {
                    let first = openers(group).any(|o| o == *n);
                    // What opens the group opens a new one, unless it comes after an optional opener.
                    !first
                        || (*n > self.instances[at].reached
                            && !self.instances[at]
                                .segments
                                .iter()
                                .any(|s| self.names[*s as usize] == Some(name)))
                })
                .map(|(n, _)| n)
                // What comes once comes once: no map would read the second, and a drug would be lost in silence.
                .filter(|_| self.has_room(at, group, name));
            if let Some(n) = own {
                open.truncate(depth + 1);
                self.instances[at].reached = self.instances[at].reached.max(n);
                return Some(at);
            }
            let inner = group.members.iter().filter_map(|m| m.group).find(|g| opens(&groups[*g], name));
            if let Some(inner) = inner {
                open.truncate(depth + 1);
                return Some(self.open(inner, name, groups, Some(at), open));
            }
            // A new one of the same group.
            if opens(group, name) {
                open.truncate(depth);
                let parent = open.last().copied();
                return Some(self.open(self.instances[at].group, name, groups, parent, open));
            }
        }
        let outer = groups.iter().position(|g| !g.inner && opens(g, name))?;
        open.clear();
        Some(self.open(outer, name, groups, None, open))
    }

    /// Whether an instance may take one more segment of that name.
    fn has_room(&self, at: usize, group: &Group, name: Sym) -> bool {
        let members = || group.members.iter().filter(|m| m.group.is_none() && m.name == name);
        members().any(|m| m.many) || listed(&self.instances[at].by_name, name).len() < members().count()
    }

    fn open(
        &mut self,
        group: usize,
        name: Sym,
        groups: &[Group],
        parent: Option<usize>,
        open: &mut Vec<usize>,
    ) -> usize {
        let reached = groups[group].members.iter().position(|m| m.name == name).unwrap_or(0);
        self.instances.push(Instance {
            name: groups[group].name,
            group,
            parent,
            segments: Few::new(),
            by_name: ByName::new(),
            reached,
        });
        open.push(self.instances.len() - 1);
        self.instances.len() - 1
    }

    /// A message without groups: every segment is its own.
    pub(crate) fn flat(message: &Message, set: &Plan) -> Self {
        let mut cut = Self {
            names: message.segments().map(|segment| set.symbols.find(segment.name())).collect(),
            owner: vec![None; message.len()],
            all: Vec::with_capacity(message.len().min(16)),
            ..Self::default()
        };
        // What looks for loose ones finds none and takes them all.
        for (s, name) in (0..).zip(&cut.names) {
            let Some(name) = name else { continue };
            match cut.all.iter_mut().find(|(known, _)| known == name) {
                Some((_, list)) => list.push(s),
                None => cut.all.push((*name, vec![s])),
            }
        }
        cut
    }

    /// Whether an instance is another or lies in it.
    pub(crate) fn inside(&self, mut inner: u32, outer: u32) -> bool {
        loop {
            if inner == outer {
                return true;
            }
            match self.instances[inner as usize].parent {
                Some(parent) => inner = parent as u32,
                None => return false,
            }
        }
    }
}

/// Members that may open a group: the first, and what follows as long as it is optional.
fn openers(group: &Group) -> impl Iterator<Item = usize> + '_ {
    let optional = group.members.iter().take_while(|m| m.optional && m.group.is_none()).count();
    0..=optional.min(group.members.len().saturating_sub(1))
}

fn opens(group: &Group, name: Sym) -> bool {
    openers(group).any(|n| group.members[n].group.is_none() && group.members[n].name == name)
}

fn not_read(name: &str, occurrence: usize, findings: &mut Vec<Finding>) {
    // Z segments are a site's own; that nothing reads them is said by the list of unread positions.
    if !name.starts_with('Z') {
        let name: String = name.chars().filter(char::is_ascii_alphanumeric).take(3).collect();
        findings
            .push(Finding::information("segment-not-read", Location::at(format!("{name}[{occurrence}]"))));
    }
}

fn list(by_name: &mut ByName, name: Sym, segment: u32) {
    match by_name.iter_mut().find(|(known, _)| *known == name) {
        Some((_, list)) => list.push(segment),
        None => by_name.push((name, Few::from_slice(&[segment]))),
    }
}

/// The segments of a name.
pub(crate) fn listed<L: Deref<Target = [u32]>>(by_name: &[(Sym, L)], name: Sym) -> &[u32] {
    by_name.iter().find(|(known, _)| *known == name).map_or(&[], |(_, list)| list)
}
