//! Choosing, reading and replacing on real directories, hostile ones included.

use std::fs;

use super::*;

struct Fixture {
    tmp: tempfile::TempDir,
    home: Home,
}

impl Fixture {
    fn new(kittify: bool) -> Self {
        let tmp = tempfile::tempdir().unwrap();
        let home = Home::resolve(Some(tmp.path().join("home"))).unwrap();
        home.prepare().unwrap();
        fs::create_dir(tmp.path().join("p")).unwrap();
        if kittify {
            fs::create_dir(tmp.path().join("p/.kittify")).unwrap();
        }
        Self { tmp, home }
    }

    fn project(&self) -> PathBuf {
        self.tmp.path().join("p")
    }

    fn choose(&self, slug: &str) -> (DossierDir, Option<FallbackReason>) {
        DossierDir::choose(&self.project(), OsStr::new(slug), "pid", &self.home)
    }

    fn existing(&self, slug: &str) -> Option<DossierDir> {
        DossierDir::existing(&self.project(), OsStr::new(slug), "pid", &self.home)
    }

    fn ignore_file(&self) -> PathBuf {
        self.project().join(".kittify/dossiers/.gitignore")
    }
}

#[test]
fn in_a_project_with_kittify_everything_is_below_it_and_ignored() {
    let f = Fixture::new(true);
    assert_eq!(f.existing("one"), None);
    assert!(!f.project().join(".kittify/dossiers").exists(), "looking makes nothing");
    let (dir, reason) = f.choose("one");
    assert_eq!(reason, None);
    assert!(dir.is_in_project());
    assert_eq!(dir.path(), f.project().join(".kittify/dossiers/one"));
    assert_eq!(fs::read_to_string(f.ignore_file()).unwrap(), "*\n");
    dir.replace("snapshot-latest.json", b"{}").unwrap();
    let seen = f.existing("one").unwrap();
    assert_eq!(seen.read("snapshot-latest.json", 10).unwrap().unwrap(), b"{}");
    assert_eq!(seen.list().unwrap(), ["snapshot-latest.json"]);
    assert!(dir.remove("snapshot-latest.json").unwrap());
    assert!(!dir.remove("snapshot-latest.json").unwrap());
}

#[test]
fn without_kittify_the_state_directory_is_used_and_kittify_not_made() {
    let f = Fixture::new(false);
    let (dir, reason) = f.choose("one");
    assert_eq!(reason, Some(FallbackReason::NoKittify(f.project().join(".kittify"))));
    assert!(!dir.is_in_project());
    assert_eq!(dir.path(), f.home.fallback_dossiers_dir().join("pid/one"));
    assert_eq!(f.existing("one"), None, "nothing was written yet");
    dir.replace("a.json", b"1").unwrap();
    assert_eq!(f.existing("one").unwrap().read("a.json", 1).unwrap().unwrap(), b"1");
    assert_eq!(fs::read_dir(f.project()).unwrap().count(), 0);
}

#[test]
fn after_everything_was_deleted_the_next_write_makes_it_again() {
    let f = Fixture::new(true);
    let (dir, _) = f.choose("one");
    fs::remove_dir_all(f.project().join(".kittify/dossiers")).unwrap();
    assert_eq!(dir.read("a", 9).unwrap(), None);
    assert_eq!(dir.list().unwrap(), Vec::<String>::new());
    dir.replace("a", b"1").unwrap();
    assert_eq!(fs::read_to_string(f.ignore_file()).unwrap(), "*\n");
    fs::remove_dir_all(f.project().join(".kittify")).unwrap();
    let error = dir.replace("a", b"1").unwrap_err();
    assert!(error.is_gone(), "{error}");
    assert!(!f.project().join(".kittify").exists());
}

#[test]
fn somebody_elses_ignore_file_stays_and_the_dossier_gets_its_own() {
    let f = Fixture::new(true);
    fs::create_dir(f.project().join(".kittify/dossiers")).unwrap();
    fs::write(f.ignore_file(), "*.tmp\n").unwrap();
    let (dir, reason) = f.choose("one");
    assert_eq!(reason, None);
    assert_eq!(fs::read_to_string(f.ignore_file()).unwrap(), "*.tmp\n");
    let own = dir.path().join(".gitignore");
    assert_eq!(fs::read_to_string(&own).unwrap(), "*\n");
    fs::write(&own, "nothing\n").unwrap();
    let (dir, reason) = f.choose("one");
    assert_eq!(reason, Some(FallbackReason::NotIgnored(own)));
    assert!(!dir.is_in_project());
}

#[test]
fn git_sees_nothing_of_it() {
    let f = Fixture::new(true);
    let git = |args: &[&str]| {
        let output = std::process::Command::new("git")
            .current_dir(f.project())
            .args(["-c", "core.excludesFile=/dev/null"])
            .args(args)
            .output();
        output.ok().filter(|o| o.status.success()).map(|o| o.stdout)
    };
    if git(&["init", "-q"]).is_none() {
        eprintln!("SKIPPED: no git here");
        return;
    }
    fs::create_dir(f.project().join(".kittify/dossiers")).unwrap();
    for ignore in [None, Some("*.tmp\n"), Some("*\n!*/\n!a.json\n")] {
        if let Some(ignore) = ignore {
            fs::write(f.ignore_file(), ignore).unwrap();
        }
        let before = git(&["status", "--porcelain", "-uall"]).unwrap();
        let (dir, reason) = f.choose("one");
        assert_eq!(reason, None);
        dir.replace("a.json", b"1").unwrap();
        dir.replace_baseline(&Digest::sha256("k"), b"1").unwrap();
        let after = git(&["status", "--porcelain", "-uall"]).unwrap();
        assert_eq!(String::from_utf8(after), String::from_utf8(before), "{ignore:?}");
        fs::remove_dir_all(dir.path()).unwrap();
    }
}

#[cfg(unix)]
#[test]
fn a_link_at_any_component_means_fallback_and_nothing_behind_it_changes() {
    use std::os::unix::fs::symlink;
    for link in [".kittify", ".kittify/dossiers", ".kittify/dossiers/one"] {
        let f = Fixture::new(false);
        let victim = f.tmp.path().join("victim");
        fs::create_dir_all(victim.join("dossiers/one")).unwrap();
        let path = f.project().join(link);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(&victim, &path).unwrap();
        let (dir, reason) = f.choose("one");
        assert_eq!(reason, Some(FallbackReason::Symlink(path)), "{link}");
        dir.replace("a", b"1").unwrap();
        assert!(!f.existing("one").unwrap().is_in_project());
        assert!(fs::read_dir(victim.join("dossiers/one")).unwrap().next().is_none());
        assert_eq!(fs::read_dir(&victim).unwrap().count(), 1, "{link}");
    }
}

#[cfg(unix)]
#[test]
fn a_directory_swapped_for_a_link_later_is_met_at_the_next_call() {
    use std::os::unix::fs::symlink;
    let f = Fixture::new(true);
    let (dir, _) = f.choose("one");
    let victim = f.tmp.path().join("victim");
    fs::create_dir(&victim).unwrap();
    fs::remove_dir_all(dir.path()).unwrap();
    symlink(&victim, dir.path()).unwrap();
    let hash = Digest::sha256("k");
    assert!(dir.replace("a", b"1").unwrap_err().is_gone());
    assert!(dir.replace_baseline(&hash, b"1").is_err());
    assert!(dir.read("a", 1).is_err());
    assert_eq!(fs::read_dir(&victim).unwrap().count(), 0);
    // Links one level further down are not followed either.
    fs::remove_file(dir.path()).unwrap();
    fs::create_dir(dir.path()).unwrap();
    symlink(&victim, dir.path().join("baselines")).unwrap();
    symlink("/etc/hostname", dir.path().join("file")).unwrap();
    assert!(dir.replace_baseline(&hash, b"1").is_err());
    assert!(dir.read("file", 1000).is_err());
    assert_eq!(fs::read_dir(&victim).unwrap().count(), 0);
}

#[test]
fn other_things_in_the_way_mean_fallback() {
    for file in [".kittify", ".kittify/dossiers", ".kittify/dossiers/one"] {
        let f = Fixture::new(false);
        let path = f.project().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "").unwrap();
        assert_eq!(f.choose("one").1, Some(FallbackReason::NotADirectory(path)));
    }
    let f = Fixture::new(true);
    for slug in ["", ".", "..", "a/b", "a\0b"] {
        let (dir, reason) = f.choose(slug);
        assert_eq!(reason, Some(FallbackReason::UnsafeSlug(slug.into())));
        dir.replace("a", b"1").unwrap();
        let inside = dir.path().strip_prefix(f.home.fallback_dossiers_dir()).unwrap().to_owned();
        assert_eq!(inside.components().count(), 2, "{slug:?}");
        assert!(f.existing(slug).is_some());
    }
}

#[cfg(unix)]
#[test]
fn a_project_that_cannot_be_written_means_fallback() {
    use std::os::unix::fs::PermissionsExt;
    if crate::platform::user::uid() == Some(0) {
        eprintln!("SKIPPED: permissions do not stop root");
        return;
    }
    let f = Fixture::new(true);
    let kittify = f.project().join(".kittify");
    fs::set_permissions(&kittify, fs::Permissions::from_mode(0o500)).unwrap();
    let (dir, reason) = f.choose("one");
    let problem = ErrorKind::PermissionDenied.to_string();
    assert_eq!(reason, Some(FallbackReason::Refused { path: kittify.join("dossiers"), problem }));
    dir.replace("a", b"1").unwrap();
    assert!(!f.existing("one").unwrap().is_in_project());
    fs::set_permissions(&kittify, fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn baselines_are_kept_by_hash_and_other_names_are_not_theirs() {
    let f = Fixture::new(true);
    let (dir, _) = f.choose("one");
    let (a, b) = (Digest::sha256("a"), Digest::sha256("b"));
    assert_eq!(dir.baselines().unwrap(), []);
    assert_eq!(dir.read_baseline(&a, 9).unwrap(), None);
    assert!(!dir.remove_baseline(&a).unwrap());
    dir.replace_baseline(&a, b"1").unwrap();
    dir.replace_baseline(&b, b"2").unwrap();
    dir.replace_baseline(&a, b"3").unwrap();
    fs::write(dir.path().join("baselines/notes.json"), "").unwrap();
    let mut expected = [a, b];
    expected.sort();
    assert_eq!(dir.baselines().unwrap(), expected);
    assert_eq!(dir.read_baseline(&a, 9).unwrap().unwrap(), b"3");
    assert!(dir.remove_baseline(&a).unwrap());
    assert_eq!(dir.baselines().unwrap(), [b]);
    assert_eq!(dir.list().unwrap(), Vec::<String>::new());
}

#[test]
fn names_that_could_become_paths_are_refused_and_reads_are_bounded() {
    let f = Fixture::new(true);
    let (dir, _) = f.choose("one");
    for bad in ["", ".", "..", ".gitignore", "a/b", "../a", "a\\b", "a b", "ä", "a\0"] {
        assert!(matches!(dir.read(bad, 1), Err(StoreError::BadName { .. })), "{bad:?}");
        assert!(matches!(dir.replace(bad, b""), Err(StoreError::BadName { .. })), "{bad:?}");
        assert!(matches!(dir.remove(bad), Err(StoreError::BadName { .. })), "{bad:?}");
    }
    dir.replace("a", b"12345").unwrap();
    assert!(matches!(dir.read("a", 4), Err(StoreError::TooLarge { .. })));
}

#[test]
fn left_overs_of_crashes_are_removed_when_the_place_is_chosen() {
    let f = Fixture::new(true);
    let (dir, _) = f.choose("one");
    dir.replace_baseline(&Digest::sha256("k"), b"1").unwrap();
    let name = format!("{}x", atomic::TEMPORARY_PREFIX);
    let parent = f.project().join(".kittify/dossiers");
    let left =
        [dir.path().join(&name), dir.path().join("baselines").join(&name), parent.join(&name)];
    for path in &left {
        fs::write(path, "half").unwrap();
    }
    f.choose("one");
    assert!(left.iter().all(|path| !path.exists()));
}
