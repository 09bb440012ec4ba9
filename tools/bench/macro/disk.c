/*
 * The disk's own limit for durable small files: what a server can reach at best that promises, with 201, that 1 KiB is on the
 * disk under its final name. Each file is: open a temporary name, write, fsync, link to the final name, unlink the temporary
 * one, fsync the folder.
 *
 * Usage: disk <folder> <seconds> parallel <threads> | group <files>
 * parallel: each thread makes one file after the other. group: one thread makes many at a time: write all, fsync all, link
 * all, and one fsync of the folder for all of them. Prints files a second.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { CONTENT_BYTES = 1024, NAME_BYTES = 64, GROUP_MAX = 1024 };

static int folder;
static double deadline;
static atomic_long files;
static char content[CONTENT_BYTES];

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void check(int result, const char *what) {
  if (result >= 0) return;
  perror(what);
  exit(1);
}

static int create(const char *name) {
  int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  check(fd, "open");
  check(write(fd, content, sizeof content) == sizeof content ? 0 : -1, "write");
  return fd;
}

static void publish(const char *temporary, const char *final) {
  check(linkat(folder, temporary, folder, final, 0), "link");
  check(unlinkat(folder, temporary, 0), "unlink");
}

static void *make_one_by_one(void *argument) {
  long thread = (long)argument;
  for (long i = 0; now() < deadline; i++) {
    char temporary[NAME_BYTES], final[NAME_BYTES];
    snprintf(temporary, sizeof temporary, ".t-%ld-%ld", thread, i);
    snprintf(final, sizeof final, "f-%ld-%ld.json", thread, i);
    int fd = create(temporary);
    check(fsync(fd), "fsync");
    check(close(fd), "close");
    publish(temporary, final);
    check(fsync(folder), "fsync of the folder");
    atomic_fetch_add(&files, 1);
  }
  return NULL;
}

static void make_groups(int size) {
  static int open_files[GROUP_MAX];
  for (long group = 0; now() < deadline; group++) {
    char temporary[NAME_BYTES], final[NAME_BYTES];
    for (int i = 0; i < size; i++) {
      snprintf(temporary, sizeof temporary, ".t-%ld-%d", group, i);
      open_files[i] = create(temporary);
    }
    for (int i = 0; i < size; i++) check(fsync(open_files[i]), "fsync");
    for (int i = 0; i < size; i++) {
      check(close(open_files[i]), "close");
      snprintf(temporary, sizeof temporary, ".t-%ld-%d", group, i);
      snprintf(final, sizeof final, "f-%ld-%d.json", group, i);
      publish(temporary, final);
    }
    check(fsync(folder), "fsync of the folder");
    atomic_fetch_add(&files, size);
  }
}

int main(int count, char **words) {
  if (count != 5) return 2;
  folder = open(words[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  check(folder, words[1]);
  memset(content, 'x', sizeof content);
  int number = atoi(words[4]);
  if (number < 1 || number > GROUP_MAX) return 2;
  double started = now();
  deadline = started + atof(words[2]);
  if (strcmp(words[3], "group") == 0) {
    make_groups(number);
  } else {
    static pthread_t threads[GROUP_MAX];
    for (long i = 0; i < number; i++)
      if (pthread_create(&threads[i], NULL, make_one_by_one, (void *)i) != 0) return 1;
    for (int i = 0; i < number; i++) pthread_join(threads[i], NULL);
  }
  printf("%.1f\n", (double)atomic_load(&files) / (now() - started));
  return 0;
}
