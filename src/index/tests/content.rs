//! Bytes: texts, what is none, what moves while it is read, and the gate.

use std::fs;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};

use super::super::reader::{CHUNK, SMALL};
use super::*;
use crate::dossier::Digest;

fn check(bytes: &[u8], bad_at: Option<usize>) {
    for gate in [true, false] {
        let mut kit = Kit::new();
        kit.write("f.md", bytes);
        let settings = ScanSettings { gate, ..settings() };
        kit.index.scan(&ScanRequest::Full, &kit.watcher, &settings);
        let expected = match bad_at {
            None => text(bytes),
            Some(offset) => format!(
                "{} invalid_format invalid UTF-8 at byte {offset} {}",
                bytes.len(),
                Digest::sha256(bytes).short(8)
            ),
        };
        assert_eq!(kit.row("f.md"), expected);
    }
}

#[test]
fn texts_are_hashed_as_bytes() {
    for text in ["", "a", "\u{feff}bom", "日本語", "a\r\nb\r\n", "nul\0inside"] {
        check(text.as_bytes(), None);
    }
}

#[test]
fn the_first_bad_byte_is_named() {
    check(b"\xffabc", Some(0));
    check(b"ab\xc3(", Some(2));
    check(b"abc\xe6\x97", Some(3));
    check(b"\xed\xa0\x80", Some(0));
}

#[test]
fn large_texts_are_streamed_with_the_same_answers() {
    // 3 bytes a character do not divide a chunk, so every boundary cuts one.
    let large = "日".repeat((SMALL + 3 * CHUNK) / 3);
    check(large.as_bytes(), None);
    let at_small = SMALL + 1;
    for offset in [0, 5, at_small - 1, at_small, at_small + CHUNK - 1, at_small + CHUNK] {
        let mut bytes = vec![b'x'; SMALL + 2 * CHUNK];
        bytes[offset] = 0xe6;
        check(&bytes, Some(offset));
        let mut cut = vec![b'x'; SMALL + 2 * CHUNK];
        cut.truncate(at_small + CHUNK);
        cut.extend_from_slice(b"\xe6\x97");
        check(&cut, Some(at_small + CHUNK));
    }
    for size in [SMALL - 1, SMALL, SMALL + 1] {
        check(&vec![b'x'; size], None);
    }
}

#[test]
fn an_extract_of_a_large_text_gets_whole_characters_of_its_beginning() {
    static LENGTH: AtomicUsize = AtomicUsize::new(0);
    fn record(_: &RelPath, bytes: &[u8]) -> Extract {
        assert!(std::str::from_utf8(bytes).is_ok());
        LENGTH.store(bytes.len(), Ordering::Relaxed);
        Extract::None
    }
    let mut kit = Kit::new();
    kit.write("f.md", "日".repeat(SMALL));
    let settings = ScanSettings { extract_head: record, ..settings() };
    kit.index.scan(&ScanRequest::Full, &kit.watcher, &settings);
    assert_eq!(LENGTH.load(Ordering::Relaxed), 64 * 1024 / 3 * 3);
}

#[test]
fn a_same_size_rewrite_with_its_time_set_back_is_seen() {
    let mut kit = Kit::new();
    if stamps_are_fine() {
        // Even if young recordings were trusted, ctime tells.
        kit.index.file_clock = ahead;
    }
    kit.write("f.md", "one");
    let file = kit.at("f.md");
    kit.full();
    let before = rustix::fs::stat(&file).expect("stat");
    fs::write(&file, "two").expect("written");
    let time = |seconds, nanos: u64| Timespec {
        tv_sec: seconds,
        tv_nsec: i64::try_from(nanos).expect("below a second"),
    };
    let times = Timestamps {
        last_access: time(before.st_atime, before.st_atime_nsec),
        last_modification: time(before.st_mtime, before.st_mtime_nsec),
    };
    utimensat(CWD, &file, &times, AtFlags::empty()).expect("time set");
    assert_eq!(rustix::fs::stat(&file).expect("stat").st_mtime_nsec, before.st_mtime_nsec);
    let outcome = kit.full();
    assert_eq!(names(&outcome.changed), "f.md");
    assert_eq!(kit.row("f.md"), text("two"));
}

#[test]
fn young_stats_are_not_trusted_and_old_ones_are() {
    let mut kit = Kit::new();
    kit.write("f.md", "x");
    kit.full();
    let outcome = kit.full();
    assert_eq!((outcome.stats.read, outcome.stats.trusted_stats), (1, 0));
    assert_eq!(outcome.stats.sha256_computed, 0, "the gate knew the bytes");
    assert_eq!(outcome.stats.gate_hits, 1);
    kit.index.file_clock = ahead;
    kit.full();
    for outcome in [kit.full(), kit.touch(&["f.md"])] {
        assert_eq!((outcome.stats.read, outcome.stats.trusted_stats), (0, 1));
        assert!(outcome.changed.is_empty());
    }
}

#[test]
fn an_unchanged_file_keeps_its_facts() {
    let mut kit = Kit::new();
    kit.write("f.md", "x");
    kit.write("g.md", b"\xff");
    kit.link("nowhere", "l");
    kit.full();
    let before = kit.index.table().clone();
    kit.write("f.md", "x");
    kit.touch(&["f.md"]);
    kit.full();
    for (path, facts) in kit.index.table() {
        assert!(Arc::ptr_eq(facts, &before[path]), "{path}");
    }
}

#[test]
fn moves_and_copies_pay_no_sha256_and_no_parsing() {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    fn count(_: &RelPath, _: &[u8]) -> Extract {
        CALLS.fetch_add(1, Ordering::Relaxed);
        Extract::None
    }
    let mut kit = Kit::new();
    kit.write("a/f.md", "some text");
    kit.write("a/bad.md", b"\xff");
    let settings = ScanSettings { extract: count, ..settings() };
    let scan = |kit: &mut Kit| {
        let before = CALLS.load(Ordering::Relaxed);
        let outcome = kit.index.scan(&ScanRequest::Full, &kit.watcher, &settings);
        (outcome.stats.sha256_computed, CALLS.load(Ordering::Relaxed) - before)
    };
    assert_eq!(scan(&mut kit), (2, 1));
    fs::rename(kit.at("a"), kit.at("b")).expect("renamed");
    assert_eq!(scan(&mut kit), (0, 0), "a moved directory");
    fs::create_dir(kit.at("c")).expect("created");
    fs::copy(kit.at("b/f.md"), kit.at("c/f.md")).expect("copied");
    assert_eq!(scan(&mut kit), (0, 0), "a copy");
    fs::rename(kit.at("c/f.md"), kit.at("c/g.md")).expect("renamed");
    assert_eq!(scan(&mut kit), (0, 1), "another name may be read differently");
    fs::rename(kit.at("c/g.md"), kit.at("g.md")).expect("renamed");
    assert_eq!(scan(&mut kit), (0, 1), "so may another place");
    fs::remove_dir_all(kit.at("b")).expect("removed");
    fs::remove_file(kit.at("g.md")).expect("removed");
    assert_eq!(scan(&mut kit), (0, 0));
    kit.write("b/f.md", "some text");
    assert_eq!(scan(&mut kit).0, 0, "it came back in a later scan");
    kit.check_against_fresh("moves and copies");
}

#[test]
fn without_the_gate_there_is_no_blake3_and_the_same_result() {
    let mut kit = Kit::new();
    for n in 0..100 {
        kit.write(&format!("d/{n}.md"), format!("text {}", n % 7));
    }
    let settings = ScanSettings { gate: false, threads: 4, ..settings() };
    let outcome = kit.index.scan(&ScanRequest::Full, &kit.watcher, &settings);
    assert_eq!(outcome.stats.sha256_computed, 100);
    assert_eq!(outcome.stats.gate_hits, 0);
    kit.check_against_fresh("without gate, 4 threads");
}

#[test]
fn a_file_that_never_settles_is_reported_not_guessed() {
    static FILE: Mutex<Option<PathBuf>> = Mutex::new(None);
    // Extraction runs between the two stats, so writing here is writing while it is read.
    fn disturb(_: &RelPath, _: &[u8]) -> Extract {
        if let Some(file) = FILE.lock().expect("not poisoned").as_ref() {
            let mut file = fs::OpenOptions::new().append(true).open(file).expect("opens");
            file.write_all(b"more").expect("written");
        }
        Extract::None
    }
    let mut kit = Kit::new();
    kit.write("f.md", "x");
    *FILE.lock().expect("not poisoned") = Some(kit.at("f.md"));
    let settings = ScanSettings { extract: disturb, ..settings() };
    let outcome = kit.index.scan(&ScanRequest::Full, &kit.watcher, &settings);
    assert_eq!(names(&outcome.unsettled), "f.md");
    assert_eq!(kit.row("f.md"), "17 unreadable changed while being read, 5 times ");
    *FILE.lock().expect("not poisoned") = None;
    let outcome = kit.touch(&["f.md"]);
    assert!(outcome.unsettled.is_empty());
    kit.check_against_fresh("settled");
}

#[test]
fn a_file_that_vanishes_after_listing_is_said_to_have() {
    static ROOT: Mutex<Option<PathBuf>> = Mutex::new(None);
    // `a` is read first; its extraction removes the other.
    fn remove(path: &RelPath, _: &[u8]) -> Extract {
        if path.as_bytes() == b"a" {
            let root = ROOT.lock().expect("not poisoned").clone().expect("set");
            fs::remove_file(root.join("b")).expect("removed");
        }
        Extract::None
    }
    let mut kit = Kit::new();
    kit.write("a", "a");
    kit.write("b", "b");
    *ROOT.lock().expect("not poisoned") = Some(kit.root.clone());
    let settings = ScanSettings { extract: remove, threads: 1, ..settings() };
    kit.index.scan(&ScanRequest::Full, &kit.watcher, &settings);
    assert_eq!(kit.row("b"), "0 deleted_after_scan it vanished between listing and reading ");
    kit.touch(&["b"]);
    kit.check_against_fresh("vanished");
}

#[test]
fn a_cancelled_scan_ends_early_and_makes_the_next_one_full() {
    static STOP: AtomicBool = AtomicBool::new(false);
    fn stop(_: &RelPath, _: &[u8]) -> Extract {
        STOP.store(true, Ordering::Relaxed);
        Extract::None
    }
    let mut kit = Kit::new();
    for name in ["a", "b", "c/d"] {
        kit.write(name, name);
    }
    let settings = ScanSettings { extract: stop, threads: 1, cancelled: &STOP, ..settings() };
    let outcome = kit.index.scan(&ScanRequest::Full, &kit.watcher, &settings);
    assert!(outcome.cancelled);
    assert_eq!(kit.index.table().len(), 1, "what was found up to then holds");
    let outcome = kit.touch(&["a"]);
    assert!(outcome.full && !outcome.cancelled);
    kit.check_against_fresh("after a cancelled scan");
}
