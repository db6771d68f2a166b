//! Random operations: after each batch the incremental index equals a fresh one.
//!
//! The paths that are named to the index are what a watcher would give, made worse: in
//! any order, twice, by their directory alone, with old names.

use std::fs;

use super::*;

/// SplitMix64, by Steele, Lea and Flood: small, and the same on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).expect("below an index")
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

const NAMES: [&str; 9] = ["a", "b", "c.md", "WP01", "a.md", "a-b", ".h", "x~", "draft"];

struct Model {
    kit: Kit,
    random: Random,
    touched: Vec<Touched>,
    log: Vec<String>,
    counter: usize,
}

impl Model {
    fn some_path(&mut self) -> String {
        let depth = 1 + self.random.below(3);
        let names: Vec<_> = (0..depth).map(|_| NAMES[self.random.below(NAMES.len())]).collect();
        names.join("/")
    }

    /// Names a path as a watcher might; `deep` if the operation made or moved it.
    fn name(&mut self, name: &str, deep: bool) {
        let parent = name.rsplit_once('/').map(|(parent, _)| path(parent));
        let exact = Touched { path: Some(path(name)), deep };
        let by_parent = Touched { path: parent, deep: false };
        match self.random.below(4) {
            0 => self.touched.push(by_parent),
            1 => self.touched.extend([exact.clone(), by_parent, exact]),
            _ => self.touched.push(exact),
        }
    }

    /// The same entry without links on the way, as the watch of its directory names it.
    fn real(&self, name: &str) -> Option<String> {
        let place = self.kit.at(name);
        let parent = fs::canonicalize(place.parent()?).ok()?;
        let real = parent.join(place.file_name()?);
        let inside = real.strip_prefix(&self.kit.root).ok()?;
        inside.to_str().filter(|inside| *inside != name).map(str::to_owned)
    }

    /// The topmost directory that must be made for `name`, once it is made.
    fn make_way(&mut self, name: &str) -> Option<String> {
        let (parent, _) = name.rsplit_once('/')?;
        let segments: Vec<_> = parent.split('/').collect();
        let made = (1..=segments.len())
            .map(|n| segments[..n].join("/"))
            .find(|dir| fs::symlink_metadata(self.kit.at(dir)).is_err());
        fs::create_dir_all(self.kit.at(parent)).ok()?;
        made
    }

    fn text(&mut self) -> Vec<u8> {
        self.counter += 1;
        // Sizes differ, so that the model does not depend on how fine stamps are.
        let mut text = format!("text {}", self.random.below(5)).into_bytes();
        text.resize(text.len() + self.counter, b'.');
        if self.random.one_in(12) {
            text.push(0xff);
        }
        text
    }

    fn step(&mut self) {
        let (one, two) = (self.some_path(), self.some_path());
        let (from, to) = (self.kit.at(&one), self.kit.at(&two));
        let kind = self.random.below(12);
        let made = self.make_way(if matches!(kind, 5 | 6 | 10) { &two } else { &one });
        let text = self.text();
        let real: Vec<_> = [&one, &two].into_iter().filter_map(|name| self.real(name)).collect();
        let done = match kind {
            0..=2 => fs::write(&from, text),
            3 => fs::OpenOptions::new()
                .append(true)
                .open(&from)
                .and_then(|mut file| std::io::Write::write_all(&mut file, &text)),
            4 => fs::OpenOptions::new().write(true).truncate(true).open(&from).map(|_| ()),
            5 | 6 => fs::rename(&from, &to),
            7 => fs::remove_dir_all(&from).or_else(|_| fs::remove_file(&from)),
            8 => {
                let spare = self.kit.outside.path().join("spare");
                fs::write(&spare, text).and_then(|()| fs::rename(&spare, &from))
            }
            9 => {
                let up = "../".repeat(one.matches('/').count());
                let target = match self.random.below(6) {
                    0 => "../outside".to_owned(),
                    1 => self.kit.at(&two).display().to_string(),
                    2 => format!("{up}../001-feature/{two}"),
                    _ => format!("{up}{two}"),
                };
                std::os::unix::fs::symlink(target, &from)
            }
            10 => fs::copy(&from, &to).map(|_| ()),
            _ => {
                let mode = if self.random.one_in(2) { 0o000 } else { 0o644 };
                let is_file = fs::symlink_metadata(&from).is_ok_and(|meta| meta.is_file());
                if is_file {
                    chmod(&from, mode);
                }
                Ok(())
            }
        };
        self.log.push(format!("{kind} {one} {two} {:?}", done.is_ok()));
        if let Some(made) = made {
            if let Some(real) = self.real(&made) {
                self.name(&real, true);
            }
            self.name(&made, true);
        }
        if done.is_ok() {
            for real in real {
                self.name(&real, matches!(kind, 5 | 6));
            }
            self.name(&one, matches!(kind, 5 | 6));
            // Links are written through: the change is at their end, whose name is unknown
            // to this model, but whose directory's watch would name it.
            if let Ok(end) = fs::canonicalize(&from)
                && let Ok(end) = end.strip_prefix(&self.kit.root)
                && !end.as_os_str().is_empty()
            {
                self.touched.push(Touched { path: Some(path(bytes_of(end))), deep: false });
            }
            if matches!(kind, 5 | 6 | 10) {
                self.name(&two, true);
                if let Ok(end) = fs::canonicalize(&to)
                    && let Ok(end) = end.strip_prefix(&self.kit.root)
                    && !end.as_os_str().is_empty()
                {
                    self.touched.push(Touched { path: Some(path(bytes_of(end))), deep: true });
                }
            }
        }
    }

    fn shuffle(&mut self) {
        for n in (1..self.touched.len()).rev() {
            let other = self.random.below(n + 1);
            self.touched.swap(n, other);
        }
        if let Some(first) = self.touched.first().cloned() {
            self.touched.push(first);
        }
    }
}

fn run(seed: u64, clock: Option<fn() -> Moment>) {
    let mut kit = Kit::new();
    kit.write(super::super::IGNORE_FILE, "draft/\nb/WP01\n");
    if let Some(clock) = clock {
        kit.index.file_clock = clock;
    }
    kit.full();
    let random = Random(seed);
    let mut model = Model { kit, random, touched: Vec::new(), log: Vec::new(), counter: 0 };
    for _ in 0..25 {
        for _ in 0..=model.random.below(6) {
            model.step();
        }
        model.shuffle();
        let touched = std::mem::take(&mut model.touched);
        model.log.push(format!("scan {touched:?}"));
        let request = ScanRequest::Touched(touched);
        let before = model.kit.index.table().clone();
        let outcome = model.kit.index.scan(&request, &model.kit.watcher, &settings());
        let what = || format!("seed {seed}\n{}", model.log.join("\n"));
        model.kit.check_against_fresh(&what());
        assert!(!outcome.full, "{}", what());
        check_report(&before, model.kit.index.table(), &outcome);
    }
}

/// What the scan says has changed is the difference of the two tables.
fn check_report(
    before: &crate::dossier::FileTable,
    after: &crate::dossier::FileTable,
    outcome: &ScanOutcome,
) {
    let changed = after.iter().filter(|(path, facts)| {
        !before.get(*path).is_some_and(|before| before.same_outcome(facts))
    });
    assert_eq!(names(changed.map(|(path, _)| path)), names(&outcome.changed));
    let removed = before.keys().filter(|path| !after.contains_key(*path));
    assert_eq!(names(removed), names(&outcome.removed));
    for (path, facts) in after {
        if let Some(before) = before.get(path)
            && before.same_outcome(facts)
        {
            assert_eq!(before.indexed_at, facts.indexed_at, "{path}");
        }
    }
}

#[test]
fn incremental_equals_fresh_with_the_real_clock() {
    for seed in 0..20 {
        run(seed, None);
    }
}

#[test]
fn incremental_equals_fresh_when_every_stat_is_trusted() {
    if !stamps_are_fine() {
        return;
    }
    for seed in 100..120 {
        run(seed, Some(ahead));
    }
}
