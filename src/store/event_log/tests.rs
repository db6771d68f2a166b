//! The log under crashes, full disks, other hands and rotation.

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::store::home::Home;

struct Fixture {
    tmp: tempfile::TempDir,
    dir: DossierDir,
}

impl Fixture {
    fn new() -> Self {
        Self::at(tempfile::tempdir().unwrap())
    }

    fn at(tmp: tempfile::TempDir) -> Self {
        let root = tmp.path().join("p");
        fs::create_dir_all(root.join(".kittify")).unwrap();
        let home = Home::resolve(Some(tmp.path().join("home"))).unwrap();
        let (dir, reason) = DossierDir::choose(&root, OsStr::new("one"), "pid", &home);
        assert_eq!(reason, None);
        Self { tmp, dir }
    }

    fn open(&self) -> EventLog {
        EventLog::open(self.dir.clone(), 100, &Pace::default()).unwrap().0
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join(ACTIVE)
    }
}

fn texts(reader: LogReader) -> Vec<String> {
    reader
        .map(|line| match line.unwrap().body {
            LineBody::Whole(bytes) => String::from_utf8(bytes).unwrap(),
            other => format!("{other:?}"),
        })
        .collect()
}

fn add(log: &mut EventLog, text: &str) -> Appended {
    match log.append(text.as_bytes()).unwrap() {
        Append::Written(appended) => appended,
        refused => panic!("{refused:?}"),
    }
}

/// A batch that is not written, since what it follows is gone.
fn refused(log: &mut EventLog, text: &str) -> LogEvent {
    match log.append(text.as_bytes()).unwrap() {
        Append::Refused(loss) => loss,
        written => panic!("{written:?}"),
    }
}

#[test]
fn batches_come_back_as_lines_in_order_across_rotation_and_restart() {
    let f = Fixture::new();
    let mut log = f.open();
    assert_eq!(log.end(), Some(Position { segment: 1, offset: 0 }));
    assert!(!log.rotate().unwrap(), "an empty segment is not rotated");
    let first = add(&mut log, "1\n2\n");
    assert_eq!(first.start, Position { segment: 1, offset: 0 });
    assert_eq!(first.end, Position { segment: 1, offset: 4 });
    assert!(!log.wants_rotation());
    add(&mut log, &format!("\"{}\"\n", "x".repeat(100)));
    assert!(log.wants_rotation());
    assert!(log.rotate().unwrap());
    assert!(!log.wants_rotation());
    let after = add(&mut log, "3\n");
    assert_eq!(after.start, Position { segment: 2, offset: 0 });
    log.rotate().unwrap();
    add(&mut log, "4\n");
    log.sync().unwrap();
    drop(log);
    let mut log = f.open();
    add(&mut log, "5\n");
    let numbers: Vec<_> = log.segments().unwrap().iter().map(|s| (s.number, s.active)).collect();
    assert_eq!(numbers, [(1, false), (2, false), (3, true)]);
    assert_eq!(f.dir.list().unwrap()[..2], ["events-000001.jsonl", "events-000002.jsonl"]);
    let all = texts(log.lines());
    assert_eq!(all.len(), 6);
    assert_eq!([&all[0], &all[1], &all[3], &all[4], &all[5]], ["1", "2", "3", "4", "5"]);
    assert_eq!(texts(log.reader_from(after.start).unwrap()), ["3", "4", "5"]);
    // The end of a segment is a position too, also after it was rotated.
    assert_eq!(texts(log.reader_from(after.end).unwrap()), ["4", "5"]);
    for line in log.lines() {
        let line = line.unwrap();
        let rest = log.reader_from(line.end).unwrap().count();
        assert_eq!(rest, log.reader_from(line.at).unwrap().count() - 1);
    }
}

#[test]
fn a_torn_end_is_cut_off_and_what_was_before_goes_on() {
    let f = Fixture::new();
    let before = "{\"a\":1}\n{\"b\":2}\n";
    let last = "{\"c\":\"\u{fc}\"}\n";
    for keep in 0..last.len() {
        fs::write(f.file(), [before.as_bytes(), &last.as_bytes()[..keep]].concat()).unwrap();
        let (mut log, recovery) = EventLog::open(f.dir.clone(), 100, &Pace::default()).unwrap();
        assert_eq!(recovery, Recovery { cut_bytes: keep as u64, foreign_last_line: false });
        assert_eq!(fs::read_to_string(f.file()).unwrap(), before);
        add(&mut log, last);
        assert_eq!(fs::read_to_string(f.file()).unwrap(), [before, last].concat());
    }
    fs::write(f.file(), [before, "by hand\n"].concat()).unwrap();
    let (_log, recovery) = EventLog::open(f.dir.clone(), 100, &Pace::default()).unwrap();
    assert_eq!(recovery, Recovery { cut_bytes: 0, foreign_last_line: true });
}

#[test]
fn what_is_no_batch_of_lines_is_refused_and_leaves_the_log_alone() {
    let f = Fixture::new();
    let mut log = f.open();
    add(&mut log, "1\n");
    let long = [vec![b'x'; MAX_LINE + 1], vec![b'\n']].concat();
    for bad in [&b""[..], b"\n", b"a", b"a\nb", b"a\n\nb\n", b"\na\n", b"a\0\n", &long] {
        assert!(matches!(log.append(bad), Err(StoreError::NotLines { .. })));
    }
    assert_eq!(fs::read(f.file()).unwrap(), b"1\n");
    log.append(&long[1..]).unwrap();
    assert_eq!(log.lines().count(), 2);
}

#[test]
fn one_writer_at_a_time() {
    let f = Fixture::new();
    let log = f.open();
    let error = EventLog::open(f.dir.clone(), 100, &Pace::default()).unwrap_err();
    assert!(matches!(error, StoreError::Busy { .. }), "{error}");
    drop(log);
    f.open();
}

#[test]
fn a_deleted_or_replaced_log_is_noticed_and_begun_anew() {
    let f = Fixture::new();
    let mut log = f.open();
    add(&mut log, "1\n");
    fs::remove_file(f.file()).unwrap();
    assert_eq!(refused(&mut log, "2\n"), LogEvent::Lost);
    assert_eq!(texts(log.lines()), [""; 0], "what follows nothing is not written");
    assert_eq!(add(&mut log, "2\n").start.offset, 0);
    assert_eq!(texts(log.lines()), ["2"]);
    // An editor writes a new file and renames it over the old one.
    fs::write(f.dir.path().join("x"), "by hand\n").unwrap();
    fs::rename(f.dir.path().join("x"), f.file()).unwrap();
    assert_eq!(log.check().unwrap(), Some(LogEvent::Lost));
    assert_eq!(log.check().unwrap(), None, "told once");
    add(&mut log, "3\n");
    assert_eq!(texts(log.lines()), ["by hand", "3"]);
    // `git clean` takes the directory, the lock and the ignore file with it.
    fs::remove_dir_all(f.dir.path().parent().unwrap()).unwrap();
    assert_eq!(refused(&mut log, "4\n"), LogEvent::Lost);
    add(&mut log, "4\n");
    assert_eq!(texts(log.lines()), ["4"]);
    assert!(f.dir.path().parent().unwrap().join(".gitignore").exists());
    assert!(matches!(
        EventLog::open(f.dir.clone(), 1, &Pace::default()),
        Err(StoreError::Busy { .. })
    ));
    // Without `.kittify` the place must be chosen again.
    fs::remove_dir_all(f.tmp.path().join("p/.kittify")).unwrap();
    assert!(log.append(b"5\n").unwrap_err().is_gone());
}

#[test]
fn after_the_log_was_lost_another_writer_may_have_been_faster() {
    let f = Fixture::new();
    let mut log = f.open();
    add(&mut log, "1\n");
    fs::remove_dir_all(f.dir.path()).unwrap();
    let mut other = f.open();
    add(&mut other, "other\n");
    for _ in 0..2 {
        assert!(matches!(log.append(b"2\n"), Err(StoreError::Busy { .. })));
    }
    drop(other);
    assert_eq!(refused(&mut log, "2\n"), LogEvent::Lost, "kept until told");
    add(&mut log, "2\n");
    assert_eq!(texts(log.lines()), ["other", "2"]);
}

#[test]
fn cuts_and_additions_by_others_are_noticed_and_repaired() {
    let f = Fixture::new();
    let mut log = f.open();
    add(&mut log, "11\n22\n33\n");
    let file = File::options().write(true).open(f.file()).unwrap();
    file.set_len(7).unwrap();
    assert_eq!(refused(&mut log, "4\n"), LogEvent::Truncated { known: 9, found: 6 });
    assert_eq!(add(&mut log, "4\n").start.offset, 6);
    assert_eq!(texts(log.lines()), ["11", "22", "4"]);
    let mut file = File::options().append(true).open(f.file()).unwrap();
    file.write_all(b"5\nto").unwrap();
    assert_eq!(log.check().unwrap(), Some(LogEvent::Extended { by: 2 }));
    add(&mut log, "6\n");
    assert_eq!(texts(log.lines()), ["11", "22", "4", "5", "6"]);
    file.set_len(0).unwrap();
    let noticed = log.check().unwrap();
    assert_eq!(noticed, Some(LogEvent::Truncated { known: 12, found: 0 }));
}

#[cfg(unix)]
#[test]
fn links_and_special_files_in_place_of_the_log_are_not_written() {
    use std::os::unix::fs::symlink;
    let f = Fixture::new();
    let victim = f.tmp.path().join("victim");
    fs::write(&victim, "precious\n").unwrap();
    symlink(&victim, f.file()).unwrap();
    assert!(EventLog::open(f.dir.clone(), 100, &Pace::default()).is_err());
    fs::remove_file(f.file()).unwrap();
    let mut log = f.open();
    add(&mut log, "1\n");
    fs::remove_file(f.file()).unwrap();
    symlink(&victim, f.file()).unwrap();
    assert!(log.append(b"2\n").is_err());
    fs::remove_file(f.file()).unwrap();
    fs::create_dir(f.file()).unwrap();
    assert!(log.append(b"2\n").is_err());
    fs::remove_dir(f.file()).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, f.file(), rustix::fs::Mode::RUSR).unwrap();
    assert!(log.append(b"2\n").is_err());
    fs::remove_file(f.file()).unwrap();
    assert_eq!(refused(&mut log, "3\n"), LogEvent::Lost);
    assert_eq!(fs::read_to_string(victim).unwrap(), "precious\n");
}

#[test]
fn a_crash_between_the_two_halves_of_a_rotation_loses_nothing() {
    let f = Fixture::new();
    let mut log = f.open();
    add(&mut log, "1\n");
    drop(log);
    fs::rename(f.file(), f.dir.path().join("events-000001.jsonl")).unwrap();
    let reader = LogReader::new(f.dir.clone());
    assert_eq!(texts(reader), ["1"]);
    let mut log = f.open();
    assert_eq!(add(&mut log, "2\n").start, Position { segment: 2, offset: 0 });
    assert_eq!(texts(log.lines()), ["1", "2"]);
}

#[test]
fn a_name_that_is_taken_is_not_rotated_onto() {
    let f = Fixture::new();
    let mut log = f.open();
    add(&mut log, "1\n");
    fs::write(f.dir.path().join("events-000001.jsonl"), "planted\n").unwrap();
    log.rotate().unwrap();
    add(&mut log, "2\n");
    assert_eq!(texts(log.lines()), ["planted", "1", "2"]);
}

#[test]
fn removed_segments_keep_their_numbers_out_of_use() {
    let f = Fixture::new();
    let mut log = f.open();
    for text in ["1\n", "2\n", "3\n"] {
        add(&mut log, text);
        log.rotate().unwrap();
    }
    assert_eq!(remove_segments_before(log.dir(), 2).unwrap(), 1);
    assert_eq!(remove_segments_before(log.dir(), u64::MAX).unwrap(), 1, "the newest stays");
    drop(log);
    let log = f.open();
    assert_eq!(log.end(), Some(Position { segment: 4, offset: 0 }));
    assert_eq!(texts(log.lines()), ["3"]);
    let gone = Position { segment: 1, offset: 0 };
    assert!(matches!(log.reader_from(gone), Err(StoreError::NoSuchPosition { .. })));
}

#[test]
fn a_reader_refuses_places_where_no_line_begins() {
    let f = Fixture::new();
    let nothing = LogReader::from(f.dir.clone(), Position { segment: 1, offset: 0 }).unwrap();
    assert_eq!(nothing.count(), 0);
    let mut log = f.open();
    add(&mut log, "12\n3\n");
    for (segment, offset, good) in [
        (1, 0, true),
        (1, 1, false),
        (1, 2, false),
        (1, 3, true),
        (1, 5, true),
        (1, 6, false),
        (2, 0, false),
    ] {
        let position = Position { segment, offset };
        assert_eq!(log.reader_from(position).is_ok(), good, "{position:?}");
    }
}

#[test]
fn a_reader_stops_before_a_half_line_and_goes_on_when_it_is_whole() {
    let f = Fixture::new();
    fs::write(f.file(), "1\n{\"half\"").unwrap();
    let mut reader = LogReader::new(f.dir.clone());
    assert!(reader.next().is_some());
    assert!(reader.next().is_none());
    let mut file = File::options().append(true).open(f.file()).unwrap();
    file.write_all(b":1}\n").unwrap();
    let line = reader.next().unwrap().unwrap();
    assert_eq!(line.body, LineBody::Whole(b"{\"half\":1}".to_vec()));
    assert!(reader.next().is_none());
}

#[test]
fn a_reader_follows_rotation() {
    let f = Fixture::new();
    let mut log = f.open();
    add(&mut log, "1\n");
    let mut reader = log.lines();
    assert!(reader.next().is_some());
    assert!(reader.next().is_none());
    add(&mut log, "2\n");
    log.rotate().unwrap();
    add(&mut log, "3\n");
    log.rotate().unwrap();
    log.rotate().unwrap();
    add(&mut log, "4\n");
    let rest: Vec<_> = reader.by_ref().map(|line| line.unwrap().body).collect();
    let whole = |text: &str| LineBody::Whole(text.as_bytes().to_vec());
    assert_eq!(rest, [whole("2"), whole("3"), whole("4")]);
    assert!(reader.next().is_none());
}

#[test]
fn a_reader_beside_a_busy_writer_sees_every_line_once_and_in_order() {
    let f = Fixture::new();
    let mut log = f.open();
    let mut reader = log.lines();
    let writer = std::thread::spawn(move || {
        for n in 0..600u32 {
            log.append(format!("{}\n{}\n", 2 * n, 2 * n + 1).as_bytes()).unwrap();
            if n % 7 == 0 {
                log.rotate().unwrap();
            }
        }
    });
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    let mut expected = 0u32;
    while expected < 1200 {
        assert!(std::time::Instant::now() < deadline, "stuck at {expected}");
        let Some(line) = reader.next() else {
            std::thread::yield_now();
            continue;
        };
        assert_eq!(line.unwrap().body, LineBody::Whole(expected.to_string().into_bytes()));
        expected += 1;
    }
    writer.join().unwrap();
    assert!(reader.next().is_none());
}

#[test]
fn a_reader_never_takes_one_segment_for_another_while_they_are_rotated() {
    let f = Fixture::new();
    fs::write(f.file(), "1\n").unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    let order = std::sync::atomic::Ordering::SeqCst;
    let rotated = |n| f.dir.path().join(rotated_name(n));
    let mut seen = 0;
    std::thread::scope(|scope| {
        // Rotation by hand: without the syncs of the real one it happens far more often
        // between two looks of the reader. Each segment says its own number.
        scope.spawn(|| {
            for n in 1..3000u64 {
                fs::rename(f.file(), rotated(n)).unwrap();
                fs::write(f.file(), format!("{}\n", n + 1)).unwrap();
                if n > 3 {
                    fs::remove_file(rotated(n - 3)).unwrap();
                }
            }
            done.store(true, order);
        });
        while !done.load(order) {
            for line in LogReader::new(f.dir.clone()) {
                let line = line.unwrap();
                let expected = line.at.segment.to_string().into_bytes();
                assert_eq!(line.body, LineBody::Whole(expected));
                seen += 1;
            }
        }
    });
    assert!(seen > 0);
    assert_eq!(texts(LogReader::new(f.dir.clone())), ["2997", "2998", "2999", "3000"]);
}

#[test]
fn foreign_lines_are_reported_and_giants_not_loaded() {
    let f = Fixture::new();
    let giant = "g".repeat(MAX_LINE + 1);
    let longest = "l".repeat(MAX_LINE);
    fs::write(f.dir.path().join("events-000001.jsonl"), "1\ncut off").unwrap();
    fs::write(f.file(), format!("{giant}\n{longest}\n2\n")).unwrap();
    let bodies: Vec<_> = LogReader::new(f.dir.clone()).map(|line| line.unwrap().body).collect();
    let whole = |text: &str| LineBody::Whole(text.as_bytes().to_vec());
    let expected =
        [whole("1"), LineBody::Unterminated, LineBody::TooLong, whole(&longest), whole("2")];
    assert!(bodies == expected);
}

/// A tmpfs of a few pages, unmounted when dropped.
#[cfg(target_os = "linux")]
struct SmallDisk(tempfile::TempDir);

#[cfg(target_os = "linux")]
impl SmallDisk {
    fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mounted = crate::platform::user::uid() == Some(0)
            && std::process::Command::new("mount")
                .args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"])
                .arg(dir.path())
                .output()
                .is_ok_and(|output| output.status.success());
        if !mounted {
            eprintln!("SKIPPED: a full disk needs root and mount(8)");
            return None;
        }
        Some(Self(dir))
    }
}

#[cfg(target_os = "linux")]
impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(self.0.path()).output();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_keeps_whole_batches_only_and_goes_on_when_there_is_space() {
    let Some(disk) = SmallDisk::mount() else { return };
    let tmp = tempfile::tempdir_in(disk.0.path()).unwrap();
    let f = Fixture::at(tmp);
    fs::write(f.tmp.path().join("filler"), vec![1; 16 * 1024]).unwrap();
    let mut log = f.open();
    // Not a divisor of a page, so that the last write is a short one.
    let line = format!("\"{}\"\n", "x".repeat(700));
    let batch = line.repeat(3);
    let mut whole = String::new();
    let error = loop {
        match log.append(batch.as_bytes()) {
            Ok(_) => whole.push_str(&batch),
            Err(error) => break error,
        }
        assert!(whole.len() < 1024 * 1024, "the disk is never full");
    };
    assert!(error.is_full(), "{error}");
    assert!(!whole.is_empty());
    assert_eq!(fs::read_to_string(f.file()).unwrap(), whole);
    let before = log.end();
    let bytes = vec![1; 60 * 1024];
    let replaced = f.dir.replace("snapshot-latest.json", &bytes).unwrap_err();
    assert!(replaced.is_full(), "{replaced}");
    assert!(f.dir.list().unwrap().iter().all(|name| name != "snapshot-latest.json"));
    assert_eq!(fs::read_dir(f.dir.path()).unwrap().count(), 2, "the log and its lock only");
    fs::remove_file(f.tmp.path().join("filler")).unwrap();
    assert_eq!(Some(add(&mut log, &batch).start), before);
    whole.push_str(&batch);
    assert_eq!(fs::read_to_string(f.file()).unwrap(), whole);
}

#[cfg(target_os = "linux")]
#[test]
fn a_read_only_disk_means_fallback_and_is_recognised() {
    let Some(disk) = SmallDisk::mount() else { return };
    let tmp = tempfile::tempdir().unwrap();
    let home = Home::resolve(Some(tmp.path().join("home"))).unwrap();
    let root = disk.0.path();
    fs::create_dir(root.join(".kittify")).unwrap();
    let slug = OsStr::new("one");
    let (inside, _) = DossierDir::choose(root, slug, "pid", &home);
    assert!(inside.is_in_project());
    let remount = std::process::Command::new("mount").args(["-o", "remount,ro"]).arg(root).output();
    assert!(remount.unwrap().status.success());
    let error = inside.replace("a", b"1").unwrap_err();
    assert!(error.is_read_only(), "{error}");
    let (outside, reason) = DossierDir::choose(root, slug, "pid", &home);
    assert!(!outside.is_in_project());
    assert!(reason.unwrap().to_string().contains("read-only"));
}
