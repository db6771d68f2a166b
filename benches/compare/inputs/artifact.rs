//! The artifacts of a generated feature: names, frontmatter and text as in real missions.

use super::sizes::Random;

/// Files that a feature has once.
const ONCE: &[&str] = &[
    "meta.json",
    "spec.md",
    "plan.md",
    "tasks.md",
    "research.md",
    "data-model.md",
    "quickstart.md",
    "status.json",
    "status.events.jsonl",
    "lanes.json",
    "acceptance-matrix.json",
    "tasks/README.md",
    "checklists/requirements.md",
];

/// What belongs to one work package: about six files to a directory, as in real missions.
const PER_PACKAGE: &[&str] = &[
    "tasks/WP{n}-{topic}.md",
    "tasks/WP{n}-{topic}/review-cycle-1.md",
    "tasks/WP{n}-{topic}/review-cycle-2.md",
    "tasks/WP{n}-{topic}/baseline-tests.json",
    "contracts/{topic}-{n}.md",
    "research/{topic}-{n}/notes.md",
    "research/{topic}-{n}/interview.md",
    "research/{topic}-{n}/evidence.json",
    "research/{topic}-{n}/source-register.csv",
    "checklists/{topic}-{n}.md",
    "decisions/DM-{n}-{topic}.md",
    "contracts/{topic}-{n}.yaml",
];

const TOPICS: &[&str] = &[
    "foundation-layer",
    "dependency-graph",
    "event-log-repair",
    "token-rotation",
    "workspace-isolation",
    "merge-preflight",
    "dashboard-filters",
    "parity-export",
];

/// What text is made of; a few characters need two and three bytes.
const WORDS: &[&str] = &[
    "the", "artifact", "mission", "step", "review", "must", "package", "contract", "—", "when",
    "status", "is", "written", "before", "lane", "and", "every", "café", "change", "to", "→",
    "evidence", "accepted", "by", "of", "test", "a", "path", "that", "requires", "naïve", "✓",
];

/// A long text from which all files are cut.
pub(crate) struct Text(String);

impl Text {
    const LENGTH: usize = 1 << 20;

    /// The text of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let mut text = String::with_capacity(Self::LENGTH + 64);
        let mut column = 0;
        while text.len() < Self::LENGTH {
            let word = WORDS[random.below(WORDS.len())];
            text.push_str(word);
            column += word.len() + 1;
            text.push(if column > 90 { '\n' } else { ' ' });
            column %= 91;
        }
        Self(text)
    }

    /// Appends `length` bytes of it, or up to three fewer.
    fn append(&self, to: &mut String, length: usize, random: &mut Random) {
        let mut left = length;
        let mut at = self.0.floor_char_boundary(random.below(Self::LENGTH));
        while left > 3 {
            let end = self.0.floor_char_boundary((at + left).min(self.0.len()));
            to.push_str(&self.0[at..end]);
            left -= end - at;
            at = 0;
        }
    }
}

/// The path of the `number`-th artifact of a feature, relative to it.
pub(crate) fn path(number: usize) -> String {
    let Some(beyond) = number.checked_sub(ONCE.len()) else { return ONCE[number].to_owned() };
    let (package, kind) = (beyond / PER_PACKAGE.len() + 1, beyond % PER_PACKAGE.len());
    let topic = TOPICS[package % TOPICS.len()];
    PER_PACKAGE[kind].replace("{n}", &format!("{package:02}")).replace("{topic}", topic)
}

/// A file's text, of about `size` bytes; never the same for two paths of a feature.
pub(crate) fn content(
    slug: &str,
    path: &str,
    size: usize,
    text: &Text,
    random: &mut Random,
) -> String {
    let mut content = head(slug, path);
    let tail = match path.rsplit_once('.').map_or("", |(_, extension)| extension) {
        // Text on one line needs no escaping: it has neither quotes nor backslashes.
        "json" | "jsonl" => "\"}\n",
        _ => "\n",
    };
    let begin = content.len();
    let length = size.saturating_sub(begin + tail.len());
    text.append(&mut content, length, random);
    if tail.len() > 1 {
        let flat = content.split_off(begin).replace('\n', " ");
        content.push_str(&flat);
    }
    content.push_str(tail);
    content
}

/// What a file of this name begins with.
fn head(slug: &str, path: &str) -> String {
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    match name {
        "meta.json" => format!(
            "{{\n  \"mission_slug\": \"{slug}\",\n  \"mission_type\": \"software-dev\",\n  \
             \"target_branch\": \"main\",\n  \"vcs\": \"git\",\n  \"source_description\": \""
        ),
        "status.json" => format!(
            "{{\n  \"mission_slug\": \"{slug}\",\n  \"work_packages\": {{\"WP01\": {{\"lane\": \
             \"for_review\"}}}},\n  \"notes\": \""
        ),
        "status.events.jsonl" => format!(
            "{{\"at\": \"2026-03-22T14:54:26Z\", \"mission_slug\": \"{slug}\", \"wp_id\": \
             \"WP01\", \"from_lane\": \"planned\", \"to_lane\": \"for_review\", \"reason\": \""
        ),
        _ if name.ends_with(".json") => format!("{{\"subject\": \"{path}\", \"notes\": \""),
        _ if name.ends_with(".yaml") => format!("openapi: 3.1.0\n# {path}\ndescription: |\n  "),
        _ if name.ends_with(".csv") => format!("source,where,read\n{path},"),
        _ if name.starts_with("WP") => package_head(name, path),
        _ => format!("# {path}\n\nMission: {slug}\n\n"),
    }
}

/// The frontmatter of a work package.
fn package_head(name: &str, path: &str) -> String {
    let id = name.split('-').next().unwrap_or(name);
    format!(
        "---\nwork_package_id: {id}\ntitle: {path}\nlane: for_review\ndependencies: []\n\
         subtasks:\n- T001\n- T002\n- T003\nphase: Phase 1 - Foundation\nhistory:\n\
         - timestamp: '2025-11-10T10:00:00Z'\n  lane: planned\n  agent: system\n  \
         action: Prompt generated\n---\n\n# {id}\n\n"
    )
}
