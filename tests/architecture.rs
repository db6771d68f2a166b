//! The invariants of the layout, as absences: what a module must not know, checked on the
//! text of the sources. Comments and test code do not count.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Which modules each module may use. Nothing here is circular: a module that is not in its
/// own row cannot lead back to it.
const MAY_USE: &[(&str, &[&str])] = &[
    ("dossier", &[]),
    ("platform", &[]),
    ("project", &["dossier"]),
    ("watch", &["platform"]),
    ("index", &["dossier", "platform", "watch"]),
    ("store", &["dossier", "platform"]),
    ("survey", &["dossier", "index", "platform", "project", "store", "watch"]),
    ("daemon", &["dossier", "index", "platform", "project", "store", "survey", "watch"]),
    ("sync", &["daemon", "dossier", "store"]),
    ("api", &["daemon", "dossier"]),
    ("server", &["api"]),
    (
        "host",
        &[
            "api", "daemon", "dossier", "index", "platform", "project", "server", "store",
            "survey", "sync",
        ],
    ),
    (
        "cli",
        &[
            "api", "daemon", "dossier", "host", "index", "platform", "project", "store", "survey",
            "sync",
        ],
    ),
];

/// What must not be mentioned where.
struct Absence {
    /// Paths below `src/` begin with one of these; empty means all.
    within: &'static [&'static str],
    /// The exceptions, in the same form.
    except: &'static [&'static str],
    /// The texts, as they stand in code.
    never: &'static [&'static str],
    why: &'static str,
}

const ABSENCES: &[Absence] = &[
    Absence {
        within: &["dossier/"],
        except: &[],
        never: &[
            "std::fs",
            "std::env",
            "std::net",
            "std::process",
            "std::thread",
            "SystemTime::now",
            "Instant::now",
            "jiff::Timestamp::now",
            "tokio",
            "tracing",
            "rustix",
            "hyper",
            "getrandom",
            "Uuid::new_v4",
            "Mutex",
        ],
        why: "the core is pure: values and functions over values",
    },
    Absence {
        within: &["api/"],
        except: &[],
        never: &["hyper", "tokio::net", "std::fs", "std::env", "rustix", "UnixStream", "TcpStream"],
        why: "routing and handlers are independent of the transport and of the disk",
    },
    Absence {
        within: &["dossier/", "index/", "platform/", "project/", "store/", "survey/", "watch/"],
        except: &[],
        never: &["tokio", "hyper", "http::"],
        why: "below the daemon's handle everything is synchronous and knows of no server",
    },
    Absence {
        within: &[],
        except: &[
            "index/",
            "platform/",
            "project/",
            "store/",
            "watch/",
            "cli/add.rs",
            "cli/doctor/",
            "cli/man.rs",
            "cli/new_file.rs",
            "cli/select.rs",
            "cli/service/disk.rs",
            "cli/verify.rs",
        ],
        never: &["std::fs", "tokio::fs"],
        why: "only what owns disk access has it, so that each error has its path",
    },
    Absence {
        within: &[],
        except: &["main.rs", "cli/", "platform/"],
        never: &["std::env"],
        why: "the environment is read at the edge and passed in",
    },
    Absence {
        within: &[],
        except: &["server/", "cli/client.rs", "cli/follow.rs"],
        never: &["hyper"],
        why: "HTTP is the server's and the client's business",
    },
    Absence {
        within: &[],
        except: &["cli/"],
        never: &["clap::", "println!(", "print!(", "eprintln!("],
        why: "only the command line speaks to the terminal",
    },
    Absence {
        within: &[],
        except: &[],
        never: &["process::exit", "process::abort"],
        why: "the program ends by returning from main",
    },
    Absence {
        within: &[],
        except: &[],
        never: &[".unwrap()", "unreachable_unchecked", "unsafe fn", "static mut"],
        why: "what cannot fail says why with expect; what can has an error",
    },
    Absence {
        within: &[],
        except: &["platform/memory.rs", "platform/launchd.rs"],
        never: &["unsafe {"],
        why: "the allocator and launchd are all that cannot be asked safely",
    },
    Absence {
        within: &[],
        except: &["fuzzing.rs"],
        never: &[
            "crate::fuzzing",
            "super::fuzzing",
            "api::fuzzing",
            "server::fuzzing",
            "sync::fuzzing",
        ],
        why: "the doors for fuzz targets are no part of the program",
    },
    Absence {
        within: &[],
        except: &[],
        never: &[concat!("to", "do!("), concat!("un", "implemented!("), "dbg!("],
        why: "what is here is finished",
    },
];

/// Comments count for these, and so do tests; put together so that no search finds them here.
const LEFT_OVERS: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX")];

/// A file longer than this has more than one meaning.
const MAX_LINES: usize = 450;

/// One file below `src/`.
struct Source {
    /// Relative to `src/`, `/`-separated.
    path: String,
    text: String,
    is_test: bool,
}

impl Source {
    /// The lines of the program itself, with their numbers from 1.
    fn program(&self) -> Vec<(usize, &str)> {
        if self.is_test {
            return Vec::new();
        }
        let numbered: Vec<(usize, &str)> =
            self.text.lines().enumerate().map(|(at, line)| (at + 1, line)).collect();
        let mut program = Vec::new();
        let mut rest = numbered.as_slice();
        while let [(_, line), after @ ..] = rest {
            if is_test_attribute(line) {
                rest = after_item(line, after);
            } else {
                if !line.trim_start().starts_with("//") {
                    program.push(rest[0]);
                }
                rest = after;
            }
        }
        program
    }

    /// Modules of files that are compiled for tests alone: `#[cfg(test)] mod name;`.
    fn test_modules(&self) -> Vec<String> {
        let lines: Vec<&str> = self.text.lines().collect();
        let attributes = lines.iter().enumerate().filter(|(_, line)| is_test_attribute(line));
        let modules = attributes.filter_map(|(at, _)| {
            let item = lines[at..].iter().find(|line| !line.trim().starts_with("#["))?.trim();
            let item = item.trim_start_matches("pub(crate) ").trim_start_matches("pub(super) ");
            item.strip_prefix("mod ")?.strip_suffix(';')
        });
        modules.map(|name| format!("{}{name}", self.folder())).collect()
    }

    /// Where its child modules are, with the slash.
    fn folder(&self) -> String {
        let stem = self.path.trim_end_matches(".rs");
        match stem.rsplit_once('/') {
            Some((folder, "mod")) => format!("{folder}/"),
            None if matches!(stem, "lib" | "main") => String::new(),
            _ => format!("{stem}/"),
        }
    }

    fn is_within(&self, places: &[&str]) -> bool {
        places.iter().any(|place| self.path.starts_with(place))
    }

    /// Lines of the program that say `text`, as `path:line`.
    fn places_of(&self, text: &str) -> Vec<String> {
        let program = self.program().into_iter();
        let found = program.filter(|(_, line)| says(line, text));
        found.map(|(number, line)| format!("src/{}:{number}: {}", self.path, line.trim())).collect()
    }
}

fn is_test_attribute(line: &str) -> bool {
    let line = line.trim();
    line == "#[cfg(test)]" || line.starts_with("#[cfg(all(test,")
}

/// What follows the item to which an attribute belongs. Nothing follows a test module, by a
/// lint of clippy; another item closes at the indentation at which it begins, by rustfmt.
fn after_item<'a, 'b>(attribute: &str, mut rest: &'a [(usize, &'b str)]) -> &'a [(usize, &'b str)] {
    let indent = attribute.len() - attribute.trim_start().len();
    let close = format!("{}}}", " ".repeat(indent));
    while let [(_, line), after @ ..] = rest {
        rest = after;
        let item = line.trim_start();
        if item.starts_with("mod ") && item.ends_with('{') {
            return &[];
        }
        let is_whole = line.len() - item.len() == indent && !item.starts_with("#[");
        if is_whole && (line.ends_with(';') || line.starts_with(&close)) {
            break;
        }
    }
    rest
}

/// Does a line of code say this, as a word of its own?
fn says(line: &str, text: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let begins_word = text.starts_with(is_word);
    let ends_word = text.ends_with(is_word);
    line.match_indices(text).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + text.len()..].chars().next();
        !(begins_word && before.is_some_and(is_word) || ends_word && after.is_some_and(is_word))
    })
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("src can be listed") {
            let path: PathBuf = entry.expect("src can be listed").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let relative = path.strip_prefix(&root).expect("is below src");
                let text = fs::read_to_string(&path).expect("a source is text");
                let path = relative.to_str().expect("a source has a plain name").replace('\\', "/");
                sources.push(Source { path, text, is_test: false });
            }
        }
    }
    let test_modules: BTreeSet<String> = sources.iter().flat_map(Source::test_modules).collect();
    for source in &mut sources {
        let stem = source.path.trim_end_matches(".rs");
        source.is_test = test_modules
            .iter()
            .any(|module| stem == module || source.path.starts_with(&format!("{module}/")));
    }
    assert!(sources.len() > 100, "the sources are where they are looked for");
    sources
}

fn check(violations: Vec<String>, why: &str) {
    assert!(violations.is_empty(), "{why}:\n  {}", violations.join("\n  "));
}

#[test]
fn what_must_not_be_mentioned_is_not() {
    let sources = sources();
    let mut failures = Vec::new();
    for absence in ABSENCES {
        let concerned = sources.iter().filter(|source| {
            (absence.within.is_empty() || source.is_within(absence.within))
                && !source.is_within(absence.except)
        });
        let found: Vec<String> = concerned
            .flat_map(|source| absence.never.iter().flat_map(|text| source.places_of(text)))
            .collect();
        failures.extend(found.into_iter().map(|place| format!("{place}\n    {}", absence.why)));
    }
    check(failures, "mentioned where it must not be");
}

#[test]
fn modules_use_only_what_is_below_them() {
    let mut violations = Vec::new();
    for source in sources() {
        let Some((module, _)) = source.path.split_once('/') else { continue };
        let row = MAY_USE.iter().find(|(name, _)| *name == module);
        let Some((_, allowed)) = row else {
            violations.push(format!("src/{module}/ has no row in MAY_USE"));
            continue;
        };
        for (used, _) in MAY_USE {
            if *used != module && !allowed.contains(used) {
                violations.extend(source.places_of(&format!("crate::{used}")));
            }
        }
    }
    check(violations, "modules that must not know each other");
}

#[test]
fn the_table_of_modules_has_no_circle() {
    for (at, (module, uses)) in MAY_USE.iter().enumerate() {
        for used in *uses {
            let place = MAY_USE.iter().position(|(name, _)| name == used);
            let above = "cli, host, server and api are the edge, in the order of the table";
            assert!(place.is_some_and(|place| place < at), "{module} uses {used}: {above}");
        }
    }
}

#[test]
fn the_doors_for_fuzz_targets_are_behind_their_feature() {
    let mut doors = 0;
    let mut open = Vec::new();
    for source in sources() {
        let lines: Vec<&str> = source.text.lines().map(str::trim).collect();
        for (at, line) in lines.iter().enumerate().filter(|(_, l)| l.ends_with("mod fuzzing;")) {
            doors += 1;
            let attributes = lines[..at].iter().rev().take_while(|line| line.starts_with("#["));
            if !attributes.into_iter().any(|a| *a == "#[cfg(any(test, feature = \"fuzzing\"))]") {
                open.push(format!("src/{}:{}: {line}", source.path, at + 1));
            }
        }
    }
    assert!(doors >= 4, "the doors are where they are looked for");
    check(open, "in every build of the program");
}

#[test]
fn exceptions_are_still_needed() {
    let sources = sources();
    let mut stale = Vec::new();
    for absence in ABSENCES {
        for exception in absence.except {
            let concerned = sources.iter().filter(|source| source.path.starts_with(exception));
            let used = concerned
                .flat_map(|source| absence.never.iter().flat_map(|text| source.places_of(text)))
                .next();
            if used.is_none() {
                stale.push(format!("{exception} ({})", absence.why));
            }
        }
    }
    check(stale, "exceptions that nothing uses");
}

#[test]
fn files_are_short_and_finished() {
    let mut violations = Vec::new();
    for source in sources() {
        let lines = source.text.lines().count();
        if lines > MAX_LINES && !source.is_test {
            violations.push(format!("src/{}: {lines} lines, not over {MAX_LINES}", source.path));
        }
        for (at, line) in source.text.lines().enumerate() {
            if let Some(word) = LEFT_OVERS.iter().find(|word| says(line, word)) {
                violations.push(format!("src/{}:{}: {word}", source.path, at + 1));
            }
        }
        if !source.text.starts_with("//!") && !source.is_test {
            violations.push(format!("src/{} does not open with what it does", source.path));
        }
    }
    check(violations, "files to divide or to finish");
}

/// The tests that `tests/TRUST.md` names are there. A protection whose test was renamed or
/// removed would otherwise only seem to be tested.
#[test]
fn the_attacks_are_tested_by_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
    let (mut named, mut missing) = (0, Vec::new());
    let text = read("tests/TRUST.md");
    let rows = text.lines().filter(|line| line.starts_with('|'));
    for entry in rows.flat_map(|row| row.split('`').skip(1).step_by(2)) {
        let mut parts = entry.splitn(3, ' ');
        let (Some(suite), Some(place), Some(name)) = (parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        let (file, wanted) = match suite {
            "unit" => (place.to_owned(), format!("fn {name}(")),
            "browser" => (format!("tests/browser/{place}"), name.to_owned()),
            suite => (format!("tests/{suite}/{place}.rs"), format!("fn {name}(")),
        };
        named += 1;
        if !read(&file).contains(&wanted) {
            missing.push(format!("{file}: {name}"));
        }
    }
    assert!(named > 80, "the table is read wrongly: {named} tests are named");
    check(missing, "tests that tests/TRUST.md names");
}

#[test]
fn the_reader_of_sources_tells_tests_from_the_program() {
    let text = "//! Doc with process::exit.\n\
                use a;\n\
                #[cfg(test)]\n\
                #[path = \"x.rs\"]\n\
                mod fake;\n\
                fn f() {}\n\
                impl S {\n    #[cfg(test)]\n    fn g() {\n        x.unwrap();\n    }\n    fn h() {}\n}\n\
                fn last() {\n    z.unwrap();\n}\n\
                #[cfg(test)]\n\
                mod tests {\n    fn t() {\n        y.unwrap();\n    }\n}\n";
    let source = Source { path: "m/mod.rs".into(), text: text.into(), is_test: false };
    assert_eq!(source.test_modules(), ["m/fake"]);
    assert_eq!(source.places_of(".unwrap()"), ["src/m/mod.rs:15: z.unwrap();"]);
    assert_eq!(source.places_of("process::exit"), [""; 0]);
    assert_eq!(source.places_of("fn h").len(), 1);
    assert!(says("use tokio::net;", "tokio") && !says("use tokio_util;", "tokio"));
}
