#define _GNU_SOURCE
#include "CLinux.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#define RESULT(call) ({ __typeof__(call) result_ = (call); result_ < 0 ? -(__typeof__(call))errno : result_; })

int clinux_open(int directory, const char *path, int flags, unsigned mode) {
    return RESULT(openat(directory, path, flags | O_CLOEXEC, mode));
}

int clinux_openat2(int directory, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve) {
    struct open_how how = {.flags = flags | O_CLOEXEC, .mode = mode, .resolve = resolve};
    return (int)RESULT(syscall(SYS_openat2, directory, path, &how, sizeof how));
}

static int status(int directory, const char *path, int flags, struct clinux_status *out) {
    struct statx s;
    if (statx(directory, path, flags, STATX_BASIC_STATS, &s) < 0) return -errno;
    *out = (struct clinux_status){
        .mode = s.stx_mode, .uid = s.stx_uid, .gid = s.stx_gid, .nlink = s.stx_nlink,
        .dev_major = s.stx_dev_major, .dev_minor = s.stx_dev_minor,
        .rdev_major = s.stx_rdev_major, .rdev_minor = s.stx_rdev_minor,
        .size = s.stx_size, .inode = s.stx_ino, .blocks = s.stx_blocks,
        .mtime_seconds = s.stx_mtime.tv_sec, .mtime_nanoseconds = s.stx_mtime.tv_nsec,
        .ctime_seconds = s.stx_ctime.tv_sec, .ctime_nanoseconds = s.stx_ctime.tv_nsec,
        .atime_seconds = s.stx_atime.tv_sec, .atime_nanoseconds = s.stx_atime.tv_nsec,
        .mount_root = (s.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0,
    };
    return 0;
}

int clinux_status_at(int directory, const char *path, int follow, struct clinux_status *out) {
    return status(directory, path, follow ? 0 : AT_SYMLINK_NOFOLLOW, out);
}

int clinux_status_of(int fd, struct clinux_status *out) { return status(fd, "", AT_EMPTY_PATH, out); }

int clinux_renameat2(int from, const char *old_path, int to, const char *new_path, unsigned flags) {
    return RESULT(renameat2(from, old_path, to, new_path, flags));
}

int clinux_utimensat(int directory, const char *path, int64_t seconds, uint32_t nanoseconds) {
    struct timespec times[2] = {{seconds, nanoseconds}, {seconds, nanoseconds}};
    return RESULT(utimensat(directory, path, times, AT_SYMLINK_NOFOLLOW));
}

int clinux_mknodat(int directory, const char *path, uint32_t mode, uint32_t major_number, uint32_t minor_number) {
    return RESULT(mknodat(directory, path, mode, makedev(major_number, minor_number)));
}

int clinux_sync_file_range(int fd, int64_t offset, int64_t length, unsigned flags) {
    return RESULT(sync_file_range(fd, offset, length, flags));
}

int clinux_fallocate(int fd, int mode, int64_t offset, int64_t length) {
    return RESULT(fallocate(fd, mode, offset, length));
}

int clinux_free_space(int fd, uint64_t *free_bytes, uint64_t *total_bytes, uint64_t *kind) {
    struct statfs s;
    if (fstatfs(fd, &s) < 0) return -errno;
    *free_bytes = (uint64_t)s.f_bavail * (uint64_t)s.f_bsize;
    *total_bytes = (uint64_t)s.f_blocks * (uint64_t)s.f_bsize;
    *kind = (uint64_t)s.f_type;
    return 0;
}

int clinux_flock(int fd, int operation) { return RESULT(flock(fd, operation)); }

ssize_t clinux_getdents(int fd, void *buffer, size_t length) {
    return RESULT(syscall(SYS_getdents64, fd, buffer, length));
}

ssize_t clinux_getxattr(const char *path, const char *name, void *value, size_t size) {
    return RESULT(lgetxattr(path, name, value, size));
}

ssize_t clinux_fgetxattr(int fd, const char *name, void *value, size_t size) {
    return RESULT(fgetxattr(fd, name, value, size));
}

ssize_t clinux_listxattr(const char *path, char *list, size_t size) { return RESULT(llistxattr(path, list, size)); }

int clinux_setxattr(const char *path, const char *name, const void *value, size_t size) {
    return RESULT(lsetxattr(path, name, value, size, 0));
}

int clinux_fsetxattr(int fd, const char *name, const void *value, size_t size) {
    return RESULT(fsetxattr(fd, name, value, size, 0));
}

int clinux_syncfs(int fd) { return RESULT(syncfs(fd)); }

int clinux_fsopen(const char *kind) { return (int)RESULT(syscall(SYS_fsopen, kind, 1 /* FSOPEN_CLOEXEC */)); }

int clinux_fsconfig(int fd, unsigned command, const char *key, const void *value, int aux) {
    return (int)RESULT(syscall(SYS_fsconfig, fd, command, key, value, aux));
}

int clinux_fsmount(int fd, unsigned attributes) {
    return (int)RESULT(syscall(SYS_fsmount, fd, 1 /* FSMOUNT_CLOEXEC */, attributes));
}

int clinux_move_mount(int from, int to_directory, const char *to_path) {
    return (int)RESULT(syscall(SYS_move_mount, from, "", to_directory, to_path, 4 /* MOVE_MOUNT_F_EMPTY_PATH */));
}

int clinux_open_tree(int directory, const char *path, unsigned flags) {
    return (int)RESULT(syscall(SYS_open_tree, directory, path, flags | O_CLOEXEC));
}

int clinux_umount(const char *path, int flags) { return RESULT(umount2(path, flags)); }

int clinux_mount(const char *source, const char *target, const char *kind, unsigned long flags, const char *options) {
    return RESULT(mount(source, target, kind, flags, options));
}

int clinux_terminal_size(int fd, int *columns, int *rows) {
    struct winsize size;
    if (ioctl(fd, TIOCGWINSZ, &size) < 0) return -errno;
    *columns = size.ws_col;
    *rows = size.ws_row;
    return 0;
}

int clinux_spawn_thread(void *(*function)(void *), void *argument) {
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, 1 << 20);
    int error = pthread_create(&thread, &attributes, function, argument);
    pthread_attr_destroy(&attributes);
    return -error;
}

void clinux_name_thread(const char *name) { prctl(PR_SET_NAME, name); }
