// A disk that fails, and one that keeps a diary: loaded into a process with LD_PRELOAD, it stands between the
// process and the C library for all files below one directory.
//   DISK_UNDER   the directory
//   DISK_FAIL    call:errno:from:count  calls are open, write, sync, link, rename; from is counted from 1
//   DISK_DIARY   a file that gets one record for each change: a line, and for a write its bytes and a newline
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static const char *under, *diary;
static char fail_call[16];
static int fail_errno, diary_fd = -1;
static long fail_from, fail_count;
static atomic_long calls;
static atomic_flag turn = ATOMIC_FLAG_INIT;

__attribute__((constructor)) static void start(void) {
  under = getenv("DISK_UNDER");
  diary = getenv("DISK_DIARY");
  const char *fail = getenv("DISK_FAIL");
  if (fail) sscanf(fail, "%15[a-z]:%d:%ld:%ld", fail_call, &fail_errno, &fail_from, &fail_count);
  if (diary) diary_fd = syscall(SYS_openat, AT_FDCWD, diary, O_WRONLY | O_APPEND | O_CREAT, 0600);
}

static int is_ours(const char *path) { return under && path && strncmp(path, under, strlen(under)) == 0; }

// The path of an open file; a file that was opened as one name and renamed has the new one.
static int path_of(int fd, char *path) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = syscall(SYS_readlink, link, path, PATH_MAX - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return is_ours(path);
}

// Between these two no other change happens, so that the diary has the order in which things happened.
static void begin(void) { if (diary_fd >= 0) while (atomic_flag_test_and_set(&turn)) ; }
static void end(void) { if (diary_fd >= 0) atomic_flag_clear(&turn); }

static int fails(const char *call) {
  if (!fail_from || strcmp(call, fail_call) != 0) return 0;
  long number = atomic_fetch_add(&calls, 1) + 1;
  if (number < fail_from || number >= fail_from + fail_count) return 0;
  errno = fail_errno;
  return 1;
}

static void note(const char *line, const void *bytes, size_t length) {
  if (diary_fd < 0) return;
  struct iovec parts[3] = {{(void *)line, strlen(line)}, {(void *)bytes, length}, {"\n", bytes ? 1 : 0}};
  syscall(SYS_writev, diary_fd, parts, 3);
}

#define REAL(type, name, ...) static type (*real)(__VA_ARGS__); if (!real) real = dlsym(RTLD_NEXT, name)

static int opened(const char *path, int flags, int is_new, int fd) {
  char line[PATH_MAX + 32];
  if (fd >= 0 && (flags & O_CREAT) && is_new) {
    snprintf(line, sizeof line, "create %s\n", path);
    note(line, NULL, 0);
  } else if (fd >= 0 && (flags & O_TRUNC)) {
    snprintf(line, sizeof line, "truncate 0 %s\n", path);
    note(line, NULL, 0);
  }
  return fd;
}

#define OPEN(name)                                                              \
  int name(const char *path, int flags, ...) {                                  \
    REAL(int, #name, const char *, int, ...);                                   \
    mode_t mode = 0;                                                            \
    if (flags & (O_CREAT | O_TMPFILE)) { va_list all; va_start(all, flags); mode = va_arg(all, int); va_end(all); } \
    if (!is_ours(path)) return real(path, flags, mode);                         \
    if (fails("open")) return -1;                                               \
    begin();                                                                    \
    int is_new = access(path, F_OK) != 0;                                       \
    int fd = opened(path, flags, is_new, real(path, flags, mode));              \
    end();                                                                      \
    return fd;                                                                  \
  }
OPEN(open)
OPEN(open64)

static void wrote(const char *path, long long at, const void *bytes, ssize_t count) {
  char line[PATH_MAX + 64];
  if (count <= 0) return;
  snprintf(line, sizeof line, "write %lld %zd %s\n", at, count, path);
  note(line, bytes, count);
}

ssize_t write(int fd, const void *bytes, size_t count) {
  REAL(ssize_t, "write", int, const void *, size_t);
  char path[PATH_MAX];
  if (!under || !path_of(fd, path)) return real(fd, bytes, count);
  if (fails("write")) return -1;
  begin();
  off_t at = lseek(fd, 0, SEEK_CUR);
  if (fcntl(fd, F_GETFL) & O_APPEND) at = lseek(fd, 0, SEEK_END);
  ssize_t written = real(fd, bytes, count);
  wrote(path, at, bytes, written);
  end();
  return written;
}

#define PWRITE(name, type)                                                      \
  ssize_t name(int fd, const void *bytes, size_t count, type at) {              \
    REAL(ssize_t, #name, int, const void *, size_t, type);                      \
    char path[PATH_MAX];                                                        \
    if (!under || !path_of(fd, path)) return real(fd, bytes, count, at);        \
    if (fails("write")) return -1;                                              \
    begin();                                                                    \
    ssize_t written = real(fd, bytes, count, at);                               \
    wrote(path, at, bytes, written);                                            \
    end();                                                                      \
    return written;                                                             \
  }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

#define SYNC(name)                                                              \
  int name(int fd) {                                                            \
    REAL(int, #name, int);                                                      \
    char path[PATH_MAX], line[PATH_MAX + 32];                                   \
    if (!under || !path_of(fd, path)) return real(fd);                          \
    if (fails("sync")) return -1;                                               \
    begin();                                                                    \
    int result = real(fd);                                                      \
    snprintf(line, sizeof line, "sync %s\n", path);                             \
    if (result == 0) note(line, NULL, 0);                                       \
    end();                                                                      \
    return result;                                                              \
  }
SYNC(fsync)
SYNC(fdatasync)

#define TWO(name, word)                                                         \
  int name(const char *from, const char *to) {                                  \
    REAL(int, #name, const char *, const char *);                               \
    char line[2 * PATH_MAX + 32];                                               \
    if (!is_ours(to)) return real(from, to);                                    \
    if (fails(word)) return -1;                                                 \
    begin();                                                                    \
    int result = real(from, to);                                                \
    snprintf(line, sizeof line, word " %s\t%s\n", from, to);                    \
    if (result == 0) note(line, NULL, 0);                                       \
    end();                                                                      \
    return result;                                                              \
  }
TWO(link, "link")
TWO(rename, "rename")

#define GONE(name, word)                                                        \
  int name(const char *path) {                                                  \
    REAL(int, #name, const char *);                                             \
    char line[PATH_MAX + 32];                                                   \
    if (!is_ours(path)) return real(path);                                      \
    begin();                                                                    \
    int result = real(path);                                                    \
    snprintf(line, sizeof line, word " %s\n", path);                            \
    if (result == 0) note(line, NULL, 0);                                       \
    end();                                                                      \
    return result;                                                              \
  }
GONE(unlink, "unlink")
GONE(rmdir, "rmdir")

int mkdir(const char *path, mode_t mode) {
  REAL(int, "mkdir", const char *, mode_t);
  char line[PATH_MAX + 32];
  if (!is_ours(path)) return real(path, mode);
  begin();
  int result = real(path, mode);
  snprintf(line, sizeof line, "mkdir %s\n", path);
  if (result == 0) note(line, NULL, 0);
  end();
  return result;
}

int ftruncate64(int fd, off64_t length) {
  REAL(int, "ftruncate64", int, off64_t);
  char path[PATH_MAX], line[PATH_MAX + 64];
  if (!under || !path_of(fd, path)) return real(fd, length);
  begin();
  int result = real(fd, length);
  snprintf(line, sizeof line, "truncate %lld %s\n", (long long)length, path);
  if (result == 0) note(line, NULL, 0);
  end();
  return result;
}

// A process that kills itself is between two changes: a change of another thread would be on the disk alone.
int kill(pid_t pid, int number) {
  REAL(int, "kill", pid_t, int);
  begin();
  int result = real(pid, number);
  end();
  return result;
}
