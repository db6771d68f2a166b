//! launchd's agent: the property list below `packaging/`, with this binary and this user's places
//! put in.

use std::path::{Path, PathBuf};

use super::quoting::{from_xml, sayable, xml};
use super::service_file::{ServiceFile, property_list};
use super::setting::Setting;
use crate::cli::error::CliError;

/// Its name, for launchd and as a file.
pub(super) const LABEL: &str = "dev.dossier.dossierd";

const TEXT: &str = include_str!("../../../packaging/launchd/dev.dossier.dossierd.plist");
const SOCKET_ACTIVATED_TEXT: &str =
    include_str!("../../../packaging/launchd/socket-activated/dev.dossier.dossierd.plist");
/// Where the sources and packages have the agent whose listeners launchd keeps; it tells how.
pub(super) const SOCKET_ACTIVATED: &str = "launchd/socket-activated/dev.dossier.dossierd.plist";
const SOCKET: &str =
    "<string>@HOME@/Library/Application Support/dossierd/run-@UID@/dossierd.sock</string>";
const ARGUMENTS: &str = "    <key>ProgramArguments</key>\n    <array>\n        <string>";
const HOME: &str = "    <key>EnvironmentVariables</key>\n    <dict>\n        \
                    <key>DOSSIERD_HOME</key>\n        <string>";

/// Where it belongs.
pub(super) fn path(home: &Path) -> PathBuf {
    home.join("Library/LaunchAgents").join(format!("{LABEL}.plist"))
}

/// Where its log goes; launchd makes no directories.
pub(super) fn log_dir(home: &Path) -> PathBuf {
    home.join("Library/Logs/dossierd")
}

/// The agent for this binary.
pub(super) fn file(setting: &Setting) -> Result<ServiceFile, CliError> {
    let text = filled(TEXT, setting)?;
    Ok(ServiceFile { path: path(&setting.home), text: property_list(&text) })
}

/// The one whose listeners launchd keeps. It bears no mark, since `service install` does not write it.
pub(super) fn socket_activated(setting: &Setting) -> Result<String, CliError> {
    let path = socket(setting);
    let line = format!("<string>{}</string>", xml(sayable("the socket", &path)?));
    filled(&SOCKET_ACTIVATED_TEXT.replacen(SOCKET, &line, 1), setting)
}

/// Where commands look for its socket.
pub(super) fn socket(setting: &Setting) -> PathBuf {
    if setting.dossierd_home.is_some() {
        return setting.socket.clone();
    }
    let uid = crate::platform::user::uid().unwrap_or_default();
    let below = format!("Library/Application Support/dossierd/run-{uid}/dossierd.sock");
    setting.home.join(below)
}

/// A text of `packaging/` with the places put in.
fn filled(text: &str, setting: &Setting) -> Result<String, CliError> {
    let binary = xml(sayable("this binary", &setting.binary)?);
    let home = xml(sayable("the home directory", &setting.home)?);
    let mut text = without_comment(text)
        .replace("<string>@BINARY@", &format!("<string>{binary}"))
        .replace("<string>@HOME@", &format!("<string>{home}"));
    if let Some(dir) = &setting.dossierd_home {
        let dir = xml(sayable("DOSSIERD_HOME", dir)?);
        let lines = format!("{HOME}{dir}</string>\n    </dict>\n{ARGUMENTS}");
        text = text.replacen(ARGUMENTS, &lines, 1);
    }
    Ok(text)
}

/// The comment tells how to do by hand what was just done.
fn without_comment(text: &str) -> String {
    match (text.find("<!--\n"), text.find("\n-->\n")) {
        (Some(start), Some(end)) if start < end => {
            format!("{}{}", &text[..start], &text[end + "\n-->\n".len()..])
        }
        _ => text.to_owned(),
    }
}

/// What an agent starts.
pub(super) fn program_of(text: &str) -> Option<PathBuf> {
    path_behind(ARGUMENTS, text)
}

/// The DOSSIERD_HOME of an agent, if it has one.
pub(super) fn dossierd_home_of(text: &str) -> Option<PathBuf> {
    path_behind(HOME, text)
}

fn path_behind(key: &str, text: &str) -> Option<PathBuf> {
    let (_, rest) = text.split_once(key)?;
    Some(PathBuf::from(from_xml(rest.split_once("</string>")?.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(binary: &str) -> Setting {
        Setting {
            binary: binary.into(),
            home: "/Users/a&b".into(),
            dossierd_home: None,
            state_dir: "/s".into(),
            carried: Default::default(),
            socket: "/s/dossierd.sock".into(),
        }
    }

    #[test]
    fn nothing_is_left_to_fill_in_and_text_stays_text() {
        let file = file(&setting("/opt/<x>/dossierd")).unwrap();
        assert_eq!(
            file.path,
            Path::new("/Users/a&b/Library/LaunchAgents/dev.dossier.dossierd.plist")
        );
        assert!(file.text.contains("<string>/opt/&lt;x&gt;/dossierd</string>"), "{}", file.text);
        assert!(file.text.contains("<string>/Users/a&amp;b/Library/Logs/"), "{}", file.text);
        assert!(!file.text.contains('@') && !file.text.contains("EnvironmentVariables"));
        assert_eq!(program_of(&file.text), Some("/opt/<x>/dossierd".into()));
        assert_eq!(dossierd_home_of(&file.text), None);
    }

    #[test]
    fn the_agent_whose_listeners_launchd_keeps_has_the_socket_that_commands_ask() {
        let uid = crate::platform::user::uid().unwrap_or_default();
        let usual = socket_activated(&setting("/b")).unwrap();
        let line = format!(
            "<string>/Users/a&amp;b/Library/Application Support/dossierd/run-{uid}/dossierd.sock</string>"
        );
        assert!(usual.contains(&line) && !usual.contains('@'), "{usual}");
        assert!(usual.contains("<key>Sockets</key>") && !usual.contains("<!--"), "{usual}");
        let moved = Setting { dossierd_home: Some("/d".into()), ..setting("/b") };
        let text = socket_activated(&moved).unwrap();
        assert!(text.contains("<string>/s/dossierd.sock</string>"), "{text}");
        assert_eq!(dossierd_home_of(&text), Some("/d".into()));
    }

    #[test]
    fn a_home_goes_with_it() {
        let setting = Setting { dossierd_home: Some("/d\"e".into()), ..setting("/b") };
        let text = file(&setting).unwrap().text;
        assert!(
            text.contains("<key>DOSSIERD_HOME</key>\n        <string>/d\"e</string>"),
            "{text}"
        );
        assert_eq!(program_of(&text), Some("/b".into()));
        assert_eq!(dossierd_home_of(&text), Some("/d\"e".into()));
    }
}
