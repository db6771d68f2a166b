//! The table of path rules: the class of files that neither a manifest nor front matter
//! classes.
//!
//! One row a kind of file that real projects have. The first row that matches decides;
//! names are compared without regard to ASCII case, since projects write `README.md` and
//! `Readme.md` alike. Invariants: identifiers are unique and stable (artifacts show them),
//! every row can win, and no row is so broad that it would pretend to know: a name is
//! matched by a folder that says what is in it, or by a word that says what it is.

use std::collections::HashMap;
use std::sync::{LazyLock, OnceLock};

use super::ArtifactClass::{self, Evidence, Input, Output, Policy, Runtime, Workflow};
use super::RelPath;
use super::pattern::PatternSet;

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct PathRule {
    /// What `classified_by` shows after `rule:`.
    pub id: &'static str,
    /// A pattern on the whole relative path, in lower case.
    pub pattern: &'static str,
    /// The class of what matches.
    pub class: ArtifactClass,
}

const fn rule(id: &'static str, pattern: &'static str, class: ArtifactClass) -> PathRule {
    PathRule { id, pattern, class }
}

/// All rules, in the order in which they are tried.
pub const RULES: &[PathRule] = &[
    // What a mission starts from.
    rule("spec", "spec.md", Input),
    rule("specification", "{specification,requirements,user-stories}.md", Input),
    rule("brief", "{brief,idea,pitch,prd,problem,proposal,vision}.md", Input),
    rule("clarifications", "{clarifications,questions,open-questions,assumptions}.md", Input),
    rule("readme", "readme{,.*}", Input),
    rule("inputs", "{input,inputs}/**", Input),
    // Plans and work packages.
    rule("plan", "plan.md", Output),
    rule("tasks", "tasks.md", Output),
    rule("plan-kind", "*-plan.md", Output),
    rule("review-cycle", "tasks/**/review-cycle-*.md", Evidence),
    rule("wp-review", "tasks/**/{review,feedback}*.md", Evidence),
    rule("wp-baseline-tests", "tasks/**/*-tests.json", Evidence),
    rule("wp-prompt", "tasks/wp*.md", Output),
    rule("wp-lane-prompt", "tasks/{planned,doing,for_review,approved,done}/**/wp*.md", Output),
    rule("wp-backup", "tasks/**/*.{bak,orig,old}", Runtime),
    rule("tasks-readme", "tasks/readme.md", Workflow),
    rule("wp-evidence", "tasks/wp*/**", Evidence),
    rule("wps", "wps.{yaml,yml,json}", Workflow),
    // What tools keep.
    rule("meta", "meta.json", Workflow),
    rule("status", "status*.json*", Runtime),
    rule("mission-events", "mission-events.jsonl", Runtime),
    rule("event-log", "*{-events,.events}.jsonl", Runtime),
    rule("state-file", "{state,progress,runtime-state}.{json,yaml,yml}", Runtime),
    rule("lanes", "lanes.json", Workflow),
    rule("kanban", "{kanban,board,backlog}.{md,json,yaml}", Workflow),
    rule("acceptance-matrix", "acceptance-matrix.{json,md,yaml}", Evidence),
    rule("issue-matrix", "issue-matrix.{md,json,yaml}", Evidence),
    rule("traceability", "{traceability,coverage}*.{md,json,csv}", Evidence),
    rule("occurrence-map", "occurrence_map.{yaml,yml,json}", Policy),
    rule("logs", "{log,logs}/**", Runtime),
    rule("log-file", "*.log", Runtime),
    rule("run-state", "{runtime,state,cache}/**", Runtime),
    // What binds the work.
    rule("contracts", "contracts/**", Policy),
    rule("checklists", "checklists/**", Policy),
    rule("checklist", "{checklist,*-checklist}.md", Policy),
    rule("decisions", "{decisions,adr,adrs}/**", Policy),
    rule("decision-record", "{decision,decisions,adr}*.md", Policy),
    rule("policies", "{policy,policies,governance,rules}/**", Policy),
    rule("charter", "{charter,constitution,policy,governance,guidelines,conventions}.md", Policy),
    rule("mission-exception", "{mission-exception,exception,waiver}*.md", Policy),
    rule("glossary", "glossary*.{md,yaml,yml}", Policy),
    rule("schemas", "{schema,schemas}/**", Policy),
    rule("schema-file", "*.schema.{json,yaml,yml}", Policy),
    rule("openapi", "{openapi,asyncapi,swagger}.{yaml,yml,json}", Policy),
    rule("acceptance-criteria", "{acceptance,acceptance-criteria,definition-of-done}.md", Policy),
    rule("templates", "{template,templates}/**", Policy),
    // What supports claims.
    rule("research-folder", "research/**", Evidence),
    rule("research", "research*.md", Evidence),
    rule(
        "source-register",
        "{source-register,sources,bibliography,references}.{csv,md,bib,json}",
        Evidence,
    ),
    rule("evidence-log", "evidence-log.{csv,md,jsonl}", Evidence),
    rule("evidence-folder", "evidence/**", Evidence),
    rule("sources-folder", "{source,sources,references,interviews,transcripts}/**", Evidence),
    rule("data-folder", "{data,datasets}/**", Evidence),
    rule("data-model", "data-model.md", Evidence),
    rule("quickstart", "quickstart.md", Evidence),
    rule("gap-analysis", "gap-analysis.md", Evidence),
    rule("methodology", "{methodology,synthesis,literature-review}.md", Evidence),
    rule("reviews", "{review,reviews,feedback}/**", Evidence),
    rule("review", "{review,*-review}.md", Evidence),
    rule("review-kind", "{review,mission-review,code-review}-*.md", Evidence),
    rule("traces", "{trace,traces,tracer,tracers}/**", Evidence),
    rule("tracer", "{trace,tracer}-*.md", Evidence),
    rule(
        "retrospective",
        "{retrospective,retro,postmortem,lessons-learned}.{md,yaml,yml,json}",
        Evidence,
    ),
    rule("audit-report", "audit-report.md", Evidence),
    rule("wp-result", "wp*-result.md", Evidence),
    rule("published-report", "report.md", Output),
    rule("report-kind", "*-report.{md,json,html}", Evidence),
    rule("findings", "findings.md", Output),
    rule("findings-kind", "*-findings.{md,yaml,json}", Evidence),
    rule("analysis", "{analysis,*-analysis,*_analysis}.md", Evidence),
    rule(
        "inventory",
        "{inventory,*-inventory,census,*-census,ledger,*-ledger}.{md,csv,json}",
        Evidence,
    ),
    rule("benchmark", "{benchmark,benchmarks,performance,profile}*.{md,json,csv}", Evidence),
    rule("benchmarks-folder", "{benchmark,benchmarks,measurements}/**", Evidence),
    rule("risks", "{risk,risks,risk-register,threat-model,security}*.{md,csv}", Evidence),
    rule("verification", "{verification,validation,test-results}*.{md,json,xml}", Evidence),
    rule("verification-folder", "{verification,validation,results,test-results}/**", Evidence),
    rule("tests", "{test,tests}/**", Evidence),
    rule("baseline", "baseline*.{json,yaml,md}", Evidence),
    rule("audits", "{audit,audits,reports}/**", Evidence),
    rule("notes", "{notes,journal,meeting-notes}{,-*}.md", Evidence),
    rule("notes-folder", "{notes,meetings}/**", Evidence),
    rule("prototypes", "{prototype,prototypes,spike,spikes,experiments}/**", Evidence),
    rule("archive", "{archive,archived,history}/**", Evidence),
    rule("draft", "{draft-*,*-draft}.md", Evidence),
    rule("drafts", "{draft,drafts}/**", Evidence),
    rule("screenshots", "{screenshot,screenshots}/**", Evidence),
    // What a mission produces.
    rule("docs", "{doc,docs}/**", Output),
    rule("designs", "{design,designs,diagrams,wireframes,mockups,architecture}/**", Output),
    rule("design", "{design,architecture,tech-design,technical-design}.md", Output),
    rule("diagram-file", "*.{mmd,puml,drawio,excalidraw}", Output),
    rule("handoff", "{handoff,handover,deliverables,output,outputs,release,releases}/**", Output),
    rule("handoff-note", "{handoff,handover,summary,migration,rollout}.md", Output),
    rule("release", "{release,release-notes,changelog}.md", Output),
    rule("scripts", "{script,scripts,tools}/**", Output),
    rule("source-code", "src/**", Output),
    rule("prompts", "{prompt,prompts}/**", Workflow),
    rule("assets", "{asset,assets,images,media,figures}/**", Output),
];

/// The table, sorted by what a path must begin with: no pattern crosses a slash but in `**`,
/// and none begins with that, so what is in a folder can only be matched by the few rules of
/// a folder of that name.
struct Table {
    at_top: Rules,
    below: HashMap<&'static [u8], Rules>,
}

/// Some of the rules, in their order.
#[derive(Default)]
struct Rules {
    rules: Vec<&'static PathRule>,
    patterns: OnceLock<PatternSet>,
}

impl Table {
    fn new() -> Self {
        let (mut at_top, mut below) = (Rules::default(), HashMap::new());
        for rule in RULES {
            match rule.pattern.split_once('/') {
                None => at_top.rules.push(rule),
                Some((folders, _)) => {
                    for folder in folders.trim_matches(['{', '}']).split(',') {
                        let own: &mut Rules = below.entry(folder.as_bytes()).or_default();
                        own.rules.push(rule);
                    }
                }
            }
        }
        Self { at_top, below }
    }

    /// The first rule that matches a path in lower case.
    fn first(&self, path: &[u8]) -> Option<&'static PathRule> {
        let rules = match path.iter().position(|byte| *byte == b'/') {
            None => &self.at_top,
            Some(slash) => self.below.get(&path[..slash])?,
        };
        let patterns = rules.patterns.get_or_init(|| {
            PatternSet::compile(rules.rules.iter().map(|rule| rule.pattern))
                .expect("the table's patterns compile, as a test of this module checks")
        });
        patterns.matches(path).first().and_then(|number| rules.rules.get(*number)).copied()
    }
}

/// The first rule that a path matches.
pub fn rule_of(path: &RelPath) -> Option<&'static PathRule> {
    static TABLE: LazyLock<Table> = LazyLock::new(Table::new);
    TABLE.first(&path.as_bytes().to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn identifiers_are_unique_names() {
        let mut seen = HashSet::new();
        for rule in RULES {
            assert!(seen.insert(rule.id), "{} is there twice", rule.id);
            assert!(rule.id.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{}", rule.id);
            assert_ne!(rule.id, "default");
            assert_eq!(rule.pattern, rule.pattern.to_ascii_lowercase(), "{}", rule.id);
            assert!(
                rule.pattern.trim_matches(['*', '/', '.']).len() > 2,
                "{} is too broad",
                rule.id
            );
        }
    }

    fn check(path: &str, id: Option<&str>) {
        let path = RelPath::new(path).expect("a path");
        assert_eq!(rule_of(&path).map(|rule| rule.id), id, "{path}");
    }

    #[test]
    fn folders_are_named_plainly() {
        for (folders, _) in RULES.iter().filter_map(|rule| rule.pattern.split_once('/')) {
            let names = folders.strip_prefix('{').and_then(|f| f.strip_suffix('}'));
            let plain = |c: char| c.is_ascii_lowercase() || c == '-';
            assert!(names.unwrap_or(folders).split(',').all(|n| n.chars().all(plain)), "{folders}");
        }
    }

    #[test]
    fn every_rule_can_win() {
        for rule in RULES {
            // One path that matches: the last alternative of each group, and some text for stars.
            let mut example = String::new();
            let mut rest = rule.pattern;
            while let Some((before, after)) = rest.split_once('{') {
                let (group, after) = after.split_once('}').expect("closed");
                example.push_str(before);
                example.push_str(group.rsplit(',').next().unwrap_or_default());
                rest = after;
            }
            example.push_str(rest);
            let example = example.replace("**", "q/q").replace('*', "q");
            check(&example, Some(rule.id));
        }
    }

    #[test]
    fn files_that_projects_have() {
        for (path, id) in [
            ("spec.md", Some("spec")),
            ("SPEC.md", Some("spec")),
            ("tasks/WP01-first-steps.md", Some("wp-prompt")),
            ("tasks/WP01-first-steps/review-cycle-1.md", Some("review-cycle")),
            ("tasks/WP01-first-steps/baseline-tests.json", Some("wp-baseline-tests")),
            ("tasks/WP01-first-steps.md.bak", Some("wp-backup")),
            ("tasks/WP01-first-steps/log.txt", Some("wp-evidence")),
            ("tasks/done/WP01.md", Some("wp-lane-prompt")),
            ("tasks/README.md", Some("tasks-readme")),
            ("contracts/api.yaml", Some("contracts")),
            ("contracts/README.md", Some("contracts")),
            ("status.events.jsonl", Some("status")),
            ("status.json", Some("status")),
            ("mission-events.jsonl", Some("mission-events")),
            ("research/source-register.csv", Some("research-folder")),
            ("mission-review-report.md", Some("review-kind")),
            ("analysis-report.md", Some("report-kind")),
            ("PROMPT_ANALYSIS.md", Some("analysis")),
            ("verification-checklist.md", Some("checklist")),
            ("docs/guide/first.md", Some("docs")),
            ("archive/spec.md", Some("archive")),
            ("other.md", None),
            ("my/spec.md", None),
            ("a.bin", None),
            ("spec.md/x", None),
        ] {
            check(path, id);
        }
    }

    #[test]
    fn names_that_are_not_utf8_are_classed_too() {
        let path = RelPath::new(b"research/\xff").expect("a path");
        assert_eq!(rule_of(&path).map(|rule| rule.id), Some("research-folder"));
    }
}
