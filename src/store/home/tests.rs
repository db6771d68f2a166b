//! Made, tightened and refused directories.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn home() -> (tempfile::TempDir, Home) {
    let tmp = tempfile::tempdir().unwrap();
    let home = Home::resolve(Some(tmp.path().join("home"))).unwrap();
    (tmp, home)
}

#[test]
fn one_directory_holds_everything_when_told_so() {
    let home = Home::resolve(Some("/h".into())).unwrap();
    assert_eq!(home.config_file(), Path::new("/h/config/config.yaml"));
    assert_eq!(home.registry_file(), Path::new("/h/state/registry.json"));
    assert_eq!(home.socket(), Path::new("/h/run/dossierd.sock"));
    assert!(matches!(Home::resolve(Some("".into())), Err(HomeError::EmptyHome)));
    assert!(Home::resolve(Some("rel".into())).unwrap().state_dir().is_absolute());
}

#[test]
fn directories_are_made_private_and_a_second_time_nothing_changes() {
    let (_tmp, home) = home();
    assert_eq!(home.prepare().unwrap(), Prepared::default());
    for dir in [home.config_dir(), home.state_dir(), home.runtime_dir(), &home.cookie_dir()] {
        assert_eq!(mode(dir), 0o700, "{}", dir.display());
    }
    assert_eq!(home.prepare().unwrap(), Prepared::default());
}

#[test]
fn what_others_can_look_into_is_closed_and_what_they_can_write_refused() {
    let (_tmp, home) = home();
    home.prepare().unwrap();
    chmod(home.runtime_dir(), 0o755);
    assert_eq!(home.prepare().unwrap().tightened, [home.runtime_dir()]);
    assert_eq!(mode(home.runtime_dir()), 0o700);
    for dir in [home.runtime_dir(), home.state_dir(), home.config_dir(), &home.cookie_dir()] {
        for bad in [0o770, 0o707] {
            chmod(dir, bad);
            let error = home.prepare().unwrap_err();
            assert!(matches!(error, HomeError::OthersCanWrite { .. }), "{error}");
            assert!(error.to_string().contains("chmod 700"), "{error}");
            assert_eq!(mode(dir), bad, "nothing is put right silently");
        }
        chmod(dir, 0o700);
    }
    home.prepare().unwrap();
}

#[test]
fn planted_links_and_files_are_refused() {
    let (tmp, home) = home();
    home.prepare().unwrap();
    let elsewhere = tmp.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::remove_dir_all(home.runtime_dir()).unwrap();
    symlink(&elsewhere, home.runtime_dir()).unwrap();
    assert!(matches!(home.prepare(), Err(HomeError::Symlink(_))));
    fs::remove_file(home.runtime_dir()).unwrap();
    fs::write(home.runtime_dir(), "").unwrap();
    assert!(matches!(home.prepare(), Err(HomeError::NotADirectory(_))));
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
}

#[test]
fn another_users_directory_is_refused() {
    if user::uid() != Some(0) {
        eprintln!("SKIPPED: only root can make a directory of another user");
        return;
    }
    let (_tmp, home) = home();
    home.prepare().unwrap();
    let runtime = home.runtime_dir();
    std::os::unix::fs::chown(runtime, Some(4242), None).unwrap();
    assert!(matches!(home.prepare(), Err(HomeError::NotOurs { owner: 4242, .. })));
    std::os::unix::fs::chown(runtime, Some(0), None).unwrap();
    std::os::unix::fs::chown(runtime.parent().unwrap(), Some(4242), None).unwrap();
    assert!(matches!(home.prepare(), Err(HomeError::NotOurs { owner: 4242, .. })));
}

#[test]
fn a_base_that_everybody_can_write_needs_the_sticky_bit() {
    let (_tmp, home) = home();
    home.prepare().unwrap();
    let base = home.state_dir().parent().unwrap();
    chmod(base, 0o777);
    assert!(matches!(home.prepare(), Err(HomeError::OthersCanWrite { .. })));
    chmod(base, 0o1777);
    home.prepare().unwrap();
}

#[test]
fn the_configuration_may_be_a_link_to_a_directory_of_ours() {
    let (tmp, home) = home();
    let dotfiles = tmp.path().join("dotfiles");
    fs::create_dir(&dotfiles).unwrap();
    chmod(&dotfiles, 0o755);
    fs::create_dir_all(home.config_dir().parent().unwrap()).unwrap();
    symlink(&dotfiles, home.config_dir()).unwrap();
    home.prepare().unwrap();
    chmod(&dotfiles, 0o777);
    assert!(matches!(home.prepare(), Err(HomeError::OthersCanWrite { .. })));
}

#[test]
fn left_overs_of_crashes_are_removed() {
    let (_tmp, home) = home();
    home.prepare().unwrap();
    fs::write(home.state_dir().join(format!("{}x", atomic::TEMPORARY_PREFIX)), "").unwrap();
    assert_eq!(home.prepare().unwrap().leftovers, 1);
}

#[test]
fn directories_of_a_service_manager_stand_in_for_those_of_the_system() {
    let made = ServiceDirectories {
        runtime: Some("/run/dossierd/ana".into()),
        state: Some("/var/lib/dossierd/ana".into()),
        cache: Some("/var/cache/dossierd/ana".into()),
    };
    let home = Home::of_service(None, made.clone()).unwrap();
    assert_eq!(home.socket(), Path::new("/run/dossierd/ana/dossierd.sock"));
    assert_eq!(home.token_file(), Path::new("/var/lib/dossierd/ana/token"));
    assert_eq!(home.index_cache_dir(), Path::new("/var/cache/dossierd/ana/index"));
    let own = Home::of_service(Some("/h".into()), made).unwrap();
    assert_eq!(own, Home::resolve(Some("/h".into())).unwrap(), "the user's choice counts");
}

#[test]
fn the_socket_of_a_system_service_is_taken_from_a_directory_to_trust_alone() {
    let services = tempfile::tempdir().unwrap();
    let find = |account: &str| socket_of_system_service(services.path(), account);
    assert_eq!(find("ana"), None);
    let dir = services.path().join("ana");
    fs::create_dir(&dir).unwrap();
    chmod(&dir, 0o700);
    assert_eq!(find("ana"), None, "there is no socket");
    let _listener = std::os::unix::net::UnixListener::bind(dir.join("dossierd.sock")).unwrap();
    assert_eq!(find("ana"), Some(dir.join("dossierd.sock")));
    for name in ["", ".", "..", "ana/.", "bob/../ana"] {
        assert_eq!(find(name), None, "{name:?}");
    }
    chmod(&dir, 0o777);
    assert_eq!(find("ana"), None, "others can put a socket there");
    chmod(&dir, 0o700);
    symlink(&dir, services.path().join("link")).unwrap();
    assert_eq!(find("link"), None);
}
