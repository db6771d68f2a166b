//! Whole commands against a daemon of canned answers: what is on stdout, what is on
//! stderr, and how it ends.

use super::fake_daemon::{FakeDaemon, json, problem};
use super::output::tests::captured;
use super::*;

struct Ran {
    code: u8,
    out: String,
    err: String,
    targets: Vec<String>,
}

/// Runs one command line; `terminal` says what its stdout counts as.
fn run<const N: usize>(line: &str, terminal: bool, answers: [Vec<u8>; N]) -> Ran {
    let daemon = FakeDaemon::answering(answers);
    let cli = Cli::try_parse_from(std::iter::once("dossierd").chain(line.split_whitespace()));
    let (output, out, err) = captured(terminal);
    let mut context = Context::new(output, Some(daemon.socket()));
    let result = dispatch(cli.unwrap().command, &mut context);
    if let Err(error) = &result {
        context.output.error(error);
    }
    let code = error::exit_code(&result);
    Ran { code, out: out.text(), err: err.text(), targets: daemon.targets() }
}

/// Two features, of one of which the current directory is certainly no part.
fn features() -> Vec<u8> {
    json(
        r#"{"features":[{"id":"f1","slug":"a","root_id":"r1"},{"id":"f2","slug":"b","root_id":"r1"}]}"#,
    )
}

#[test]
fn json_is_the_daemons_document_and_the_verdict_is_kept() {
    let document = r#"{"feature_slug":"a","parity_status":"drifted","odd":"\u001b"}"#;
    let ran = run("drift a --json", true, [features(), json(document)]);
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (1, &*format!("{document}\n"), ""));
    assert_eq!(ran.targets[1], "GET /api/dossier/drift?feature=a&fresh=true");

    let ran = run("drift a --cached", false, [features(), json(r#"{"parity_status":"in_sync"}"#)]);
    assert_eq!((ran.code, ran.targets[1].as_str()), (0, "GET /api/dossier/drift?feature=a"));
}

#[test]
fn an_error_leaves_stdout_empty_also_with_json() {
    let refusal = problem(
        "409 Conflict",
        r#"{"code":"feature-ambiguous","title":"Ambiguous","detail":"two","candidates":[{"id":"f1","slug":"a"}]}"#,
    );
    let ran = run("artifacts a --json", false, [features(), refusal]);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    let expected = "\
error: Ambiguous: two
  hint: name the one you mean by its id, or by the path of its directory:
  hint: f1 is a
";
    assert_eq!(ran.err, expected);
}

#[test]
fn text_of_an_artifact_is_harmless_on_a_terminal_and_exact_elsewhere() {
    let document = || json(r#"{"relative_path":"spec.md","content":"a\u001b[2J\n","stale":true}"#);
    let ran = run("show k/../x a", true, [features(), document()]);
    assert_eq!(ran.out, "a\\u{1b}[2J\n");
    assert!(ran.err.starts_with("warning: the file has changed"), "{}", ran.err);
    assert_eq!(ran.targets[1], "GET /api/dossier/artifacts/k%2F..%2Fx?feature=a&fresh=true");
    assert_eq!(run("show k a", false, [features(), document()]).out, "a\u{1b}[2J\n");
    let large = json(
        r#"{"relative_path":"big.md","content":null,"content_truncated":true,"truncation_notice":"6 MiB"}"#,
    );
    let ran = run("show k a", false, [features(), large]);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    assert!(ran.err.contains("big.md is not shown: 6 MiB"), "{}", ran.err);
}

#[test]
fn a_status_is_shown_also_when_the_daemon_is_behind() {
    let stale = problem("504 Gateway Timeout", r#"{"code":"stale-read","title":"too slow"}"#);
    let overview = r#"{"feature_slug":"a"}"#;
    let ran = run("status a --json", false, [features(), stale, json(overview)]);
    assert_eq!((ran.code, ran.out.as_str()), (0, &*format!("{overview}\n")));
    assert!(ran.err.contains("the daemon is behind"), "{}", ran.err);
    assert_eq!(ran.targets[2], "GET /api/dossier/overview?feature=a");
}

#[test]
fn status_of_everything_does_not_depend_on_the_directory() {
    let ran = run("status --json", false, [features()]);
    assert_eq!((ran.code, ran.targets.len()), (0, 1));
}

#[test]
fn writes_send_what_was_typed() {
    let ran = run("step set plan b", false, [features(), json(r#"{"feature_slug":"b"}"#)]);
    assert_eq!((ran.code, ran.targets[1].as_str()), (0, "PUT /api/features/f2/step"));
    let ran = run("reindex a --json", false, [features(), json("{}")]);
    assert_eq!((ran.code, ran.targets[1].as_str()), (0, "POST /api/features/f1/rescan"));
    let ran = run("baseline clear a", false, [features(), json(r#"{"cleared":false}"#)]);
    assert_eq!(ran.out, "there was no baseline in this context\n");
    assert_eq!(ran.targets[1], "DELETE /api/dossier/baseline?feature=a");
    let ran = run("step clear", false, [features()]);
    assert!(ran.code == 2 && ran.err.contains("several features are registered"), "{}", ran.err);
}

#[test]
fn add_checks_the_path_before_it_asks() {
    let ran = run("add /nonexistent/dir", false, []);
    assert!(ran.code == 2 && ran.err.starts_with("error: cannot register /nonexistent/dir"));
    let tmp = tempfile::tempdir().unwrap();
    let file = tmp.path().join("file");
    std::fs::write(&file, "").unwrap();
    let ran = run(&format!("add {}", file.display()), false, []);
    assert!(ran.err.contains("it is not a directory"), "{}", ran.err);
    let answer =
        json(r#"{"root":{"id":"r","kind":"project","path":"/w"},"features":[],"already":true}"#);
    let ran = run(&format!("add {}", tmp.path().display()), false, [answer]);
    assert_eq!(ran.out, "already registered: project /w with 0 features\n");
}

#[test]
fn the_token_and_the_address_are_printed_and_nothing_else() {
    let ran = run("token", false, [json(r#"{"token":"dsr1_x","http":"http://127.0.0.1:1"}"#)]);
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (0, "dsr1_x\n", ""));
    let code = json(r#"{"code":"c","expires_in_seconds":60,"url":"http://127.0.0.1:1/#code=c"}"#);
    let ran = run("open --print-url", false, [code]);
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("http://127.0.0.1:1/#code=c\n", ""));
    let evil = json(r#"{"code":"c","url":"http://evil.test:1/#code=c"}"#);
    let ran = run("open --print-url", false, [evil]);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
}

#[test]
fn another_version_is_noted_on_stderr() {
    let known = json(r#"{"health":{"version":"99.0.0","ready":true}}"#);
    let ran = run("list", false, [known]);
    assert_eq!(ran.code, 0);
    assert!(ran.err.starts_with("note: the daemon has version 99.0.0"), "{}", ran.err);
}
