#define _GNU_SOURCE
#include "CLinuxProcess.h"
#include <malloc.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <spawn.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <termios.h>
#include <unistd.h>

#define RESULT(call) ({ __typeof__(call) result_ = (call); result_ < 0 ? -(__typeof__(call))errno : result_; })

int clinux_spawn(const char *path, char *const arguments[], char *const environment[], const char *directory,
                 const int *descriptors, int pairs, int new_session) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    pid_t pid = 0;
    int moved[64];
    int error = 0;
    if (pairs > 64) return -EINVAL;
    // Ours may be numbers that the child wants for others: move them out of the way first. No farther than needed: beyond 64
    // the kernel makes a larger table, and waits some 10 ms for the other threads of the process to let the old one go.
    int above = 3;
    for (int i = 0; i < pairs; i++)
        if (descriptors[2 * i + 1] >= above) above = descriptors[2 * i + 1] + 1;
    int count = 0;
    for (; count < pairs; count++) {
        moved[count] = fcntl(descriptors[2 * count], F_DUPFD_CLOEXEC, above);
        if (moved[count] < 0) {
            error = errno;
            break;
        }
    }
    if (error == 0) {
        posix_spawn_file_actions_init(&actions);
        posix_spawnattr_init(&attributes);
        if (directory) error = posix_spawn_file_actions_addchdir_np(&actions, directory);
        for (int i = 0; i < pairs && error == 0; i++)
            error = posix_spawn_file_actions_adddup2(&actions, moved[i], descriptors[2 * i + 1]);
        sigset_t signals;
        sigemptyset(&signals);
        posix_spawnattr_setsigmask(&attributes, &signals);
        sigfillset(&signals);
        posix_spawnattr_setsigdefault(&attributes, &signals);
        posix_spawnattr_setflags(&attributes,
                                 POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | (new_session ? POSIX_SPAWN_SETSID : 0));
        if (error == 0) error = posix_spawn(&pid, path, &actions, &attributes, arguments, environment);
        posix_spawn_file_actions_destroy(&actions);
        posix_spawnattr_destroy(&attributes);
    }
    for (int i = 0; i < count; i++) close(moved[i]);
    return error ? -error : pid;
}

int clinux_wait(int pid, int *code) {
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) return -errno;
    *code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return 0;
}

int clinux_pidfd_open(int pid) { return (int)RESULT(syscall(SYS_pidfd_open, pid, 0)); }

int clinux_pidfd_signal(int pidfd, int signal) {
    return (int)RESULT(syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0));
}

int clinux_pipe(int ends[2]) { return RESULT(pipe2(ends, O_CLOEXEC)); }

int clinux_connect_unix(const char *path, int kind) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) return -ENAMETOOLONG;
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, kind | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        int error = errno;
        close(fd);
        return -error;
    }
    return fd;
}

int clinux_set_nonblocking(int fd, int on) {
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0) return -errno;
    return RESULT(fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK));
}

int clinux_inotify(void) { return RESULT(inotify_init1(IN_CLOEXEC)); }

int clinux_inotify_add(int fd, const char *path, uint32_t mask) { return RESULT(inotify_add_watch(fd, path, mask)); }

int clinux_termios_size(void) { return (int)sizeof(struct termios); }

int clinux_raw_terminal(int fd, void *saved) {
    struct termios state;
    if (tcgetattr(fd, &state) < 0) return -errno;
    memcpy(saved, &state, sizeof state);
    cfmakeraw(&state);
    // As docker: what other threads print still gets its carriage returns.
    state.c_oflag |= OPOST;
    return RESULT(tcsetattr(fd, TCSADRAIN, &state));
}

int clinux_hide_input(int fd, void *saved) {
    struct termios state;
    if (tcgetattr(fd, &state) < 0) return -errno;
    memcpy(saved, &state, sizeof state);
    state.c_lflag &= ~(tcflag_t)ECHO;
    return RESULT(tcsetattr(fd, TCSADRAIN, &state));
}

int clinux_restore_terminal(int fd, const void *saved) { return RESULT(tcsetattr(fd, TCSADRAIN, saved)); }

static volatile int caught_descriptor = -1;

static void caught(int signal) {
    int error = errno;
    unsigned char byte = (unsigned char)signal;
    if (write(caught_descriptor, &byte, 1) < 0) { /* full: a signal of the same burst is on its way already */ }
    errno = error;
}

int clinux_catch_signals(const int *signals, int count, int fd) {
    struct sigaction action = {.sa_handler = caught, .sa_flags = SA_RESTART};
    caught_descriptor = fd;
    for (int i = 0; i < count; i++)
        if (sigaction(signals[i], &action, NULL) < 0) return -errno;
    return 0;
}

int clinux_signal_default(int signal) {
    struct sigaction action = {.sa_handler = SIG_DFL};
    return RESULT(sigaction(signal, &action, NULL));
}

int clinux_new_network_namespace(void) { return RESULT(unshare(CLONE_NEWNET)); }

int clinux_join_network_namespace(int fd) { return RESULT(setns(fd, CLONE_NEWNET)); }

int clinux_capabilities(uint64_t *effective, uint64_t *bounding) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    struct __user_cap_data_struct data[2];
    if (syscall(SYS_capget, &header, data) < 0) return -errno;
    *effective = (uint64_t)data[1].effective << 32 | data[0].effective;
    *bounding = 0;
    for (int i = 0; i < 64; i++)
        if (prctl(PR_CAPBSET_READ, i, 0, 0, 0) == 1) *bounding |= 1ull << i;
    return 0;
}

int clinux_hard_limit(int resource, uint64_t *soft, uint64_t *hard) {
    struct rlimit limit;
    if (getrlimit(resource, &limit) < 0) return -errno;
    *soft = limit.rlim_cur;
    *hard = limit.rlim_max;
    return 0;
}

void clinux_limit_arenas(int count) { mallopt(M_ARENA_MAX, count); }

int clinux_raise_soft_limit(int resource) {
    struct rlimit limit;
    if (getrlimit(resource, &limit) < 0) return -errno;
    limit.rlim_cur = limit.rlim_max;
    return RESULT(setrlimit(resource, &limit));
}

int clinux_fchownat(int directory, const char *path, uint32_t uid, uint32_t gid) {
    return RESULT(fchownat(directory, path, uid, gid, AT_SYMLINK_NOFOLLOW | (*path ? 0 : AT_EMPTY_PATH)));
}

int clinux_fchmod(int fd, uint32_t mode) { return RESULT(fchmod(fd, mode)); }

ssize_t clinux_readlinkat(int directory, const char *path, char *buffer, size_t size) {
    return RESULT(readlinkat(directory, path, buffer, size));
}

int clinux_bind_port(const char *address, uint16_t port, const char *transport, int listening) {
    int protocol = strcmp(transport, "udp") == 0 ? IPPROTO_UDP : strcmp(transport, "sctp") == 0 ? IPPROTO_SCTP : IPPROTO_TCP;
    int kind = protocol == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM;
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(port)};
    int is_six = strchr(address, ':') != NULL;
    if (is_six ? inet_pton(AF_INET6, address, &six.sin6_addr) != 1
               : *address && inet_pton(AF_INET, address, &four.sin_addr) != 1)
        return -EINVAL;
    int fd = socket(is_six ? AF_INET6 : AF_INET, kind | SOCK_CLOEXEC, protocol);
    if (fd < 0) return -errno;
    if (listening) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &listening, sizeof listening);
    int result = is_six ? bind(fd, (struct sockaddr *)&six, sizeof six) : bind(fd, (struct sockaddr *)&four, sizeof four);
    if (result == 0 && listening) result = listen(fd, 1);
    if (result < 0) {
        int error = errno;
        close(fd);
        return -error;
    }
    return fd;
}

int clinux_bound_port(int fd) {
    union {
        struct sockaddr any;
        struct sockaddr_in four;
        struct sockaddr_in6 six;
    } name = {0};
    socklen_t length = sizeof name;
    if (getsockname(fd, &name.any, &length) < 0) return -errno;
    return ntohs(name.any.sa_family == AF_INET6 ? name.six.sin6_port : name.four.sin_port);
}

int clinux_setxattr_following(const char *path, const char *name, const void *value, size_t size) {
    return RESULT(setxattr(path, name, value, size, 0));
}

int clinux_futimens(int fd, int64_t seconds, uint32_t nanoseconds) {
    struct timespec times[2] = {{seconds, nanoseconds}, {seconds, nanoseconds}};
    return RESULT(futimens(fd, times));
}

int clinux_fork_namespace_keeper(int ready, int go) {
    pid_t pid = fork();
    if (pid != 0) return RESULT(pid);
    // Only async-signal-safe calls from here on.
    unsigned char byte = 0;
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0) byte = (unsigned char)errno;
    if (write(ready, &byte, 1) != 1 || byte != 0) _exit(1);
    // Nothing comes where the parent died before the IDs were mapped.
    if (read(go, &byte, 1) != 1) _exit(1);
    if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0) _exit(1);
    // What the host mounts appears here, what is mounted here stays here.
    if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0) _exit(1);
    byte = 0;
    if (write(ready, &byte, 1) != 1) _exit(1);
    setsid();
    int null = open("/dev/null", O_RDWR);
    for (int i = 0; i < 3; i++) dup2(null, i);
    close_range(3, ~0U, 0);
    prctl(PR_SET_NAME, "strata-keeper", 0, 0, 0);
    for (;;) pause();
}

int clinux_join_user_and_mounts(int pid) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/ns/user", pid);
    int user = open(path, O_RDONLY | O_CLOEXEC);
    if (user < 0) return -errno;
    snprintf(path, sizeof path, "/proc/%d/ns/mnt", pid);
    int mounts = open(path, O_RDONLY | O_CLOEXEC);
    int directory = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    int result = 0;
    // Entering a mount namespace moves to its root.
    if (mounts < 0 || setns(user, CLONE_NEWUSER) < 0 || setns(mounts, CLONE_NEWNS) < 0 || setresgid(0, 0, 0) < 0 ||
        setresuid(0, 0, 0) < 0)
        result = -errno;
    else if (directory >= 0 && fchdir(directory) < 0)
        result = -errno;
    close(user);
    if (mounts >= 0) close(mounts);
    if (directory >= 0) close(directory);
    return result;
}

int clinux_move_mount_onto(int from, int to) {
    return (int)RESULT(syscall(SYS_move_mount, from, "", to, "", 0x04 | 0x40 /* MOVE_MOUNT_F_EMPTY_PATH | T_EMPTY_PATH */));
}
