/* Preloaded: counts what a process and its children do to files below some folders, and at the n-th operation lets it
   fail or kills the process. What to do is in a file of `struct plan` that all of them map; `faults.py` writes it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

struct plan {
  int at;      /* which operation, from 1 on; 0 for none */
  int code;    /* errno; -1 kills `victim` before the operation */
  int onwards; /* every later operation that takes space, too: a disk stays full */
  int victim;
  int count;
  char roots[2][1024];
  char log[1024];
};

static struct plan *plan;

void faults_use(const char *path) {
  int file = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
  void *mapped = mmap(NULL, sizeof *plan, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  syscall(SYS_close, file);
  plan = mapped == MAP_FAILED ? NULL : mapped;
}

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("FAULTS_PLAN");
  if (path) faults_use(path);
}

static int below(const char *path) {
  for (int i = 0; i < 2; i++) {
    size_t length = strlen(plan->roots[i]);
    if (length && !strncmp(path, plan->roots[i], length) && (path[length] == '/' || !path[length])) return 1;
  }
  return 0;
}

static void name_of(int descriptor, char *out) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  ssize_t length = readlink(link, out, PATH_MAX - 1);
  out[length < 0 ? 0 : length] = 0;
}

/* Whether this operation is to fail; errno says with what. */
static int fails(const char *operation, int folder, const char *name, int takes_space) {
  if (!plan || !plan->roots[0][0]) return 0;
  char path[2 * PATH_MAX], base[PATH_MAX];
  if (!name) name_of(folder, path);
  else if (name[0] == '/') snprintf(path, sizeof path, "%s", name);
  else {
    if (folder == AT_FDCWD) { if (!getcwd(base, sizeof base)) return 0; }
    else name_of(folder, base);
    snprintf(path, sizeof path, "%s/%s", base, name);
  }
  if (!below(path)) return 0;
  int number = __atomic_add_fetch(&plan->count, 1, __ATOMIC_SEQ_CST);
  char line[3 * PATH_MAX];
  int length = snprintf(line, sizeof line, "%d %s %s\n", number, operation, path);
  int log = (int)syscall(SYS_openat, AT_FDCWD, plan->log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  if (log >= 0) { syscall(SYS_write, log, line, length); syscall(SYS_close, log); }
  if (!plan->at || number < plan->at || (number > plan->at && !(plan->onwards && takes_space))) return 0;
  if (plan->code < 0) { kill(plan->victim, SIGKILL); return 0; }
  errno = plan->code;
  return 1;
}

#define REAL(type, name, ...) static type (*real)(__VA_ARGS__); if (!real) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)
#define MODE va_list rest; va_start(rest, flags); mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; va_end(rest)
#define OPEN(name) int name(const char *path, int flags, ...) { MODE; REAL(int, #name, const char *, int, ...); \
  return fails(flags & O_CREAT ? "create" : "open", AT_FDCWD, path, flags & O_CREAT) ? -1 : real(path, flags, mode); }
#define OPENAT(name) int name(int folder, const char *path, int flags, ...) { MODE; REAL(int, #name, int, const char *, int, ...); \
  return fails(flags & O_CREAT ? "create" : "open", folder, path, flags & O_CREAT) ? -1 : real(folder, path, flags, mode); }
#define FOPEN(name) FILE *name(const char *path, const char *mode) { REAL(FILE *, #name, const char *, const char *); \
  int makes = mode[0] != 'r'; return fails(makes ? "create" : "open", AT_FDCWD, path, makes) ? NULL : real(path, mode); }

OPEN(open) OPEN(open64) OPENAT(openat) OPENAT(openat64) FOPEN(fopen) FOPEN(fopen64)

ssize_t write(int to, const void *data, size_t size) {
  REAL(ssize_t, "write", int, const void *, size_t);
  return fails("write", to, NULL, 1) ? -1 : real(to, data, size);
}
ssize_t pwrite64(int to, const void *data, size_t size, off64_t at) {
  REAL(ssize_t, "pwrite64", int, const void *, size_t, off64_t);
  return fails("write", to, NULL, 1) ? -1 : real(to, data, size, at);
}
ssize_t writev(int to, const struct iovec *parts, int count) {
  REAL(ssize_t, "writev", int, const struct iovec *, int);
  return fails("write", to, NULL, 1) ? -1 : real(to, parts, count);
}
ssize_t sendfile(int to, int from, off_t *at, size_t size) {
  REAL(ssize_t, "sendfile", int, int, off_t *, size_t);
  return fails("write", to, NULL, 1) ? -1 : real(to, from, at, size);
}
ssize_t sendfile64(int to, int from, off64_t *at, size_t size) {
  REAL(ssize_t, "sendfile64", int, int, off64_t *, size_t);
  return fails("write", to, NULL, 1) ? -1 : real(to, from, at, size);
}
int fsync(int file) { REAL(int, "fsync", int); return fails("fsync", file, NULL, 1) ? -1 : real(file); }
int ftruncate64(int file, off64_t size) {
  REAL(int, "ftruncate64", int, off64_t);
  return fails("truncate", file, NULL, 0) ? -1 : real(file, size);
}
int rename(const char *from, const char *to) {
  REAL(int, "rename", const char *, const char *);
  return fails("rename", AT_FDCWD, to, 0) ? -1 : real(from, to);
}
int renameat2(int one, const char *from, int other, const char *to, unsigned flags) {
  REAL(int, "renameat2", int, const char *, int, const char *, unsigned);
  return fails("exchange", other, to, 0) ? -1 : real(one, from, other, to, flags);
}
int mkdir(const char *path, mode_t mode) {
  REAL(int, "mkdir", const char *, mode_t);
  return fails("mkdir", AT_FDCWD, path, 1) ? -1 : real(path, mode);
}
int unlink(const char *path) {
  REAL(int, "unlink", const char *);
  return fails("unlink", AT_FDCWD, path, 0) ? -1 : real(path);
}
int unlinkat(int folder, const char *path, int flags) {
  REAL(int, "unlinkat", int, const char *, int);
  return fails("unlink", folder, path, 0) ? -1 : real(folder, path, flags);
}
int rmdir(const char *path) {
  REAL(int, "rmdir", const char *);
  return fails("unlink", AT_FDCWD, path, 0) ? -1 : real(path);
}
