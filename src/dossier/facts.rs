//! Answers to a mission's conditions from the files of a feature.

use super::condition::StepFacts;
use super::extract::Extract;
use super::file::{FileState, FileTable};
use super::{RelPath, classify};

const STATUS: &str = "status.json";
const STATUS_EVENTS: &str = "status.events.jsonl";
const MISSION_EVENTS: &str = "mission-events.jsonl";

/// What the files of one feature say to conditions.
#[derive(Debug, Clone, Copy)]
pub struct DiskFacts<'a> {
    files: &'a FileTable,
}

impl<'a> DiskFacts<'a> {
    /// The facts of these files.
    pub fn new(files: &'a FileTable) -> Self {
        Self { files }
    }

    fn extract(&self, path: &str) -> Option<&'a Extract> {
        match &self.files.get(&RelPath::new(path).ok()?)?.state {
            FileState::Text { extract, .. } => Some(extract),
            FileState::Faulty { .. } => None,
        }
    }

    /// The lane of every work package, from the first source that knows any; `None` if
    /// there are no work packages, or if their record could not be read whole.
    fn lanes(&self) -> Option<Vec<&'a str>> {
        if let Some(Extract::Status(status)) = self.extract(STATUS)
            && !status.lanes.is_empty()
        {
            return Some(status.lanes.values().map(String::as_str).collect());
        }
        if let Some(Extract::Events(events)) = self.extract(STATUS_EVENTS) {
            if !events.whole {
                return None;
            }
            if !events.lanes.is_empty() {
                return Some(events.lanes.values().map(String::as_str).collect());
            }
        }
        let lanes = self.lanes_of_work_packages();
        (!lanes.is_empty()).then_some(lanes)
    }

    /// Front matter of `tasks/WP*.md`. A file without a lane, or that can't be read, is a
    /// work package in no lane.
    fn lanes_of_work_packages(&self) -> Vec<&'a str> {
        // `W` sorts before `w`: all names that begin with either follow this path.
        let Ok(first) = RelPath::new("tasks/W") else { return Vec::new() };
        self.files
            .range(first..)
            .take_while(|(path, _)| path.as_bytes().starts_with(b"tasks/"))
            .filter(|(path, _)| {
                path.segments().count() == 2
                    && path.has_extension("md")
                    && classify::wp_id(path, None).is_some()
            })
            .map(|(_, facts)| match &facts.state {
                FileState::Text { extract, .. } => match extract.as_ref() {
                    Extract::Markdown(frontmatter) => frontmatter.lane.as_deref().unwrap_or(""),
                    _ => "",
                },
                FileState::Faulty { .. } => "",
            })
            .collect()
    }
}

impl StepFacts for DiskFacts<'_> {
    fn artifact_exists(&self, path: &str) -> bool {
        self.extract(path).is_some()
    }

    fn all_wp_status(&self, lane: &str) -> Option<bool> {
        self.lanes().map(|lanes| lanes.iter().all(|of_one| *of_one == lane))
    }

    fn event_count(&self, event_type: &str) -> Option<u64> {
        let mut sum = None;
        for path in [STATUS_EVENTS, MISSION_EVENTS] {
            match self.extract(path) {
                Some(Extract::Events(events)) if events.whole => {
                    let count = events.counts.get(event_type).copied().unwrap_or(0);
                    sum = Some(sum.unwrap_or(0_u64).saturating_add(count));
                }
                // A record of which only a part is known is no answer.
                Some(Extract::Events(_)) => return None,
                _ => {}
            }
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::definition::MissionDefinition;
    use super::super::file::{ErrorReason, FileFacts};
    use super::super::{Digest, Timestamp, extract};
    use super::*;

    fn table(files: &[(&str, &str)]) -> FileTable {
        files
            .iter()
            .map(|(path, text)| {
                let path = RelPath::new(path).expect("a path");
                let extract = Arc::new(extract::extract(&path, text.as_bytes()));
                let state = FileState::Text { sha256: Digest::sha256(text), extract };
                let indexed_at = Timestamp::from_micros(0);
                (path, Arc::new(FileFacts { size_bytes: text.len() as u64, state, indexed_at }))
            })
            .collect()
    }

    fn check_done(files: &[(&str, &str)], done: Option<bool>) {
        let table = table(files);
        assert_eq!(DiskFacts::new(&table).all_wp_status("done"), done, "{files:?}");
    }

    #[test]
    fn lanes_come_from_the_first_source_that_knows_any() {
        let status = r#"{"work_packages": {"WP01": {"lane": "done"}}}"#;
        let events = "{\"wp_id\": \"WP01\", \"to_lane\": \"doing\"}\n";
        let done = "---\nlane: done\n---\n";
        check_done(&[], None);
        check_done(&[("status.json", status), ("status.events.jsonl", events)], Some(true));
        check_done(&[("status.events.jsonl", events), ("tasks/WP01.md", done)], Some(false));
        check_done(
            &[("status.json", "{}"), ("status.events.jsonl", ""), ("tasks/WP01.md", done)],
            Some(true),
        );
        check_done(&[("tasks/WP01.md", done), ("tasks/wp02-x.md", "no lane")], Some(false));
        check_done(&[("tasks/README.md", done), ("tasks/WP01/review-cycle-1.md", done)], None);
        check_done(&[("archive/status.json", status)], None);
    }

    #[test]
    fn events_of_both_files_are_summed() {
        let one = "{\"type\": \"source_documented\"}\n";
        let count =
            |files: &[(&str, &str)]| DiskFacts::new(&table(files)).event_count("source_documented");
        assert_eq!(count(&[]), None);
        assert_eq!(count(&[("mission-events.jsonl", "")]), Some(0));
        assert_eq!(count(&[("mission-events.jsonl", one), ("status.events.jsonl", one)]), Some(2));
    }

    #[test]
    fn a_file_that_is_not_present_does_not_exist() {
        let mut table = table(&[("spec.md", "x")]);
        assert!(DiskFacts::new(&table).artifact_exists("spec.md"));
        assert!(!DiskFacts::new(&table).artifact_exists("../spec.md"));
        let state = FileState::Faulty {
            reason: ErrorReason::Unreadable,
            detail: "".into(),
            raw_sha256: None,
        };
        let indexed_at = Timestamp::from_micros(0);
        let path = RelPath::new("spec.md").expect("a path");
        table.insert(path, Arc::new(FileFacts { size_bytes: 0, state, indexed_at }));
        assert!(!DiskFacts::new(&table).artifact_exists("spec.md"));
    }

    #[test]
    fn a_record_that_was_not_read_whole_is_no_answer() {
        let mut table = table(&[("tasks/WP01.md", "---\nlane: done\n---\n")]);
        let path = RelPath::new("status.events.jsonl").expect("a path");
        let extract = Arc::new(extract::extract_head(&path, b"{}"));
        let state = FileState::Text { sha256: Digest::sha256(""), extract };
        let indexed_at = Timestamp::from_micros(0);
        table.insert(path, Arc::new(FileFacts { size_bytes: 9, state, indexed_at }));
        assert_eq!(DiskFacts::new(&table).all_wp_status("done"), None);
        assert_eq!(DiskFacts::new(&table).event_count("x"), None);
    }

    #[test]
    fn the_built_in_missions_walk_on_files() {
        let check = |mission_type: &str, files: &[(&str, &str)], step: &str| {
            let definition = MissionDefinition::builtin(mission_type).expect(mission_type);
            let table = table(files);
            let inferred = definition.mission.infer_step(&DiskFacts::new(&table));
            assert_eq!(inferred, Some(step), "{mission_type} {files:?}");
        };
        let (spec, plan, tasks) = (("spec.md", "x"), ("plan.md", "x"), ("tasks.md", "x"));
        let done = ("status.events.jsonl", "{\"wp_id\": \"WP01\", \"to_lane\": \"done\"}");
        check("software-dev", &[], "specify");
        check("software-dev", &[spec], "plan");
        check("software-dev", &[spec, plan], "plan");
        check("software-dev", &[spec, plan, tasks], "implement");
        check("software-dev", &[spec, plan, tasks, done], "review");
        let sources = (
            "mission-events.jsonl",
            "{\"type\":\"source_documented\"}\n{\"type\":\"source_documented\"}\n{\"type\":\"source_documented\"}\n",
        );
        check("research", &[], "scoping");
        check("research", &[spec, plan], "gathering");
        check("research", &[spec, plan, sources], "synthesis");
        check("research", &[spec, plan, sources, ("findings.md", "x")], "output");
        let (gaps, audit, release) =
            (("gap-analysis.md", "x"), ("audit-report.md", "x"), ("release.md", "x"));
        check("documentation", &[spec], "audit");
        check("documentation", &[spec, gaps, plan, tasks], "generate");
        check("documentation", &[spec, gaps, plan, tasks, done], "validate");
        check("documentation", &[spec, gaps, plan, tasks, done, audit], "publish");
        check("documentation", &[spec, gaps, plan, tasks, done, audit, release], "done");
    }
}
