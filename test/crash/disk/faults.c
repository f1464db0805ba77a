/*
 * Preloaded into a gateway: a disk that fails when told to. It looks at the files of SQLite alone (*.sqlite and
 * *.sqlite-wal) and takes its orders from files in the folder that PURSER_TEST_DISK names:
 *   sync   the next sync fails once with EIO; the order is taken away
 *   full   holds a number n: after n more writes every write fails with ENOSPC, until the order is taken away
 *   rofs   every write fails with EROFS, until the order is taken away
 *   eio    the next write fails once with EIO; the order is taken away
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static const char *order(const char *name, char *path, size_t size) {
  const char *folder = getenv("PURSER_TEST_DISK");
  if (!folder) return NULL;
  snprintf(path, size, "%s/%s", folder, name);
  return access(path, F_OK) == 0 ? path : NULL;
}

static int watched(int fd) {
  char link[64], target[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, target, sizeof target - 1);
  if (length < 0) return 0;
  target[length] = 0;
  char *deleted = strstr(target, " (deleted)");
  if (deleted) *deleted = 0;
  if (strstr(target, "lock.sqlite")) return 0;
  const char *ends[] = { ".sqlite", ".sqlite-wal" };
  for (int n = 0; n < 2; n += 1) {
    size_t have = strlen(target), want = strlen(ends[n]);
    if (have >= want && strcmp(target + have - want, ends[n]) == 0) return 1;
  }
  return 0;
}

static int once(const char *name) {
  char path[4096];
  return order(name, path, sizeof path) && unlink(path) == 0;
}

static int full(void) {
  static long passed = 0;
  char path[4096], text[32] = "";
  if (!order("full", path, sizeof path)) { passed = 0; return 0; }
  FILE *file = fopen(path, "r");
  if (file) { if (!fgets(text, sizeof text, file)) text[0] = 0; fclose(file); }
  passed += 1;
  return passed > atol(text);
}

static int refused(int fd) {
  char path[4096];
  if (!watched(fd)) return 0;
  if (once("eio")) return EIO;
  if (order("rofs", path, sizeof path)) return EROFS;
  return full() ? ENOSPC : 0;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t at) {
  int why = refused(fd);
  if (why) { errno = why; return -1; }
  return REAL(pwrite64)(fd, bytes, length, at);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at) {
  int why = refused(fd);
  if (why) { errno = why; return -1; }
  return REAL(pwrite)(fd, bytes, length, at);
}

int fsync(int fd) {
  if (watched(fd) && once("sync")) { errno = EIO; return -1; }
  return REAL(fsync)(fd);
}

int fdatasync(int fd) {
  if (watched(fd) && once("sync")) { errno = EIO; return -1; }
  return REAL(fdatasync)(fd);
}
