//! What is read of a project and of the daemon's own configuration. The input's first byte says
//! which file the rest is:
//!
//! | byte | file |
//! |---|---|
//! | `c` | the daemon's `config.yaml` |
//! | `i` | `.kittify/config.yaml` |
//! | `d` | `.dossierignore` of the feature and of the project |
//! | `h`, `r`, `p`, `g` | `HEAD`, a loose ref, `packed-refs`, the file `.git` |

use std::path::Path;

use dossierd::daemon::config::{Config, ConfigError};
use dossierd::dossier::RelPath;
use dossierd::dossier::strict::is_name;
use dossierd::index::{IgnoreRules, IgnoredBy};
use dossierd::project::identity::{GeneratedIdentity, ProjectIdentity};
use dossierd::project::{GitState, ProjectFault};

use super::{is_one_line, scratch};

pub fn check(data: &[u8]) {
    let Some((kind, file)) = data.split_first() else { return };
    let root = scratch::directory();
    match kind {
        b'c' => check_config(root.path(), file),
        b'i' => check_identity(root.path(), file),
        b'd' => check_ignore(root.path(), file),
        b'h' | b'r' | b'p' | b'g' => check_git(root.path(), *kind, file),
        _ => {}
    }
}

fn write(path: &Path, bytes: &[u8]) {
    let parent = path.parent().expect("a file is in a directory");
    std::fs::create_dir_all(parent).expect("a directory can be made");
    std::fs::write(path, bytes).expect("a file can be written");
}

fn check_config(root: &Path, file: &[u8]) {
    let path = root.join("config.yaml");
    write(&path, file);
    match Config::load(&path) {
        Ok(config) => {
            assert_eq!(Config::load_named(&path).ok().as_ref(), Some(&config));
            assert!(std::str::from_utf8(file).is_ok());
            if let Some(webhook) = &config.sync.webhook {
                let scheme = webhook.url.uri().scheme_str();
                assert!(matches!(scheme, Some("http" | "https")), "{:?}", webhook.url);
                assert!((1..=1000).contains(&webhook.batch_size.get()));
                assert!(webhook.token_file.as_ref().is_none_or(|file| file.is_absolute()));
                // Whatever is posted goes to the same place.
                let joined = webhook.url.join("api/v1/events/batch/");
                assert_eq!(joined.authority(), webhook.url.uri().authority());
            }
        }
        Err(ConfigError::Invalid { message, .. }) => {
            assert!(is_one_line(&message) && message.len() <= 2000, "{message:?}");
        }
        Err(other) => panic!("the file can be read: {other}"),
    }
}

fn check_identity(root: &Path, file: &[u8]) {
    write(&root.join(".kittify/config.yaml"), file);
    let generate = || GeneratedIdentity {
        project_uuid: "8a4a7da6-a97c-4bb4-893a-b31664abfee4".to_owned(),
        project_slug: "shop".to_owned(),
        fault: None,
    };
    let load = || {
        let mut faults = Vec::new();
        let identity = ProjectIdentity::load(root, "d036a097a835", generate, &mut faults);
        (identity, faults)
    };
    let (identity, faults) = load();
    assert!(uuid::Uuid::parse_str(&identity.project_uuid).is_ok(), "{identity:?}");
    assert!(is_name(&identity.node_id) && is_name(&identity.build_id), "{identity:?}");
    assert!(!identity.project_slug.is_empty() && identity.project_slug.len() <= 200);
    assert!(is_one_line(&identity.project_slug), "{identity:?}");
    for ProjectFault { message, line, .. } in &faults {
        assert!(is_one_line(message) && !message.is_empty() && message.len() <= 2000);
        assert!(line.is_none_or(|line| line >= 1));
    }
    assert_eq!(load(), (identity, faults));
}

fn check_ignore(root: &Path, file: &[u8]) {
    let feature = root.join("kitty-specs/001-demo");
    write(&feature.join(".dossierignore"), file);
    let asked = ["spec.md", "a/b/c.txt", "a b", "spec.md~", "tasks/WP01.md", "x", "[", "\u{e9}"];
    let paths = asked.map(|path| RelPath::new(path).expect("a path"));
    let hidden = RelPath::new("a/.b/c").expect("a path");
    let decide = |rules: &IgnoreRules| {
        assert_eq!(rules.decide(&hidden, false), Some(IgnoredBy::Hidden));
        paths.each_ref().map(|path| (rules.decide(path, false), rules.decide(path, true)))
    };
    let (rules, faults) = IgnoreRules::load(&feature, Some(root));
    let own = decide(&rules);
    for fault in faults {
        let text = fault.to_string();
        assert!(is_one_line(&text) && !text.is_empty() && text.len() <= 4000, "{text:?}");
    }
    let (again, _) = IgnoreRules::load(&feature, Some(root));
    assert!(again == rules && decide(&again) == own);
    let says = |line: &[u8]| !line.trim_ascii().is_empty() && !line.starts_with(b"#");
    if !file.split(|byte| *byte == b'\n').any(says) {
        assert_eq!(own, decide(&IgnoreRules::built_in()), "a file that says nothing");
    }
    // The same rules, one directory above: patterns without a slash hold there too.
    write(&root.join(".dossierignore"), file);
    decide(&IgnoreRules::load(&feature, Some(root)).0);
}

const HEAD: &[u8] = b"ref: refs/heads/main\n";
const ID: &str = "0123456789abcdef0123456789abcdef01234567";

fn check_git(root: &Path, kind: u8, file: &[u8]) {
    let git = root.join("p/.git");
    match kind {
        b'g' => {
            write(&root.join("own/HEAD"), HEAD);
            write(&git, file);
        }
        _ => write(&git.join("HEAD"), if kind == b'h' { file } else { HEAD }),
    }
    match kind {
        b'r' => write(&git.join("refs/heads/main"), file),
        b'p' => write(&git.join("packed-refs"), file),
        b'h' => write(&git.join("refs/heads/main"), ID.as_bytes()),
        _ => {}
    }
    let state = match GitState::read(&root.join("p")) {
        Ok(state) => state.expect("there is a checkout"),
        Err(error) => {
            assert!(is_one_line(&error.to_string()), "{error}");
            return;
        }
    };
    if let Some(id) = &state.head_sha {
        assert!(id.len() == 40 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id:?}");
    }
    if let Some(branch) = &state.branch {
        let full = format!("refs/heads/{branch}");
        assert_eq!(state.git_ref.as_ref(), Some(&full));
        assert!(is_one_line(branch) && !branch.is_empty(), "{branch:?}");
    }
}
