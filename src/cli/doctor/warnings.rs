//! What the daemon warns of, with what mends it. The kind of a warning says which, never its
//! words.

use super::super::wire::{Health, WarningDetail};
use super::Check;

/// How a daemon is started anew, however it was started.
pub(super) const RESTART: &str =
    "systemctl --user restart dossierd, or stop it and start it anew: dossierd run";

/// One check for each warning.
pub(super) fn warnings(health: &Health) -> Vec<Check> {
    let told = |(index, message): (usize, &String)| {
        // A daemon of an older version says no more than the sentence.
        let detail = health.warning_details.get(index).cloned().unwrap_or_default();
        Check::warn("configuration", message, mending(&detail, health.pid))
    };
    health.warnings.iter().enumerate().map(told).collect()
}

fn mending(detail: &WarningDetail, pid: Option<u32>) -> String {
    match detail.kind.as_str() {
        "address" => format!(
            "stop what has the port, or set `listen` to another one, then restart the daemon: {RESTART}"
        ),
        "config-waiting" => format!("restart the daemon: {RESTART}"),
        "watching" => format!("put right what is named, then restart the daemon: {RESTART}"),
        "supervisor" => format!(
            "correct the unit that starts dossierd, then: systemctl --user daemon-reload, and {RESTART}"
        ),
        _ => {
            let file = detail.file.as_deref().map(|file| format!(" {file}"));
            let reload = reload_command(pid);
            format!("dossierd config check{}, then: {reload}", file.unwrap_or_default())
        }
    }
}

/// What has a daemon load its configuration again.
pub(super) fn reload_command(pid: Option<u32>) -> String {
    pid.map_or_else(
        || "systemctl --user reload dossierd".to_owned(),
        |pid| format!("kill -HUP {pid}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_mends_a_warning_follows_from_its_kind() {
        let hint = |details: &str| {
            let text = format!(r#"{{"pid":7,"warnings":["w"],"warning_details":{details}}}"#);
            let checks = warnings(&serde_json::from_str(&text).unwrap());
            assert_eq!(checks.len(), 1);
            checks[0].hint.clone().unwrap()
        };
        for kind in ["address", "config-waiting", "watching", "supervisor"] {
            let hint = hint(&format!(r#"[{{"kind":"{kind}","message":"w"}}]"#));
            // A reload neither binds a port again nor applies what waits for a start.
            assert!(hint.contains(RESTART) && !hint.contains("HUP"), "{kind}: {hint}");
        }
        assert!(hint(r#"[{"kind":"address"}]"#).contains("`listen`"));
        for kind in ["config-refused", "config-changed"] {
            let hint = hint(&format!(r#"[{{"kind":"{kind}","file":"/c/my.yaml"}}]"#));
            assert_eq!(hint, "dossierd config check /c/my.yaml, then: kill -HUP 7");
        }
        assert_eq!(hint("[]"), "dossierd config check, then: kill -HUP 7");
    }
}
