//! Numbers of people so small that they may tell of somebody are hidden, and with each one as many others as it
//! takes that no total gives it away.
//!
//! The numbers form a tree: people of a facility, their sum in the area, the sum of all. A reader knows every
//! number that is shown, that 「10未満」 is 1 to 9 and 「非表示」 at least 10, and can reckon. What such a reader
//! can find out is exactly an interval per number, passed once up and once down the tree: while a small number's
//! interval holds one value only, another number is hidden.

/// Fewer people than this are not shown. None at all is no secret: that a facility sent nothing is public.
pub const FEW: u64 = 10;

/// A number of people as it may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum People {
    /// As counted.
    Known(u64),
    /// 1 to 9.
    BelowTen,
    /// Not shown, because it would give another number away.
    Hidden,
    /// Nobody can tell.
    Unknown,
}

impl serde::Serialize for People {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Known(number) => serializer.serialize_u64(*number),
            Self::BelowTen => serializer.serialize_str("below-10"),
            Self::Hidden => serializer.serialize_str("hidden"),
            Self::Unknown => serializer.serialize_str("unknown"),
        }
    }
}

/// What may be shown of the numbers of facilities, grouped by area.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    /// All together.
    pub total: People,
    /// The areas' sums.
    pub areas: Vec<People>,
    /// The facilities, by area.
    pub facilities: Vec<Vec<People>>,
}

/// Decides what may be shown.
pub(super) fn hide_small(areas: &[Vec<u64>]) -> Shown {
    let mut tree = Tree::new(areas);
    // Every step hides at least one node more, so this ends.
    for _ in 0..=tree.nodes.len() {
        let Some(node) = tree.given_away() else { break };
        tree.cover(node);
    }
    if tree.given_away().is_some() {
        tree.hide_all();
    }
    tree.shown()
}

struct Node {
    value: u64,
    shown: People,
    parent: usize,
    children: Vec<usize>,
}

/// Node 0 is the total, its children are the areas, theirs the facilities.
struct Tree {
    nodes: Vec<Node>,
}

/// From, to; both included.
type Interval = (u64, u64);

impl Tree {
    fn new(areas: &[Vec<u64>]) -> Self {
        let node = |value: u64, parent| Node {
            value,
            shown: if (1..FEW).contains(&value) { People::BelowTen } else { People::Known(value) },
            parent,
            children: Vec::new(),
        };
        let mut nodes = vec![node(areas.iter().flatten().sum(), 0)];
        for facilities in areas {
            let area = nodes.len();
            nodes.push(node(facilities.iter().sum(), 0));
            nodes[0].children.push(area);
            for people in facilities {
                let facility = nodes.len();
                nodes.push(node(*people, area));
                nodes[area].children.push(facility);
            }
        }
        Self { nodes }
    }

    fn said(&self, node: usize) -> Interval {
        let node = &self.nodes[node];
        match node.shown {
            People::Known(value) => (value, value),
            People::BelowTen => (1, FEW - 1),
            // A sum of many small numbers that had to be hidden though it is small itself.
            People::Hidden if node.value < FEW => (1, u64::MAX),
            People::Hidden | People::Unknown => (FEW, u64::MAX),
        }
    }

    /// What a reader who reckons knows of every node.
    fn known(&self) -> Vec<Interval> {
        let mut known: Vec<Interval> = (0..self.nodes.len()).map(|node| self.said(node)).collect();
        // Children stand behind their parents: backwards is up the tree, forwards is down.
        for node in (0..self.nodes.len()).rev() {
            let children = &self.nodes[node].children;
            if children.is_empty() {
                continue;
            }
            let (low, high) = sum(children.iter().map(|child| known[*child]));
            known[node] = (known[node].0.max(low), known[node].1.min(high));
        }
        for node in 0..self.nodes.len() {
            let (low, high) = known[node];
            let before: Vec<Interval> = self.nodes[node].children.iter().map(|child| known[*child]).collect();
            for (place, child) in self.nodes[node].children.iter().enumerate() {
                let others = before.iter().enumerate().filter(|(other, _)| *other != place).map(|(_, i)| *i);
                let (others_low, others_high) = sum(others);
                let from = if others_high == u64::MAX { 0 } else { low.saturating_sub(others_high) };
                let to = if high == u64::MAX { high } else { high.saturating_sub(others_low) };
                known[*child] = (known[*child].0.max(from), known[*child].1.min(to));
            }
        }
        known
    }

    /// A small number that a reader can find out, facilities first.
    fn given_away(&self) -> Option<usize> {
        let known = self.known();
        let told = |node: &usize| {
            let (low, high) = known[*node];
            (1..FEW).contains(&self.nodes[*node].value) && low == high
        };
        (0..self.nodes.len()).rev().find(told)
    }

    /// Hides one number more, so that this one is less sure: beside it the smallest that is shown, else the sum
    /// above it, else the same one level up.
    fn cover(&mut self, mut node: usize) {
        loop {
            let parent = self.nodes[node].parent;
            if node == parent {
                break;
            }
            if let Some(beside) = self.smallest_shown(parent, node) {
                return self.hide(beside);
            }
            if matches!(self.nodes[parent].shown, People::Known(_)) {
                self.nodes[parent].shown = People::Hidden;
                return;
            }
            node = parent;
        }
        // Sums that are small themselves say too much: nine facilities of one person each.
        if let Some(small) = self
            .nodes
            .iter_mut()
            .rev()
            .find(|node| !node.children.is_empty() && node.shown == People::BelowTen)
        {
            small.shown = People::Hidden;
        }
    }

    fn smallest_shown(&self, parent: usize, except: usize) -> Option<usize> {
        let beside = self.nodes[parent].children.iter().copied().filter(|child| *child != except);
        beside
            .filter(|child| matches!(self.nodes[*child].shown, People::Known(people) if people >= FEW))
            .min_by_key(|child| (self.nodes[*child].value, *child))
    }

    /// Hides a number, and one below it where all of those are shown: their sum would say it.
    fn hide(&mut self, node: usize) {
        self.nodes[node].shown = People::Hidden;
        let all_shown = self.nodes[node]
            .children
            .iter()
            .all(|child| matches!(self.nodes[*child].shown, People::Known(_)));
        if all_shown && let Some(below) = self.smallest_shown(node, usize::MAX) {
            self.hide(below);
        }
    }

    fn hide_all(&mut self) {
        for node in self.nodes.iter_mut().filter(|node| node.value > 0) {
            let small_leaf = node.children.is_empty() && node.value < FEW;
            node.shown = if small_leaf { People::BelowTen } else { People::Hidden };
        }
    }

    fn shown(&self) -> Shown {
        let children = |node: usize| self.nodes[node].children.iter().map(|child| self.nodes[*child].shown);
        Shown {
            total: self.nodes[0].shown,
            areas: children(0).collect(),
            facilities: self.nodes[0].children.iter().map(|area| children(*area).collect()).collect(),
        }
    }
}

fn sum(intervals: impl Iterator<Item = Interval>) -> Interval {
    intervals.fold((0, 0), |(low, high), interval| {
        (low.saturating_add(interval.0), high.saturating_add(interval.1))
    })
}

#[cfg(test)]
mod tests {
    use super::People::{BelowTen, Hidden, Known};
    use super::{FEW, People, Shown, hide_small};
    use std::collections::BTreeSet;

    #[test]
    fn large_numbers_and_none_at_all_are_shown() {
        let shown = hide_small(&[vec![10, 0], vec![250]]);
        assert_eq!((shown.total, shown.areas), (Known(260), vec![Known(10), Known(250)]));
        assert_eq!(shown.facilities, [vec![Known(10), Known(0)], vec![Known(250)]]);
    }

    #[test]
    fn a_second_number_is_hidden_beside_a_small_one() {
        let shown = hide_small(&[vec![3, 40, 25], vec![90]]);
        // The smallest that is shown beside it: 25.
        assert_eq!(shown.facilities, [vec![BelowTen, Known(40), Hidden], vec![Known(90)]]);
        assert_eq!((shown.total, shown.areas), (Known(158), vec![Known(68), Known(90)]));
    }

    #[test]
    fn two_small_numbers_hide_each_other_unless_their_sum_says_all() {
        assert_eq!(hide_small(&[vec![3, 4, 40]]).facilities, [vec![BelowTen, BelowTen, Known(40)]]);
        // 1 + 1 = 2 and 9 + 9 = 18 can be nothing else.
        for (a, b) in [(1, 1), (9, 9)] {
            assert_eq!(hide_small(&[vec![a, b, 40]]).facilities, [vec![BelowTen, BelowTen, Hidden]]);
        }
    }

    #[test]
    fn a_lone_small_area_hides_another_area_and_one_of_its_facilities() {
        let shown = hide_small(&[vec![3], vec![20, 30], vec![100]]);
        assert_eq!(shown.areas, [BelowTen, Hidden, Known(100)]);
        assert_eq!(shown.facilities, [vec![BelowTen], vec![Hidden, Known(30)], vec![Known(100)]]);
        assert_eq!(shown.total, Known(153));
    }

    #[test]
    fn nine_facilities_of_one_person_each_are_not_told_by_their_sum() {
        assert_eq!(hide_small(&[vec![1; 9]]).areas, [Hidden]);
    }

    /// What a facility's number can be for somebody who knows all that is shown: by trying everything, with
    /// numbers up to `most`.
    struct Reader<'s> {
        shown: &'s Shown,
        most: u64,
        possible: Vec<BTreeSet<u64>>,
    }

    impl Reader<'_> {
        fn fits(said: People, people: u64) -> bool {
            match said {
                Known(number) => people == number,
                BelowTen => (1..FEW).contains(&people),
                Hidden => people >= FEW,
                People::Unknown => true,
            }
        }

        fn assume(&mut self, area: usize, place: usize, sums: (u64, u64), taken: &mut Vec<u64>) {
            let Some(facilities) = self.shown.facilities.get(area) else {
                if Self::fits(self.shown.total, sums.0) {
                    for (set, people) in self.possible.iter_mut().zip(taken.iter()) {
                        set.insert(*people);
                    }
                }
                return;
            };
            let Some(said) = facilities.get(place).copied() else {
                if Self::fits(self.shown.areas[area], sums.1) {
                    self.assume(area + 1, 0, (sums.0, 0), taken);
                }
                return;
            };
            let span = match said {
                Known(number) => number..=number,
                BelowTen => 1..=FEW - 1,
                _ => FEW..=self.most,
            };
            for people in span {
                taken.push(people);
                self.assume(area, place + 1, (sums.0 + people, sums.1 + people), taken);
                taken.pop();
            }
        }
    }

    fn check(areas: &[Vec<u64>]) {
        let shown = hide_small(areas);
        let values: Vec<u64> = areas.iter().flatten().copied().collect();
        let mut reader = Reader { shown: &shown, most: 30, possible: vec![BTreeSet::new(); values.len()] };
        reader.assume(0, 0, (0, 0), &mut Vec::new());
        for (people, possible) in values.iter().zip(&reader.possible) {
            assert!(possible.contains(people), "{areas:?} {shown:?}: the reader is shown something false");
            if (1..FEW).contains(people) {
                assert!(possible.len() > 1, "{areas:?} {shown:?}: {people} is given away");
            }
        }
        for (area, said) in areas.iter().zip(&shown.areas) {
            let sum: u64 = area.iter().sum();
            assert!(!(1..FEW).contains(&sum) || *said != Known(sum), "{areas:?}");
        }
        // What is shown is right, and nothing is hidden where nothing is small.
        let small = values.iter().any(|people| (1..FEW).contains(people));
        let all_known = shown.facilities.iter().flatten().all(|said| matches!(said, Known(_)));
        assert_eq!(small, !all_known, "{areas:?} {shown:?}");
    }

    #[test]
    fn nothing_small_can_be_reckoned_out_of_any_small_table() {
        let values = [0, 1, 2, 9, 10, 11, 12];
        for a in values {
            for b in values {
                check(&[vec![a], vec![b]]);
                for c in values {
                    check(&[vec![a, b, c]]);
                    check(&[vec![a, b], vec![c]]);
                    for d in values {
                        check(&[vec![a, b], vec![c, d]]);
                    }
                }
            }
        }
    }
}
