//! Commands that need no daemon: scan, check, explain, verify.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use serde_json::Value;

use crate::kit::{Place, Ran, write};

/// A copy of the sample project.
fn sample() -> Place {
    let place = Place::new();
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/sample-project"), &place.project());
    place
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("lists") {
        let entry = entry.expect("an entry");
        // What a run in the examples themselves has left is no part of them.
        if entry.file_name() == "dossiers" {
            continue;
        }
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("copied");
        }
    }
}

/// Every path below a directory, with its time of change and its size.
fn listing(dir: &Path) -> Vec<(String, SystemTime, u64)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let facts = entry.metadata().expect("is there");
        found.push((
            entry.path().display().to_string(),
            facts.modified().expect("known"),
            facts.len(),
        ));
        if facts.is_dir() {
            found.extend(listing(&entry.path()));
        }
    }
    found.sort();
    found
}

#[test]
fn a_scan_writes_nothing_unless_it_is_told_to() {
    let place = sample();
    let before = listing(&place.path());
    for args in [
        &["scan", "project"][..],
        &["scan", "project", "--json"],
        &["scan", "project/kitty-specs/001-preorder-pickup", "--json"],
        &["check", "project"],
        &["explain", "project/kitty-specs/001-preorder-pickup/spec.md"],
    ] {
        place.run(args);
        assert_eq!(listing(&place.path()), before, "{args:?} wrote something");
    }
    place.run(&["scan", "project", "--write"]).fine();
    let dossiers = place.project().join(".kittify/dossiers");
    assert_eq!(fs::read_to_string(dossiers.join(".gitignore")).expect("is there").trim(), "*");
    place.run(&["verify", "project"]).fine();
    let events = place.log("001-preorder-pickup").len();
    place.run(&["scan", "project", "--write"]).fine();
    assert_eq!(place.log("001-preorder-pickup").len(), events, "events of nothing");
}

#[test]
fn a_project_and_a_feature_have_their_json_forms() {
    let place = sample();
    let project = place.run(&["scan", "project", "--json"]).json();
    assert_eq!(project["schema_version"], 1);
    let features = project["features"].as_array().expect("a list");
    let slugs: Vec<&Value> = features.iter().map(|feature| &feature["feature_slug"]).collect();
    assert_eq!(slugs, ["001-preorder-pickup", "002-flour-supplier-study", "003-counter-handbook"]);
    for feature in features {
        let slug = feature["feature_slug"].as_str().expect("text");
        let path = format!("project/kitty-specs/{slug}");
        let alone = place.run(&["scan", &path, "--json"]).json();
        let without = crate::kit::without_volatile;
        assert_eq!(without(alone.clone()), without(feature.clone()));
        for member in [
            "snapshot_id",
            "total_artifacts",
            "required_artifacts",
            "required_present",
            "required_missing",
            "optional_artifacts",
            "optional_present",
            "completeness_status",
            "parity_hash_sha256",
            "parity_hash_components",
            "tree_hash",
            "mission_type",
            "current_step",
            "step_source",
            "steps",
            "artifact_summaries",
            "anomalies",
            "computed_at",
            "schema_version",
        ] {
            assert!(alone.get(member).is_some(), "{slug} has no {member}");
        }
    }
    assert_eq!(features[1]["completeness_status"], "incomplete");
    let text = place.run(&["scan", "project"]).fine();
    assert!(
        text.contains("001-preorder-pickup  ✓ complete at review (inferred), software-dev"),
        "{text}"
    );
    assert!(text.contains("source-register.csv"), "{text}");
}

#[test]
fn what_cannot_be_scanned_is_an_error_that_says_what_to_name() {
    let place = sample();
    for command in ["scan", "check"] {
        let hint = "name a feature directory, or a project root";
        place.run(&[command, "nowhere"]).fails(2, &["nowhere", "No such file", hint]);
        place.run(&[command, "project/README.md"]).fails(2, &["is not a directory", hint]);
        place
            .run(&[command, "project", "--step", "plan"])
            .fails(64, &["--step is for one feature"]);
    }
    place.run(&["scan", "project", "--frob"]).fails(64, &["--frob"]);
    let empty = place.path().join("empty");
    fs::create_dir_all(empty.join(".kittify")).expect("made");
    assert!(place.run(&["check", "empty"]).fine().contains("no features here"));
    assert_eq!(place.run(&["scan", "empty", "--json"]).json()["features"], serde_json::json!([]));
}

/// Missing and drift findings that make a check fail.
fn failing(ran: &Ran) -> Vec<(String, String)> {
    let document = ran.json();
    let features = document["features"].as_array().expect("a list").iter();
    let findings = features.flat_map(|f| f["findings"].as_array().expect("a list"));
    findings
        .filter(|finding| finding["fails"] == true)
        .map(|f| {
            (f["kind"].as_str().expect("text").into(), f["path"].as_str().unwrap_or("").into())
        })
        .collect()
}

#[test]
fn a_feature_without_its_files_names_each_of_them() {
    let place = sample();
    let dir = place.feature("001-preorder-pickup");
    let path = dir.display().to_string();
    assert_eq!(place.run(&["check", &path]).code, 0);
    fs::create_dir(dir.join("archive")).expect("made");
    for name in ["spec.md", "plan.md", "tasks.md"] {
        fs::rename(dir.join(name), dir.join("archive").join(name)).expect("moved");
    }
    let ran = place.run(&["check", &path, "--step", "implement", "--json"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let missing = failing(&ran);
    let names: Vec<&str> =
        missing.iter().map(|(_, path)| path.rsplit('/').next().unwrap()).collect();
    assert_eq!(names.len(), 3, "{missing:?}");
    for name in ["spec.md", "plan.md", "tasks.md"] {
        assert!(names.contains(&name), "{name} is not named: {missing:?}");
    }
    assert!(missing.iter().all(|(kind, path)| kind == "missing" && !path.contains("archive")));
    let codes = ran.json().to_string().matches("\"reason_code\":\"not_found\"").count();
    assert_eq!(codes, 3);
    let archived = place.run(&["explain", &format!("{path}/archive/spec.md"), "--json"]).json();
    assert_eq!(archived["artifact"]["required_status"], "optional");
}

#[test]
fn what_is_not_known_is_never_complete() {
    let place = Place::new();
    place.kittify();
    place.planned("good");
    place.run(&["check", "project"]).fine();
    for (slug, meta) in [
        ("no-mission", "{}"),
        ("other-mission", r#"{"mission_type": "gardening", "current_step": "plan"}"#),
        ("other-step", r#"{"mission_type": "software-dev", "current_step": "watering"}"#),
        ("broken", "{"),
    ] {
        place.planned(slug);
        place.write(&format!("{slug}/meta.json"), meta);
        let path = place.feature(slug).display().to_string();
        let checked = place.run(&["check", &path, "--json"]);
        assert_eq!(checked.code, 1, "{slug}: {checked:?}");
        assert_eq!(checked.json()["features"][0]["completeness_status"], "unknown", "{slug}");
        assert_eq!(place.run(&["check", &path, "--fail-on", "drift"]).code, 0, "{slug}");
        fs::remove_dir_all(place.feature(slug)).expect("removed");
    }
    let path = place.feature("good").display().to_string();
    assert_eq!(place.run(&["check", &path, "--step", "watering"]).code, 1);
}

/// A project whose one feature lacks its plan and has drifted otherwise.
fn incomplete_and_drifted() -> Place {
    let place = Place::with_feature();
    let daemon = place.start_registered();
    place.run(&["baseline", "capture", "plan-me"]).fine();
    daemon.stop();
    fs::remove_file(place.feature("plan-me").join("plan.md")).expect("removed");
    place.write("plan-me/spec.md", "# other\n");
    place
}

#[test]
fn fail_on_chooses_what_counts() {
    let place = incomplete_and_drifted();
    let kinds = |fail_on: &str| -> (i32, Vec<String>) {
        let ran = place.run(&["check", "project", "--json", "--fail-on", fail_on]);
        let mut kinds: Vec<String> = failing(&ran).into_iter().map(|(kind, _)| kind).collect();
        kinds.dedup();
        (ran.code, kinds)
    };
    assert_eq!(kinds("missing"), (1, vec!["missing".to_owned()]));
    assert_eq!(kinds("drift"), (1, vec!["drift".to_owned()]));
    assert_eq!(kinds("missing,drift"), (1, vec!["missing".to_owned(), "drift".to_owned()]));
    place.run(&["check", "project", "--fail-on", "weather"]).fails(64, &["missing, drift"]);

    place.write("plan-me/plan.md", "# plan.md\n");
    assert_eq!(kinds("missing"), (0, Vec::new()));
    let only_shown = place.run(&["check", "project", "--fail-on", "missing"]).fine();
    assert!(only_shown.contains("none fails; 1 finding shown above"), "{only_shown}");
    place.write("plan-me/spec.md", "# spec.md\n");
    assert_eq!(kinds("missing,drift"), (0, Vec::new()));
    let text = place.run(&["check", "project"]).fine();
    assert!(text.contains("1 feature, nothing to complain about"), "{text}");
}

#[test]
fn the_four_forms_of_a_check() {
    let place = incomplete_and_drifted();
    let form = |format: &str| {
        let ran = place.run(&["check", "project", "--format", format]);
        assert_eq!(ran.code, 1, "{ran:?}");
        ran
    };
    let text = form("text").out;
    assert!(text.contains("plan.md (output.plan.main) is missing"), "{text}");
    assert!(text.contains("✗ 1 of 1 feature failed"), "{text}");
    let json = form("json").json();
    assert_eq!(json["ok"], false);

    let github = form("github").out;
    let lines: Vec<&str> = github.lines().collect();
    assert!(!lines.is_empty());
    for line in &lines {
        assert!(
            line.starts_with("::error ")
                || line.starts_with("::warning ")
                || line.starts_with("::notice "),
            "{line}"
        );
    }
    let (last, findings) = lines.split_last().expect("has a last line");
    assert_eq!(*last, "::error title=dossierd check::✗ 1 of 1 feature failed");
    assert!(findings.iter().all(|line| line.contains("title=plan-me%3A")), "{github}");
    // It is not there to be pointed at.
    let plan = "::error file=kitty-specs/plan-me/meta.json,title=plan-me%3A missing::plan.md (";
    assert!(lines.iter().any(|line| line.starts_with(plan)), "{github}");

    let junit = form("junit").out;
    assert!(
        junit.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites "),
        "{junit}"
    );
    let opened = |name: &str| junit.matches(&format!("<{name} ")).count();
    for (name, count) in [("testsuite", 1), ("testcase", 4), ("failure", 2)] {
        assert_eq!(opened(name), count, "{name} in {junit}");
    }
    assert!(junit.contains("failures=\"2\""), "{junit}");
}

#[test]
fn every_kind_of_file_is_explained() {
    let place = Place::with_feature();
    let dir = place.feature("plan-me");
    place.write("plan-me/front.md", "---\nartifact_class: policy\nwork_package_id: wp07\n---\n");
    place.write("plan-me/tasks/WP03-x/review-cycle-1.md", "ok\n");
    place.write("plan-me/notes.xyz", "who knows\n");
    place.write("plan-me/bad.md", b"ab\xffc");
    place.write("plan-me/draft~", "left over");
    place.write("plan-me/.hidden/file", "hidden");
    place.write("plan-me/.dossierignore", "secret/\n");
    place.write("plan-me/secret/a.md", "ignored\n");
    rustix::fs::mkfifoat(rustix::fs::CWD, dir.join("pipe"), rustix::fs::Mode::RWXU).expect("made");
    std::os::unix::fs::symlink("/etc/passwd", dir.join("out.md")).expect("linked");
    std::os::unix::fs::symlink("spec.md", dir.join("in.md")).expect("linked");
    fs::remove_file(dir.join("tasks.md")).expect("removed");
    let explain = |name: &str| place.run_in(&dir, &["explain", name]).fine();
    for (name, words) in [
        (
            "spec.md",
            &[
                "✓ present",
                "input, decided by manifest:input.spec.main",
                "required by step specify",
            ][..],
        ),
        ("front.md", &["policy, decided by frontmatter", "WP07"]),
        ("tasks/WP03-x/review-cycle-1.md", &["WP03", "decided by rule:"]),
        ("notes.xyz", &["evidence, decided by rule:default"]),
        ("bad.md", &["invalid format", "byte 2", "take no part in the parity hash"]),
        ("draft~", &["not indexed", "editor left-overs"]),
        (".hidden/file", &["not indexed", "begins with a dot"]),
        ("secret/a.md", &["not indexed", "secret/ in"]),
        ("pipe", &["unreadable", "fifo"]),
        ("out.md", &["unreadable", "leaves the feature"]),
        ("in.md", &["✓ present"]),
        ("tasks.md", &["not produced yet", "output.tasks.list", "required by step plan"]),
        ("nothing.md", &["no such artifact"]),
    ] {
        let text = explain(name);
        for word in words {
            assert!(text.contains(word), "{name}: no {word:?} in {text}");
        }
        let json = place.run_in(&dir, &["explain", name, "--json"]).json();
        assert_eq!(json["relative_path"], *name);
    }
    let somewhere = "name a file inside a feature directory";
    place.run(&["explain", "project/kitty-specs/plan-me"]).fails(2, &["is a directory", somewhere]);
    write(&place.project().join("README.md"), "outside\n");
    place.run(&["explain", "project/README.md"]).fails(2, &["lies in no feature", somewhere]);
}

#[test]
fn verify_names_the_line_that_breaks() {
    let place = Place::with_feature();
    place.run(&["scan", "project", "--write"]).fine();
    let path = place.dossier("plan-me").join("events.jsonl");
    let good = fs::read_to_string(&path).expect("is there");
    let lines: Vec<&str> = good.lines().collect();
    let break_it = |text: String, line: usize| {
        fs::write(&path, text).expect("written");
        let ran = place.run(&["verify", "project"]);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.out.contains(&format!("events.jsonl:{line}:")), "{}", ran.out);
        let json = place.run(&["verify", "project", "--json"]);
        assert_eq!((json.code, &json.json()["ok"]), (1, &Value::Bool(false)));
        assert_eq!(json.json()["logs"][0]["broken"]["line"], line);
    };
    let last = lines.len();
    let with = |line: usize, text: &str| {
        let mut all: Vec<&str> = lines.clone();
        all[line - 1] = text;
        all.join("\n") + "\n"
    };
    break_it(with(2, "nonsense"), 2);
    break_it(with(2, &lines[1].replacen("\"hash\":\"", "\"hash\":\"0", 1)), 2);
    let member = "\"snapshot_hash\":\"";
    let at = lines[last - 1].find(member).expect("is a snapshot") + member.len();
    let digit = if lines[last - 1].as_bytes()[at] == b'0' { "1" } else { "0" };
    let mut other = lines[last - 1].to_owned();
    other.replace_range(at..=at, digit);
    break_it(with(last, &other), last);
    let without_one: String = lines[1..].iter().map(|line| format!("{line}\n")).collect();
    break_it(without_one, last - 1);
    break_it(good[..good.len() - 1].to_owned(), last);
    fs::write(&path, &good).expect("written");
    place.run(&["verify", &path.display().to_string()]).fine();
    place.run(&["verify", "nowhere"]).fails(2, &["cannot read nowhere"]);
    place.run(&["verify", "home"]).fails(2, &["home", "no event log"]);
}

#[test]
fn a_snapshot_agrees_with_the_directory_that_it_was_made_of_and_names_what_differs_else() {
    let place = sample();
    let dir = "project/kitty-specs/001-preorder-pickup";
    let snapshot = place.run(&["scan", dir, "--json"]).fine();
    write(&place.path().join("s.json"), &snapshot);
    let agree = |place: &Place| place.run(&["verify", "--json", "--snapshot", "s.json", dir]);
    assert_eq!(agree(&place).json()["result"], "parity");
    assert!(place.run(&["verify", "s.json", dir]).fine().contains("parity"));

    write(&place.path().join(dir).join("plan.md"), "# other\n");
    write(&place.path().join(dir).join("new.md"), "# new\n");
    fs::remove_file(place.path().join(dir).join("tasks.md")).expect("removed");
    let differing = agree(&place);
    assert_eq!(differing.code, 1, "{differing:?}");
    let told = differing.json();
    assert_eq!(told["result"], "divergence");
    for (kind, path) in [("changed", "plan.md"), ("added", "new.md"), ("removed", "tasks.md")] {
        assert_eq!(told[kind], serde_json::json!([path]), "{told}");
    }

    let forged = snapshot.replacen("\"content_hash_sha256\":\"", "\"content_hash_sha256\":\"0", 1);
    for (text, word) in [(forged.as_str(), "cannot be compared"), ("[]", "cannot be compared")] {
        write(&place.path().join("s.json"), text);
        agree(&place).fails(2, &[word]);
    }
    place.run(&["verify", "--snapshot", "none.json", dir]).fails(2, &["none.json"]);
    write(&place.path().join("s.json"), &snapshot);
    place.run(&["verify", "--snapshot", "s.json", "project"]).fails(64, &["feature directory"]);
}

#[test]
fn what_could_not_be_read_is_never_parity() {
    let place = sample();
    let dir = "project/kitty-specs/001-preorder-pickup";
    std::os::unix::fs::symlink("/etc/passwd", place.path().join(dir).join("link.md"))
        .expect("made");
    let snapshot = place.run(&["scan", dir, "--json"]).fine();
    write(&place.path().join("s.json"), snapshot);
    let told = place.run(&["verify", "--json", "--snapshot", "s.json", dir]);
    assert_eq!(told.code, 2, "{told:?}");
    assert_eq!(told.json()["result"], "error");
    assert_eq!(told.json()["unknown"][0]["path"], "link.md");
}
