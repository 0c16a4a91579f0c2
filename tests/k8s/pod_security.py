"""Finds what is wrong with a pod by the Pod Security Standard "restricted", of
https://kubernetes.io/docs/concepts/security/pod-security-standards/."""

VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral",
           "persistentVolumeClaim", "projected", "secret"}
SELINUX_TYPES = {"", "container_t", "container_init_t", "container_kvm_t",
                 "container_engine_t"}
SYSCTLS = {"kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range",
           "net.ipv4.ip_unprivileged_port_start", "net.ipv4.tcp_syncookies",
           "net.ipv4.ping_group_range"}


def containers_of(spec):
    return (spec.get("initContainers", []) + spec["containers"] +
            spec.get("ephemeralContainers", []))


def violations(spec, annotations=None):
    """`spec` is a pod's. In words; none: it may run."""
    found = []
    pod = spec.get("securityContext", {})
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(key):
            found.append(key)
    for volume in spec.get("volumes", []):
        for kind in set(volume) - {"name"} - VOLUMES:
            found.append(f"volume {volume['name']} is a {kind}")
    for sysctl in pod.get("sysctls", []):
        if sysctl["name"] not in SYSCTLS:
            found.append(f"sysctl {sysctl['name']}")
    for key, value in (annotations or {}).items():
        if (key.startswith("container.apparmor.security.beta.kubernetes.io/")
                and value != "runtime/default"
                and not value.startswith("localhost/")):
            found.append(f"AppArmor {value}")
    for container in containers_of(spec):
        found += [f"{container['name']}: {what}"
                  for what in container_violations(container, pod)]
    return found


def container_violations(container, pod):
    own = container.get("securityContext", {})
    both = {**pod, **own}
    if own.get("privileged"):
        yield "privileged"
    if own.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation is not false"
    if both.get("runAsNonRoot") is not True:
        yield "runAsNonRoot is not true"
    if both.get("runAsUser") == 0:
        yield "runAsUser is 0"
    if both.get("seccompProfile", {}).get("type") not in ("RuntimeDefault",
                                                          "Localhost"):
        yield "no seccompProfile"
    capabilities = own.get("capabilities", {})
    if "ALL" not in capabilities.get("drop", []):
        yield "capabilities are not dropped"
    for added in set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"}:
        yield f"capability {added}"
    if own.get("procMount", "Default") != "Default":
        yield "procMount"
    selinux = both.get("seLinuxOptions", {})
    if (selinux.get("type", "") not in SELINUX_TYPES or selinux.get("user")
            or selinux.get("role")):
        yield "seLinuxOptions"
    for port in container.get("ports", []):
        if port.get("hostPort"):
            yield f"hostPort {port['hostPort']}"
