"""What each systemd unit has to say, setting by setting.

Held here a second time on purpose: a setting that is changed, added or dropped by mistake differs
from this list. A setting that occurs several times has all its values, in their order.
"""

MAN = "man:dossierd(1)"

START_LIMIT = {
    "Unit.StartLimitIntervalSec": ["60"],
    "Unit.StartLimitBurst": ["5"],
}

# How the daemon is run, for a user and by the system alike.
RUN = {
    "Service.Type": ["notify"],
    "Service.NotifyAccess": ["main"],
    "Service.ExecStart": ["/usr/bin/dossierd run"],
    "Service.ExecReload": ["/bin/kill -HUP $MAINPID"],
    "Service.Restart": ["on-failure"],
    "Service.RestartSec": ["1"],
    "Service.RestartPreventExitStatus": ["64"],
    "Service.TimeoutStartSec": ["30"],
    "Service.TimeoutStopSec": ["15"],
    "Service.WatchdogSec": ["30"],
    "Service.KillMode": ["mixed"],
    "Service.UMask": ["0077"],
    "Service.LimitNOFILE": ["8192"],
    "Service.LimitCORE": ["0"],
    "Service.TasksMax": ["64"],
    "Service.MemoryHigh": ["256M"],
    "Service.MemoryMax": ["512M"],
    "Service.OOMPolicy": ["stop"],
}

# Isolation that needs no namespaces.
SECCOMP = {
    "Service.NoNewPrivileges": ["yes"],
    "Service.LockPersonality": ["yes"],
    "Service.MemoryDenyWriteExecute": ["yes"],
    "Service.RestrictAddressFamilies": ["AF_UNIX AF_INET AF_INET6"],
    "Service.RestrictNamespaces": ["yes"],
    "Service.RestrictRealtime": ["yes"],
    "Service.RestrictSUIDSGID": ["yes"],
    "Service.SystemCallArchitectures": ["native"],
    "Service.SystemCallFilter": ["@system-service", "~@privileged @resources"],
    "Service.SystemCallErrorNumber": ["EPERM"],
}

# Isolation that a user's manager can do where users may have namespaces.
NAMESPACES = {
    "Service.PrivateUsers": ["yes"],
    "Service.ProtectSystem": ["strict"],
    "Service.ProtectHome": ["read-only"],
    "Service.PrivateMounts": ["yes"],
    "Service.PrivateTmp": ["yes"],
    "Service.PrivateDevices": ["yes"],
    "Service.PrivateIPC": ["yes"],
    "Service.ProtectHostname": ["yes"],
    "Service.ProtectClock": ["yes"],
    "Service.ProtectKernelTunables": ["yes"],
    "Service.ProtectKernelModules": ["yes"],
    "Service.ProtectKernelLogs": ["yes"],
    "Service.KeyringMode": ["private"],
    "Service.CapabilityBoundingSet": [""],
}

LOCAL_ONLY = {"IPAddressDeny": ["any"], "IPAddressAllow": ["localhost"]}
LOCAL_ONLY_SERVICE = {f"Service.{key}": value for key, value in LOCAL_ONLY.items()}
LOCAL_ONLY_SOCKET = {f"Socket.{key}": value for key, value in LOCAL_ONLY.items()}

SYSTEM_DIRECTORIES = {
    f"Service.{kind}Directory{suffix}": [value]
    for kind in ("Runtime", "State", "Cache")
    for suffix, value in (("", "dossierd/%i"), ("Mode", "0700"))
}

EXPECTED = {
    "user/dossierd.service": {
        "Unit.Description": ["Dossiers of missions"],
        "Unit.Documentation": [MAN],
        **START_LIMIT,
        **RUN,
        **SECCOMP,
        "Service.RuntimeDirectory": ["dossierd"],
        "Service.RuntimeDirectoryMode": ["0700"],
        "Service.RuntimeDirectoryPreserve": ["yes"],
        "Install.WantedBy": ["default.target"],
    },
    "user/dossierd.service.d/hardening.conf": {
        **NAMESPACES,
        **LOCAL_ONLY_SERVICE,
        "Service.ReadWritePaths": ["%h/.local/state/dossierd"],
    },
    "user/dossierd.socket": {
        "Unit.Description": ["Socket of dossierd"],
        "Unit.Documentation": [MAN],
        "Socket.ListenStream": ["%t/dossierd/dossierd.sock"],
        "Socket.FileDescriptorName": ["api"],
        "Socket.SocketMode": ["0600"],
        "Socket.DirectoryMode": ["0700"],
        "Install.WantedBy": ["sockets.target"],
    },
    "user/dossierd-http.socket": {
        "Unit.Description": ["HTTP port of dossierd"],
        "Unit.Documentation": [MAN],
        "Socket.ListenStream": ["127.0.0.1:7717"],
        "Socket.FileDescriptorName": ["http"],
        "Socket.Service": ["dossierd.service"],
        "Install.WantedBy": ["sockets.target"],
    },
    "system/dossierd@.service": {
        "Unit.Description": ["Dossiers of missions of %i"],
        "Unit.Documentation": [MAN],
        **START_LIMIT,
        **RUN,
        **SECCOMP,
        **NAMESPACES,
        **LOCAL_ONLY_SERVICE,
        **SYSTEM_DIRECTORIES,
        "Service.User": ["%i"],
        "Service.RuntimeDirectoryPreserve": ["restart"],
        "Service.AmbientCapabilities": [""],
        "Service.DevicePolicy": ["closed"],
        "Service.ProtectControlGroups": ["yes"],
        "Service.ProtectProc": ["invisible"],
        "Service.ProcSubset": ["pid"],
        "Service.RemoveIPC": ["yes"],
        "Install.WantedBy": ["multi-user.target"],
    },
    "system/dossierd@.service.d/socket-activated.conf": {
        "Unit.Requires": ["dossierd@%i.socket"],
        "Unit.After": ["dossierd@%i.socket dossierd-http@%i.socket"],
        "Service.PrivateNetwork": ["yes"],
        "Service.RestrictAddressFamilies": ["", "AF_UNIX"],
        "Service.IPAddressAllow": [""],
        "Service.RuntimeDirectoryPreserve": ["yes"],
    },
    "system/dossierd@.socket": {
        "Unit.Description": ["Socket of dossierd of %i"],
        "Unit.Documentation": [MAN],
        "Socket.ListenStream": ["%t/dossierd/%i/dossierd.sock"],
        "Socket.FileDescriptorName": ["api"],
        "Socket.SocketUser": ["%i"],
        "Socket.SocketMode": ["0600"],
        "Socket.DirectoryMode": ["0755"],
        "Install.WantedBy": ["sockets.target"],
    },
    "system/dossierd-http@.socket": {
        "Unit.Description": ["HTTP port of dossierd of %i"],
        "Unit.Documentation": [MAN],
        "Socket.ListenStream": ["127.0.0.1:7717"],
        "Socket.FileDescriptorName": ["http"],
        "Socket.Service": ["dossierd@%i.service"],
        **LOCAL_ONLY_SOCKET,
        "Install.WantedBy": ["sockets.target"],
    },
}
