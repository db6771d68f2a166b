//! Names close to one that is not known, for error messages.

/// How many are named.
const MOST: usize = 5;

/// Up to five of `names` that are close to `wanted`, the closest first: those that contain
/// it or are contained in it, and those within a third of its length in edits. Nothing is
/// close to a name of over 200 bytes.
pub fn similar<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let wanted = wanted.to_lowercase();
    if wanted.is_empty() || wanted.len() > 200 {
        return Vec::new();
    }
    let limit = (wanted.chars().count() / 3).max(1);
    let mut found: Vec<(usize, &str)> = names
        .filter_map(|name| {
            let lower = name.to_lowercase();
            let distance = distance(&wanted, &lower);
            let inside = lower.contains(&wanted) || wanted.contains(&lower);
            (inside || distance <= limit).then_some((distance, name))
        })
        .collect();
    found.sort_unstable();
    found.dedup();
    found.into_iter().take(MOST).map(|(_, name)| name).collect()
}

/// Levenshtein's distance in characters, with two neighbours that changed places as one edit (the
/// optimal string alignment distance).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    // The rows for two characters of `a` fewer, for one fewer, and for this one.
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let replaced = above[j] + usize::from(x != y);
            let mut least = replaced.min(row[j] + 1).min(above[j + 1] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_come_first() {
        let names = ["001-alpha", "002-alpha", "010-beta", "x"];
        let check = |wanted: &str, expected: &[&str]| {
            assert_eq!(similar(wanted, names.iter().copied()), expected, "{wanted}");
        };
        check("001-alpah", &["001-alpha", "002-alpha"]);
        check("BETA", &["010-beta"]);
        check("nothing-like-it", &[]);
        assert_eq!(similar("lgo", ["log", "listen"].into_iter()), ["log"]);
        check("", &[]);
        assert_eq!(similar("a", (0..9).map(|_| "a")), ["a"]);
    }

    #[test]
    fn distances() {
        for (a, b, expected) in
            [("", "", 0), ("kitten", "sitting", 3), ("ab", "ba", 1), ("é", "", 1), ("abc", "ca", 3)]
        {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }
}
