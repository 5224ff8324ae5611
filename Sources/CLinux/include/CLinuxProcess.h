// Processes, signals, terminals, sockets and namespaces: plain types in, -errno out.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// Starts a program. `descriptors` holds pairs of (ours, the child's number); every other descriptor of ours is closed on
// exec. The child gets default signals and an empty mask, a working directory where `directory` is not NULL, and with
// `new_session` a session of its own. Returns its process ID.
int clinux_spawn(const char *path, char *const arguments[], char *const environment[], const char *directory,
                 const int *descriptors, int pairs, int new_session);
// Waits for a child; `code` is its exit code, or 128 and the signal.
int clinux_wait(int pid, int *code);

int clinux_pidfd_open(int pid);
int clinux_pidfd_signal(int pidfd, int signal);

// A pipe, close-on-exec on both ends.
int clinux_pipe(int ends[2]);
// Connects to a Unix socket by its path; `kind` 1 is a stream, 5 sequenced packets.
int clinux_connect_unix(const char *path, int kind);
int clinux_set_nonblocking(int fd, int on);

int clinux_inotify(void);
int clinux_inotify_add(int fd, const char *path, uint32_t mask);

// Sets a terminal raw; `saved` (clinux_termios_size bytes) takes the state to restore.
int clinux_termios_size(void);
// Turns the echo of a terminal off; `saved` as above.
int clinux_hide_input(int fd, void *saved);
int clinux_raw_terminal(int fd, void *saved);
int clinux_restore_terminal(int fd, const void *saved);

// From now on a caught signal is written as one byte (its number) to `fd`, at most one handler set a process.
int clinux_catch_signals(const int *signals, int count, int fd);
int clinux_signal_default(int signal);

// Move the calling thread into a new network namespace, and into another one.
int clinux_new_network_namespace(void);
int clinux_join_network_namespace(int fd);
// Capability sets of this process as bit masks.
int clinux_capabilities(uint64_t *effective, uint64_t *bounding);
int clinux_hard_limit(int resource, uint64_t *soft, uint64_t *hard);
int clinux_raise_soft_limit(int resource);
// At most so many arenas of malloc: what one thread freed, another one uses.
void clinux_limit_arenas(int count);
int clinux_fchownat(int directory, const char *path, uint32_t uid, uint32_t gid);
int clinux_fchmod(int fd, uint32_t mode);
ssize_t clinux_readlinkat(int directory, const char *path, char *buffer, size_t size);
// A socket bound to a port; an empty address is every IPv4 one. One that listens is not hindered by TIME_WAIT.
int clinux_bind_port(const char *address, uint16_t port, const char *transport, int listening);
int clinux_bound_port(int fd);
int clinux_setxattr_following(const char *path, const char *name, const void *value, size_t size);
int clinux_futimens(int fd, int64_t seconds, uint32_t nanoseconds);

// Forks a child that makes a user and a mount namespace, writes one byte (0, or the errno) to `ready`, waits for a byte
// from `go`, and then keeps the namespaces until it is killed. Returns its process ID. Call it while there is one thread.
int clinux_fork_namespace_keeper(int ready, int go);
// Moves this process, which must have one thread, into the user and mount namespace of another.
int clinux_join_user_and_mounts(int pid);
// Attaches a detached mount at what a handle (O_PATH) names.
int clinux_move_mount_onto(int from, int to);
