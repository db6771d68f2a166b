//! Tables over the core as a whole: completeness, keys, drift, and what a log says.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;

use super::anomaly::Anomaly;
use super::completeness::CompletenessStatus;
use super::drift::{self, BaselineState, Drift, ParityStatus, Severity};
use super::emit::{Emission, emit};
use super::event::{Emitter, Namespace, Payload};
use super::ledger::Ledger;
use super::log_state::LogState;
use super::seal::Sealer;
use super::testing::{INVALID, baseline_of, dossier, key, remembering};
use super::verify::LogVerifier;
use super::{Dossier, Timestamp};

const META: (&str, &str) = ("meta.json", r#"{"mission_type": "software-dev"}"#);
const SPEC: (&str, &str) = ("spec.md", "# Spec");
const PLAN: (&str, &str) = ("plan.md", "# Plan");
const TASKS: (&str, &str) = ("tasks.md", "# Tasks");
const WP: (&str, &str) = ("tasks/WP01-a.md", "# One");

/// Checks status, step and the missing entries with their reasons.
fn check(
    name: &str,
    dossier: &Dossier,
    status: CompletenessStatus,
    step: Option<&str>,
    missing: &[(&str, &str)],
) {
    assert_eq!(dossier.completeness_status, status, "{name}: status");
    assert_eq!(dossier.current_step.as_deref(), step, "{name}: step");
    let found: Vec<(&str, &str)> =
        dossier.missing.iter().map(|m| (m.artifact_key.as_str(), m.reason_code.as_str())).collect();
    assert_eq!(found, missing, "{name}: missing");
    let counts = dossier.counts;
    assert_eq!(counts.total, dossier.artifacts.len(), "{name}: total");
    assert_eq!(counts.required, counts.required_present + counts.required_missing, "{name}");
    assert_eq!(counts.total, counts.required + counts.optional, "{name}");
}

#[test]
fn completeness_at_inferred_and_explicit_steps() {
    use CompletenessStatus::{Complete, Incomplete, Unknown};
    let case = |name: &str, files: &[(&str, &str)], step, status, at, missing: &[(&str, &str)]| {
        check(name, &dossier(files, step), status, at, missing);
    };
    let spec = ("input.spec.main", "not_produced_yet");
    let (plan, tasks) = (("output.plan.main", "not_found"), ("output.tasks.list", "not_found"));
    case("nothing but meta", &[META], None, Incomplete, Some("specify"), &[spec]);
    case("planned", &[META, SPEC, PLAN, TASKS, WP], None, Complete, Some("implement"), &[]);
    case(
        "all three deleted, work packages left",
        &[META, WP],
        None,
        Incomplete,
        Some("specify"),
        &[spec, plan, tasks],
    );
    case(
        "all three missing at an explicit step",
        &[META],
        Some("implement"),
        Incomplete,
        Some("implement"),
        &[
            ("input.spec.main", "not_found"),
            plan,
            tasks,
            ("output.tasks.per_wp", "not_produced_yet"),
        ],
    );
    case(
        "another spec.md does not stand in",
        &[META, ("archive/spec.md", "# Old")],
        Some("specify"),
        Incomplete,
        Some("specify"),
        &[spec],
    );
    case(
        "invalid UTF-8 is no spec",
        &[META, ("spec.md", INVALID)],
        Some("specify"),
        Incomplete,
        Some("specify"),
        &[("input.spec.main", "invalid_format")],
    );
    case(
        "an explicit step alone counts",
        &[META, SPEC],
        Some("specify"),
        Complete,
        Some("specify"),
        &[],
    );
    case("an unknown step", &[META, SPEC], Some("nowhere"), Unknown, Some("nowhere"), &[]);
    case(
        "an unknown mission",
        &[("meta.json", r#"{"mission": "x"}"#), SPEC],
        None,
        Unknown,
        None,
        &[],
    );
    case("no mission", &[SPEC], None, Unknown, None, &[]);
    let accepted = ("meta.json", r#"{"mission_type": "software-dev", "accepted_at": "2026"}"#);
    case(
        "accepted means done",
        &[accepted, SPEC, PLAN, TASKS, WP],
        None,
        Complete,
        Some("done"),
        &[],
    );
    let gone = remembering(&[META, SPEC, PLAN], Some("plan"), &["tasks.md"]);
    check("it was there", &gone, Incomplete, Some("plan"), &[tasks]);
}

#[test]
fn both_alternatives_of_an_entry_have_keys_of_their_own() {
    let meta = ("meta.json", r#"{"mission_type": "research", "current_step": "gathering"}"#);
    let files = [meta, ("source-register.csv", "a"), ("research/source-register.csv", "b")];
    let dossier = dossier(&files, None);
    let keys: BTreeSet<&str> = dossier.artifacts.iter().map(|a| &*a.key).collect();
    assert_eq!(keys.len(), dossier.artifacts.len());
    assert!(keys.contains("evidence.source-register"));
    assert!(keys.contains("evidence.source-register.research.source-register_csv"));
}

fn compare(accepted: &[(&str, &str)], now: &[(&str, &str)]) -> Drift {
    let baseline = BaselineState::Read(Arc::new(baseline_of(&dossier(accepted, None))));
    drift::compare(&dossier(now, None), &baseline, &key(), None)
}

#[test]
fn drift_names_what_differs_and_how_much_it_matters() {
    let base = [META, SPEC, ("notes.md", "n"), ("a.md", "a"), ("b.md", "b")];
    let check = |now: &[(&str, &str)], status, severity, lists: [&[&str]; 3], moved: &[&str]| {
        let drift = compare(&base, now);
        assert_eq!(drift.parity_status, status, "{now:?}");
        assert_eq!(drift.severity, severity, "{now:?}");
        let names = &drift.differences;
        assert_eq!(names.added, lists[0], "{now:?}");
        assert_eq!(names.removed, lists[1], "{now:?}");
        assert_eq!(names.changed, lists[2], "{now:?}");
        let found: Vec<String> =
            names.moved.iter().map(|m| format!("{}>{}", m.from, m.to)).collect();
        assert_eq!(found, moved, "{now:?}");
    };
    use ParityStatus::{Drifted, InSync, Moved};
    let none: &[&str] = &[];
    check(&base, InSync, None, [none, none, none], &[]);
    check(
        &[META, SPEC, ("notes.md", "n"), ("a.md", "a"), ("b.md", "b"), ("new.md", "x")],
        Drifted,
        Some(Severity::Info),
        [&["new.md"], none, none],
        &[],
    );
    check(
        &[META, SPEC, ("notes.md", "other"), ("a.md", "a")],
        Drifted,
        Some(Severity::Warning),
        [none, &["b.md"], &["notes.md"]],
        &[],
    );
    check(
        &[META, ("notes.md", "n"), ("a.md", "a"), ("b.md", "b")],
        Drifted,
        Some(Severity::Error),
        [none, &["spec.md"], none],
        &[],
    );
    check(
        &[META, SPEC, ("moved.md", "n"), ("a.md", "a"), ("b.md", "b")],
        Moved,
        Some(Severity::Info),
        [none, none, none],
        &["notes.md>moved.md"],
    );
    check(
        &[META, SPEC, ("notes.md", "n"), ("a.md", "b"), ("b.md", "a")],
        Moved,
        Some(Severity::Warning),
        [none, none, &["a.md", "b.md"]],
        &[],
    );
    check(
        &[META, ("old/spec.md", "# Spec"), ("notes.md", "n"), ("a.md", "a"), ("b.md", "b")],
        Moved,
        Some(Severity::Error),
        [none, none, none],
        &["spec.md>old/spec.md"],
    );
}

#[test]
fn what_moves_to_where_it_is_required_too_is_not_gone() {
    let before = [META, SPEC, PLAN, TASKS, WP];
    let after = [META, SPEC, PLAN, TASKS, ("tasks/WP02-b.md", "# One")];
    let drift = compare(&before, &after);
    assert_eq!((drift.parity_status, drift.severity), (ParityStatus::Moved, Some(Severity::Info)));
}

#[test]
fn what_could_not_be_looked_at_is_never_in_sync() {
    let mut hidden = dossier(&[META, SPEC], None);
    let baseline = BaselineState::Read(Arc::new(baseline_of(&hidden)));
    let status = |d: &Dossier| drift::compare(d, &baseline, &key(), None).parity_status;
    assert_eq!(status(&hidden), ParityStatus::InSync);
    let fault = Anomaly::general("unreadable-directory", Severity::Error, "tasks cannot be listed");
    hidden.anomalies.push(fault);
    assert_eq!(status(&hidden), ParityStatus::Error);
}

#[test]
fn removals_that_fill_a_line_are_told_by_a_full_scan() {
    let names: Vec<String> = (0..3000).map(|n| format!("{}/{n}.md", "d".repeat(100))).collect();
    let mut files: Vec<(&str, &str)> = vec![META];
    files.extend(names.iter().map(|name| (name.as_str(), "x")));
    let mut log = Log::default();
    log.write(&dossier(&files, None), false);
    log.write(&dossier(&[META], None), false);
    assert!(log.lines.iter().all(|line| line.len() < 64 * 1024));
    let last = String::from_utf8_lossy(log.lines.last().expect("a line")).into_owned();
    assert!(last.contains(r#""scan_kind":"full""#), "{last}");
    log.verify().expect("verifies");
}

/// A log that is written state by state, as the daemon does.
#[derive(Default)]
struct Log {
    ledger: Ledger,
    lines: Vec<Vec<u8>>,
    clock: u64,
}

impl Log {
    fn write(&mut self, dossier: &Dossier, full: bool) -> usize {
        let drift = drift::compare(dossier, &BaselineState::None, &key(), None);
        let batch = emit(&Emission {
            namespace: Namespace {
                project_uuid: key().project_uuid,
                mission_slug: "001-x".into(),
                target_branch: "main".into(),
                mission_type: "software-dev".into(),
                manifest_version: "1".into(),
                step_id: dossier.current_step.clone(),
            },
            feature_prefix: "kitty-specs/001-x",
            dossier,
            drift: &drift,
            rejection: None,
            snapshot_id: "id",
            now: Timestamp::from_micros(0),
            ledger: &self.ledger,
            full,
        });
        let correlation = format!("{:026}", self.clock + 1);
        self.ledger.advance(&batch, &correlation, dossier);
        let emitter = Emitter {
            project_uuid: key().project_uuid,
            project_slug: "p".into(),
            build_id: "b".into(),
            node_id: "node".into(),
        };
        let mut sealer = Sealer::new(emitter, correlation, Timestamp::from_micros(0));
        for at in 0..batch.len() {
            self.clock += 1;
            let mut line = Vec::new();
            let id = format!("{:026}", self.clock);
            sealer.write_line(&batch, at, &id, self.clock, &mut line);
            self.lines.push(line);
        }
        batch.len()
    }

    /// Begins with a checkpoint, as after a restart, if there is one.
    fn resume(&mut self, dossier: &Dossier) {
        if let Some(checkpoint) = self.ledger.checkpoint() {
            let resumed = Ledger::resume(checkpoint, "kitty-specs/001-x", &dossier.rows);
            self.ledger = resumed.expect("the same rows");
        }
    }

    /// Folds the lines anew, as after a restart.
    fn reread(&mut self, up_to: usize) {
        self.lines.truncate(up_to);
        let mut state = LogState::default();
        for line in &self.lines {
            let event: super::event::RawEvent = serde_json::from_slice(line).expect("an event");
            let payload = Payload::parse(event.event_type, event.payload).expect("a payload");
            state.apply(&event.correlation_id, &payload);
        }
        self.ledger = Ledger::of_log(state, None);
    }

    fn verify(&self) -> Result<(), String> {
        let mut verifier = LogVerifier::default();
        verifier.begin_segment();
        self.lines.iter().try_for_each(|line| verifier.line(&line[..line.len() - 1]))
    }
}

#[test]
fn a_rename_supersedes_and_a_removal_is_in_the_snapshot() {
    let mut log = Log::default();
    assert_eq!(log.write(&dossier(&[META, SPEC, ("a.md", "a")], None), false), 6);
    assert_eq!(log.write(&dossier(&[META, SPEC, ("a.md", "a")], None), false), 0);
    assert_eq!(log.write(&dossier(&[META, SPEC, ("b.md", "a")], None), false), 2);
    let text = |n: usize| String::from_utf8_lossy(&log.lines[log.lines.len() - n]).into_owned();
    assert!(text(2).contains(
        r#""supersedes":{"mission_type":"software-dev","path":"kitty-specs/001-x/a.md""#
    ));
    assert!(text(1).contains(r#""removed_paths":"[]""#));
    assert_eq!(log.write(&dossier(&[META, SPEC], None), false), 1);
    let last = String::from_utf8_lossy(log.lines.last().expect("a line")).into_owned();
    assert!(last.contains(r#""removed_paths":"[\"kitty-specs/001-x/b.md\"]""#), "{last}");
    log.verify().expect("verifies");
}

proptest! {
    /// Whatever happens to files, wherever a crash cuts the log: what is written next
    /// makes it verifiable, and writing the same state again writes nothing.
    #[test]
    fn every_history_verifies(
        states in proptest::collection::vec(
            (proptest::collection::btree_map("[abc]\\.md|spec\\.md|tasks/WP01\\.md", "[xyz]|\u{0}invalid", 0..5),
             any::<bool>(), proptest::option::of(0usize..40)),
            1..8,
        ),
    ) {
        let mut log = Log::default();
        for (files, full, cut) in states {
            let mut list: Vec<(&str, &str)> = vec![META];
            list.extend(files.iter().map(|(name, content)| (name.as_str(), content.as_str())));
            let now = dossier(&list, None);
            log.write(&now, full);
            if full {
                log.resume(&now);
            }
            if let Some(cut) = cut {
                // A crash leaves any number of whole lines of what was written last.
                log.reread(log.lines.len().saturating_sub(cut % 4));
                log.write(&now, false);
            }
            prop_assert_eq!(log.verify(), Ok(()));
            prop_assert_eq!(log.write(&now, false), 0, "the same state again");
            let last = log.ledger.snapshot.as_ref().map(|s| s.snapshot_hash);
            prop_assert_eq!(last, Some(now.parity_hash));
        }
    }
}
