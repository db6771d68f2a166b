//! From what a person typed to one feature or root.
//!
//! FEATURE is a slug, an id, or a path. A slug or id that the daemon knows comes first, so
//! that a directory of the same name in the current directory changes nothing; `./name`
//! says that a path is meant. Left out, it is the feature that the current directory lies
//! in.
//!
//! A feature whose first scan has not ended is registered too. Whatever it could be is not
//! taken for another one: that it is still read for the first time is the answer then.

use std::path::{Path, PathBuf};

use super::client::Client;
use super::error::{CliError, ErrorKind};
use super::output::Output;
use super::problem::{Candidate, ambiguous};
use super::route::Route;
use super::wire::{FeatureRow, Features, PendingRow, Root};
use crate::dossier::LosslessPath;

/// Asks what is registered, and notes on stderr when the daemon has another version.
pub fn features(client: &Client, output: &mut Output) -> Result<Features, CliError> {
    let features: Features = client.ask(&Route::get("/api/features"))?.parse()?;
    note_version(&features.health.version, output);
    Ok(features)
}

/// Says that the daemon has another version, if so.
pub fn note_version(version: &str, output: &mut Output) {
    let own = env!("CARGO_PKG_VERSION");
    if !version.is_empty() && version != own {
        output.note(format!(
            "the daemon has version {version}, this command {own}; restart the daemon"
        ));
    }
}

/// The value for `feature=`: an id, or the slug that was typed; `None` when nothing was
/// typed and the current directory lies in no feature.
pub fn feature(
    typed: Option<&Path>,
    client: &Client,
    output: &mut Output,
) -> Result<Option<String>, CliError> {
    let known = features(client, output)?;
    match typed {
        Some(typed) => named(typed, &known).map(Some),
        None => here(&known),
    }
}

/// The id of the feature, for requests that are about exactly one.
pub fn feature_id(
    typed: Option<&Path>,
    client: &Client,
    output: &mut Output,
) -> Result<String, CliError> {
    one_of(typed, &features(client, output)?)
}

/// The id of the one feature among these that was named, or that the current directory lies
/// in, or that is the only one. A name that none of them has is returned as it is.
///
/// # Errors
///
/// None or several are meant, or one whose first scan has not ended: of kind `Refused` with
/// the code [`STARTING`].
pub fn one_of(typed: Option<&Path>, known: &Features) -> Result<String, CliError> {
    let name = match typed {
        Some(typed) => Some(named(typed, known)?),
        None => here(known)?,
    };
    let Some(name) = name else {
        return match (known.features.as_slice(), known.pending.as_slice()) {
            ([only], []) => Ok(only.id.clone()),
            ([] | [_], [first, others @ ..]) => Err(starting(first, others.len())),
            ([], []) => Err(CliError::new(ErrorKind::Input, "no feature is registered")
                .hint("register one with `dossierd add PATH`")),
            _ => Err(CliError::new(ErrorKind::Input, "several features are registered")
                .hint("name one, or go into its directory; `dossierd status` shows all of them")),
        };
    };
    let found: Vec<&FeatureRow> =
        known.features.iter().filter(|row| row.id == name || row.slug == name).collect();
    let is_id = found.iter().any(|row| row.id == name);
    if let Some(pending) = known.pending.iter().find(|row| row.id == name || row.slug == name)
        && !is_id
    {
        return Err(starting(pending, 0));
    }
    match found.as_slice() {
        [only] => Ok(only.id.clone()),
        // The daemon says that it does not know it, and which slugs are similar.
        [] => Ok(name),
        several => Err(not_unique(&name, several)),
    }
}

/// The code of the daemon for what is not scanned yet.
pub const STARTING: &str = "starting";

/// The first scan of this feature has not ended, nor those of so many others.
fn starting(pending: &PendingRow, others: usize) -> CliError {
    let message = match others {
        0 => format!("the first scan of {} has not ended", pending.slug),
        1 => format!("the first scans of {} and 1 more feature have not ended", pending.slug),
        _ => format!("the first scans of {} and {others} more have not ended", pending.slug),
    };
    CliError::new(ErrorKind::Refused, message)
        .with_code(STARTING)
        .hint("it is read for the first time: wait; `dossierd status` shows how far the daemon is")
}

/// Several features have this slug.
fn not_unique(name: &str, found: &[&FeatureRow]) -> CliError {
    let candidates: Vec<Candidate> = found
        .iter()
        .map(|feature| Candidate {
            id: feature.id.clone(),
            slug: feature.slug.clone(),
            project_slug: feature.project_slug.clone(),
            branch: feature.branch.clone(),
            dir: feature.dir.as_ref().map(|dir| dir.0.to_string_lossy().into_owned().into()),
        })
        .collect();
    let message = format!("{} features have the slug {name}", found.len());
    ambiguous(CliError::new(ErrorKind::Input, message), &candidates)
}

/// What a typed name means: the slug or id itself if one has it, else the id of the
/// feature in the directory of that path.
fn named(typed: &Path, known: &Features) -> Result<String, CliError> {
    if let Some(name) = typed.to_str()
        && (known.features.iter().any(|row| row.slug == name || row.id == name)
            || known.pending.iter().any(|row| row.slug == name || row.id == name))
    {
        return Ok(name.to_owned());
    }
    if let Ok(dir) = std::fs::canonicalize(typed) {
        return containing(&dir, known)?.ok_or_else(|| {
            let message = format!("{} lies in no registered feature", dir.display());
            CliError::new(ErrorKind::Input, message).hint(format!(
                "register it with `dossierd add {}`; `dossierd list` shows what is registered",
                typed.display()
            ))
        });
    }
    match typed.to_str().filter(|name| !name.contains('/')) {
        // The daemon says that it does not know it, and which slugs are similar.
        Some(name) => Ok(name.to_owned()),
        None => Err(CliError::new(
            ErrorKind::Input,
            format!("there is no directory {}", typed.display()),
        )
        .hint("`dossierd list` shows what is registered")),
    }
}

/// The feature that the current directory lies in.
fn here(known: &Features) -> Result<Option<String>, CliError> {
    current_dir().map_or(Ok(None), |dir| containing(&dir, known))
}

/// The current directory, canonical; `None` if it is gone.
pub fn current_dir() -> Option<PathBuf> {
    std::env::current_dir().and_then(std::fs::canonicalize).ok()
}

/// The id of the innermost feature that `dir` (canonical) is or lies in; an error if the
/// first scan of that one has not ended.
fn containing(dir: &Path, known: &Features) -> Result<Option<String>, CliError> {
    let depth = |own: Option<&LosslessPath>| {
        let own = &own?.0;
        let own = std::fs::canonicalize(own).unwrap_or_else(|_| own.clone());
        dir.starts_with(&own).then(|| own.components().count())
    };
    let scanned =
        known.features.iter().filter_map(|row| Some((depth(row.dir.as_ref())?, Ok(&row.id))));
    let pending = known.pending.iter().filter_map(|row| Some((depth(row.dir.as_ref())?, Err(row))));
    match scanned.chain(pending).max_by_key(|(depth, _)| *depth) {
        Some((_, Ok(id))) => Ok(Some(id.clone())),
        Some((_, Err(pending))) => Err(starting(pending, 0)),
        None => Ok(None),
    }
}

/// The id of the registered root that a name, path or id means.
pub fn root_id(typed: &Path, known: &Features) -> Result<String, CliError> {
    let name = typed.to_str();
    if let Some(root) = known.roots.iter().find(|root| Some(root.id.as_str()) == name) {
        return Ok(root.id.clone());
    }
    let canonical = std::fs::canonicalize(typed).ok();
    let absolute = std::path::absolute(typed).ok();
    let is_at = |root: &&Root| {
        let path = path_of(root);
        path.is_some() && (path == canonical.as_ref() || path == absolute.as_ref())
    };
    if let Some(root) = known.roots.iter().find(is_at) {
        return Ok(root.id.clone());
    }
    let by_name: Vec<&Root> = known
        .roots
        .iter()
        .filter(|root| path_of(root).and_then(|path| path.file_name()) == Some(typed.as_os_str()))
        .collect();
    match by_name.as_slice() {
        [only] => return Ok(only.id.clone()),
        [] => {}
        several => return Err(several_roots(typed, several)),
    }
    let feature = known
        .features
        .iter()
        .find(|feature| Some(feature.id.as_str()) == name || Some(feature.slug.as_str()) == name);
    let pending = known
        .pending
        .iter()
        .find(|pending| Some(pending.id.as_str()) == name || Some(pending.slug.as_str()) == name);
    let owner_id =
        feature.map(|feature| &feature.root_id).or(pending.map(|pending| &pending.root_id));
    let owner = owner_id.and_then(|id| known.roots.iter().find(|root| root.id == *id));
    match owner {
        Some(root) if root.kind == "feature" => Ok(root.id.clone()),
        _ => Err(no_root(typed, owner)),
    }
}

fn path_of(root: &Root) -> Option<&PathBuf> {
    root.path.as_ref().map(|LosslessPath(path)| path)
}

fn several_roots(typed: &Path, roots: &[&Root]) -> CliError {
    let message = format!("{} are registered as {}", roots.len(), typed.display());
    let error = CliError::new(ErrorKind::Input, message).hint("name the one you mean by its id:");
    roots.iter().fold(error, |error, root| {
        let path = path_of(root).map(|path| path.display().to_string()).unwrap_or_default();
        error.hint(format!("{} is {path}", root.id))
    })
}

/// Nothing of this name was registered; `project` is what a feature of it came with.
fn no_root(typed: &Path, project: Option<&Root>) -> CliError {
    let Some(project) = project else {
        let message = format!("nothing is registered as {}", typed.display());
        return CliError::new(ErrorKind::Input, message)
            .hint("`dossierd list` shows what is registered");
    };
    let message =
        format!("{} was not registered itself, it came with its project", typed.display());
    let path = path_of(project).map(|path| path.display().to_string());
    CliError::new(ErrorKind::Input, message).hint(format!(
        "to remove the project with all its features: dossierd remove {}",
        path.unwrap_or_else(|| project.id.clone())
    ))
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
