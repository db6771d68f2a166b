use super::*;

fn path(text: &str) -> RelPath {
    RelPath::try_from(text).expect("a relative path")
}

fn facts(size_bytes: u64, micros: i64) -> FileFacts {
    let reason = ErrorReason::Unreadable;
    let state = FileState::Faulty { reason, detail: "".into(), raw_sha256: None };
    FileFacts { size_bytes, state, indexed_at: Timestamp::from_micros(micros) }
}

fn tree(dirs: &[&str], files: &[&str]) -> Tree {
    let mut tree = Tree::default();
    for dir in dirs {
        tree.set_directory(&path(dir), None);
    }
    for file in files {
        tree.set_row(&path(file), Node::File(None), facts(1, 1));
    }
    tree.take_journal();
    tree
}

fn shown(paths: impl IntoIterator<Item = RelPath>) -> String {
    paths.into_iter().map(|path| path.to_string()).collect::<Vec<_>>().join(" ")
}

#[test]
fn removal_takes_what_is_below_and_nothing_beside() {
    let mut tree = tree(&["a", "a/b"], &["a-x", "a.md", "a/b/c", "a/z", "a0", "aa", "b"]);
    tree.remove(&path("a"));
    assert_eq!(shown(tree.table().keys().cloned()), "a-x a.md a0 aa b");
    assert_eq!(shown(tree.take_journal().into_keys()), "a/b/c a/z");
}

#[test]
fn children_are_direct_and_complete() {
    let tree = tree(&["a", "a/b", "a-b"], &["a-b/x", "a.md", "a/b/c/d", "a/\u{1}", "a/z", "z"]);
    assert_eq!(shown(tree.children(None)), "a a-b a.md z");
    assert_eq!(shown(tree.children(Some(&path("a")))), "a/\u{1} a/b a/z");
    assert_eq!(shown(tree.children(Some(&path("a/b")))), "a/b/c");
    assert_eq!(shown(tree.children(Some(&path("q")))), "");
}

#[test]
fn an_equal_outcome_keeps_its_time_even_when_it_was_away() {
    let mut tree = tree(&[], &["a"]);
    tree.remove(&path("a"));
    tree.set_row(&path("a"), Node::File(None), facts(1, 99));
    assert_eq!(tree.table()[&path("a")].indexed_at, Timestamp::from_micros(1));
    tree.set_row(&path("a"), Node::File(None), facts(2, 99));
    assert_eq!(tree.table()[&path("a")].indexed_at, Timestamp::from_micros(99));
}

#[test]
fn truncation_drops_the_last_in_path_order() {
    let mut tree = tree(&[], &["c", "a", "b"]);
    assert!(tree.truncate(2));
    assert_eq!(shown(tree.table().keys().cloned()), "a b");
    assert!(!tree.truncate(2));
}
