//! Who runs this process, and on which machine: what the default `node_id` is made of.

/// The effective user id; `None` where the system has none.
#[cfg(unix)]
pub fn uid() -> Option<u32> {
    Some(rustix::process::geteuid().as_raw())
}

/// The effective user id; `None` where the system has none.
#[cfg(not(unix))]
pub fn uid() -> Option<u32> {
    None
}

/// May a peer with this uid speak to a daemon of ours, and a daemon with this uid answer
/// us? We ourselves and root; a uid that cannot be read is passed as `None`, and refused.
pub fn is_trusted_peer(peer: Option<u32>) -> bool {
    peer.is_some_and(|peer| peer == 0 || Some(peer) == uid())
}

/// The name of the user: the environment's `LOGNAME`, `USER`, `LNAME`, `USERNAME` (the
/// order of Python's `getpass.getuser`, so that tools of both kinds agree on a node), else
/// the account's name, else `uid-N`, else `user`.
pub fn user_name() -> String {
    let accounts = std::fs::read("/etc/passwd").unwrap_or_default();
    name_from(|key| std::env::var(key).ok(), uid(), &accounts)
}

/// The name of this user's account, whatever the environment says; where the accounts are
/// kept elsewhere than in the system's file, what the environment says.
pub fn account() -> String {
    let accounts = std::fs::read("/etc/passwd").unwrap_or_default();
    uid().and_then(|uid| account_name(&accounts, uid)).unwrap_or_else(user_name)
}

/// The name of the machine, as `uname -n` and `gethostname` give it.
#[cfg(unix)]
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The name of the machine.
#[cfg(not(unix))]
pub fn host_name() -> String {
    std::env::var("COMPUTERNAME").unwrap_or_else(|_| "localhost".to_owned())
}

fn name_from(env: impl Fn(&str) -> Option<String>, uid: Option<u32>, accounts: &[u8]) -> String {
    ["LOGNAME", "USER", "LNAME", "USERNAME"]
        .into_iter()
        .filter_map(env)
        .find(|name| !name.is_empty())
        .or_else(|| uid.and_then(|uid| account_name(accounts, uid)))
        .or_else(|| uid.map(|uid| format!("uid-{uid}")))
        .unwrap_or_else(|| "user".to_owned())
}

/// The first account with this uid in the text of a passwd(5) file. Accounts that a
/// directory service keeps are not in it; they have the environment, or `uid-N`.
fn account_name(accounts: &[u8], uid: u32) -> Option<String> {
    accounts.split(|b| *b == b'\n').find_map(|line| {
        let mut fields = std::str::from_utf8(line).ok()?.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        let id: u32 = fields.nth(1)?.parse().ok()?;
        (id == uid).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNTS: &[u8] =
        b"root:x:0:0::/:/bin/sh\n\xff:x:7:7::\nbroken\n:x:8:\nana:x:1000:1000::/home/ana:/bin/sh\n";

    fn check(env: &[(&str, &str)], uid: Option<u32>, expected: &str) {
        let get = |key: &str| env.iter().find(|(k, _)| *k == key).map(|(_, v)| (*v).to_owned());
        assert_eq!(name_from(get, uid, ACCOUNTS), expected, "{env:?} {uid:?}");
    }

    #[test]
    fn the_environment_comes_first_then_the_account_then_the_number() {
        check(&[("USER", "b"), ("LOGNAME", "a")], Some(1000), "a");
        check(&[("LOGNAME", ""), ("USER", "b")], Some(1000), "b");
        check(&[], Some(1000), "ana");
        check(&[], Some(0), "root");
        check(&[], Some(7), "uid-7");
        check(&[], Some(8), "uid-8");
        check(&[], Some(4242), "uid-4242");
        check(&[], None, "user");
    }

    #[test]
    fn only_root_and_we_ourselves_are_trusted() {
        assert!(!is_trusted_peer(None));
        assert!(!is_trusted_peer(Some(u32::MAX - 7)));
        #[cfg(unix)]
        assert!(is_trusted_peer(Some(0)) && is_trusted_peer(uid()));
    }

    #[test]
    fn the_machine_has_a_name() {
        assert!(!host_name().is_empty());
    }
}
