//! All roots and features: `list`, `status` without a feature, `add`.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::{Line, Page, Table, Tone, mark, moment, plural};
use crate::cli::wire::{FeatureRow, Features, Health, PendingRow, Registered, Root, Watch};

/// `dossierd list`.
pub fn list(features: &Features) -> Page {
    if features.roots.is_empty() {
        return nothing_registered();
    }
    let mut table = Table::new(&["ID", "KIND", ">FEATURES", "WATCH", "PATH"]);
    for root in &features.roots {
        table.row([
            root.id.as_str().into(),
            root.kind.as_str().into(),
            root.features.to_string().into(),
            mark::watch(&root.watch.state),
            Line::plain(root_path(root)),
        ]);
    }
    let mut page = table.page();
    for root in &features.roots {
        if let Some(reason) = watch_reason(&root.watch) {
            page.gap();
            page.line(Line::plain(root_path(root)).text(": ").text(reason));
        }
    }
    page
}

/// `dossierd status` without a feature: those that need attention first.
pub fn status(features: &Features) -> Page {
    let mut page = Page::new();
    if features.features.is_empty() {
        page.append(nothing_to_show(&features.health));
    } else {
        page.append(rows(&features.features));
    }
    page.gap();
    page.append(health(features));
    page
}

/// `dossierd add`.
pub fn registered(registered: &Registered) -> Page {
    let verb = if registered.already { "already registered:" } else { "registered" };
    let root = &registered.root;
    let mut page = Page::new();
    page.line(
        Line::plain(format!("{verb} {} ", root.kind)).tone(Tone::Strong, root_path(root)).text(
            format!(" with {}", plural(registered.features.len() as u64, "feature", "features")),
        ),
    );
    if !registered.features.is_empty() {
        page.gap();
        page.append(rows(&registered.features));
    }
    page
}

/// Where a root lies; its id when that is not told.
pub fn root_path(root: &Root) -> String {
    root.path.as_ref().map_or_else(|| root.id.clone(), |path| path.0.display().to_string())
}

/// Why something is not watched live, in words.
pub fn watch_reason(watch: &Watch) -> Option<String> {
    match (&watch.reason, &watch.since) {
        (Some(reason), _) => Some(match watch.unwatched {
            Some(count) => {
                format!("{} polled: {reason}", plural(count, "directory is", "directories are"))
            }
            None => reason.clone(),
        }),
        (None, Some(since)) => Some(format!("the directory is gone since {}", moment(since))),
        (None, None) => None,
    }
}

/// All of them, those that need attention first.
pub fn in_order(features: &[FeatureRow]) -> Vec<&FeatureRow> {
    let mut sorted: Vec<&FeatureRow> = features.iter().collect();
    sorted.sort_by_key(|row| (Reverse(urgency(row)), row.slug.clone(), row.id.clone()));
    sorted
}

/// Is something wrong with it?
pub fn needs_attention(row: &FeatureRow) -> bool {
    urgency(row) > 0
}

/// What to say where no feature can be shown.
pub fn nothing_to_show(health: &Health) -> Page {
    match health.features_pending {
        0 => nothing_registered(),
        pending => {
            let what = plural(pending, "feature", "features");
            Page::from(Line::plain(format!(
                "{what}, read for the first time; nothing is known yet"
            )))
        }
    }
}

/// What to say where nothing is registered.
pub fn nothing_registered() -> Page {
    Page::from(Line::plain("nothing is registered; register a project with `dossierd add PATH`"))
}

/// How many features are still read for the first time, and the first of their names; `None`
/// if there are none. An older daemon tells the number alone.
pub fn to_come(health: &Health, pending: &[PendingRow]) -> Option<String> {
    const NAMED: usize = 3;
    let count = usize::try_from(health.features_pending).unwrap_or(usize::MAX).max(pending.len());
    if count == 0 {
        return None;
    }
    let what = format!("{} to come", plural(count as u64, "feature", "features"));
    let names: Vec<&str> = pending.iter().take(NAMED).map(|row| row.slug.as_str()).collect();
    let names = names.join(", ");
    Some(match count.saturating_sub(NAMED) {
        _ if pending.is_empty() => what,
        0 => format!("{what} ({names})"),
        more => format!("{what} ({names} and {more} more)"),
    })
}

fn rows(features: &[FeatureRow]) -> Page {
    table(&in_order(features), features).page()
}

/// Columns that can be left out where there is no room, the least needed first.
pub const DISPENSABLE: [&str; 4] = [">ARTIFACTS", "WATCH", "STEP", ">MISSING"];

/// One row for each of these, in this order; `all` are those among which a slug may not be the
/// only one of its kind.
pub fn table(shown: &[&FeatureRow], all: &[FeatureRow]) -> Table {
    let mut table = Table::new(&[
        "FEATURE",
        "STEP",
        "COMPLETENESS",
        ">MISSING",
        "PARITY",
        "WATCH",
        ">ARTIFACTS",
    ]);
    let mut slugs: HashMap<&str, usize> = HashMap::new();
    for row in all {
        *slugs.entry(&row.slug).or_default() += 1;
    }
    for row in shown {
        table.row([
            name(row, slugs.get(row.slug.as_str()).is_some_and(|count| *count > 1)),
            row.current_step.as_deref().unwrap_or("–").into(),
            mark::completeness(&row.completeness_status),
            number(row.missing_required_count),
            mark::parity(&row.parity_status),
            mark::watch(&row.watch.state),
            row.artifact_total.to_string().into(),
        ]);
    }
    table
}

/// The slug, with what tells it from others if it is not the only one of this slug.
fn name(row: &FeatureRow, shared: bool) -> Line {
    let line = Line::toned(Tone::Strong, &row.slug);
    if !shared {
        return line;
    }
    let branch = row.branch.as_ref().map(|branch| format!(" on {branch}")).unwrap_or_default();
    line.tone(Tone::Faint, format!(" ({}{branch})", row.id))
}

fn number(count: u64) -> Line {
    match count {
        0 => Line::toned(Tone::Faint, "0"),
        count => Line::toned(Tone::Bad, count.to_string()),
    }
}

/// How soon a person should look: the sum of what is wrong, each worse than all below it.
fn urgency(row: &FeatureRow) -> u32 {
    let severity = match row.severity.as_deref() {
        Some("error") => 3,
        Some("warning") => 2,
        Some(_) => 1,
        None => 0,
    };
    let parity = match row.parity_status.as_str() {
        "error" => 4,
        "drifted" => 3,
        "moved" => 2,
        "baseline_rejected" => 1,
        _ => 0,
    };
    let completeness = match row.completeness_status.as_str() {
        "complete" => 0,
        "incomplete" => 2,
        _ => 1,
    };
    let watch = match row.watch.state.as_str() {
        "detached" => 2,
        "partial" | "polling" => 1,
        _ => 0,
    };
    ((parity * 4 + severity) * 4 + completeness) * 4 + watch
}

fn health(features: &Features) -> Page {
    let Features { health, features, pending, .. } = features;
    let mut page = Page::new();
    let mut state = if health.ready { "ready" } else { "still scanning" }.to_owned();
    if let Some(to_come) = to_come(health, pending) {
        state = format!("{state}, {to_come}");
    }
    let mut daemon = Line::plain(format!("daemon {} {state}", health.version));
    if let Some(started) = &health.started_at {
        daemon = daemon.text(format!(", running since {}", moment(started)));
    }
    daemon = daemon.text(format!(
        ", {}, {}",
        plural(features.len() as u64, "feature", "features"),
        plural(health.scans, "scan", "scans")
    ));
    if let (Some(backend), None) = (&health.watch_backend, &health.watch_fault) {
        daemon = daemon.text(", watching through ").text(backend);
    }
    page.line(daemon);
    page.append(complaints(health));
    page
}

/// What the daemon lives with, the worst first; nothing if it is well.
pub fn complaints(health: &Health) -> Page {
    let mut page = Page::new();
    if let Some(fault) = &health.watch_fault {
        page.line(mark::severity("error").text(" nothing can be watched: ").text(fault));
    }
    let mut counts = Vec::new();
    if health.overflows > 0 {
        counts.push(format!("file events were lost {}", plural(health.overflows, "time", "times")));
    }
    if health.missed_events > 0 {
        let found = plural(health.missed_events, "change was", "changes were");
        counts.push(format!("{found} only found by a rescan"));
    }
    if health.fresh_timeouts > 0 {
        let reads = plural(health.fresh_timeouts, "fresh read", "fresh reads");
        counts.push(format!("{reads} ran out of time"));
    }
    if !counts.is_empty() {
        page.line(mark::severity("info").text(format!(" {}", counts.join("; "))));
    }
    for warning in &health.warnings {
        page.line(mark::severity("warning").text(" ").text(warning));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> Features {
        serde_json::from_str(
            r#"{"roots":[{"id":"r1","kind":"project","watch":{"state":"partial","unwatched":2,"reason":"raise fs.inotify.max_user_watches"},
                "features":3,"path":"/w/shop"},{"id":"r2","kind":"feature","watch":{"state":"live"},"features":1,"path":[47,255]}],
              "features":[
              {"id":"f1","slug":"a-fine","current_step":"done","completeness_status":"complete","parity_status":"in_sync","watch":{"state":"live"},"artifact_total":12},
              {"id":"f2","slug":"b-open","current_step":"plan","completeness_status":"incomplete","parity_status":"no_baseline","missing_required_count":2,"watch":{"state":"live"},"artifact_total":3},
              {"id":"f3","slug":"c\u001b[31m","completeness_status":"unknown","parity_status":"drifted","severity":"warning","watch":{"state":"polling"},"artifact_total":1}],
              "health":{"ready":true,"version":"0.1.0","started_at":"2026-11-22T14:03:07.000001Z","scans":7,"overflows":1,"watch_backend":"inotify","warnings":["config.yaml: unknown key"]}}"#,
        )
        .unwrap()
    }

    #[test]
    fn what_needs_attention_comes_first() {
        let expected = "\
FEATURE      STEP  COMPLETENESS  MISSING  PARITY         WATCH      ARTIFACTS
c\\u{1b}[31m  –     ? unknown           0  ≠ drifted      ! polling          1
b-open       plan  ✗ incomplete        2  · no baseline  ✓ live             3
a-fine       done  ✓ complete          0  ✓ in sync      ✓ live            12

daemon 0.1.0 ready, running since 2026-11-22 14:03:07Z, 3 features, 7 scans, watching through inotify
· info file events were lost 1 time
! warning config.yaml: unknown key
";
        assert_eq!(status(&document()).to_text(false), expected);
    }

    #[test]
    fn roots_are_listed_with_why_they_are_not_watched() {
        let expected = "\
ID  KIND     FEATURES  WATCH      PATH
r1  project         3  ! partial  /w/shop
r2  feature         1  ✓ live     /\u{fffd}

/w/shop: 2 directories are polled: raise fs.inotify.max_user_watches
";
        assert_eq!(list(&document()).to_text(false), expected);
        let empty = list(&Features::default()).to_text(false);
        assert!(empty.contains("dossierd add PATH"), "{empty}");
    }

    #[test]
    fn features_that_are_read_for_the_first_time_are_told_by_name_ready_or_not() {
        let mut features = document();
        let row = |slug: &str| PendingRow { slug: slug.to_owned(), ..PendingRow::default() };
        features.health.features_pending = 1;
        features.pending = vec![row("late")];
        let text = status(&features).to_text(false);
        assert!(text.contains("daemon 0.1.0 ready, 1 feature to come (late), running"), "{text}");
        features.health.ready = false;
        features.health.features_pending = 5;
        features.pending = ["a", "b", "c", "d", "e"].map(row).to_vec();
        let text = status(&features).to_text(false);
        assert!(text.contains("still scanning, 5 features to come (a, b, c and 2 more)"), "{text}");
        features.pending.clear();
        let text = status(&features).to_text(false);
        assert!(text.contains("still scanning, 5 features to come, running"), "{text}");
    }

    #[test]
    fn equal_slugs_are_told_apart() {
        let mut features = document();
        for (row, branch) in features.features.iter_mut().zip(["main", "next"]) {
            row.slug = "same".into();
            row.branch = Some(branch.into());
        }
        let text = status(&features).to_text(false);
        assert!(text.contains("same (f1 on main)") && text.contains("same (f2 on next)"), "{text}");
    }
}
