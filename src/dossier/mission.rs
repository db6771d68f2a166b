//! A mission: its steps in order, and the transitions that lead from one to the next.
//!
//! Read from `mission.yaml`; what must exist at each step is the manifest's business.
//! Invariants of a parsed mission: at least one step, unique step names, every
//! transition between steps that exist.

use std::collections::HashSet;

use super::condition::{Condition, StepFacts};
use super::strict::{DefinitionError, StrictFile, is_name};
use super::yaml::{Node, Value};

/// The keys a `mission.yaml` may have. The first line is read; the others belong to
/// tools that run missions, and are accepted unread so that one file serves both.
const TOP_LEVEL: &[&str] = &[
    "schema_version",
    "mission",
    "initial",
    "states",
    "transitions",
    "guards",
    "inputs",
    "outputs",
    "name",
    "description",
    "version",
    "domain",
    "workflow",
    "artifacts",
    "paths",
    "validation",
    "mcp_tools",
    "agent_context",
    "task_metadata",
    "commands",
    "mission_type",
];
const STATE_KEYS: &[&str] = &["name", "display_name", "description", "on_enter", "on_exit"];
const TRANSITION_KEYS: &[&str] =
    &["trigger", "source", "dest", "conditions", "unless", "before", "after"];
/// The trigger along which a feature moves forward.
const ADVANCE: &str = "advance";
const MAX_STEPS: usize = 256;
const MAX_TRANSITIONS: usize = 1024;

/// The state machine of one mission type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mission {
    mission_type: String,
    steps: Vec<String>,
    display_names: Vec<String>,
    initial: usize,
    advances: Vec<Advance>,
}

/// One `advance` transition.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Advance {
    sources: Vec<usize>,
    dest: usize,
    conditions: Vec<Condition>,
    /// These must be known not to hold.
    unless: Vec<Condition>,
}

impl Advance {
    fn may_be_taken(&self, facts: &dyn StepFacts) -> bool {
        self.conditions.iter().all(|c| c.holds(facts) == Some(true))
            && self.unless.iter().all(|c| c.holds(facts) == Some(false))
    }
}

impl Mission {
    /// Parses a `mission.yaml`. `file_label` is what errors call the file.
    pub fn parse(
        text: &str,
        file_label: &str,
        mission_type: &str,
    ) -> Result<Mission, DefinitionError> {
        let file = StrictFile::new(file_label);
        let root = file.read(text)?;
        file.check_keys(&root, "a mission", TOP_LEVEL)?;
        check_schema_version(&file, &root)?;
        if let Some(about) = root.get("mission").filter(|node| node.value != Value::Null) {
            file.check_keys(about, "`mission`", &["name", "version", "description"])?;
        }
        for key in ["states", "initial"] {
            if root.get(key).is_none_or(|node| node.value == Value::Null) {
                let message = format!(
                    "a mission needs `{key}`: without a state machine no step can be told \
                     (`initial` names the first step, `states` lists all of them in order)"
                );
                return Err(file.error(root.line, message));
            }
        }
        let mut mission = Mission {
            mission_type: mission_type.to_owned(),
            steps: Vec::new(),
            display_names: Vec::new(),
            initial: 0,
            advances: Vec::new(),
        };
        mission.read_states(&file, &root)?;
        let initial = file.required(&root, "a mission", "initial")?;
        mission.initial = mission.step_of(&file, initial, "`initial`")?;
        mission.read_transitions(&file, &root)?;
        Ok(mission)
    }

    /// The type this mission was parsed for.
    pub fn mission_type(&self) -> &str {
        &self.mission_type
    }

    /// The steps, in the order of the file.
    pub fn steps(&self) -> &[String] {
        &self.steps
    }

    /// The place of a step in [`Mission::steps`].
    pub fn step_index(&self, step: &str) -> Option<usize> {
        self.steps.iter().position(|name| name == step)
    }

    /// What people read for the step at this place; its name if the file gives nothing else.
    pub fn display_name(&self, index: usize) -> Option<&str> {
        self.display_names.get(index).map(String::as_str)
    }

    /// The step that the facts on disk lead to: from `initial` along `advance` as long as
    /// a transition's conditions hold. A condition that can't be evaluated stops the walk;
    /// a circle ends where it closes. `None` if the mission has no `advance` at all.
    pub fn infer_step(&self, facts: &dyn StepFacts) -> Option<&str> {
        if self.advances.is_empty() {
            return None;
        }
        let mut visited = HashSet::from([self.initial]);
        let mut step = self.initial;
        while let Some(advance) =
            self.advances.iter().find(|a| a.sources.contains(&step) && a.may_be_taken(facts))
        {
            if !visited.insert(advance.dest) {
                break;
            }
            step = advance.dest;
        }
        self.steps.get(step).map(String::as_str)
    }

    fn read_states(&mut self, file: &StrictFile<'_>, root: &Node) -> Result<(), DefinitionError> {
        let states = file.list(root.get("states"), "`states`")?;
        if states.is_empty() || states.len() > MAX_STEPS {
            let line = root.get("states").map_or(root.line, |node| node.line);
            let message =
                format!("a mission has 1 to {MAX_STEPS} states; this has {}", states.len());
            return Err(file.error(line, message));
        }
        for state in states {
            let name = match state.value {
                Value::Scalar(_) => state,
                _ => {
                    file.check_keys(state, "a state", STATE_KEYS)?;
                    file.required(state, "a state", "name")?
                }
            };
            let text = file.text(name, "a state's `name`")?;
            if !is_name(text) {
                let message = format!(
                    "the state {text:?} has characters that names can't have; \
                     allowed are letters, digits, `.`, `_` and `-`"
                );
                return Err(file.error(name.line, message));
            }
            if self.step_index(text).is_some() {
                let message = format!("the state {text:?} is there twice; each is listed once");
                return Err(file.error(name.line, message));
            }
            let shown = match state.get("display_name") {
                Some(node) => file.text(node, "`display_name`")?,
                None => text,
            };
            self.display_names.push(shown.to_owned());
            self.steps.push(text.to_owned());
        }
        Ok(())
    }

    fn read_transitions(
        &mut self,
        file: &StrictFile<'_>,
        root: &Node,
    ) -> Result<(), DefinitionError> {
        let transitions = file.list(root.get("transitions"), "`transitions`")?;
        if transitions.len() > MAX_TRANSITIONS {
            let message = format!("a mission has at most {MAX_TRANSITIONS} transitions");
            return Err(file.error(transitions[MAX_TRANSITIONS].line, message));
        }
        for transition in transitions {
            file.check_keys(transition, "a transition", TRANSITION_KEYS)?;
            let trigger = file.required(transition, "a transition", "trigger")?;
            let trigger = file.text(trigger, "`trigger`")?;
            let source = file.required(transition, "a transition", "source")?;
            let dest = file.required(transition, "a transition", "dest")?;
            // Every transition is checked, also those along which nobody walks.
            let advance = Advance {
                sources: self.sources(file, source)?,
                dest: self.step_of(file, dest, "`dest`")?,
                conditions: conditions(file, transition, "conditions")?,
                unless: conditions(file, transition, "unless")?,
            };
            if trigger == ADVANCE {
                self.advances.push(advance);
            }
        }
        Ok(())
    }

    fn sources(&self, file: &StrictFile<'_>, node: &Node) -> Result<Vec<usize>, DefinitionError> {
        match node.as_list() {
            Some(list) => list.iter().map(|item| self.step_of(file, item, "`source`")).collect(),
            None if node.as_text() == Some("*") => Ok((0..self.steps.len()).collect()),
            None => Ok(vec![self.step_of(file, node, "`source`")?]),
        }
    }

    fn step_of(
        &self,
        file: &StrictFile<'_>,
        node: &Node,
        what: &str,
    ) -> Result<usize, DefinitionError> {
        let name = file.text(node, what)?;
        self.step_index(name).ok_or_else(|| {
            let steps = self.steps.join(", ");
            file.error(node.line, format!("{what} names no state: {name:?}; allowed are {steps}"))
        })
    }
}

fn conditions(
    file: &StrictFile<'_>,
    transition: &Node,
    key: &str,
) -> Result<Vec<Condition>, DefinitionError> {
    let node = transition.get(key);
    let one = node.filter(|node| node.as_text().is_some()).map(std::slice::from_ref);
    let nodes = match one {
        Some(one) => one,
        None => file.list(node, &format!("`{key}`"))?,
    };
    nodes
        .iter()
        .map(|node| {
            let text = file.text(node, "a condition")?;
            Condition::parse(text).map_err(|message| file.error(node.line, message))
        })
        .collect()
}

/// Files of this tool say `schema_version: "1.0"`; files of others may say nothing.
fn check_schema_version(file: &StrictFile<'_>, root: &Node) -> Result<(), DefinitionError> {
    match root.get("schema_version") {
        None => Ok(()),
        Some(node) => supported_schema_version(file, node).map(|_| ()),
    }
}

/// The version, if it is one that this program reads.
pub(super) fn supported_schema_version(
    file: &StrictFile<'_>,
    node: &Node,
) -> Result<String, DefinitionError> {
    let text = file.text(node, "`schema_version`")?;
    match text {
        "1" | "1.0" => Ok(text.to_owned()),
        _ => {
            let message = format!("schema_version {text:?} is not supported; supported is \"1.0\"");
            Err(file.error(node.line, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[derive(Default)]
    struct Facts {
        files: Vec<&'static str>,
        lane: Option<&'static str>,
        events: BTreeMap<&'static str, u64>,
    }

    impl StepFacts for Facts {
        fn artifact_exists(&self, path: &str) -> bool {
            self.files.contains(&path)
        }
        fn all_wp_status(&self, lane: &str) -> Option<bool> {
            self.lane.map(|all| all == lane)
        }
        fn event_count(&self, event_type: &str) -> Option<u64> {
            self.events.get(event_type).copied()
        }
    }

    const FOUR: &str = "\
initial: a
states: [a, b, {name: c, display_name: The third}, d]
transitions:
  - {trigger: advance, source: a, dest: b}
  - {trigger: advance, source: b, dest: c, conditions: ['artifact_exists(\"x.md\")']}
  - {trigger: advance, source: b, dest: d, conditions: 'event_count(\"e\", 2)'}
  - {trigger: advance, source: [c, d], dest: a}
  - {trigger: rework, source: '*', dest: a, conditions: [gate_passed('r')]}
";

    fn parse(text: &str) -> Result<Mission, DefinitionError> {
        Mission::parse(text, "m.yaml", "t")
    }

    #[test]
    fn steps_keep_the_order_of_the_file() {
        let mission = parse(FOUR).expect("parses");
        assert_eq!(mission.steps(), ["a", "b", "c", "d"]);
        assert_eq!(mission.step_index("c"), Some(2));
        assert_eq!(mission.step_index("x"), None);
        assert_eq!(mission.display_name(2), Some("The third"));
        assert_eq!(mission.display_name(0), Some("a"));
    }

    fn check_walk(text: &str, facts: &Facts, step: Option<&str>) {
        assert_eq!(parse(text).expect("parses").infer_step(facts), step);
    }

    #[test]
    fn walks_as_far_as_conditions_hold() {
        check_walk(FOUR, &Facts::default(), Some("b"));
        check_walk(FOUR, &Facts { files: vec!["x.md"], ..Facts::default() }, Some("c"));
        let enough = Facts { events: BTreeMap::from([("e", 2)]), ..Facts::default() };
        check_walk(FOUR, &enough, Some("d"));
        let few = Facts { events: BTreeMap::from([("e", 1)]), ..Facts::default() };
        check_walk(FOUR, &few, Some("b"));
    }

    #[test]
    fn what_cannot_be_evaluated_stops_the_walk() {
        let gate = |condition: &str| {
            format!(
                "initial: a\nstates: [a, b]\ntransitions:\n\
                 - {{trigger: advance, source: a, dest: b, {condition}}}\n"
            )
        };
        check_walk(&gate("conditions: [gate_passed('x')]"), &Facts::default(), Some("a"));
        check_walk(&gate("unless: [gate_passed('x')]"), &Facts::default(), Some("a"));
        check_walk(&gate("conditions: [all_wp_status('done')]"), &Facts::default(), Some("a"));
        check_walk(&gate("unless: [artifact_exists('x')]"), &Facts::default(), Some("b"));
        check_walk("initial: a\nstates: [a]\n", &Facts::default(), None);
    }

    fn check_error(text: &str, line: u64, needle: &str) {
        let error = parse(text).expect_err(text);
        assert_eq!((error.file.as_str(), error.line), ("m.yaml", line), "{error}");
        assert!(error.message.contains(needle), "{error}");
    }

    #[test]
    fn errors_name_the_place_and_what_is_allowed() {
        let head = "initial: a\nstates:\n  - name: a\n  - name: b\n";
        check_error("", 1, "must be a mapping");
        check_error("name: x\nworkflow: {}\n", 1, "needs `states`");
        check_error("states: [a]\n", 1, "needs `initial`");
        check_error("initial: a\nstates: []\n", 2, "1 to 256 states");
        check_error("initial: x\nstates: [a]\n", 1, "allowed are a");
        check_error("initial: a\nstates: [a, a]\n", 2, "twice");
        check_error("initial: a\nstates: ['a b']\n", 2, "letters");
        check_error("initial: a\nstates:\n  - name: a\n    colour: red\n", 4, "allowed are name");
        check_error("initial: a\nstates: [a]\nstats: 1\n", 3, "unknown key \"stats\"");
        check_error("schema_version: 2\ninitial: a\nstates: [a]\n", 1, "supported is \"1.0\"");
        check_error("mission:\n  title: x\ninitial: a\nstates: [a]\n", 2, "allowed are name");
        let bad = |item: &str| format!("{head}transitions:\n  - {item}\n");
        check_error(&bad("{trigger: t, source: a}"), 6, "no `dest`");
        check_error(&bad("{trigger: t, source: a, dest: z}"), 6, "allowed are a, b");
        check_error(&bad("{trigger: t, source: [a, z], dest: b}"), 6, "allowed are a, b");
        check_error(&bad("{trigger: t, source: a, dest: b, to: b}"), 6, "unknown key \"to\"");
        let condition = "trigger: t\n    source: a\n    dest: b\n    conditions:\n      - 'x('";
        check_error(&bad(condition), 10, "no closed list");
        check_error("initial: a\ninitial: b\nstates: [a]\n", 2, "duplicate");
    }

    #[test]
    fn keys_of_tools_that_run_missions_are_accepted_unread() {
        let mut text = String::from("initial: a\nstates: [{name: a, on_enter: [x]}]\n");
        for key in TOP_LEVEL.iter().skip(5) {
            text.push_str(&format!("{key}: {{any: [thing]}}\n"));
        }
        assert!(parse(&text).is_ok());
    }
}
