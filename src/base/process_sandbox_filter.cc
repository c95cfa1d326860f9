// The seccomp filter of a sandbox: what no job needs, and what takes hold of other processes or of the kernel itself.
// Namespaces, Landlock and the lack of capabilities forbid most of it already; the filter also keeps hostile code away
// from the kernel's less trodden paths.
#include <linux/sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "base/process_sandbox_wire.h"

namespace tarn::sandbox {
namespace {

// Refused with EPERM. A name that this libseccomp or this processor does not know is left out.
constexpr std::array kRefused = {
    // other processes
    "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "kcmp", "pidfd_getfd", "pidfd_open",
    "perf_event_open", "move_pages", "migrate_pages",
    // namespaces and mounts
    "unshare", "setns", "mount", "umount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree", "fsopen",
    "fsconfig", "fsmount", "fspick", "mount_setattr", "open_by_handle_at", "name_to_handle_at", "mknod", "mknodat",
    // keys and the kernel
    "keyctl", "add_key", "request_key", "bpf", "kexec_load", "kexec_file_load", "userfaultfd", "init_module",
    "finit_module", "delete_module", "create_module", "reboot", "swapon", "swapoff", "syslog", "acct", "quotactl",
    "quotactl_fd", "nfsservctl", "vhangup", "iopl", "ioperm", "modify_ldt", "personality", "lookup_dcookie",
    "fanotify_init", "sethostname", "setdomainname", "settimeofday", "clock_settime", "clock_adjtime", "adjtimex",
    "stime", "uselib", "ustat", "sysfs", "_sysctl", "vm86", "vm86old",
    // memory that no limit of ours counts
    "memfd_create", "memfd_secret", "shmget", "shmat", "shmctl", "msgget", "semget", "mq_open"};
// Programs do without these when the kernel is too old to have them: told that it is.
constexpr std::array kUnknown = {"clone3", "io_uring_setup", "io_uring_enter", "io_uring_register"};
constexpr std::array<uint64_t, 8> kNamespaces = {CLONE_NEWNS,   CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC,
                                                 CLONE_NEWUSER, CLONE_NEWPID,    CLONE_NEWNET, CLONE_NEWTIME};

class Rules {
  public:
    Rules() : context_(::seccomp_init(SCMP_ACT_ALLOW)) {}
    ~Rules() { ::seccomp_release(context_); }
    Rules(const Rules&) = delete;
    Rules& operator=(const Rules&) = delete;

    void Refuse(const char* name, int error_number) {
        int number = ::seccomp_syscall_resolve_name(name);
        if (number == __NR_SCMP_ERROR) return;
        Note(::seccomp_rule_add(context_, SCMP_ACT_ERRNO(static_cast<uint16_t>(error_number)), number, 0));
    }
    void RefuseIf(const char* name, int error_number, scmp_arg_cmp condition) {
        int number = ::seccomp_syscall_resolve_name(name);
        if (number == __NR_SCMP_ERROR) return;
        Note(::seccomp_rule_add_array(context_, SCMP_ACT_ERRNO(static_cast<uint16_t>(error_number)), number, 1,
                                      &condition));
    }
    Result<std::string> Export() {
        Note(::seccomp_attr_set(context_, SCMP_FLTATR_CTL_OPTIMIZE, 2));
        Fd file = TRY(WriteMemoryFile(""));
        Note(::seccomp_export_bpf(context_, file.get()));
        if (failure_ != 0) {
            return Error(ErrorCode::kNotSupported, "no seccomp filter can be made: {}",
                         std::generic_category().message(-failure_));
        }
        return ReadMemoryFile(file.get());
    }

  private:
    // A rule for a call that this processor does not have at all is no failure.
    void Note(int result) {
        if (result < 0 && result != -EDOM && result != -EFAULT && failure_ == 0) failure_ = result;
    }
    scmp_filter_ctx context_;
    int failure_ = 0;
};

}  // namespace

Result<std::string> MakeFilter() {
    Rules rules;
    for (const char* name : kRefused) rules.Refuse(name, EPERM);
    for (const char* name : kUnknown) rules.Refuse(name, ENOSYS);
    for (uint64_t flag : kNamespaces) rules.RefuseIf("clone", EPERM, SCMP_A0_64(SCMP_CMP_MASKED_EQ, flag, flag));
    // Unix, IPv4 and IPv6 sockets only: the others are doors into parts of the kernel that no job needs.
    for (const char* name : {"socket", "socketpair"}) {
        rules.RefuseIf(name, EAFNOSUPPORT, SCMP_A0_64(SCMP_CMP_GT, AF_INET6, 0));
        for (uint64_t family = AF_INET + 1; family < AF_INET6; family++) {
            rules.RefuseIf(name, EAFNOSUPPORT, SCMP_A0_64(SCMP_CMP_EQ, family, 0));
        }
    }
    rules.RefuseIf("socket", EPERM, SCMP_A1_64(SCMP_CMP_MASKED_EQ, 0xf, SOCK_RAW));
    // Typing into somebody's terminal.
    rules.RefuseIf("ioctl", EPERM, SCMP_A1_64(SCMP_CMP_MASKED_EQ, 0xffffffffu, TIOCSTI));
    return rules.Export();
}

}  // namespace tarn::sandbox
