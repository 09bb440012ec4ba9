/*
 * Time from exec to ready, measured without a runtime of its own: the clock starts in the child just before exec, and ends
 * when the program has printed a line that contains a text, or when a port accepts a connection (tried every 50 us).
 *
 * Usage: startup <core> line:<text> | port:<number>  program [word ...]
 * Prints milliseconds with three decimals. The program, and what it has started (npx a shell, and that the server), is sent SIGTERM,
 * after two seconds SIGKILL, and waited for.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { READY_MS_MAX = 10000, POLL_US = 50, END_MS_MAX = 2000 };

static double now_ms(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static int accepts(int port) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int connected = connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
  close(fd);
  return connected;
}

/* Reads until `text` was seen. Returns 0 at the end of the output or when it takes too long. */
static int wait_for_line(int fd, const char *text, double started) {
  static char seen[65536];
  size_t length = 0;
  while (length < sizeof seen - 1 && now_ms() - started < READY_MS_MAX) {
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    if (poll(&readable, 1, 100) <= 0) continue;
    ssize_t count = read(fd, seen + length, sizeof seen - 1 - length);
    if (count <= 0) return 0;
    length += (size_t)count;
    seen[length] = 0;
    if (strstr(seen, text) != NULL) return 1;
  }
  return 0;
}

static int wait_for_port(int port, double started) {
  while (now_ms() - started < READY_MS_MAX) {
    if (accepts(port)) return 1;
    usleep(POLL_US);
  }
  return 0;
}

static void end(pid_t child) {
  kill(-child, SIGTERM);
  double deadline = now_ms() + END_MS_MAX;
  while (waitpid(child, NULL, WNOHANG) == 0) {
    if (now_ms() > deadline) kill(-child, SIGKILL);
    usleep(1000);
  }
}

int main(int count, char **words) {
  if (count < 4) return 2;
  cpu_set_t core;
  CPU_ZERO(&core);
  CPU_SET(atoi(words[1]), &core);
  double *started = mmap(NULL, sizeof *started, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  int output[2];
  if (started == MAP_FAILED || pipe2(output, O_CLOEXEC) < 0) return 1;
  *started = now_ms();
  pid_t child = fork();
  if (child < 0) return 1;
  if (child == 0) {
    dup2(output[1], 1);
    int nowhere = open("/dev/null", O_RDWR);
    dup2(nowhere, 0);
    dup2(nowhere, 2);
    if (setpgid(0, 0) < 0 || sched_setaffinity(0, sizeof core, &core) < 0) _exit(127);
    *started = now_ms();
    execvp(words[3], words + 3);
    _exit(127);
  }
  close(output[1]);
  const char *until = words[2];
  int ready = strncmp(until, "line:", 5) == 0 ? wait_for_line(output[0], until + 5, *started)
                                              : wait_for_port(atoi(until + 5), *started);
  double elapsed = now_ms() - *started;
  end(child);
  if (!ready) return 1;
  printf("%.3f\n", elapsed);
  return 0;
}
