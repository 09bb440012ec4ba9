/*
 * A load generator for large files that costs as little as one can: it reads the head of each answer and lets the kernel
 * throw the content away where it lies (recv with MSG_TRUNC, no copy), so that the server is the limit and not its client.
 *
 * Usage: sink <port of 127.0.0.1> <target> <connections> <seconds>
 * One thread; every connection asks again as soon as its answer has ended. An answer is counted by its Content-Length, which it
 * must have. Prints one line: RESULT requests= us= bytes= connect= read= write= timeout= status= p50= p99=; bytes include heads
 * and the answers under way at the end, status counts answers of 400 and more, times are microseconds.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* A head is read in small pieces, because content that comes with one is copied. */
enum { HEAD_READ_BYTES = 1024, HEAD_BYTES_MAX = 8192, DRAIN_BYTES = 1 << 20, CONNECTIONS_MAX = 20000, EVENTS_MAX = 256 };
enum { LATENCIES_MAX = 1 << 20, WAIT_MS = 20 };

struct connection {
  int fd;
  size_t head_bytes;
  unsigned long long left; /* content bytes that are still to come, once the head is complete */
  int in_content;
  int closes; /* the server has said so */
  double asked_us;
  char head[HEAD_BYTES_MAX + 1];
};

static struct {
  unsigned long long requests, bytes, connect, read, write, status;
} counts;

static struct sockaddr_in address = {.sin_family = AF_INET};
static char request[4096];
static size_t request_bytes;
static int poller;
static uint32_t latencies[LATENCIES_MAX];
static size_t latency_count;

static double now_us(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static void fail(const char *what) {
  fprintf(stderr, "sink: %s\n", what);
  exit(1);
}

/* Returns 0, or -1 when the connection is gone. */
static int ask(struct connection *connection) {
  connection->head_bytes = 0;
  connection->in_content = 0;
  connection->asked_us = now_us();
  if (send(connection->fd, request, request_bytes, MSG_NOSIGNAL) == (ssize_t)request_bytes) return 0;
  counts.write++;
  return -1;
}

static void open_connection(struct connection *connection) {
  connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connection->fd < 0) fail("no descriptor is left");
  if (connect(connection->fd, (struct sockaddr *)&address, sizeof address) < 0) {
    counts.connect++;
    fail("the server does not accept connections");
  }
  int on = 1;
  setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  fcntl(connection->fd, F_SETFL, O_NONBLOCK);
  connection->closes = 0;
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
  if (epoll_ctl(poller, EPOLL_CTL_ADD, connection->fd, &event) < 0) fail("epoll");
  if (ask(connection) < 0) fail("the server does not take a request");
}

static void reopen(struct connection *connection) {
  close(connection->fd);
  open_connection(connection);
}

/* Looks for the end of the head. Returns 1 when it is there and read. */
static int read_head(struct connection *connection) {
  char *head = connection->head;
  head[connection->head_bytes] = 0;
  char *end = strstr(head, "\r\n\r\n");
  if (end == NULL) {
    if (connection->head_bytes == HEAD_BYTES_MAX) fail("a head is longer than 8 KiB");
    return 0;
  }
  unsigned long long with_it = connection->head_bytes - (size_t)(end + 4 - head);
  end[2] = 0;
  if (strncmp(head, "HTTP/1.", 7) != 0 || strlen(head) < 12) fail("an answer is no HTTP/1");
  if (atoi(head + 9) >= 400) counts.status++;
  const char *length = strcasestr(head, "\r\nContent-Length:");
  if (length == NULL) fail("an answer has no Content-Length");
  connection->closes = strcasestr(head, "\r\nConnection: close\r\n") != NULL;
  unsigned long long content = strtoull(length + 17, NULL, 10);
  if (with_it > content) fail("an answer is longer than its Content-Length");
  connection->left = content - with_it;
  connection->in_content = 1;
  return 1;
}

static void finish(struct connection *connection) {
  counts.requests++;
  if (latency_count < LATENCIES_MAX) latencies[latency_count++] = (uint32_t)(now_us() - connection->asked_us);
  if (connection->closes || ask(connection) < 0) reopen(connection);
}

static void receive(struct connection *connection) {
  for (;;) {
    ssize_t length;
    if (connection->in_content) {
      size_t wanted = connection->left < DRAIN_BYTES ? connection->left : DRAIN_BYTES;
      length = recv(connection->fd, NULL, wanted, MSG_TRUNC);
    } else {
      size_t room = HEAD_BYTES_MAX - connection->head_bytes;
      char *into = connection->head + connection->head_bytes;
      length = recv(connection->fd, into, room < HEAD_READ_BYTES ? room : HEAD_READ_BYTES, 0);
    }
    if (length < 0 && errno == EINTR) continue;
    if (length < 0 && errno == EAGAIN) return;
    if (length <= 0) { /* an answer was due */
      counts.read++;
      reopen(connection);
      return;
    }
    counts.bytes += (unsigned long long)length;
    if (connection->in_content) connection->left -= (unsigned long long)length;
    else {
      connection->head_bytes += (size_t)length;
      if (!read_head(connection)) continue;
    }
    if (connection->left == 0) {
      finish(connection);
      return;
    }
  }
}

static int by_size(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return x < y ? -1 : x > y;
}

static double percentile(unsigned percent) {
  return latency_count == 0 ? 0 : latencies[(latency_count - 1) * percent / 100];
}

int main(int count, char **words) {
  if (count != 5) fail("usage: sink <port> <target> <connections> <seconds>");
  int port = atoi(words[1]), connections = atoi(words[3]);
  if (connections < 1 || connections > CONNECTIONS_MAX) fail("connections: from 1 to 20000");
  address.sin_port = htons((uint16_t)port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  request_bytes = (size_t)snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n", words[2], port);
  if (request_bytes >= sizeof request) fail("the target is too long");
  poller = epoll_create1(EPOLL_CLOEXEC);
  struct connection *all = calloc((size_t)connections, sizeof *all);
  if (poller < 0 || all == NULL) fail("epoll or memory");

  double started = now_us(), end = started + atof(words[4]) * 1e6, now = started;
  for (int i = 0; i < connections; i++) open_connection(&all[i]);
  static struct epoll_event events[EVENTS_MAX];
  while ((now = now_us()) < end) {
    int ready = epoll_wait(poller, events, EVENTS_MAX, WAIT_MS);
    for (int i = 0; i < ready; i++) receive(events[i].data.ptr);
  }
  qsort(latencies, latency_count, sizeof *latencies, by_size);
  printf("RESULT requests=%llu us=%.0f bytes=%llu connect=%llu read=%llu write=%llu timeout=0 status=%llu p50=%.1f p99=%.1f\n",
         counts.requests, now - started, counts.bytes, counts.connect, counts.read, counts.write, counts.status,
         percentile(50), percentile(99));
  return 0;
}
