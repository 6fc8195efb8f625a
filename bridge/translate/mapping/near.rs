//! Which of several names was meant by one that is none of them.

use super::problem::Words;

/// The name nearest to a word by edit distance; `None` where none is near enough to be a slip of the hand.
pub(crate) fn nearest<'n>(word: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    // A third of the letters, as compilers have it: beyond that it is another word.
    let most = (word.chars().count() / 3).max(1);
    let near = names.into_iter().map(|name| (distance(word, name), name)).filter(|(n, _)| *n <= most);
    near.min().map(|(_, name)| name)
}

/// A sentence that something is not there, with the nearest that is.
pub(crate) fn meant(mut said: Words, near: Option<&str>) -> Words {
    if let Some(near) = near {
        said.ja += &format!("{near} のことですか。");
        if !said.en.ends_with('.') {
            said.en.push('.');
        }
        said.en += &format!(" Did you mean '{near}'?");
    }
    said
}

/// Letters to put in, take out, change or swap with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let other = usize::from(a[i - 1] != b[j - 1]);
            let mut least = (rows[i - 1][j] + 1).min(row[j - 1] + 1).min(rows[i - 1][j - 1] + other);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest};

    #[test]
    fn a_slip_of_the_hand_is_told_from_another_word() {
        let names = ["patient", "coverage", "lab-observation", "lab-report"];
        let near = |word| nearest(word, names);
        assert_eq!(near("pateint"), Some("patient"));
        assert_eq!(near("lab-observaton"), Some("lab-observation"));
        assert_eq!(near("labreport"), Some("lab-report"));
        assert_eq!(near("insurance"), None);
        assert_eq!(near("x"), None);
        assert_eq!(nearest("a", []), None);
        for (a, b, n) in [("", "abc", 3), ("abc", "abc", 0), ("ab", "ba", 1), ("保険", "保険者", 1)] {
            assert_eq!(distance(a, b), n, "{a} {b}");
        }
    }
}
