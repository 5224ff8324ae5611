// System calls that Glibc's module map hides or that need structs Swift does not import: plain types in, -errno out.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "CLinuxNetwork.h"
#include "CLinuxProcess.h"

// statx in one plain struct.
struct clinux_status {
    uint32_t mode, uid, gid, nlink;
    uint32_t dev_major, dev_minor, rdev_major, rdev_minor;
    uint64_t size, inode, blocks;
    int64_t mtime_seconds, ctime_seconds, atime_seconds;
    uint32_t mtime_nanoseconds, ctime_nanoseconds, atime_nanoseconds;
    int32_t mount_root;
};

int clinux_open(int directory, const char *path, int flags, unsigned mode);
int clinux_openat2(int directory, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve);
int clinux_status_at(int directory, const char *path, int follow, struct clinux_status *out);
int clinux_status_of(int fd, struct clinux_status *out);
int clinux_renameat2(int from, const char *old_path, int to, const char *new_path, unsigned flags);
int clinux_utimensat(int directory, const char *path, int64_t seconds, uint32_t nanoseconds);
int clinux_mknodat(int directory, const char *path, uint32_t mode, uint32_t major, uint32_t minor);
int clinux_sync_file_range(int fd, int64_t offset, int64_t length, unsigned flags);
int clinux_fallocate(int fd, int mode, int64_t offset, int64_t length);
int clinux_free_space(int fd, uint64_t *free_bytes, uint64_t *total_bytes, uint64_t *kind);
int clinux_flock(int fd, int operation);
ssize_t clinux_getdents(int fd, void *buffer, size_t length);
ssize_t clinux_getxattr(const char *path, const char *name, void *value, size_t size);
ssize_t clinux_fgetxattr(int fd, const char *name, void *value, size_t size);
ssize_t clinux_listxattr(const char *path, char *list, size_t size);
int clinux_setxattr(const char *path, const char *name, const void *value, size_t size);
int clinux_fsetxattr(int fd, const char *name, const void *value, size_t size);

int clinux_syncfs(int fd);

int clinux_fsopen(const char *kind);
int clinux_fsconfig(int fd, unsigned command, const char *key, const void *value, int aux);
int clinux_fsmount(int fd, unsigned attributes);
int clinux_move_mount(int from, int to_directory, const char *to_path);
int clinux_open_tree(int directory, const char *path, unsigned flags);
int clinux_umount(const char *path, int flags);
// The old call: its options are cut at 4096 bytes without a word, so the caller checks their length.
int clinux_mount(const char *source, const char *target, const char *kind, unsigned long flags, const char *options);

int clinux_terminal_size(int fd, int *columns, int *rows);
// A thread with a small stack of its own; the function is called once with the argument.
int clinux_spawn_thread(void *(*function)(void *), void *argument);
// Names the calling thread; the kernel keeps 15 bytes.
void clinux_name_thread(const char *name);
