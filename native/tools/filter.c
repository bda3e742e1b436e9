// The filter of system calls: what is refused, and how a list of it becomes a program of BPF. All else is allowed. The
// kernel remembers which calls are allowed whatever their arguments are, so the length of the list costs nothing.
//
// Refused is what makes namespaces and mounts, what programs seldom need and kernels often had holes in, and programs
// that would run as who made them. That it lets nobody out does not depend on this: the program has no capability.
//
// An errno is what a program most likely knows how to go on from: EPERM as without a capability, ENOSYS as of an older
// kernel.

#define _GNU_SOURCE
#include "filter.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

// <linux/seccomp.h>, <linux/filter.h> and <linux/audit.h>, which not every libc comes with.
struct call {
  int32_t number;
  uint32_t machine;
  uint64_t instruction;
  uint64_t arguments[6];
};
struct step {
  uint16_t code;
  uint8_t if_true, if_false; // steps to leave out
  uint32_t value;
};
struct steps {
  unsigned short count;
  struct step *first;
};
enum { LOAD = 0x20, IF_EQUAL = 0x15, IF_LEAST = 0x35, IF_ANY_BIT = 0x45, RETURN = 0x06 };
enum { FILTER_MODE = 2 };
#define ALLOW 0x7fff0000U
#define FAIL(error) (0x00050000U | (error))
#define KILL_PROCESS 0x80000000U

#if defined(__x86_64__)
#define MACHINE 0xc000003eU
#define X32 0x40000000U
#elif defined(__aarch64__)
#define MACHINE 0xc00000b7U
#endif

#ifdef MACHINE

// From 424 on a call has one number on all machines.
enum {
  IO_URING_SETUP = 425, IO_URING_ENTER, IO_URING_REGISTER, OPEN_TREE, MOVE_MOUNT, FSOPEN, FSCONFIG, FSMOUNT, FSPICK,
  CLONE3 = 435, OPENAT2 = 437, PIDFD_GETFD = 438, PROCESS_MADVISE = 440, MOUNT_SETATTR = 442, QUOTACTL_FD = 443,
  FCHMODAT2 = 452, OPEN_TREE_ATTR = 467
};

static const int refused[] = {
    // namespaces and mounts
    SYS_unshare, SYS_setns, SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot,
    // keyrings, which are not of a namespace
    SYS_add_key, SYS_request_key, SYS_keyctl,
    // other processes' memory and descriptors
    SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_kcmp, PIDFD_GETFD, PROCESS_MADVISE,
    // programs in the kernel, and what watches it
    SYS_bpf, SYS_perf_event_open, SYS_userfaultfd, SYS_fanotify_init, SYS_syslog,
    // files by their numbers, whichever folder they are in
    SYS_open_by_handle_at, SYS_name_to_handle_at,
    // the machine
    SYS_acct, SYS_quotactl, QUOTACTL_FD, SYS_swapon, SYS_swapoff, SYS_reboot, SYS_kexec_load, SYS_kexec_file_load,
    SYS_init_module, SYS_finit_module, SYS_delete_module, SYS_sethostname, SYS_setdomainname, SYS_settimeofday,
    SYS_clock_settime, SYS_clock_adjtime, SYS_vhangup,
#if defined(__x86_64__)
    SYS_iopl, SYS_ioperm, SYS_modify_ldt, SYS_uselib, SYS_ustat, SYS_sysfs,
#endif
};

static const int absent[] = {
    CLONE3, OPENAT2, // their flags are in memory, where no filter sees them; all go on with clone() and openat()
    OPEN_TREE, MOVE_MOUNT, FSOPEN, FSCONFIG, FSMOUNT, FSPICK, MOUNT_SETATTR, OPEN_TREE_ATTR,
    IO_URING_SETUP, IO_URING_ENTER, IO_URING_REGISTER,
};

enum { COUNT = sizeof refused / sizeof refused[0] + sizeof absent / sizeof absent[0] };
static struct step steps[2 * COUNT + 160];
static unsigned short count;

static void step(uint16_t code, uint32_t value, uint8_t if_true, uint8_t if_false) {
  steps[count++] = (struct step){code, if_true, if_false, value};
}

static void load_argument(int which) {
  step(LOAD, (uint32_t)(offsetof(struct call, arguments) + 8 * (size_t)which), 0, 0); // its low half
}

static void fail_if(uint16_t code, uint32_t value, uint32_t error) {
  step(code, value, 0, 1);
  step(RETURN, FAIL(error), 0, 0);
}

static void allow_if(uint32_t value) {
  step(IF_EQUAL, value, 0, 1);
  step(RETURN, ALLOW, 0, 0);
}

// Everything until end_of() is for this call alone.
static unsigned short begin_of(int call) {
  step(IF_EQUAL, (uint32_t)call, 0, 0);
  return count;
}
static void end_of(unsigned short begin) { steps[begin - 1].if_false = (uint8_t)(count - begin); }

static void judge_clone(void) {
  unsigned short begin = begin_of(SYS_clone);
  load_argument(0);
  fail_if(IF_ANY_BIT, CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |
                          CLONE_NEWNET, EPERM);
  step(RETURN, ALLOW, 0, 0);
  end_of(begin);
}

// Typing for whoever started this, on the terminal that they share.
static void judge_ioctl(void) {
  enum { TYPE_IN_CONSOLE = 0x541c }; // TIOCLINUX
  unsigned short begin = begin_of(SYS_ioctl);
  load_argument(1);
  fail_if(IF_EQUAL, TIOCSTI, EPERM);
  fail_if(IF_EQUAL, TYPE_IN_CONSOLE, EPERM);
  step(RETURN, ALLOW, 0, 0);
  end_of(begin);
}

// A program that another user of the host would run as whoever made it (set-user-id, set-group-id).
static void judge_mode(int call, int mode) {
  unsigned short begin = begin_of(call);
  load_argument(mode);
  fail_if(IF_ANY_BIT, S_ISUID | S_ISGID, EPERM);
  step(RETURN, ALLOW, 0, 0);
  end_of(begin);
}

// Without one of these flags the mode is whatever was in its register.
static void judge_open(int call, int flags, int mode) {
  unsigned short begin = begin_of(call);
  load_argument(flags);
  step(IF_ANY_BIT, O_CREAT | (O_TMPFILE & ~O_DIRECTORY), 1, 0);
  step(RETURN, ALLOW, 0, 0);
  load_argument(mode);
  fail_if(IF_ANY_BIT, S_ISUID | S_ISGID, EPERM);
  step(RETURN, ALLOW, 0, 0);
  end_of(begin);
}

static void judge_modes(void) {
#if defined(__x86_64__)
  judge_open(SYS_open, 1, 2);
  judge_mode(SYS_chmod, 1);
  judge_mode(SYS_creat, 1);
  judge_mode(SYS_mknod, 1);
#endif
  judge_open(SYS_openat, 2, 3);
  judge_mode(SYS_fchmod, 1);
  judge_mode(SYS_fchmodat, 2);
  judge_mode(FCHMODAT2, 2);
  judge_mode(SYS_mknodat, 2);
}

static void judge_socketpair(void) {
  unsigned short begin = begin_of(SYS_socketpair);
  load_argument(0);
  allow_if(AF_UNIX);
  step(RETURN, FAIL(EAFNOSUPPORT), 0, 0);
  end_of(begin);
}

// ICMP is that of ping(8), and of raw sockets, which the kernel refuses without a capability.
static void judge_internet(int family) {
  static const uint32_t protocols[] = {0, IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMPV6};
  unsigned short begin = begin_of(family);
  load_argument(2);
  for (size_t i = 0; i < sizeof protocols / sizeof protocols[0]; i++) allow_if(protocols[i]);
  step(RETURN, FAIL(EPROTONOSUPPORT), 0, 0);
  end_of(begin);
}

static void judge_socket(void) {
  enum { NETLINK_ROUTES = 0, NETLINK_SOCKETS = 4 }; // what programs ask about addresses, and ss(8) about sockets
  unsigned short begin = begin_of(SYS_socket);
  load_argument(0);
  allow_if(AF_UNIX);
  judge_internet(AF_INET);
  judge_internet(AF_INET6);
  unsigned short netlink = begin_of(AF_NETLINK);
  load_argument(2);
  allow_if(NETLINK_ROUTES);
  allow_if(NETLINK_SOCKETS);
  step(RETURN, FAIL(EPROTONOSUPPORT), 0, 0);
  end_of(netlink);
  step(RETURN, FAIL(EAFNOSUPPORT), 0, 0);
  end_of(begin);
}

static void build(void) {
  step(LOAD, offsetof(struct call, machine), 0, 0);
  step(IF_EQUAL, MACHINE, 1, 0);
  step(RETURN, KILL_PROCESS, 0, 0); // numbers of 32-bit programs
  step(LOAD, offsetof(struct call, number), 0, 0);
#ifdef X32
  fail_if(IF_LEAST, X32, ENOSYS);
#endif
  judge_modes(); // first: of these there are many
  for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) fail_if(IF_EQUAL, (uint32_t)refused[i], EPERM);
  for (size_t i = 0; i < sizeof absent / sizeof absent[0]; i++) fail_if(IF_EQUAL, (uint32_t)absent[i], ENOSYS);
  judge_clone();
  judge_ioctl();
  judge_socket();
  judge_socketpair();
  step(RETURN, ALLOW, 0, 0);
}

int filter_install(void) {
  build();
  struct steps program = {count, steps};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return errno;
  return prctl(PR_SET_SECCOMP, FILTER_MODE, &program) == 0 ? 0 : errno;
}

#else // calls of another machine have other numbers

int filter_install(void) { return ENOSYS; }

#endif
