/*
 * The floor: what any server of one thread pays for a request on this machine. An epoll loop that reads, counts the empty
 * lines that end heads (CRLF CRLF, also across reads), and writes as many constant answers with 1 KiB of content in
 * one write. No parsing, no files, no checks, so no server can be expected below it.
 *
 * Usage: floor; prints "Listening on port N" for a free port of 127.0.0.1. Ends by a signal.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONTENT_BYTES = 1024, ANSWERS_MAX = 64, DESCRIPTORS_MAX = 65536, EVENTS_MAX = 512, READ_BYTES = 65536 };

static const char FIELDS[] =
    "HTTP/1.1 200 OK\r\nServer: floor\r\nETag: \"hocxy4av87-hocxy4av87-sg-1ajqb-3j3lvfjnwb1ch\"\r\n"
    "Last-Modified: Sun, 15 Mar 2026 10:30:15 GMT\r\nCache-Control: no-cache\r\nAccept-Ranges: bytes\r\n"
    "X-Content-Type-Options: nosniff\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 1024\r\n"
    "Date: Sun, 15 Mar 2026 10:30:15 GMT\r\nConnection: keep-alive\r\nKeep-Alive: timeout=30\r\n\r\n";

static char answers[ANSWERS_MAX * (sizeof FIELDS + CONTENT_BYTES)];
static size_t answer_bytes;
static unsigned char matched[DESCRIPTORS_MAX]; /* by descriptor: bytes of CRLF CRLF seen at the end of the last read */
static char input[READ_BYTES];

static void fail(const char *what) {
  perror(what);
  exit(1);
}

/* A client that does not read is waited for: the load generator always reads. Returns 0, or -1 when it is gone. */
static int write_all(int fd, const char *bytes, size_t length) {
  while (length > 0) {
    ssize_t written = write(fd, bytes, length);
    if (written > 0) {
      bytes += written;
      length -= (size_t)written;
    } else if (written < 0 && errno == EAGAIN) {
      struct pollfd writable = {.fd = fd, .events = POLLOUT};
      poll(&writable, 1, -1);
    } else if (!(written < 0 && errno == EINTR)) {
      return -1;
    }
  }
  return 0;
}

static int count_heads(int fd, const char *bytes, size_t length) {
  static const char END[] = "\r\n\r\n";
  unsigned char state = matched[fd];
  int heads = 0;
  for (size_t i = 0; i < length; i++) {
    state = bytes[i] == END[state] ? state + 1 : bytes[i] == '\r';
    if (state == 4) {
      heads++;
      state = 0;
    }
  }
  matched[fd] = state;
  return heads;
}

static void serve(int fd) {
  ssize_t length = read(fd, input, sizeof input);
  if (length < 0 && (errno == EAGAIN || errno == EINTR)) return;
  int heads = length > 0 ? count_heads(fd, input, (size_t)length) : 0;
  int gone = length <= 0;
  while (!gone && heads > 0) {
    int now = heads < ANSWERS_MAX ? heads : ANSWERS_MAX;
    gone = write_all(fd, answers, (size_t)now * answer_bytes) < 0;
    heads -= now;
  }
  if (gone) close(fd);
}

static void accept_all(int listener, int poller) {
  for (;;) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    if (fd >= DESCRIPTORS_MAX) {
      close(fd);
      continue;
    }
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    matched[fd] = 0;
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.fd = fd};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) < 0) close(fd);
  }
}

int main(void) {
  signal(SIGPIPE, SIG_IGN);
  answer_bytes = sizeof FIELDS - 1 + CONTENT_BYTES;
  for (int i = 0; i < ANSWERS_MAX; i++) {
    memcpy(answers + (size_t)i * answer_bytes, FIELDS, sizeof FIELDS - 1);
    memset(answers + (size_t)i * answer_bytes + sizeof FIELDS - 1, 'x', CONTENT_BYTES);
  }
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  if (listener < 0 || bind(listener, (struct sockaddr *)&address, size) < 0 || listen(listener, 4096) < 0) fail("listen");
  if (getsockname(listener, (struct sockaddr *)&address, &size) < 0) fail("getsockname");
  int poller = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
  if (poller < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event) < 0) fail("epoll");
  printf("Listening on port %d\n", ntohs(address.sin_port));
  fflush(stdout);

  static struct epoll_event events[EVENTS_MAX];
  for (;;) {
    int count = epoll_wait(poller, events, EVENTS_MAX, -1);
    for (int i = 0; i < count; i++) {
      if (events[i].data.fd == listener) accept_all(listener, poller);
      else serve(events[i].data.fd);
    }
  }
}
