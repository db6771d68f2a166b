//! One feature in full: `status FEATURE`, `step`, `reindex`.

use super::{Line, Page, Table, Tone, features::watch_reason, mark, moment, plural, short_hash};
use crate::cli::wire::{DriftSummary, Missing, Overview};

/// `dossierd status FEATURE`.
pub fn overview(overview: &Overview) -> Page {
    let mut page = Page::new();
    page.append(heading(overview));
    page.gap();
    page.append(facts(overview));
    if !overview.steps.is_empty() {
        page.gap();
        page.append(steps(overview));
    }
    if !overview.missing.is_empty() {
        page.gap();
        page.append(missing(&overview.missing));
    }
    if !overview.anomalies.is_empty() {
        page.gap();
        page.append(anomalies(overview));
    }
    page
}

/// `dossierd step show`: the current step, where it comes from, and the track.
pub fn step(overview: &Overview) -> Page {
    let mut page = Page::from(
        Line::toned(Tone::Strong, &overview.feature_slug).text(": ").then(step_words(overview)),
    );
    if !overview.steps.is_empty() {
        page.gap();
        page.append(steps(overview));
    }
    page
}

fn heading(overview: &Overview) -> Page {
    let mut line = Line::toned(Tone::Strong, &overview.feature_slug);
    if let Some(project) = &overview.project_slug {
        line = line.text(format!(" of {project}"));
    }
    if let Some(branch) = &overview.branch {
        line = line.text(format!(" on {branch}"));
    }
    let mut page = Page::from(line);
    let id = &overview.feature_id;
    page.line(Line::toned(
        Tone::Faint,
        match &overview.dir {
            Some(dir) => format!("{id}  {}", dir.0.display()),
            None => id.clone(),
        },
    ));
    page
}

fn facts(overview: &Overview) -> Page {
    let counts = overview.artifact_counts;
    let mut table = Table::new(&["", ""]);
    let mut row = |name: &str, value: Line| table.row([Line::toned(Tone::Faint, name), value]);
    row("completeness", completeness(overview));
    row("step", step_words(overview));
    row("mission", mission(overview));
    row("artifacts", {
        let mut words = vec![
            format!("{} of {} required present", counts.required_present, counts.required),
            format!("{} of {} optional present", counts.optional_present, counts.optional),
        ];
        words.extend(
            (overview.unrecognised > 0).then(|| format!("{} unrecognised", overview.unrecognised)),
        );
        words.extend((overview.ignored > 0).then(|| format!("{} ignored", overview.ignored)));
        Line::plain(words.join(", "))
    });
    row("parity", parity(overview));
    row("baseline", baseline(overview));
    row("hashes", {
        let hashes = [&overview.parity_hash_sha256, &overview.tree_hash];
        Line::plain(format!("parity {}, tree {}", short_hash(hashes[0]), short_hash(hashes[1])))
    });
    row("watch", {
        let line = mark::watch(&overview.watch.state);
        match watch_reason(&overview.watch) {
            Some(reason) => line.text(": ").text(reason),
            None => line,
        }
    });
    row("store", store(overview));
    if let Some(scanned) = &overview.last_scanned_at {
        row("last scan", Line::plain(moment(scanned)));
    }
    table.page()
}

fn completeness(overview: &Overview) -> Line {
    let line = mark::completeness(&overview.completeness_status);
    let line = match overview.missing_required_count {
        0 => line,
        count => line.text(format!(
            ", {} missing",
            plural(count, "required artifact is", "required artifacts are")
        )),
    };
    if overview.step_status == overview.completeness_status || overview.step_status.is_empty() {
        return line;
    }
    line.text("; this step alone: ").then(mark::completeness(&overview.step_status))
}

fn step_words(overview: &Overview) -> Line {
    let source = match overview.step_source.as_str() {
        "explicit" => "set explicitly",
        "meta" => "from meta.json",
        "inferred" => "inferred from the files",
        other => other,
    };
    match &overview.current_step {
        Some(step) => Line::plain(step).tone(Tone::Faint, format!(" ({source})")),
        None => Line::toned(Tone::Warn, "? unknown").text("; set it with `dossierd step set STEP`"),
    }
}

fn mission(overview: &Overview) -> Line {
    match (&overview.mission_type, &overview.manifest_version) {
        (Some(mission), Some(version)) => {
            Line::plain(mission).tone(Tone::Faint, format!(" (manifest {version})"))
        }
        (Some(mission), None) => Line::plain(mission).tone(Tone::Warn, " (no manifest)"),
        (None, _) => Line::toned(Tone::Warn, "? unknown").text("; name it in meta.json"),
    }
}

fn parity(overview: &Overview) -> Line {
    let line = mark::parity(&overview.parity_status);
    let drift = &overview.drift;
    let line = match drift.severity.as_deref() {
        Some(severity) => line.text(", ").then(mark::severity(severity)),
        None => line,
    };
    match (drift_counts(drift), &drift.message) {
        (Some(counts), _) => line.text(": ").text(counts),
        (None, Some(message)) => line.text(": ").text(message),
        (None, None) => line,
    }
}

fn drift_counts(drift: &DriftSummary) -> Option<String> {
    let counts = [
        (drift.added, "added"),
        (drift.removed, "removed"),
        (drift.changed, "changed"),
        (drift.moved, "moved"),
    ];
    let words: Vec<String> = counts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    (!words.is_empty()).then(|| words.join(", "))
}

fn baseline(overview: &Overview) -> Line {
    let Some(baseline) = &overview.baseline else {
        return Line::toned(
            Tone::Faint,
            "none; accept the current state with `dossierd baseline capture`",
        );
    };
    let mut line = Line::plain(format!("captured {}", moment(&baseline.captured_at)));
    if let Some(branch) = &baseline.checkout_branch {
        line = line.text(format!(" on {branch}"));
    }
    if let Some(note) = &baseline.note {
        line = line.text(format!(", “{note}”"));
    }
    if baseline.accepted { line } else { line.tone(Tone::Warn, ", of another context") }
}

fn store(overview: &Overview) -> Line {
    let store = &overview.store;
    let line = match store.location.as_str() {
        "project" => Line::plain("in the project, .kittify/dossiers/"),
        "state" => Line::toned(Tone::Warn, "! in the daemon's state directory"),
        other => Line::plain(other),
    };
    let line = match &store.fallback_reason {
        Some(reason) => line.text(": ").text(reason),
        None => line,
    };
    let line = match store.repaired_bytes {
        0 => line,
        bytes => line.text(format!(
            "; {} of a torn last event were cut off",
            plural(bytes, "byte", "bytes")
        )),
    };
    match &store.failing {
        Some(failing) => line.tone(Tone::Bad, "; ✗ cannot be written: ").text(failing),
        None => line,
    }
}

fn steps(overview: &Overview) -> Page {
    let mut table = Table::new(&["", "STEP", "STATUS", ">REQUIRED"]);
    for step in &overview.steps {
        let name = match step.current {
            true => Line::toned(Tone::Strong, &step.step_id),
            false => Line::plain(&step.step_id),
        };
        table.row([
            Line::plain(if step.current { "▸" } else { "" }),
            name,
            mark::completeness(&step.status),
            match step.required.len() {
                0 => Line::toned(Tone::Faint, "–"),
                required => Line::plain(format!("{} of {required}", step.present.len())),
            },
        ]);
    }
    table.page()
}

fn missing(missing: &[Missing]) -> Page {
    let mut page = Page::from(Line::toned(Tone::Strong, "Missing"));
    for entry in missing {
        let patterns = || entry.path_patterns.join(" or ");
        let path = entry.relative_path.clone().unwrap_or_else(patterns);
        let reason = mark::presence(false, Some(&entry.reason_code));
        let mut line = Line::plain("  ").then(reason).text("  ").tone(Tone::Strong, path);
        line =
            line.tone(Tone::Faint, format!("  {} for {}", entry.artifact_key, entry.manifest_step));
        if !entry.blocking {
            line = line.tone(Tone::Faint, ", not blocking");
        }
        page.line(line);
        if let Some(detail) = &entry.reason_detail {
            page.line(Line::plain("      ").text(detail));
        }
        if !entry.remediation_hint.is_empty() {
            page.line(Line::plain("      → ").text(&entry.remediation_hint));
        }
    }
    page
}

fn anomalies(overview: &Overview) -> Page {
    let mut page = Page::from(Line::toned(Tone::Strong, "Anomalies"));
    for anomaly in &overview.anomalies {
        let mut line = Line::plain("  ").then(mark::severity(&anomaly.severity)).text("  ");
        if let Some(path) = &anomaly.relative_path {
            line = line.tone(Tone::Strong, path).text(": ");
        }
        page.line(line.text(&anomaly.message).tone(Tone::Faint, format!(" ({})", anomaly.code)));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = r#"{
      "feature_slug":"012-checkout","feature_id":"f1","project_slug":"shop","branch":"main","dir":"/w/shop/kitty-specs/012-checkout",
      "completeness_status":"incomplete","step_status":"complete","missing_required_count":1,
      "parity_hash_sha256":"e3b0c44298fc1c149afb","tree_hash":"sha256:a3b0c44298fc1c149afb",
      "mission_type":"software-dev","manifest_version":"1.0","current_step":"plan","step_source":"meta",
      "artifact_counts":{"total":7,"required":3,"required_present":2,"required_missing":1,"optional":4,"optional_present":4},
      "missing":[{"artifact_key":"input.spec.main","path_patterns":["spec.md"],"relative_path":null,"manifest_step":"specify",
        "reason_code":"not_found","reason_detail":null,"blocking":true,"remediation_hint":"write spec.md"}],
      "steps":[{"step_id":"specify","current":false,"required":["input.spec.main"],"present":[],"missing":["input.spec.main"],"status":"incomplete"},
               {"step_id":"plan","current":true,"required":["a","b"],"present":["a","b"],"missing":[],"status":"complete"},
               {"step_id":"done","current":false,"required":[],"present":[],"missing":[],"status":"complete"}],
      "parity_status":"drifted","drift":{"severity":"error","added":1,"removed":1,"changed":0,"moved":0,"names_known":true,"message":null},
      "baseline":{"captured_at":"2026-11-20T10:00:00Z","captured_by":"n","note":"ok\u202e","checkout_branch":"main","accepted":true},
      "unrecognised":1,"ignored":2,
      "anomalies":[{"code":"invalid-frontmatter","severity":"warning","relative_path":"tasks/WP01.md","message":"line 3: not YAML"}],
      "watch":{"state":"live"},"store":{"location":"state","fallback_reason":"the project has no .kittify/","failing":null,"repaired_bytes":0},
      "last_scanned_at":"2026-11-22T14:03:07.5Z"}"#;

    #[test]
    fn a_feature_in_full() {
        let document: Overview = serde_json::from_str(DOCUMENT).unwrap();
        let expected = "\
012-checkout of shop on main
f1  /w/shop/kitty-specs/012-checkout

completeness  ✗ incomplete, 1 required artifact is missing; this step alone: ✓ complete
step          plan (from meta.json)
mission       software-dev (manifest 1.0)
artifacts     2 of 3 required present, 4 of 4 optional present, 1 unrecognised, 2 ignored
parity        ≠ drifted, ✗ error: 1 added, 1 removed
baseline      captured 2026-11-20 10:00:00Z on main, “ok\\u{202e}”
hashes        parity e3b0c44298fc, tree sha256:a3b0c44298fc
watch         ✓ live
store         ! in the daemon's state directory: the project has no .kittify/
last scan     2026-11-22 14:03:07Z

   STEP     STATUS        REQUIRED
   specify  ✗ incomplete    0 of 1
▸  plan     ✓ complete      2 of 2
   done     ✓ complete           –

Missing
  ✗ not found  spec.md  input.spec.main for specify
      → write spec.md

Anomalies
  ! warning  tasks/WP01.md: line 3: not YAML (invalid-frontmatter)
";
        assert_eq!(overview(&document).to_text(false), expected);
    }

    #[test]
    fn the_step_alone() {
        let mut document: Overview = serde_json::from_str(DOCUMENT).unwrap();
        document.steps.clear();
        assert_eq!(step(&document).to_text(false), "012-checkout: plan (from meta.json)\n");
        document.current_step = None;
        assert!(step(&document).to_text(false).contains("? unknown; set it with"));
    }
}
